// The command line of `keelson ps`, `explain`, `doctor` and `help`, parsed. Pure, any thread; errors say what was
// expected.
#pragma once

#include <string>
#include <vector>

#include "agent/control/server.hpp"
#include "base/result.hpp"

namespace keelson::agent {

enum class CliCommand { help, ps, explain, doctor };

struct CliArguments {
  CliCommand command = CliCommand::help;
  std::string ns;  // of -n; empty = all
  std::string pod_ns;
  std::string pod_name;
  bool json = false;
  bool watch = false;
  std::string socket = default_control_socket;
  bool socket_given = false;
  std::string config;
};

// `args` begins with the command's name.
Result<CliArguments> parse_cli_arguments(const std::vector<std::string>& args);
// True for the names that parse_cli_arguments() takes as args[0].
bool is_cli_command(const std::string& name);
std::string cli_help();

}  // namespace keelson::agent
