#include "agent/cli/own_flags.hpp"

#include <algorithm>

#include "agent/control/server.hpp"

namespace keelson::agent {
namespace {

constexpr char kControlSocket[] = "--control-socket";

std::string flag_name(const std::string& arg) {
  std::string name = arg.substr(0, arg.find('='));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace

OwnFlags take_own_flags(std::vector<std::string>& args) {
  OwnFlags own;
  own.control_socket = default_control_socket;
  std::vector<std::string> rest;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const bool has_value = args[i].find('=') != std::string::npos;
    if (flag_name(args[i]) != kControlSocket || (!has_value && i + 1 == args.size())) {
      rest.push_back(args[i]);
    } else if (has_value) {
      own.control_socket = args[i].substr(args[i].find('=') + 1);
    } else {
      own.control_socket = args[++i];
    }
  }
  args = std::move(rest);
  return own;
}

std::string own_flags_help() {
  return std::string(
             "\nKeelson's own:\n  --control-socket PATH   where `keelson ps`, `explain` and `doctor` reach the agent "
             "(default ") +
         default_control_socket +
         ")\n  ps, explain, doctor     as first argument: tools for the person on the node; see `keelson help`\n";
}

}  // namespace keelson::agent
