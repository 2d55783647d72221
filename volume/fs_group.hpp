// fsGroup: a volume's files become readable and writable for a group, as Kubernetes does it.
//
// Group `gid`, mode |0660 (read-only: |0440), directories also |0110 and setgid; links are chowned, not followed; the
// walk goes on below mount points nowhere. Children come before their directory, so that an interrupted walk is known
// by the top's own group and begun again. Whatever the containers do to the tree meanwhile, the walk does not leave it:
// it goes from directory to directory by descriptors, of which it holds a bounded number however deep the tree is.
// Blocking, for hours in a large tree: on the pool; FsGroupProgress is how the loop sees how far it is and stops it. A
// single entry that fails does not stop the walk, as in the kubelet. What fails: the top cannot be opened, `cancelled`,
// a directory that was moved away while the walk was in it. Source: contract 04 §11.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace keelson::volume {

enum class FsGroupAccess { read_write, read_only };
enum class FsGroupPolicy { always, on_root_mismatch };

// Shared between the thread that walks and whoever looks on, each holding it as std::shared_ptr.
struct FsGroupProgress {
  std::atomic<std::int64_t> entries{0};  // changed so far
  std::atomic<std::int64_t> failed{0};   // of these: could not be changed
  std::atomic<bool> cancelled{false};    // set it to stop the walk
};

struct FsGroupChange {
  std::string path;
  std::int64_t gid = 0;
  FsGroupAccess access = FsGroupAccess::read_write;
  FsGroupPolicy policy = FsGroupPolicy::always;
};

// Whether it walked: not when the policy lets it be because the top has group and mode already.
Result<bool> change_fs_group(const FsGroupChange& change, FsGroupProgress& progress);

// The whole walk at once, for volumes of our own files.
Status apply_fs_group(const std::string& path, std::int64_t gid, FsGroupAccess access = FsGroupAccess::read_write);

// "OnRootMismatch" of securityContext.fsGroupChangePolicy; anything else is `always`.
FsGroupPolicy fs_group_policy(const std::string& text);

}  // namespace keelson::volume
