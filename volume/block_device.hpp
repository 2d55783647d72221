// Volumes of mode Block: a device of the node made reachable for a pod, and taken back.
//
//   GLOBAL/UID                       a bind mount of the device: who has it; a loop device on it is the lock
//   ROOT/pods/UID/volumeDevices/...  a link to the device, which the container gets
//
// Blocking; on the pool, never two calls for one volume at a time. Values only. map_block_device() may be called again
// at any time and completes what was begun; unmap_block_device() and tear_down_block_device() likewise. What fails:
// errors name the path. GLOBAL itself goes only when it is empty: nothing is removed recursively. Source: contract 04
// §15.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "volume/loop_device.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

struct BlockMap {
  std::string device;      // links are followed; not needed for unmapping
  std::string global_dir;  // GLOBAL, of the plugin
  std::string uid;         // of the pod
  std::string pod_link;    // volume_device()
};

Status map_block_device(const BlockMap& map, Mounts& mounts, LoopDevices& loops);
// What is not there is success.
Status unmap_block_device(const BlockMap& map, Mounts& mounts, LoopDevices& loops);

// The pods that have a device file in GLOBAL; none when there is no such directory.
Result<std::vector<std::string>> pods_of_block_device(const std::string& global_dir, Mounts& mounts);
// After the last pod, and after the plugin's own files in GLOBAL have gone (CSI: unstage before). `unavailable` while
// pods are left.
Status tear_down_block_device(const std::string& global_dir, Mounts& mounts);

// `unavailable` while somebody has the device open or mounted. Devices that are gone are unused.
Status check_device_unused(const std::string& device);

// GLOBAL of the pod's volume `name`: where below `plugin_dir` its device is bound under the pod's UID. Empty when it is
// nowhere. For what is found after a restart.
Result<std::string> find_global_map(const std::string& plugin_dir, const std::string& uid, const std::string& pod_link,
                                    Mounts& mounts);

}  // namespace keelson::volume
