// Keelson's own flags on the agent's command line, beside the kubelet's that config/ knows.
//
// Pure. main() takes them off before the rest is judged; `keelson doctor` does the same with a running agent's command
// line.
#pragma once

#include <string>
#include <vector>

namespace keelson::agent {

struct OwnFlags {
  std::string control_socket;
};

// Removes them from `args`. Accepted: --control-socket PATH, --control-socket=PATH, and `_` for `-`.
OwnFlags take_own_flags(std::vector<std::string>& args);

// The lines that --help shows for them.
std::string own_flags_help();

}  // namespace keelson::agent
