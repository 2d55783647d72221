// Taking a mount off and its directory away, as every type of volume that is mounted does it.
//
// Blocking; on the pool, never two calls for one path at a time. Values only. Nothing but an empty directory is ever
// removed: what was shown there is not touched, and what else lies there stays and is an error. What fails: the mount
// is busy, the directory holds something. Source: contract 04 §6 "Unmount helper"; umount(2).
#pragma once

#include <string>

#include "base/result.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

// Success when the path is gone already. A file system of a server that does not come off within a minute is pulled
// off.
Status clean_up_mount_point(const std::string& path, Mounts& mounts);
// rmdir; missing is success, anything in it an error.
Status remove_empty_directory(const std::string& path);

// An errno of looking at a path that says that a mount is there whose file system is gone.
bool is_corrupted_mount(int error);

}  // namespace keelson::volume
