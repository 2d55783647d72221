// Hostname and domain of a pod.
//
// Pure, any thread. What fails: names that are not DNS labels, a fully qualified name over 64 characters.
// Source: contract 02 §2.1.
#pragma once

#include <string>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct PodHostname {
  std::string host;    // at most 63 characters
  std::string domain;  // "SUBDOMAIN.NAMESPACE.svc.CLUSTERDOMAIN" or ""
  std::string kernel;  // what the sandbox gets: host, or host.domain with setHostnameAsFQDN
  bool operator==(const PodHostname&) const = default;
};

Result<PodHostname> make_hostname(const api::Pod& pod, const std::string& cluster_domain);

}  // namespace keelson::agent
