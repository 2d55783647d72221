#include "volume/usage.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "base/file.hpp"
#include "base/tree_walk.hpp"

namespace keelson::volume {
namespace {

constexpr std::int64_t kBlock = 512;  // of stat(2), whatever the file system's own are

std::int64_t clamped(std::uint64_t value) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(value, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

std::int64_t bytes_of(std::uint64_t blocks, std::uint64_t size) {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(blocks, size, &bytes)) return std::numeric_limits<std::int64_t>::max();
  return clamped(bytes);
}

std::uint64_t rest(std::uint64_t all, std::uint64_t part) { return all > part ? all - part : 0; }

class DiskUsage final : public base::TreeVisitor {
 public:
  DiskUsage(dev_t device, const std::atomic<bool>& stop) : device_(device), stop_(stop) {}

  bool stopped() const override { return stop_ || error_; }
  void entry(int dir_fd, const char* name) override { count(dir_fd, name, 0); }
  void directory(int fd) override { count(fd, "", AT_EMPTY_PATH); }
  void shut(int dir_fd, const char* name, int error) override {
    if (error == ENOENT || error == EXDEV) return;
    if (error == ENOTDIR || error == ELOOP) return entry(dir_fd, name);  // something else by now
    fail(name, error);
  }
  void unreadable(int error) override {
    if (error != ENOENT) fail("a directory", error);  // one that was removed can still be open
  }

  std::int64_t bytes() const { return bytes_; }
  std::int64_t inodes() const { return inodes_; }
  const std::optional<Error>& error() const { return error_; }

 private:
  // As the kernel knows it already: a file that is mounted here may be of a server that is gone.
  void count(int dir_fd, const char* name, int flags) {
    struct statx info {};
    constexpr int kHow = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
    constexpr unsigned kWanted = STATX_TYPE | STATX_NLINK | STATX_INO | STATX_BLOCKS;
    if (::statx(dir_fd, name, kHow | flags, kWanted, &info) != 0) {
      if (errno != ENOENT) fail(name, errno);
      return;
    }
    if (makedev(info.stx_dev_major, info.stx_dev_minor) != device_) return;
    if (flags == 0 && (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return;
    if (!S_ISDIR(info.stx_mode) && info.stx_nlink > 1 && !linked_.insert(info.stx_ino).second) return;
    bytes_ += clamped(info.stx_blocks) * kBlock;
    ++inodes_;
  }
  void fail(const std::string& what, int error) {
    if (!error_) error_ = errno_error("unable to count " + what, error);
  }

  dev_t device_;
  const std::atomic<bool>& stop_;
  std::int64_t bytes_ = 0;
  std::int64_t inodes_ = 0;
  std::set<std::uint64_t> linked_;  // inodes with several names
  std::optional<Error> error_;
};

}  // namespace

VolumeFigures figures_of(const struct statfs& info) {
  const auto size = static_cast<std::uint64_t>(info.f_bsize);
  VolumeFigures out;
  out.capacity = bytes_of(info.f_blocks, size);
  out.available = bytes_of(info.f_bavail, size);
  out.used = bytes_of(rest(info.f_blocks, info.f_bfree), size);
  out.inodes = clamped(info.f_files);
  out.inodes_free = clamped(info.f_ffree);
  out.inodes_used = clamped(rest(info.f_files, info.f_ffree));
  return out;
}

Result<VolumeFigures> file_system_figures(const std::string& path) {
  struct statfs info {};
  if (statfs(path.c_str(), &info) != 0) return errno_error("statfs " + path, errno);
  return figures_of(info);
}

Result<VolumeFigures> tree_figures(const std::string& path, const std::atomic<bool>& stop) {
  base::UniqueFd top(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top) return errno_error("open " + path, errno);
  struct stat self {};
  struct statfs system {};
  if (fstat(top.get(), &self) != 0) return errno_error("stat " + path, errno);
  if (fstatfs(top.get(), &system) != 0) return errno_error("statfs " + path, errno);
  DiskUsage usage(self.st_dev, stop);
  const base::TreeWalkEnd end = base::walk_tree(std::move(top), usage, base::LostDirectory::is_left_out);
  if (usage.error()) return usage.error()->wrap("while measuring " + path);
  if (end != base::TreeWalkEnd::done) return Error(ErrorKind::cancelled, "measuring " + path + " was stopped");
  VolumeFigures out = figures_of(system);
  out.used = usage.bytes();
  out.inodes_used = usage.inodes();
  return out;
}

Result<VolumeFigures> device_figures(const std::string& path) {
  const base::UniqueFd device(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!device) return errno_error("open " + path, errno);
  const off_t end = lseek(device.get(), 0, SEEK_END);
  if (end < 0) return errno_error("seek to the end of " + path, errno);
  VolumeFigures out;
  out.capacity = end;
  return out;
}

}  // namespace keelson::volume
