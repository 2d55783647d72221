// The conditions of a pod. Part of status() (agent/status/status.hpp).
//
// Pure. Source: contract 02 §15.2 (order, reasons, messages, what the kubelet owns).
#pragma once

#include "agent/status/status.hpp"

namespace keelson::agent {

// `out` holds phase and container statuses already; conditions are added in the kubelet's order, foreign ones kept.
void fill_conditions(const StatusInput& input, api::core::PodStatus& out);

}  // namespace keelson::agent
