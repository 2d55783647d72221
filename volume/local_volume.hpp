// Persistent volumes of type local: a directory of this node, or a disk of it with a file system.
//
// A disk is mounted once at ROOT/plugins/kubernetes.io/local-volume/mounts/PV; a directory serves as it is. Each pod
// has a bind mount of that (pod_mount.hpp). Blocking; on the pool, never two calls for one PV at a time. Values only.
// What fails: errors name the PV's path. Source: contract 04 §2, §6 "local", §24 (the last line).
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/format_and_mount.hpp"
#include "volume/mounts.hpp"
#include "volume/pod_mount.hpp"

namespace keelson::volume {

inline constexpr std::string_view local_plugin = "kubernetes.io/local-volume";

struct LocalVolume {
  std::string pv;
  std::string path;
  std::string fs_type;                     // of a disk; empty: ext4
  std::vector<std::string> mount_options;  // of the PV
  bool read_only = false;                  // the claim's
};

enum class LocalKind { directory, block_device };
// What is there, links followed.
Result<LocalKind> local_kind(const std::string& path);

std::string local_mount_dir(const std::string& root, const std::string& pv);
// Where the volume is on the node: the directory itself, or where its disk is mounted.
Result<std::string> local_global_path(const std::string& root, const LocalVolume& volume);

// Once per node, before the first pod. Nothing to do for a directory, or when it is done.
DiskMounted mount_local_device(const std::string& root, const LocalVolume& volume, Programs& programs, Mounts& mounts);
// After the last pod.
Status unmount_local_device(const std::string& root, const std::string& pv, Mounts& mounts);

// What mount_for_pod() is to be given; fsGroup is for the caller to set.
Result<PodMount> local_pod_mount(const std::string& root, const std::string& uid, const LocalVolume& volume);

// The file system of a disk that has grown; nothing to do for a directory.
Status expand_local(const std::string& root, const LocalVolume& volume, Programs& programs);

// Block mode: plugins/kubernetes.io~local-volume (with the ~), see block_device.hpp.
std::string local_global_map(const std::string& root, const std::string& pv);

}  // namespace keelson::volume
