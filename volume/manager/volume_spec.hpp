// VolumeSpec: one volume of a pod, with its claim resolved to the PersistentVolume behind it.
//
// Values and pure functions, any thread. Source: contract 04 (NAME), §3, §17.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::volume {

struct VolumeSpec {
  using PvPtr = std::shared_ptr<const api::core::PersistentVolume>;
  using ClaimPtr = std::shared_ptr<const api::core::PersistentVolumeClaim>;

  api::PodPtr pod;         // the newest copy
  std::string outer;       // VOL, the name in the pod's spec
  std::string name;        // NAME: of the PV when there is one, else VOL
  PvPtr pv;                // null: the source stands in the pod
  ClaimPtr claim;          // null: as above, or a cloud volume that became a PV of ours
  bool read_only = false;  // what the pod says of its claim
  bool block = false;      // volumeMode Block
  bool migrated = false;   // a cloud type of old, as a CSI volume
  std::string context;     // SELinux: "system_u:object_r:container_file_t:s0:c1,c2" to be mounted with; empty: none

  // The pod's volume; its source says little when there is a claim.
  const api::core::Volume& volume() const;
};

// How a pod's containers (init, regular, ephemeral) name a volume.
struct VolumeUse {
  bool mounts = false;
  bool devices = false;
  bool any() const { return mounts || devices; }
};
VolumeUse use_of(const api::core::PodSpec& spec, const std::string& volume);

// Those that some container uses, image volumes left out: the runtime mounts them.
std::vector<std::string> used_volumes(const api::core::PodSpec& spec);

// The claim's name, of a persistentVolumeClaim or a generic ephemeral volume (POD-VOL); empty for any other.
std::string claim_name(const api::Pod& pod, const api::core::Volume& volume);

// securityContext.fsGroup.
std::optional<std::int64_t> fs_group_of(const api::Pod& pod);

// As events name them.
api::core::ObjectReference reference_to(const api::core::PersistentVolumeClaim& claim);
api::core::ObjectReference reference_to(const api::core::PersistentVolume& pv);

// "a b": as lists of volumes stand in events.
std::string joined_names(std::vector<std::string> names);

}  // namespace keelson::volume
