// Migration: volumes of the cloud types that Kubernetes once had built in become volumes of the CSI drivers that took
// over from them.
//
// Pure functions, any thread. The claim's and the pod's own objects stay as they are; only the agent's copy changes.
// What fails: a source from which no handle can be made. Source: contract 04 §3 (table); the translation library of
// Kubernetes for handles, attributes and topology.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::volume {

// The PV with a csi source, topology keys and access modes as the driver knows them; nothing when it is no such volume.
Result<std::optional<api::core::PersistentVolume>> migrated_to_csi(const api::core::PersistentVolume& pv);
// The PV that an inline volume of a pod stands for; nothing when it is no such volume.
Result<std::optional<api::core::PersistentVolume>> migrated_to_csi(const api::core::Volume& volume,
                                                                   const std::string& pod_namespace);

}  // namespace keelson::volume
