// The phase of a pod from the states of its containers. Part of status() (agent/status/status.hpp).
//
// Pure. Source: contract 02 §15.1.
#pragma once

#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

// `status` holds the container statuses already. `terminating`: the agent is ending the pod.
std::string pod_phase(const api::Pod& pod, const api::core::PodStatus& status, bool terminating);

}  // namespace keelson::agent
