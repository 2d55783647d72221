#include "volume/fs_group.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"
#include "base/tree_walk.hpp"

namespace keelson::volume {
namespace {

struct Masks {
  mode_t file = 0660;
  mode_t directory() const { return file | 0110 | S_ISGID; }
};

Masks masks_of(FsGroupAccess access) { return {access == FsGroupAccess::read_only ? mode_t{0440} : mode_t{0660}}; }

base::UniqueFd open_entry(int dir_fd, const char* name) {
  open_how how{};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return base::UniqueFd(static_cast<int>(syscall(SYS_openat2, dir_fd, name, &how, sizeof how)));
}

class GroupChanger final : public base::TreeVisitor {
 public:
  GroupChanger(std::int64_t gid, Masks masks, FsGroupProgress& progress)
      : gid_(gid), masks_(masks), progress_(progress) {}

  bool stopped() const override { return progress_.cancelled; }
  void entry(int dir_fd, const char* name) override {
    const base::UniqueFd child = open_entry(dir_fd, name);
    if (child) change(child.get(), masks_.file);
  }
  void directory(int fd) override { change(fd, masks_.directory()); }
  // Something else by now, or not for us to read; entry() enters no mount either.
  void shut(int dir_fd, const char* name, int) override { entry(dir_fd, name); }
  void unreadable(int) override { ++progress_.failed; }

 private:
  // Through /proc because fchmod() refuses an O_PATH descriptor, and opening a FIFO or a device could block or act.
  void change(int path_fd, mode_t mask) {
    ++progress_.entries;
    struct stat info {};  // from before: a change of group takes the setuid bit away
    bool changed = fstat(path_fd, &info) == 0 &&
                   fchownat(path_fd, "", static_cast<uid_t>(-1), static_cast<gid_t>(gid_), AT_EMPTY_PATH) == 0;
    if (changed && !S_ISLNK(info.st_mode)) {
      const std::string link = "/proc/self/fd/" + std::to_string(path_fd);
      changed = chmod(link.c_str(), (info.st_mode & 07777) | mask) == 0;
    }
    if (!changed) ++progress_.failed;
  }

  std::int64_t gid_;
  Masks masks_;
  FsGroupProgress& progress_;
};

Status outcome_of(base::TreeWalkEnd end) {
  if (end == base::TreeWalkEnd::stopped) return Error(ErrorKind::cancelled, "the change of group was stopped");
  if (end == base::TreeWalkEnd::lost) {
    return Error(ErrorKind::unavailable, "a directory was moved while its group was changed");
  }
  return {};
}

bool has_group(int fd, std::int64_t gid, Masks masks) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISDIR(info.st_mode)) return false;
  return info.st_gid == static_cast<gid_t>(gid) && (info.st_mode & masks.directory()) == masks.directory();
}

}  // namespace

FsGroupPolicy fs_group_policy(const std::string& text) {
  return text == "OnRootMismatch" ? FsGroupPolicy::on_root_mismatch : FsGroupPolicy::always;
}

Result<bool> change_fs_group(const FsGroupChange& change, FsGroupProgress& progress) {
  const std::string what = "applying fsGroup to " + change.path;
  base::UniqueFd top(open(change.path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top) return errno_error(what, errno);
  const Masks masks = masks_of(change.access);
  if (change.policy == FsGroupPolicy::on_root_mismatch && has_group(top.get(), change.gid, masks)) return false;
  GroupChanger changer(change.gid, masks, progress);
  Status walked = outcome_of(base::walk_tree(std::move(top), changer, base::LostDirectory::ends_the_walk));
  if (!walked.ok()) return std::move(walked).error().wrap(what);
  return true;
}

Status apply_fs_group(const std::string& path, std::int64_t gid, FsGroupAccess access) {
  FsGroupProgress progress;
  auto changed = change_fs_group({.path = path, .gid = gid, .access = access}, progress);
  if (!changed.ok()) return std::move(changed).error();
  return {};
}

}  // namespace keelson::volume
