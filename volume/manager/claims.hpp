// resolve_volume(): from a volume of a pod's spec to what is to be mounted, through claim and PersistentVolume.
//
// Coroutine on the loop; keeps nothing. What fails: see the texts, which are the kubelet's: a claim that is not there,
// not bound, about to go, of another pod; a PersistentVolume that belongs to another claim; a volumeMode that does not
// fit its use. Cloud types of old become CSI volumes. Source: contract 04 §3, §17.
#pragma once

#include <functional>
#include <optional>

#include "volume/manager/cluster.hpp"

namespace keelson::volume {

struct ClaimSources {
  VolumeCluster* cluster = nullptr;  // null: there is no API server
  // Cloud types of old as CSI PersistentVolumes; nothing for any other. Unset: none is.
  std::function<Result<std::optional<api::core::PersistentVolume>>(const api::core::PersistentVolume&)> migrate_pv;
  std::function<Result<std::optional<api::core::PersistentVolume>>(const api::core::Volume&, const std::string& ns)>
      migrate_inline;
};

// `outer` is the name of a volume of the pod's. `sources` outlives the task.
base::Task<Result<VolumeSpec>> resolve_volume(const ClaimSources& sources, api::PodPtr pod, std::string outer);

// The checks alone. Pure.
Status check_claim(const api::core::PersistentVolumeClaim& claim);
Status check_owner(const api::core::PersistentVolumeClaim& claim, const api::Pod& pod);
Status check_pv(const api::core::PersistentVolume& pv, const api::core::PersistentVolumeClaim& claim);

}  // namespace keelson::volume
