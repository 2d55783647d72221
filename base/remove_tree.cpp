#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.hpp"
#include "base/tree_walk.hpp"

namespace keelson::base {
namespace {

Error mounted(const std::string& path) {
  return Error(ErrorKind::unavailable, "remove " + path + ": another file system is mounted there", EBUSY);
}

// All that is in a directory, up to the first that does not go.
class Removal final : public TreeVisitor {
 public:
  Removal(std::string path, dev_t device) : path_(std::move(path)), device_(device) {}

  bool stopped() const override { return !status_.ok(); }
  void entry(int dir_fd, const char* name) override {
    if (::unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT) fail(errno_error("unlink " + child(name), errno));
  }
  bool enters(int fd, const char* name) override {
    struct stat info {};
    if (::fstat(fd, &info) == 0 && info.st_dev != device_) {
      fail(mounted(child(name)));
      return false;
    }
    (path_ += '/') += name;
    return true;
  }
  void directory(int) override {}
  void left(int dir_fd, const char* name) override {
    path_.resize(path_.find_last_of('/'));
    if (::unlinkat(dir_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
      fail(errno_error("rmdir " + child(name), errno));
    }
  }
  void shut(int dir_fd, const char* name, int error) override {
    if (error == ENOENT) return;
    if (error == ENOTDIR || error == ELOOP) return entry(dir_fd, name);
    fail(error == EXDEV ? mounted(child(name)) : errno_error("open " + child(name), error));
  }
  void unreadable(int error) override { fail(errno_error("read " + shown_path(path_), error)); }

  Status take_status() { return std::move(status_); }

 private:
  std::string child(const char* name) const { return shown_path(path_ + "/" + name); }
  void fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }

  std::string path_;  // of the directory that the walk is in
  dev_t device_;
  Status status_;
};

// The top itself may be a mount point, also of the same file system, which st_dev does not tell: opened from its
// parent.
UniqueFd open_top(const std::string& path) {
  const auto slash = path.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const UniqueFd parent_fd(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent_fd) return UniqueFd();
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, parent_fd.get(), name.c_str(), &how, sizeof how)));
}

}  // namespace

Status remove_tree(const std::string& path) {
  if (path.size() > 1 && path.back() == '/') return remove_tree(path.substr(0, path.size() - 1));
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("stat " + path, errno);
  }
  if (!S_ISDIR(info.st_mode)) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("unlink " + path, errno);
    return {};
  }
  UniqueFd top = open_top(path);
  if (!top) {
    if (errno == ENOENT) return {};
    if (errno == EXDEV) return mounted(path);
    return errno_error("open " + path, errno);
  }
  Removal removal(path, info.st_dev);
  const TreeWalkEnd end = walk_tree(std::move(top), removal, LostDirectory::ends_the_walk);
  KEELSON_TRY(removal.take_status());
  if (end == TreeWalkEnd::lost) {
    return Error(ErrorKind::unavailable, "remove " + path + ": a directory in it was moved away meanwhile");
  }
  if (::rmdir(path.c_str()) != 0 && errno != ENOENT) return errno_error("rmdir " + path, errno);
  return {};
}

}  // namespace keelson::base
