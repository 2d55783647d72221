// QoS class and effective resources of a pod.
//
// Pure functions, any thread. Source: contract 03 §2.
#pragma once

#include <string_view>

#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "cgroup-manager/names.hpp"

namespace keelson::agent {

using cgroups::QosClass;

// "Guaranteed", "Burstable", "BestEffort".
std::string_view to_string(QosClass qos);
// status.qosClass if set, else computed.
QosClass qos_class(const api::Pod& pod);
QosClass compute_qos_class(const api::Pod& pod);

struct EffectiveOptions {
  bool overhead = true;   // add spec.overhead
  bool pod_level = true;  // let spec.resources replace the sums
};
// Sums over containers with the rules for init containers and sidecars, per resource.
ResourceList effective_requests(const api::Pod& pod, EffectiveOptions options = {});
ResourceList effective_limits(const api::Pod& pod, EffectiveOptions options = {});

// Static and mirror pods and those of priority 2000000000 and above.
bool is_critical(const api::Pod& pod);
// Critical and of class system-node-critical.
bool is_node_critical(const api::Pod& pod);
// Annotation kubernetes.io/config.source is there and not "api".
bool is_static(const api::Pod& pod);

}  // namespace keelson::agent
