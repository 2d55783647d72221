// ConfigEvent: a Warning event that arises while a pod is mapped to CRI requests. The caller records it.
#pragma once

#include <string>

namespace keelson::agent {

struct ConfigEvent {
  enum class Target { pod, node };
  Target target = Target::pod;
  std::string reason;   // DNSConfigForming, MissingClusterDNS
  std::string message;  // as the API shows it
  bool operator==(const ConfigEvent&) const = default;
};

}  // namespace keelson::agent
