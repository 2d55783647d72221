// status_patch(): what the API is told of a pod, given what it knows.
//
// The merge of the newest computed status with the API's copy and the strategic merge patch that makes the copy into
// it. What others own stays (foreign conditions, claims, nominatedNodeName), a phase that ends the pod is held back
// while containers may run, and such a phase leaves neither Ready nor ContainersReady True. Pure; any thread. Source:
// contract 02 §15.2 (owners of conditions), §15.3 (order of lists), §15.5.
#pragma once

#include <string>

#include "api/objects.hpp"

namespace keelson::agent {

struct StatusPatch {
  api::core::PodStatus merged;
  // JSON with `metadata.uid` of the copy; empty when the API need not be told anything.
  std::string body;
  // Not empty: the newest status contradicts what the API was told and must not be sent; says why.
  std::string refused;
};

// Why the API cannot be told that after what it was told; empty when it can. A mirror is made anew then.
std::string contradiction(const api::Pod& known, const api::Pod& pod, const api::core::PodStatus& newest);

// `known` is the API's copy: for a static pod its mirror. `pod` is the pod as it is run (restart policies).
StatusPatch status_patch(const api::Pod& known, const api::Pod& pod, const api::core::PodStatus& newest,
                         bool containers_may_run);

// A terminal phase, or Ready turning round: what others wait for.
bool is_urgent(const api::core::PodStatus& before, const api::core::PodStatus& now);

}  // namespace keelson::agent
