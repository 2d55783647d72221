#include "volume/block_device.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr int kTries = 32;  // of mounts on top of each other

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }
std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

Result<std::string> device_at(const std::string& path) {
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error).string();
  if (error) return errno_error("failed to map device " + path, error.value());
  return real;
}

// An empty file to bind the device to; nothing else may lie there.
Status make_place(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0750));
  if (!fd) return errno_error("making " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error("looking at " + path, errno);
  if (S_ISREG(info.st_mode) && info.st_size == 0) return {};
  return Error(ErrorKind::invalid, path + " is not an empty file: there is no room for the device");
}

Status bind_device(const std::string& device, const std::string& place, Mounts& mounts) {
  KEELSON_TRY(base::make_directories(parent_of(place), 0750));
  const auto mounted = is_mount_point(place, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return {};
  KEELSON_TRY(make_place(place));
  return mounts.bind_with(device, place, {});
}

Status link_device(const std::string& device, const std::string& link) {
  KEELSON_TRY(base::make_directories(parent_of(link), 0750));
  // A link from before a restart of the node may lead to another device by now.
  if (::unlink(link.c_str()) != 0 && errno != ENOENT) return errno_error("failed to remove file " + link, errno);
  if (::symlink(device.c_str(), link.c_str()) != 0) return errno_error("symlink " + link, errno);
  return {};
}

Status remove_link(const std::string& link) {
  struct stat info {};
  if (::lstat(link.c_str(), &info) != 0) return errno == ENOENT ? Status() : errno_error("looking at " + link, errno);
  if (!S_ISLNK(info.st_mode)) return {};  // not ours
  if (::unlink(link.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("failed to remove file " + link, errno);
}

Status unbind_device(const std::string& place, Mounts& mounts) {
  for (int i = 0; i < kTries; ++i) {
    const auto mounted = is_mount_point(place, mounts);
    if (!mounted.ok()) return mounted.error();
    if (!*mounted) break;
    KEELSON_TRY(mounts.unmount(place));
  }
  struct stat info {};
  if (::lstat(place.c_str(), &info) != 0 && errno == ENOENT) return {};
  if (!S_ISREG(info.st_mode) || info.st_size != 0) {
    return Error(ErrorKind::unavailable, place + " stays: it is not the empty file that the device was bound to",
                 EBUSY);
  }
  if (::unlink(place.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("failed to remove file " + place, errno);
}

bool same_device(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 && S_ISBLK(first.st_mode) &&
         S_ISBLK(second.st_mode) && first.st_rdev == second.st_rdev;
}

}  // namespace

Status map_block_device(const BlockMap& map, Mounts& mounts, LoopDevices& loops) {
  KEELSON_TRY(check_element("pod uid", map.uid));
  const auto device = device_at(map.device);
  if (!device.ok()) return device.error();
  const std::string place = map.global_dir + "/" + map.uid;
  KEELSON_TRY(bind_device(*device, place, mounts));
  KEELSON_TRY(link_device(*device, map.pod_link));
  auto loop = loops.attach(place);
  if (!loop.ok()) return std::move(loop).error();
  return {};
}

Status unmap_block_device(const BlockMap& map, Mounts& mounts, LoopDevices& loops) {
  KEELSON_TRY(check_element("pod uid", map.uid));
  const std::string place = map.global_dir + "/" + map.uid;
  KEELSON_TRY(loops.detach(place));
  KEELSON_TRY(remove_link(map.pod_link));
  return unbind_device(place, mounts);
}

Result<std::vector<std::string>> pods_of_block_device(const std::string& global_dir, Mounts& mounts) {
  auto found = mounts.at_or_below(global_dir);
  if (!found.ok()) return std::move(found).error();
  std::vector<std::string> pods;
  for (const auto& mount : *found) {
    if (parent_of(mount.path) == global_dir) pods.push_back(name_of(mount.path));
  }
  return pods;
}

Status tear_down_block_device(const std::string& global_dir, Mounts& mounts) {
  const auto pods = pods_of_block_device(global_dir, mounts);
  if (!pods.ok()) return pods.error();
  if (!pods->empty()) {
    return Error(ErrorKind::unavailable,
                 "the device " + global_dir + " is still referenced from other Pods [" + pods->front() + "]", EBUSY);
  }
  return remove_empty_directory(global_dir);
}

Status check_device_unused(const std::string& device) {
  const base::UniqueFd fd(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK));
  if (fd || errno == ENOENT || errno == ENXIO || errno == ENODEV) return {};
  if (errno == EBUSY) {
    return Error(ErrorKind::unavailable, "the device " + device + " is in use when it was no longer expected to be",
                 EBUSY);
  }
  return errno_error("open " + device, errno);
}

Result<std::string> find_global_map(const std::string& plugin_dir, const std::string& uid, const std::string& pod_link,
                                    Mounts& mounts) {
  auto found = mounts.at_or_below(plugin_dir);
  if (!found.ok()) return std::move(found).error();
  for (const auto& mount : *found) {
    if (name_of(mount.path) == uid && same_device(mount.path, pod_link)) return parent_of(mount.path);
  }
  return std::string();
}

}  // namespace keelson::volume
