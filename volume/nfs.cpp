#include "volume/nfs.hpp"

#include <algorithm>

#include "base/file.hpp"
#include "volume/mount_options.hpp"
#include "volume/mount_point.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {

std::string nfs_source(const NfsVolume& volume) {
  const bool ipv6 = std::count(volume.server.begin(), volume.server.end(), ':') > 1 && !volume.server.starts_with('[');
  return (ipv6 ? "[" + volume.server + "]" : volume.server) + ":" + volume.path;
}

Status set_up_nfs(const std::string& root, const std::string& uid, const std::string& name, const NfsVolume& volume,
                  Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  KEELSON_TRY(check_element("volume name", name));
  const std::string directory = volume_dir(root, uid, nfs_plugin, name);
  const auto mounted = is_mount_point(directory, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return {};
  KEELSON_TRY(base::make_directories(directory, 0750));
  std::vector<std::string> options;
  if (volume.read_only) options.emplace_back("ro");
  Status done = mounts.mount({.source = nfs_source(volume),
                              .target = directory,
                              .type = "nfs",
                              .options = join_mount_options(volume.mount_options, options)});
  if (!done.ok()) (void)clean_up_mount_point(directory, mounts);
  return done;
}

}  // namespace keelson::volume
