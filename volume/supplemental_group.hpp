// The supplemental group that a persistent volume brings along.
//
// Pure, any thread. Source: contract 04 §11 (last paragraph).
#pragma once

#include <cstdint>
#include <optional>

#include "api/objects.hpp"

namespace keelson::volume {

// The group of the PV's annotation pv.beta.kubernetes.io/gid, for the sandbox and every container of a pod that mounts
// it; none when the pod lists it already or the annotation is no number.
std::optional<std::int64_t> supplemental_group(const api::core::PersistentVolume& pv, const api::core::PodSpec& pod);

}  // namespace keelson::volume
