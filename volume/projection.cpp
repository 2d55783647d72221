#include "volume/projection.hpp"

#include <sys/stat.h>

#include <cerrno>

#include "base/file.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

Status make_directory_with(const std::string& path, mode_t mode) {
  KEELSON_TRY(base::make_directories(path, mode));
  if (chmod(path.c_str(), mode) != 0) return errno_error("chmod " + path, errno);
  return {};
}

Status make_place(const std::string& uid, const Projection& projection, const LocalVolumeOptions& options,
                  Mounts& mounts) {
  const std::string pod = pod_dir(options.root, uid);
  const std::string directory = volume_dir(options.root, uid, projection.plugin, projection.name);
  const std::string marker = marker_dir(options.root, uid, "wrapped_" + projection.name);
  const auto type = mounts.type_at(directory);
  if (!type.ok()) return type.error();
  const bool mounted = type->has_value();
  const bool there = projection.in_memory ? mounted : base::is_directory(directory);
  if (there && base::path_exists(marker + "/ready")) return {};
  for (const std::string& path : {pod, pod + "/volumes", pod + "/plugins"}) {
    KEELSON_TRY(base::make_directories(path, 0750));
  }
  KEELSON_TRY(base::make_directories(pod + "/volumes/" + escape_plugin(projection.plugin), 0755));
  if (!mounted) KEELSON_TRY(make_directory_with(directory, 0777));
  if (projection.in_memory && !mounted) {
    const std::int64_t size = memory_volume_size(options.node_allocatable_memory, options.pod_memory_limit, 0);
    if (size <= 0) return Error(ErrorKind::invalid, "the node's memory is not known, so the volume has no size");
    KEELSON_TRY(mounts.mount_tmpfs(directory, size));
  }
  KEELSON_TRY(base::make_directories(marker, 0750));
  return base::write_file(marker + "/ready", "", 0644);
}

}  // namespace

Result<HostVolume> set_up_projection(const std::string& uid, const Projection& projection,
                                     const LocalVolumeOptions& options, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  KEELSON_TRY(check_element("volume name", projection.name));
  KEELSON_TRY(make_place(uid, projection, options, mounts));
  const std::string directory = volume_dir(options.root, uid, projection.plugin, projection.name);
  auto written = write_payload(directory, projection.payload, projection.fs_group);
  if (!written.ok()) return written.error();
  return HostVolume{.name = projection.name, .host_path = directory, .read_only = true};
}

}  // namespace keelson::volume
