// keelson: the node agent, and its tools for the person on the node (ps, explain, doctor).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agent/cli/arguments.hpp"
#include "agent/cli/cli.hpp"
#include "agent/cli/own_flags.hpp"
#include "agent/wiring/agent.hpp"
#include "base/logger.hpp"
#include "base/memory.hpp"
#include "config/files.hpp"
#include "config/load.hpp"

namespace {

using namespace keelson;

std::shared_ptr<base::LogSink> make_sink(const config::Configuration& configuration) {
  const auto& logging = configuration.kubelet.logging;
  const auto format = logging.format == "json" ? base::LogFormat::json : base::default_text_format();
  return std::make_shared<base::LogSink>(format, static_cast<int>(logging.verbosity));
}

bool asks_for_help(const std::vector<std::string>& args) {
  return std::any_of(args.begin(), args.end(), [](const auto& arg) { return arg == "--help" || arg == "-h"; });
}

int refuse(const config::Refuse& refusal) {
  for (const auto& warning : refusal.warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
  for (const auto& error : refusal.errors) std::fprintf(stderr, "error: %s\n", error.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  base::use_one_heap();
  if (argc > 1 && agent::is_cli_command(argv[1])) return agent::cli_main(argc, argv);
  std::vector<std::string> args(argv + 1, argv + argc);
  const agent::OwnFlags own = agent::take_own_flags(args);
  auto outcome = config::load(args, config::RealFiles());
  if (const auto* refusal = std::get_if<config::Refuse>(&outcome)) return refuse(*refusal);
  if (const auto* text = std::get_if<config::Print>(&outcome)) {
    for (const auto& warning : text->warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
    std::fputs(text->text.c_str(), stdout);
    if (asks_for_help(args)) std::fputs(agent::own_flags_help().c_str(), stdout);
    return text->exit_code;
  }
  auto& run = std::get<config::Run>(outcome);
  const auto sink = make_sink(run.configuration);
  const base::Logger log(sink);
  for (const auto& warning : run.warnings) log.warning(warning);
  agent::AgentOptions options;
  options.control_socket = own.control_socket;
  options.reload = [args] { return config::load(args, config::RealFiles()); };
  options.log_sink = sink;
  options.arguments = args;
  auto agent = std::make_unique<agent::Agent>(std::move(run.configuration), std::move(options), log);
  const int status = agent->run();
  agent.reset();
  std::fflush(nullptr);
  // A thread of the pool may still be in a library (making a key, say), which must not take itself apart under it.
  std::_Exit(status);
}
