#include "volume/fs_group.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/file.hpp"

namespace keelson::volume {
namespace {

constexpr std::size_t kOpenLevels = 64;  // of directories within each other that are held open

struct Masks {
  mode_t file = 0660;
  mode_t directory() const { return file | 0110 | S_ISGID; }
};

Masks masks_of(FsGroupAccess access) { return {access == FsGroupAccess::read_only ? mode_t{0440} : mode_t{0660}}; }

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

base::UniqueFd open_below(int dir_fd, const char* name, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return base::UniqueFd(static_cast<int>(syscall(SYS_openat2, dir_fd, name, &how, sizeof how)));
}

// A directory of the walk, with those in it that are still to be walked.
struct Level {
  base::UniqueFd fd;  // closed while the walk is far below
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<std::string> directories;
};

class Walk {
 public:
  Walk(std::int64_t gid, Masks masks, FsGroupProgress& progress) : gid_(gid), masks_(masks), progress_(progress) {}

  Status run(base::UniqueFd top) {
    enter(std::move(top));
    while (!levels_.empty()) {
      if (progress_.cancelled) return Error(ErrorKind::cancelled, "the change of group was stopped");
      if (levels_.back().directories.empty()) {
        KEELSON_TRY(leave());
        continue;
      }
      const std::string name = std::move(levels_.back().directories.back());
      levels_.back().directories.pop_back();
      const int parent = levels_.back().fd.get();
      if (auto inner = open_below(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK)) {
        enter(std::move(inner));
      } else if (errno != EXDEV) {
        change_entry(parent, name.c_str());  // something else by now, or not for us to read
      }
    }
    return {};
  }

 private:
  // Changes what is no directory, and keeps the directories for later.
  void enter(base::UniqueFd fd) {
    struct stat info {};
    Level level;
    if (fstat(fd.get(), &info) == 0) {
      level.device = info.st_dev;
      level.inode = info.st_ino;
    }
    // Reading needs an offset of its own, and closes its descriptor.
    const int again = openat(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, CloseDir> dir(again < 0 ? nullptr : fdopendir(again));
    if (!dir && again >= 0) close(again);
    if (!dir) ++progress_.failed;
    while (dir && !progress_.cancelled) {
      const dirent* entry = readdir(dir.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
        level.directories.emplace_back(name);
      } else {
        change_entry(fd.get(), entry->d_name);
      }
    }
    level.fd = std::move(fd);
    levels_.push_back(std::move(level));
    if (levels_.size() > kOpenLevels) levels_[levels_.size() - 1 - kOpenLevels].fd.reset();
  }

  // The directory itself, after all that is in it.
  Status leave() {
    const base::UniqueFd done = std::move(levels_.back().fd);
    levels_.pop_back();
    change(done.get(), masks_.directory());
    if (levels_.empty() || levels_.back().fd) return {};
    Level& above = levels_.back();
    above.fd = base::UniqueFd(openat(done.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat info {};
    const bool same =
        above.fd && fstat(above.fd.get(), &info) == 0 && info.st_dev == above.device && info.st_ino == above.inode;
    if (same) return {};
    return Error(ErrorKind::unavailable, "a directory was moved while its group was changed");
  }

  void change_entry(int dir_fd, const char* name) {
    const base::UniqueFd child = open_below(dir_fd, name, O_PATH);
    if (child) change(child.get(), masks_.file);
  }

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
  std::vector<Level> levels_;
};

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
  Walk walk(change.gid, masks, progress);
  if (Status walked = walk.run(std::move(top)); !walked.ok()) return std::move(walked).error().wrap(what);
  return true;
}

Status apply_fs_group(const std::string& path, std::int64_t gid, FsGroupAccess access) {
  FsGroupProgress progress;
  auto changed = change_fs_group({.path = path, .gid = gid, .access = access}, progress);
  if (!changed.ok()) return std::move(changed).error();
  return {};
}

}  // namespace keelson::volume
