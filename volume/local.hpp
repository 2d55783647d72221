// The volumes that need nothing but this node: emptyDir and hostPath, from set-up to tear-down; the files that the
// agent writes itself are in projection.hpp and torn down here.
//
// set_up_volume() makes what the pod's containers mount and says where it lies on the host; it may be called again at
// every sync and changes nothing that is there. tear_down() works from the disk alone, so it needs no spec and works
// after a restart. Both block (mkdir, mount, walks): run them on the pool; values in, values out. Owner: none (free
// functions). Thread: any, but never two calls for one volume, nor one beside a tear-down of its pod. Errors name the
// path. Every other volume type is `unimplemented` and says so. Tear-down never follows a link, never crosses a mount
// point, takes mounts of nfs, iscsi, fc and local volumes off their pod's directory, and removes nothing but emptyDirs,
// projections and empty directories: with anything else mounted or lying there it fails and leaves it. Source: contract
// 04 §2 (directories), §3, §4 (emptyDir), §5 (hostPath), §11 (fsGroup), §16 (orphan sweep).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "volume/fs_group.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

struct LocalVolumeOptions {
  std::string root;                          // ROOT, no trailing slash
  std::int64_t node_allocatable_memory = 0;  // bytes
  std::int64_t pod_memory_limit = 0;         // bytes, the pod cgroup's; 0 = none
};

// A volume ready to be mounted into containers.
struct HostVolume {
  std::string name;
  std::string host_path;
  bool read_only = false;  // whatever the container's mount says
  bool relabel = true;     // may get an SELinux label
  bool operator==(const HostVolume&) const = default;
};

// An emptyDir or a hostPath; `unimplemented` for any other source.
Result<HostVolume> set_up_volume(const api::Pod& pod, const api::core::Volume& volume,
                                 const LocalVolumeOptions& options, Mounts& mounts);

// Removes the pod's volumes and their sub-paths; success when there are none. CSI volumes must have been unpublished,
// block devices unmapped (block_device.hpp).
Status tear_down(const std::string& root, const std::string& uid, Mounts& mounts);

// Removes ROOT/pods/UID after tear_down(): what the containers left (logs, hosts file, termination files, links to
// devices) goes, volumes do not: any file in a volume's directory, any mount point, and a device that is still bound
// for the pod is an error and stays.
Status remove_pod_dir(const std::string& root, const std::string& uid, Mounts& mounts);

// --- Parts, pure or nearly so ---

// The tmpfs size of an emptyDir with medium Memory, in bytes; 0 means that there is no bound to take.
std::int64_t memory_volume_size(std::int64_t node_allocatable, std::int64_t pod_limit, std::int64_t size_limit);
// Checks a hostPath and makes what its type says to make.
Status check_host_path(const std::string& path, const std::string& type);
// The type of volume that is set, as the manifest writes it; emptyDir when none is.
std::string source_type(const api::core::VolumeSource& source);

}  // namespace keelson::volume
