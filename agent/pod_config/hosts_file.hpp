// The content of a pod's /etc/hosts.
//
// Pure, any thread. The caller writes it to ROOT/pods/UID/etc-hosts (0644) at each container start.
// Source: contract 02 §3.4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"

namespace keelson::agent {

// `host` and `domain` are those of make_hostname(); `pod_ips` as the containers see them (sort_pod_ips()).
std::string make_hosts_file(const api::Pod& pod, const std::vector<std::string>& pod_ips, std::string_view host,
                            std::string_view domain);
// For hostNetwork pods: the node's own file with the header before and the hostAliases after it.
std::string make_host_network_hosts_file(const api::Pod& pod, std::string_view node_hosts_file);

}  // namespace keelson::agent
