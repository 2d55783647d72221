// Sysctls of a sandbox.
//
// Pure, any thread. Whether they are allowed is admission's business. Source: contract 02 §2 linux.sysctls.
#pragma once

#include <map>
#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

// "net/ipv4/x.y" -> "net.ipv4.x/y": where the first separator is a slash, slashes and dots are swapped.
std::string normal_sysctl_name(std::string name);
std::map<std::string, std::string> make_sysctls(const api::Pod& pod);

}  // namespace keelson::agent
