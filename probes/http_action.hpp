// The request that a pod's httpGet asks for, and the ports that its handlers name.
//
// Pure functions, any thread. Fails with the kubelet's words for a port that is none. Source: contract 02 §17, §18.
#pragma once

#include <string>

#include "api/int_or_string.hpp"
#include "api/objects.hpp"
#include "probes/http_get.hpp"

namespace keelson::probes {

// A number, the name of one of the container's ports, or a number written as text.
Result<int> resolve_port(const api::IntOrString& port, const api::core::Container& container);

// `pod_ip` unless the action names a host. `user_agent`: "kube-probe/1.36" or "kube-lifecycle/1.36".
Result<HttpGet> make_http_get(const api::core::HTTPGetAction& action, const api::core::Container& container,
                              const std::string& pod_ip, std::string user_agent, base::Duration limit);

}  // namespace keelson::probes
