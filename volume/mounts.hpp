// Mounts: the few things volumes do to the mount table, behind an interface so that tests need no privileges.
//
// Blocking; called on the pool. Owner: main() or a test, outliving the calls. Values only. What fails: errors name the
// path and carry errno. Source: contract 04 §2 (the root's propagation), §4 (tmpfs options), proc_pid_mountinfo(5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::volume {

struct MountPoint {
  std::string path;
  std::string type;  // tmpfs, ext4 ...
  bool operator==(const MountPoint&) const = default;
};

class Mounts {
 public:
  virtual ~Mounts() = default;
  // The mount points at `path` or below it, in the order they were mounted.
  virtual Result<std::vector<MountPoint>> at_or_below(const std::string& path) = 0;
  // `size` bytes; swap is kept out where the kernel can.
  virtual Status mount_tmpfs(const std::string& path, std::int64_t size) = 0;
  // Shows what is at `source` at `target`, too. `source` may be a link of /proc/self/fd: what it leads to is meant.
  virtual Status bind(const std::string& source, const std::string& target) = 0;
  virtual Status unmount(const std::string& path) = 0;
};

class LinuxMounts final : public Mounts {
 public:
  Result<std::vector<MountPoint>> at_or_below(const std::string& path) override;
  Status mount_tmpfs(const std::string& path, std::int64_t size) override;
  Status bind(const std::string& source, const std::string& target) override;
  Status unmount(const std::string& path) override;
};

// The lines of /proc/self/mountinfo; lines that are not understood are left out.
std::vector<MountPoint> parse_mountinfo(std::string_view text);
bool is_at_or_below(const std::string& path, const std::string& top);

// Whether what is mounted at `path` or below later is seen by those who have a copy of the mounts. Pure.
bool is_on_shared_mount(std::string_view mountinfo, const std::string& path);
// Makes it so, by a mount of the directory on itself where the file system's own mount is not shared: without it no
// container could have mounts propagated (contract 02 §21). What fails: no privilege to mount.
Status make_shared(const std::string& path);

}  // namespace keelson::volume
