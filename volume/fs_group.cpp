#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/file.hpp"
#include "volume/local.hpp"

namespace keelson::volume {
namespace {

struct Masks {
  mode_t file = 0660;
  mode_t directory() const { return file | 0110 | S_ISGID; }
};

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

base::UniqueFd open_below(int dir_fd, const char* name, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return base::UniqueFd(static_cast<int>(syscall(SYS_openat2, dir_fd, name, &how, sizeof how)));
}

// Through /proc because fchmod() refuses an O_PATH descriptor, and opening a FIFO or a device could block or act.
void change(int path_fd, std::int64_t gid, mode_t mask) {
  struct stat info {};
  if (fchownat(path_fd, "", static_cast<uid_t>(-1), static_cast<gid_t>(gid), AT_EMPTY_PATH) != 0) return;
  if (fstat(path_fd, &info) != 0 || S_ISLNK(info.st_mode)) return;
  const std::string link = "/proc/self/fd/" + std::to_string(path_fd);
  [[maybe_unused]] const int changed = chmod(link.c_str(), (info.st_mode & 07777) | mask);
}

// Children before the directory itself, so that an interrupted walk is recognised by the top's own group.
void walk(base::UniqueFd directory, std::int64_t gid, Masks masks) {
  const int dir_fd = directory.get();
  std::unique_ptr<DIR, CloseDir> dir(fdopendir(dir_fd));
  if (!dir) return;
  directory.release();
  while (const dirent* entry = readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (auto inner = open_below(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NONBLOCK)) {
      walk(std::move(inner), gid, masks);
      continue;
    }
    if (errno == EXDEV) continue;
    const base::UniqueFd child(openat(dir_fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (child) change(child.get(), gid, masks.file);
  }
  change(dir_fd, gid, masks.directory());
}

}  // namespace

Status apply_fs_group(const std::string& path, std::int64_t gid, FsGroupAccess access) {
  base::UniqueFd top(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top) return errno_error("applying fsGroup to " + path, errno);
  walk(std::move(top), gid, Masks{access == FsGroupAccess::read_only ? mode_t{0440} : mode_t{0660}});
  return {};
}

}  // namespace keelson::volume
