// A pod's own mount of a volume that was mounted on the node once (local, iscsi, fc): a bind mount of it at the pod's
// volume directory, with fsGroup.
//
// Blocking; on the pool, never two calls for one volume of the node at a time. Values only; FsGroupProgress is shared
// with whoever looks on. Nothing is done when the pod's mount is there. fsGroup comes before the bind mount: what is
// bound was walked to its end, also when the agent is killed between. What fails leaves no mount of the pod's, and the
// errors name the directory. Source: contract 04 §6 (local: fsGroup), §11.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/fs_group.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

struct PodMount {
  std::string root;    // ROOT
  std::string uid;     // of the pod
  std::string plugin;  // "kubernetes.io/iscsi"
  std::string name;    // NAME
  std::string source;  // what is bound: the global mount, or a directory of the host
  bool read_only = false;
  std::vector<std::string> options;  // of the PV, without "ro"
  std::optional<std::int64_t> fs_group;
  FsGroupPolicy fs_group_policy = FsGroupPolicy::always;
  // For local: only the first pod of the node has its fsGroup applied.
  bool fs_group_of_first_pod_only = false;
};

struct PodMounted {
  std::optional<Error> failure;
  // Another pod has it mounted with this other group: the pod gets the Warning AlreadyMountedVolume with this text.
  std::optional<std::string> already_mounted;
};

PodMounted mount_for_pod(const PodMount& wanted, FsGroupProgress& progress, Mounts& mounts);

}  // namespace keelson::volume
