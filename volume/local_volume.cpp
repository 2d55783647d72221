#include "volume/local_volume.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "volume/mount_options.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

Status check_path(const LocalVolume& volume) {
  if (volume.path.empty()) {
    return Error(ErrorKind::invalid, "LocalVolume volume \"" + volume.pv + "\" path is empty");
  }
  for (const auto& element : std::filesystem::path(volume.path)) {
    if (element == "..") {
      return Error(ErrorKind::invalid, "invalid path: " + volume.path + " must not contain '..'");
    }
  }
  return check_element("PV name", volume.pv);
}

Error failed_at(const LocalVolume& volume, const std::string& target, const Error& error) {
  const std::string type = volume.fs_type.empty() ? "ext4" : volume.fs_type;
  return error.wrap("local: failed to mount device " + volume.path + " at " + target + " (fstype: " + type + ")");
}

}  // namespace

Result<LocalKind> local_kind(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno_error("local volume " + path, errno);
  if (S_ISDIR(info.st_mode)) return LocalKind::directory;
  if (S_ISBLK(info.st_mode)) return LocalKind::block_device;
  return Error(ErrorKind::invalid, "only directory and block device are supported");
}

std::string local_mount_dir(const std::string& root, const std::string& pv) {
  return plugin_dir(root, local_plugin) + "/mounts/" + pv;
}

std::string local_global_map(const std::string& root, const std::string& pv) {
  return root + "/plugins/" + escape_plugin(local_plugin) + "/volumeDevices/" + pv;
}

Result<std::string> local_global_path(const std::string& root, const LocalVolume& volume) {
  KEELSON_TRY(check_path(volume));
  auto kind = local_kind(volume.path);
  if (!kind.ok()) return std::move(kind).error();
  return *kind == LocalKind::directory ? volume.path : local_mount_dir(root, volume.pv);
}

DiskMounted mount_local_device(const std::string& root, const LocalVolume& volume, Programs& programs, Mounts& mounts) {
  DiskMounted outcome;
  const auto target = local_global_path(root, volume);
  if (!target.ok()) {
    outcome.failure = target.error();
    return outcome;
  }
  if (*target == volume.path) return outcome;  // a directory
  std::vector<std::string> options;
  if (volume.read_only) options.emplace_back("ro");
  if (!volume.mount_options.empty()) options = join_mount_options(volume.mount_options, options);
  outcome = mount_device({volume.path, *target, volume.fs_type, options}, programs, mounts);
  if (outcome.failure) outcome.failure = failed_at(volume, *target, *outcome.failure);
  return outcome;
}

Status unmount_local_device(const std::string& root, const std::string& pv, Mounts& mounts) {
  KEELSON_TRY(check_element("PV name", pv));
  return clean_up_mount_point(local_mount_dir(root, pv), mounts);
}

Result<PodMount> local_pod_mount(const std::string& root, const std::string& uid, const LocalVolume& volume) {
  auto source = local_global_path(root, volume);
  if (!source.ok()) return std::move(source).error();
  PodMount wanted;
  wanted.root = root;
  wanted.uid = uid;
  wanted.plugin = local_plugin;
  wanted.name = volume.pv;
  wanted.source = std::move(*source);
  wanted.read_only = volume.read_only;
  wanted.options = volume.mount_options;
  wanted.fs_group_of_first_pod_only = true;
  return wanted;
}

Status expand_local(const std::string& root, const LocalVolume& volume, Programs& programs) {
  const auto target = local_global_path(root, volume);
  if (!target.ok()) return target.error();
  if (*target == volume.path) return {};  // a directory
  auto grown = grow_file_system(volume.path, *target, programs);
  if (!grown.ok()) return std::move(grown).error();
  return {};
}

}  // namespace keelson::volume
