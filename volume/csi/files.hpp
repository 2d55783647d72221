// What the plugin does to the disk: directories before a driver is asked, and taking them away afterwards.
//
// All of it blocks: on the pool, never twice at once for one volume. Nothing is removed but empty directories, our own
// vol_data.json and an empty file that a block driver left; nothing on which, or below which, anything is mounted.
// Source: contract 04 §2, §15, §22 (clean-up).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "volume/csi/vol_data.hpp"
#include "volume/fs_group.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

// The directory, its parents too, with mode 0750 where they are missing, and vol_data.json in it when given.
Status prepare_csi_directory(const std::string& directory, const std::optional<VolData>& data);
// The mount directory, vol_data.json beside it, and their parent. Success, and nothing done, while it is a mount point.
Status remove_csi_mount(const std::string& mount_path, Mounts& mounts);
// A block volume that no pod has: its publish, staging and data directories, and its device directory.
Status remove_csi_block(const std::string& root, const std::string& name, Mounts& mounts);
// What a driver left at the publish path of a pod, when that is an empty file that nothing is mounted on.
Status remove_csi_block_file(const std::string& path, Mounts& mounts);
// Whether anything is mounted on the path or below it.
Result<bool> is_mounted(const std::string& path, Mounts& mounts);
// The path with all links followed.
Result<std::string> resolve_links(const std::string& path);

// fsGroup on a published volume: nothing where the policy is OnRootMismatch and the top is as it would become.
Status apply_csi_fs_group(const std::string& path, std::int64_t gid, const std::string& change_policy,
                          FsGroupProgress& progress);
// Whether the kernel keeps SELinux labels on the file system that is mounted there.
Result<bool> keeps_labels(const std::string& path, Mounts& mounts);

// Mounts of the file system at `path` that lie outside of the plugin's own directories: somebody uses it yet. Pure.
std::optional<std::string> foreign_mount_of(std::string_view mountinfo, const std::string& path);

}  // namespace keelson::volume
