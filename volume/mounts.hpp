// Mounts: what volumes do to the mount table, behind an interface so that tests need no privileges.
//
// Blocking; called on the pool, by any number of its threads. Owner: main() or a test, outliving the calls. Values
// only. What fails: errors name the path and carry errno, or hold the words of mount(8). Whether something is mounted
// is read from the table alone, and of a path only the directories above its last element are resolved: where a server
// that is gone was mounted, any look at the path itself may hang. type_at() alone looks at the path. Source: contract
// 04 §2 (the root's propagation), §4 (tmpfs options), §6 (bind mounts, systemd-run, umount -f).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "volume/mount_table.hpp"
#include "volume/programs.hpp"

namespace keelson::volume {

// A file system that mount(8) is to mount: a disk, an NFS export, hugetlbfs.
struct FileSystemMount {
  std::string source;
  std::string target;
  std::string type;  // empty: mount(8) finds out
  std::vector<std::string> options;
  std::chrono::milliseconds limit = std::chrono::minutes(2);
};

class Mounts {
 public:
  virtual ~Mounts() = default;
  // The mount points at `path` or below it, in the order they were mounted.
  virtual Result<std::vector<MountPoint>> at_or_below(const std::string& path) = 0;
  // The type of the file system that is mounted at exactly `path`; none when nothing is, or there is no such path. For
  // our own directories: the table of a node with many pods is long, and this does not read it.
  virtual Result<std::optional<std::string>> type_at(const std::string& path) = 0;
  // The whole table; paths as the kernel knows them.
  virtual Result<std::vector<MountEntry>> entries() = 0;
  // The path as the table has it, without links. Where something is mounted at the path, that is not touched.
  virtual Result<std::string> real_path(const std::string& path) = 0;

  // `size` bytes; swap is kept out where the kernel can.
  virtual Status mount_tmpfs(const std::string& path, std::int64_t size) = 0;
  // Shows what is at `source` at `target`, too. `source` may be a link of /proc/self/fd: what it leads to is meant.
  virtual Status bind(const std::string& source, const std::string& target) = 0;
  // The same with options (ro, noexec ...) and those of the source's own mount. All or nothing.
  virtual Status bind_with(const std::string& source, const std::string& target,
                           const std::vector<std::string>& options) = 0;
  virtual Status mount(const FileSystemMount& wanted) = 0;
  virtual Status unmount(const std::string& path) = 0;
  // For file systems of a server: when it has not come off within `patience`, it is pulled off.
  virtual Status unmount_by_force(const std::string& path, std::chrono::milliseconds patience) = 0;
};

class LinuxMounts final : public Mounts {
 public:
  LinuxMounts();
  explicit LinuxMounts(Programs& programs) : programs_(programs) {}

  Result<std::vector<MountPoint>> at_or_below(const std::string& path) override;
  Result<std::optional<std::string>> type_at(const std::string& path) override;
  Result<std::vector<MountEntry>> entries() override;
  Result<std::string> real_path(const std::string& path) override;
  Status mount_tmpfs(const std::string& path, std::int64_t size) override;
  Status bind(const std::string& source, const std::string& target) override;
  Status bind_with(const std::string& source, const std::string& target,
                   const std::vector<std::string>& options) override;
  Status mount(const FileSystemMount& wanted) override;
  Status unmount(const std::string& path) override;
  Status unmount_by_force(const std::string& path, std::chrono::milliseconds patience) override;

 private:
  enum class Answer { unknown, yes, no };
  bool has_systemd();

  Programs& programs_;
  std::atomic<Answer> systemd_{Answer::unknown};
};

// Whether something is mounted at exactly `path`; false when there is no such path.
Result<bool> is_mount_point(const std::string& path, Mounts& mounts);
// Where else what is at `path` is mounted, of that what lies at or below `top`; no `path` is no reference.
Result<std::vector<std::string>> references_below(const std::string& path, const std::string& top, Mounts& mounts);

// The flags of mount(2) for the second call of a bind mount: those that `options` name, and those of the file system
// that is shown (`source_flags` of statfs). Options that no flag stands for mean nothing to a bind mount. Pure.
unsigned long bind_flags(const std::vector<std::string>& options, unsigned long source_flags);

// Makes what is mounted at `path` or below later seen by those who have a copy of the mounts, by a mount of the
// directory on itself where the file system's own mount is not shared: without it no container could have mounts
// propagated (contract 02 §21). What fails: no privilege to mount.
Status make_shared(const std::string& path);

}  // namespace keelson::volume
