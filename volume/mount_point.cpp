#include "volume/mount_point.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace keelson::volume {
namespace {

constexpr int kTries = 32;  // of mounts on top of each other
constexpr auto kPatience = std::chrono::minutes(1);

// What is mounted at the path, the last on top.
Result<std::vector<MountPoint>> mounted_at(const std::string& path, Mounts& mounts) {
  auto found = mounts.at_or_below(path);
  if (!found.ok()) return found;
  std::erase_if(*found, [&](const MountPoint& mount) { return mount.path != path; });
  return found;
}

// The table does not know it, so only a look shows a mount that is broken.
Status unmount_if_corrupted(const std::string& path, Mounts& mounts) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 || errno == ENOENT) return {};
  if (!is_corrupted_mount(errno)) return errno_error("looking at " + path, errno);
  return mounts.unmount(path);
}

}  // namespace

bool is_corrupted_mount(int error) {
  constexpr std::array kErrors{ENOTCONN, ESTALE, EIO, EACCES, EHOSTDOWN, EWOULDBLOCK, ENODEV};
  return std::find(kErrors.begin(), kErrors.end(), error) != kErrors.end();
}

Status remove_empty_directory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno == ENOTEMPTY || errno == EEXIST) {
    return Error(ErrorKind::unavailable, path + " stays: it still holds data", EBUSY);
  }
  if (errno == ENOTDIR) {
    return Error(ErrorKind::unavailable, path + " stays: it is a file where a directory was expected", EBUSY);
  }
  return errno_error("rmdir " + path, errno);
}

Status clean_up_mount_point(const std::string& path, Mounts& mounts) {
  auto found = mounted_at(path, mounts);
  if (!found.ok()) return std::move(found).error();
  if (found->empty()) {
    KEELSON_TRY(unmount_if_corrupted(path, mounts));
    return remove_empty_directory(path);
  }
  for (int i = 0; i < kTries && !found->empty(); ++i) {
    const bool network = is_network_type(found->back().type);
    KEELSON_TRY(network ? mounts.unmount_by_force(path, kPatience) : mounts.unmount(path));
    found = mounted_at(path, mounts);
    if (!found.ok()) return std::move(found).error();
  }
  if (!found->empty()) return Error(ErrorKind::unavailable, "Failed to unmount path " + path, EBUSY);
  return remove_empty_directory(path);
}

}  // namespace keelson::volume
