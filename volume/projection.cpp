#include "volume/projection.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

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

// Step by step, so that no link that the payload may have made is followed; what is there already serves.
Status make_nested(const std::string& directory, const std::string& path) {
  base::UniqueFd at(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!at) return errno_error("open " + directory, errno);
  for (const auto& element : std::filesystem::path(path)) {
    if (element.empty() || element == ".") continue;
    if (element == "..") return Error(ErrorKind::invalid, "mount point " + path + " leads out of the volume");
    const bool made = ::mkdirat(at.get(), element.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) return errno_error("mkdir " + directory + "/" + path, errno);
    base::UniqueFd next(::openat(at.get(), element.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!next) return {};  // a file of the payload: the runtime finds it there, or says what is wrong
    // Whatever the umask.
    const std::string self = "/proc/self/fd/" + std::to_string(next.get());
    if (made && ::chmod(self.c_str(), 0755) != 0) return errno_error("chmod " + directory + "/" + path, errno);
    at = std::move(next);
  }
  return {};
}

void add_nested(const api::core::Container& container, const std::string& name, std::vector<std::string>& out) {
  std::vector<std::string> all;
  std::vector<std::string> own;
  for (const auto& mount : container.volumemounts()) {
    std::string path = std::filesystem::path(mount.mountpath()).lexically_normal().string();
    if (path.size() > 1 && path.back() == '/') path.pop_back();
    if (mount.name() == name && mount.subpath().empty() && mount.subpathexpr().empty()) own.push_back(path);
    all.push_back(std::move(path));
  }
  std::sort(all.begin(), all.end());
  for (const std::string& top : own) {
    std::string last;  // what lies below another nested mount is no business of this volume
    for (const std::string& path : all) {
      if (!path.starts_with(top + "/") || (!last.empty() && path.starts_with(last + "/"))) continue;
      last = path;
      out.push_back(path.substr(top.size() + 1));
    }
  }
}

}  // namespace

std::vector<std::string> nested_mount_points(const api::core::PodSpec& spec, const std::string& name) {
  std::vector<std::string> out;
  for (const auto& container : spec.initcontainers()) add_nested(container, name, out);
  for (const auto& container : spec.containers()) add_nested(container, name, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<HostVolume> set_up_projection(const std::string& uid, const Projection& projection,
                                     const LocalVolumeOptions& options, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  KEELSON_TRY(check_element("volume name", projection.name));
  KEELSON_TRY(make_place(uid, projection, options, mounts));
  const std::string directory = volume_dir(options.root, uid, projection.plugin, projection.name);
  auto written = write_payload(directory, projection.payload, projection.fs_group);
  if (!written.ok()) return written.error();
  for (const std::string& path : projection.nested) KEELSON_TRY(make_nested(directory, path));
  return HostVolume{.name = projection.name, .host_path = directory, .read_only = true};
}

}  // namespace keelson::volume
