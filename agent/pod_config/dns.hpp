// DNS settings of a pod: resolv.conf of the host, cluster DNS, the pod's own additions, and the limits.
//
// Pure functions; the caller reads the file. Thread: any. What fails: a resolv.conf with an empty nameserver line.
// Source: contract 02 §2.2, §22.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pod_config/config_event.hpp"
#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

inline constexpr std::size_t kMaxResolvConfBytes = 10u << 20;
inline constexpr std::size_t kMaxNameservers = 3;
inline constexpr std::size_t kMaxSearches = 32;
inline constexpr std::size_t kMaxSearchLength = 253;
inline constexpr std::size_t kMaxSearchLineLength = 2048;

Result<cri::DnsConfig> parse_resolv_conf(std::string_view content);

// `resolv_conf` absent: the agent is configured without a file, so localhost is the server of Default pods.
Result<cri::DnsConfig> make_dns_config(const api::Pod& pod, const std::optional<std::string>& resolv_conf,
                                       const NodeInfo& node, std::vector<ConfigEvent>& events);

}  // namespace keelson::agent
