// The values of all command-line flags, as /flagz shows them: what was given, else the default, never the file's.
//
// Pure function, any thread. Nothing fails: a command line that the agent has started with can be read. Flags that do
// nothing here show their default. Source: contract 05 §6 "/flagz"; contract 01 §3; Go's pflag for the notation.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace keelson::node_api {

// `args` without the program's name.
std::map<std::string, std::string> flag_values(const std::vector<std::string>& args);

}  // namespace keelson::node_api
