// What must be done so that a pod has what was allocated to it.
//
// Pure functions and plain values, any thread; the planner asks them, the Resizer (agent/sync/resizer.hpp) executes the
// step. A container that runs is compared by its actuated record, not by what the runtime says, which may lag behind.
// Source: contract 02 §6.3, §8; contract 03 §6.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/allocation/pod_allocation.hpp"
#include "agent/sync/observed.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

// One running container that is given new resources while it runs.
struct ContainerResize {
  std::string id;
  std::string name;
  std::int64_t lower_memory_limit = 0;  // the new limit, when less than before is allowed from now on; else 0
  bool operator==(const ContainerResize&) const = default;
};

// Brings the pod's cgroup and these containers to what was allocated; in each list decreases stand before increases.
struct ResizePod {
  std::vector<ContainerResize> memory;
  std::vector<ContainerResize> cpu;
  bool operator==(const ResizePod&) const = default;
};

enum class ResizeNeed { none, in_place, restart };
// Of one container; `pod` is as it is run, `actuated` what was last put in force for it.
ResizeNeed resize_need(const api::Pod& pod, const api::core::Container& container, const PodAllocation& actuated);

// The step for all containers that run and may be changed while they do; those in `restarted` are left out.
ResizePod resize_step(const api::Pod& pod, const ObservedPod& observed, const PodAllocation& actuated,
                      const std::vector<std::string>& restarted);

// Something that runs, or the pod's own cgroup, has yet to be given what was allocated. Without a record of the pod
// there is nothing to change.
bool resize_unfinished(const api::Pod& pod, const ObservedPod& observed, const PodAllocation* actuated);

}  // namespace keelson::agent
