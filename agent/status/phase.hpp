// The phase of a pod from the states of its containers. Part of status() (agent/status/status.hpp).
//
// Pure. Source: contract 02 §15.1.
#pragma once

#include <string>

#include "agent/sync/observed.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

// `status` holds the container statuses already. `stopped`: the pod is being ended and nothing of it runs any more.
std::string pod_phase(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& status,
                      bool stopped);

}  // namespace keelson::agent
