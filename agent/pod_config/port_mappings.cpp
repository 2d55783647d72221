#include "agent/pod_config/port_mappings.hpp"

#include <set>
#include <string>

namespace keelson::agent {
namespace {

cri::Protocol protocol_of(const std::string& text) {
  if (text == "UDP") return cri::Protocol::udp;
  if (text == "SCTP") return cri::Protocol::sctp;
  return cri::Protocol::tcp;
}

// What must not repeat within one container: the name, or for unnamed ports all that makes them.
std::string identity(const api::core::ContainerPort& port) {
  if (!port.name().empty()) return port.name();
  const char* family = port.hostip().empty() ? "any" : port.hostip().find(':') == std::string::npos ? "v4" : "v6";
  return std::string(family) + "-" + port.protocol() + "-" + port.hostip() + ":" +
         std::to_string(port.containerport()) + ":" + std::to_string(port.hostport());
}

}  // namespace

std::vector<cri::PortMapping> make_port_mappings(const api::Pod& pod) {
  std::vector<cri::PortMapping> mappings;
  for (const auto& container : pod.spec().containers()) {
    std::set<std::string> seen;
    for (const auto& port : container.ports()) {
      if (!seen.insert(identity(port)).second) continue;
      mappings.push_back({protocol_of(port.protocol()), port.containerport(), port.hostport(), port.hostip()});
    }
  }
  return mappings;
}

}  // namespace keelson::agent
