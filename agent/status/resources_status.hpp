// Resources in a status: what a pod and its containers were given, and what the kernel and the runtime say they have.
//
// Pure functions, any thread. Source: contract 02 §15.3 (`resources`, `allocatedResources`), §15.4 (of the pod).
#pragma once

#include "agent/status/status.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

// What was allocated, with what the runtime says of CPU and memory where the container runs.
api::core::ResourceRequirements resources_in_force(const api::core::ResourceRequirements& allocated,
                                                   const cri::ContainerStatus& newest);
// `resources` and `allocatedResources` of a container that the runtime knows.
void fill_container_resources(const StatusInput& input, const api::core::Container& spec,
                              const cri::ContainerStatus& newest, api::core::ContainerStatus& out);
// The pod's own `resources` and `allocatedResources`.
void fill_pod_resources(const StatusInput& input, api::core::PodStatus& out);

}  // namespace keelson::agent
