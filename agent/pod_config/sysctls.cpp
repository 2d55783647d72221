#include "agent/pod_config/sysctls.hpp"

namespace keelson::agent {

std::string normal_sysctl_name(std::string name) {
  const auto first = name.find_first_of("./");
  if (first == std::string::npos || name[first] == '.') return name;
  for (char& c : name) {
    if (c == '.') {
      c = '/';
    } else if (c == '/') {
      c = '.';
    }
  }
  return name;
}

std::map<std::string, std::string> make_sysctls(const api::Pod& pod) {
  std::map<std::string, std::string> result;
  for (const auto& sysctl : pod.spec().securitycontext().sysctls()) {
    result[normal_sysctl_name(sysctl.name())] = sysctl.value();
  }
  return result;
}

}  // namespace keelson::agent
