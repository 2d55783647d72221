// PodAllocation: the requests and limits of one pod, apart from the pod.
//
// Desired is what the API's copy says, allocated what the node has granted, actuated what was last put in force; the
// three differ while a pod is being resized. Pure functions and plain values, any thread. Source: contract 02 §8,
// contract 03 §6.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

struct PodAllocation {
  std::map<std::string, api::core::ResourceRequirements> containers;  // regular and init, by name
  std::optional<api::core::ResourceRequirements> pod;                 // spec.resources, when the pod has some
};

// By amount: "1" is "1000m", and an empty list is no list.
bool same_resources(const api::core::ResourceRequirements& a, const api::core::ResourceRequirements& b);
bool same_pod_level(const PodAllocation& a, const PodAllocation& b);
bool same_allocation(const PodAllocation& a, const PodAllocation& b);

// What the pod's spec says. `plain_init`: init containers that are no sidecars count (gate
// InPlacePodVerticalScalingInitContainers).
PodAllocation allocation_of(const api::Pod& pod, bool plain_init = true);

// The pod with these resources in its spec; the same pointer when it has them already. Containers without an entry stay
// as they are.
api::PodPtr with_allocation(api::PodPtr pod, const PodAllocation& allocation);

}  // namespace keelson::agent
