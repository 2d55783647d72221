// Whether a resize can ever be done here, and which of several is looked at first.
//
// Pure functions, any thread; the resources that are free are admission's business (agent/admission/admit.hpp).
// Source: contract 02 §8, contract 03 §6.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

// What of the configuration decides.
struct ResizeRules {
  bool enabled = true;            // gate InPlacePodVerticalScaling
  bool pod_level = true;          // gate InPlacePodLevelResourcesVerticalScaling
  bool exclusive_cpus = false;    // gate InPlacePodVerticalScalingExclusiveCPUs
  bool exclusive_memory = false;  // gate InPlacePodVerticalScalingExclusiveMemory
  bool static_cpu_manager = false;
  bool static_memory_manager = false;
};

// Why the pod can never be given what it asks for; `wanted` and `allocated` are the same pod with the resources that it
// asks for and with those that it has.
std::optional<std::string> infeasible_resize(const api::Pod& wanted, const api::Pod& allocated,
                                             const ResizeRules& rules, const NodeInfo& node);

// A resize that waits.
struct PendingResize {
  std::string uid;
  bool raises_requests = false;  // of CPU or memory, for the pod as a whole
  std::int32_t priority = 0;
  bool guaranteed = false;
  std::optional<base::SystemTime> deferred_since;
};
bool raises_requests(const api::Pod& wanted, const api::Pod& allocated);
PendingResize pending_resize(const api::Pod& wanted, const api::Pod& allocated,
                             std::optional<base::SystemTime> deferred_since);
// Those that take nothing come first, then by priority, Guaranteed, and how long they were deferred; a new one last.
void sort_pending(std::vector<PendingResize>& pending);

}  // namespace keelson::agent
