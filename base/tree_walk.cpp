#include "base/tree_walk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <string>
#include <vector>

namespace keelson::base {
namespace {

constexpr std::size_t kOpenLevels = 64;  // of directories within each other that are held open, besides the top

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

UniqueFd open_directory(int dir_fd, const char* name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, dir_fd, name, &how, sizeof how)));
}

// A directory of the walk, with those in it that are still to be walked.
struct Level {
  std::string name;
  UniqueFd fd;  // closed while the walk is far below
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<std::string> directories;

  bool is(const UniqueFd& other) const {
    struct stat info {};
    return other && fstat(other.get(), &info) == 0 && info.st_dev == device && info.st_ino == inode;
  }
};

class Walk {
 public:
  Walk(TreeVisitor& visitor, LostDirectory lost) : visitor_(visitor), lost_(lost) {}

  TreeWalkEnd run(UniqueFd top) {
    enter("", std::move(top));
    while (!levels_.empty()) {
      if (visitor_.stopped()) return TreeWalkEnd::stopped;
      if (levels_.back().directories.empty()) {
        if (!leave()) return TreeWalkEnd::lost;
        continue;
      }
      std::string name = std::move(levels_.back().directories.back());
      levels_.back().directories.pop_back();
      const int parent = levels_.back().fd.get();
      if (auto inner = open_directory(parent, name.c_str())) {
        if (visitor_.enters(inner.get(), name.c_str())) enter(std::move(name), std::move(inner));
      } else {
        visitor_.shut(parent, name.c_str(), errno);
      }
    }
    return TreeWalkEnd::done;
  }

 private:
  // Shows what is no directory, and keeps the directories for later.
  void enter(std::string name, UniqueFd fd) {
    struct stat info {};
    Level level;
    if (fstat(fd.get(), &info) == 0) {
      level.device = info.st_dev;
      level.inode = info.st_ino;
    }
    read(fd.get(), level.directories);
    level.name = std::move(name);
    level.fd = std::move(fd);
    levels_.push_back(std::move(level));
    if (levels_.size() > kOpenLevels + 1) levels_[levels_.size() - 1 - kOpenLevels].fd.reset();
  }

  void read(int fd, std::vector<std::string>& directories) {
    // Reading needs an offset of its own, and closes its descriptor.
    const int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, CloseDir> dir(again < 0 ? nullptr : fdopendir(again));
    if (!dir) {
      const int error = errno;
      if (again >= 0) close(again);
      return visitor_.unreadable(error);
    }
    while (!visitor_.stopped()) {
      errno = 0;
      const dirent* entry = readdir(dir.get());
      if (entry == nullptr) {
        if (errno != 0) visitor_.unreadable(errno);
        return;
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
        directories.emplace_back(name);
      } else {
        visitor_.entry(fd, entry->d_name);
      }
    }
  }

  // The directory itself, after all that is in it. False: the one above is lost.
  bool leave() {
    const Level done = std::move(levels_.back());
    levels_.pop_back();
    visitor_.directory(done.fd.get());
    if (levels_.empty()) return true;
    Level& above = levels_.back();
    if (!above.fd) {
      UniqueFd found(openat(done.fd.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (above.is(found)) above.fd = std::move(found);
    }
    if (above.fd) {
      visitor_.left(above.fd.get(), done.name.c_str());
      return true;
    }
    if (lost_ == LostDirectory::ends_the_walk) return false;
    find_back();
    return true;
  }

  // From the top down, as far as each directory is where it was.
  void find_back() {
    UniqueFd at;
    std::size_t kept = 1;
    for (; kept < levels_.size(); ++kept) {
      const int above = at ? at.get() : levels_.front().fd.get();
      UniqueFd next = open_directory(above, levels_[kept].name.c_str());
      if (!levels_[kept].is(next)) break;
      at = std::move(next);
    }
    levels_.erase(levels_.begin() + static_cast<std::ptrdiff_t>(kept), levels_.end());
    if (at) levels_.back().fd = std::move(at);
  }

  TreeVisitor& visitor_;
  LostDirectory lost_;
  std::vector<Level> levels_;
};

}  // namespace

TreeWalkEnd walk_tree(UniqueFd top, TreeVisitor& visitor, LostDirectory lost) {
  Walk walk(visitor, lost);
  return walk.run(std::move(top));
}

std::string shown_path(const std::string& path) {
  constexpr std::size_t kKept = 256;  // at both ends
  if (path.size() < PATH_MAX) return path;
  return path.substr(0, kKept) + "..." + path.substr(path.size() - kKept);
}

}  // namespace keelson::base
