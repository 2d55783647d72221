#include "agent/cli/cli.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "agent/cli/doctor_host.hpp"
#include "agent/cli/doctor_input.hpp"
#include "agent/cli/print_explain.hpp"
#include "agent/cli/print_ps.hpp"

namespace keelson::agent {
namespace {

constexpr auto answer_limit = std::chrono::seconds(10);
constexpr auto picture_period = std::chrono::seconds(2);

// The running agent's answer, or an exit status with the reason told.
struct Answer {
  int exit = exit_ok;
  std::string body;
};

Answer not_answering(const CliArguments& arguments, const Error& error, CliWorld& world) {
  switch (error.kind()) {
    case ErrorKind::not_found:
    case ErrorKind::unavailable:
      world.err << "keelson: the agent is not running (" << error.to_string() << ")\n"
                << "  start it:        systemctl start keelson\n"
                << "  see why it ended: journalctl -u keelson -n 50\n"
                << "  what is wrong:   keelson doctor\n"
                << "Pods that it started keep running meanwhile; `crictl ps` shows them.\n";
      if (!arguments.socket_given) world.err << "If it listens elsewhere, say so: --socket PATH\n";
      return {exit_not_running, ""};
    case ErrorKind::permission_denied:
      world.err << "keelson: " << error.to_string() << "\nOnly root may ask the agent: sudo keelson ...\n";
      return {exit_error, ""};
    default: world.err << "keelson: " << error.to_string() << "\n"; return {exit_error, ""};
  }
}

Answer ask(const CliArguments& arguments, const std::string& target, CliWorld& world) {
  const auto reply = world.ask(arguments.socket, target);
  if (!reply.ok()) return not_answering(arguments, reply.error(), world);
  if (reply->status != 200) {
    world.err << "keelson: " << error_message_from_json(reply->body) << "\n";
    return {exit_error, ""};
  }
  return {exit_ok, reply->body};
}

int unreadable(const Error& error, CliWorld& world) {
  world.err << "keelson: " << error.to_string() << "\n";
  return exit_error;
}

int run_ps_once(const CliArguments& arguments, CliWorld& world, bool clear) {
  const Answer answer = ask(arguments, "/v1/pods", world);
  if (answer.exit != exit_ok) return answer.exit;
  auto pods = pods_from_json(answer.body);
  if (!pods.ok()) return unreadable(pods.error(), world);
  const auto selected = select_pods(std::move(*pods), arguments.ns);
  if (arguments.json) {
    world.out << pods_to_json(selected);
    return exit_ok;
  }
  if (clear) world.out << "\x1b[H\x1b[2J";
  if (selected.empty()) {
    world.out << "No pods" << (arguments.ns.empty() ? "" : " in namespace " + arguments.ns) << " on this node.\n";
  } else {
    world.out << render_ps(selected, world.now());
  }
  world.out.flush();
  return exit_ok;
}

int run_ps(const CliArguments& arguments, CliWorld& world) {
  int status = run_ps_once(arguments, world, arguments.watch);
  while (arguments.watch && status == exit_ok && world.next_picture()) status = run_ps_once(arguments, world, true);
  return status;
}

int run_explain(const CliArguments& arguments, CliWorld& world) {
  const Answer answer = ask(arguments, "/v1/pods/" + arguments.pod_ns + "/" + arguments.pod_name, world);
  if (answer.exit != exit_ok) return answer.exit;
  const auto story = story_from_json(answer.body);
  if (!story.ok()) return unreadable(story.error(), world);
  world.out << (arguments.json ? story_to_json(*story) : render_story(*story, world.now()));
  return exit_ok;
}

int run_doctor(const CliArguments& arguments, CliWorld& world) {
  DoctorInput input;
  const auto reply = world.ask(arguments.socket, "/v1/doctor");
  if (reply.ok() && reply->status == 200) {
    auto view = doctor_from_json(reply->body);
    if (view.ok()) {
      input.agent = std::move(*view);
    } else {
      input.agent_error = view.error().to_string();
    }
  } else {
    input.agent_error = reply.ok() ? error_message_from_json(reply->body) : reply.error().to_string();
  }
  std::vector<std::string> agent_args;
  if (input.agent) {
    const auto cmdline = world.host.read("/proc/" + std::to_string(input.agent->info.pid) + "/cmdline");
    if (cmdline.ok()) agent_args = parse_cmdline(*cmdline);
  }
  load_configuration(
      arguments.config, agent_args, world.files, [&](const auto& path) { return world.host.exists(path); }, input);
  const Findings findings = examine(input, world.host);
  world.out << (arguments.json ? findings_to_json(findings) : render_findings(findings));
  return exit_status(findings);
}

}  // namespace

int run_cli(const std::vector<std::string>& args, CliWorld& world) {
  const auto arguments = parse_cli_arguments(args);
  if (!arguments.ok()) {
    world.err << "keelson: " << arguments.error().to_string() << "\n";
    return exit_usage;
  }
  switch (arguments->command) {
    case CliCommand::help: world.out << cli_help(); return exit_ok;
    case CliCommand::ps: return run_ps(*arguments, world);
    case CliCommand::explain: return run_explain(*arguments, world);
    case CliCommand::doctor: return run_doctor(*arguments, world);
  }
  return exit_usage;
}

int cli_main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  const char* socket = std::getenv("KEELSON_SOCKET");
  const std::string from_environment = socket ? socket : "";
  RealHost host;
  const config::RealFiles files;
  CliWorld world{.out = std::cout,
                 .err = std::cerr,
                 .now = [] { return std::chrono::system_clock::now(); },
                 .ask =
                     [&](const std::string& path, const std::string& target) {
                       const bool replace = path == default_control_socket && !from_environment.empty();
                       return control_get(replace ? from_environment : path, target, answer_limit);
                     },
                 .host = host,
                 .files = files,
                 .next_picture =
                     [] {
                       std::this_thread::sleep_for(picture_period);
                       return std::cout.good();
                     }};
  const int status = run_cli(args, world);
  std::cout.flush();
  return std::cout.good() ? status : exit_error;
}

}  // namespace keelson::agent
