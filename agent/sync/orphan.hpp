// What is known of a pod and its containers when no source describes them any more: what we wrote on them.
//
// Pure functions, any thread. Nothing that the runtime says is refused: an annotation that cannot be read counts as
// absent. Source: contract 02 §2 labels and annotations, §3 container annotation table, §9.
#pragma once

#include "agent/sync/observed.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

// The container as far as it matters for its end: name, image, ports, preStop handler.
api::core::Container container_from_runtime(const cri::ContainerStatus& status);

// The pod as far as labels and annotations of its sandboxes and containers tell it, with its grace periods.
api::PodPtr pod_from_runtime(const ObservedPod& observed);

}  // namespace keelson::agent
