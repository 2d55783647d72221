#include "agent/cli/arguments.hpp"

#include <array>
#include <functional>
#include <optional>
#include <utility>

namespace keelson::agent {
namespace {

constexpr std::array<std::pair<std::string_view, CliCommand>, 4> commands{{
    {"help", CliCommand::help},
    {"ps", CliCommand::ps},
    {"explain", CliCommand::explain},
    {"doctor", CliCommand::doctor},
}};

std::optional<CliCommand> command_of(const std::string& name) {
  for (const auto& [known, command] : commands) {
    if (known == name) return command;
  }
  return {};
}

struct Option {
  std::string_view name;
  std::string_view short_name;
  bool takes_value;
  std::vector<CliCommand> commands;
  std::function<void(CliArguments&, const std::string&)> store;
};

const std::vector<Option>& options() {
  using C = CliCommand;
  static const std::vector<Option> all = {
      {"--json", "", false, {C::ps, C::explain, C::doctor}, [](auto& a, const auto&) { a.json = true; }},
      {"--all-namespaces", "-A", false, {C::ps}, [](auto& a, const auto&) { a.ns.clear(); }},
      {"--namespace", "-n", true, {C::ps, C::explain}, [](auto& a, const auto& v) { a.ns = v; }},
      {"--watch", "-w", false, {C::ps}, [](auto& a, const auto&) { a.watch = true; }},
      {"--socket",
       "",
       true,
       {C::ps, C::explain, C::doctor},
       [](auto& a, const auto& v) {
         a.socket = v;
         a.socket_given = true;
       }},
      {"--config", "", true, {C::doctor}, [](auto& a, const auto& v) { a.config = v; }},
      {"--help",
       "-h",
       false,
       {C::help, C::ps, C::explain, C::doctor},
       [](auto& a, const auto&) { a.command = C::help; }},
  };
  return all;
}

Error usage(const std::string& text) { return Error(ErrorKind::invalid, text + " (see `keelson help`)"); }

Status store_pod(CliArguments& arguments, const std::vector<std::string>& operands) {
  if (operands.size() != 1) return usage("explain needs one NAMESPACE/POD");
  const std::string& operand = operands[0];
  const auto slash = operand.find('/');
  if (slash == std::string::npos) {
    arguments.pod_ns = arguments.ns.empty() ? "default" : arguments.ns;
    arguments.pod_name = operand;
  } else {
    arguments.pod_ns = operand.substr(0, slash);
    arguments.pod_name = operand.substr(slash + 1);
  }
  const bool plain = !arguments.pod_ns.empty() && !arguments.pod_name.empty() &&
                     arguments.pod_name.find_first_of("/? \r\n") == std::string::npos &&
                     arguments.pod_ns.find_first_of("? \r\n") == std::string::npos;
  if (!plain) return usage("\"" + operand + "\" is not of the form NAMESPACE/POD");
  return {};
}

}  // namespace

bool is_cli_command(const std::string& name) { return command_of(name).has_value(); }

Result<CliArguments> parse_cli_arguments(const std::vector<std::string>& args) {
  CliArguments arguments;
  const auto command = args.empty() ? CliCommand::help : command_of(args[0]);
  if (!command) return usage("unknown command \"" + args[0] + "\"");
  arguments.command = *command;

  std::vector<std::string> operands;
  for (std::size_t i = 1; i < args.size(); ++i) {
    if (!args[i].starts_with('-') || args[i] == "-") {
      operands.push_back(args[i]);
      continue;
    }
    const auto equals = args[i].starts_with("--") ? args[i].find('=') : std::string::npos;
    const std::string name = args[i].substr(0, equals);
    const Option* found = nullptr;
    for (const Option& option : options()) {
      const bool here = std::find(option.commands.begin(), option.commands.end(), *command) != option.commands.end();
      if (here && (option.name == name || (!option.short_name.empty() && option.short_name == name))) found = &option;
    }
    if (!found) return usage("unknown option " + name + " for " + args[0]);
    std::string value;
    if (!found->takes_value && equals != std::string::npos) return usage(name + " takes no value");
    if (found->takes_value && equals != std::string::npos) {
      value = args[i].substr(equals + 1);
    } else if (found->takes_value) {
      if (i + 1 == args.size()) return usage(name + " needs a value");
      value = args[++i];
    }
    if (found->takes_value && value.empty()) return usage(name + " needs a value");
    found->store(arguments, value);
  }
  if (arguments.command == CliCommand::help) return arguments;
  if (arguments.command == CliCommand::explain) {
    KEELSON_TRY(store_pod(arguments, operands));
  } else if (!operands.empty()) {
    return usage("unexpected argument \"" + operands[0] + "\" for " + args[0]);
  }
  if (arguments.watch && arguments.json) return usage("--watch and --json exclude each other");
  return arguments;
}

std::string cli_help() {
  return "keelson: a Kubernetes node agent\n"
         "\n"
         "On the node, as root:\n"
         "  keelson ps [-A | -n NAMESPACE] [--watch] [--json]     pods and containers of this node\n"
         "  keelson explain NAMESPACE/POD [--json]                why this pod is not running, and what was done\n"
         "  keelson doctor [--config FILE] [--json]               what is wrong with this node, and the fix\n"
         "  keelson help                                          this text\n"
         "\n"
         "ps and explain ask the running agent over its local socket (--socket PATH, default\n"
         "/run/keelson/keelson.sock, or $KEELSON_SOCKET); no API server is needed. doctor also works\n"
         "without a running agent.\n"
         "\n"
         "Exit status: 0 done; 1 error, or doctor: warnings only; 2 doctor: something is broken;\n"
         "3 the agent is not running; 64 wrong usage.\n"
         "\n"
         "To run the agent: keelson --config FILE [flags of the kubelet]; `keelson --help` lists them.\n";
}

}  // namespace keelson::agent
