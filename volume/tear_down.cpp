#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.hpp"
#include "volume/local.hpp"
#include "volume/paths.hpp"
#include "volume/sub_path.hpp"

namespace keelson::volume {
namespace {

Error left_alone(const std::string& path, const std::string& why) {
  return Error(ErrorKind::unavailable, path + " stays: " + why, EBUSY);
}

Result<std::vector<std::string>> names_in(const std::string& path) {
  if (!base::path_exists(path)) return std::vector<std::string>();
  return base::list_directory(path);
}

// Takes our own tmpfs off; anything else that is mounted there is not ours to touch.
Status unmount_own(const std::string& directory, Mounts& mounts) {
  auto found = mounts.at_or_below(directory);
  if (!found.ok()) return std::move(found).error();
  for (const auto& mount : *found) {
    if (mount.path != directory) return left_alone(directory, mount.path + " is still mounted inside it");
    if (mount.type != "tmpfs" && mount.type != "hugetlbfs") {
      return left_alone(directory, "a file system of type " + mount.type + " is mounted on it");
    }
  }
  for (std::size_t i = 0; i < found->size(); ++i) KEELSON_TRY(mounts.unmount(directory));
  return {};
}

// An emptyDir, or a volume of our own files, which is one underneath.
Status tear_down_own(const std::string& root, const std::string& uid, const std::string& plugin,
                     const std::string& name, Mounts& mounts) {
  const std::string marker = plugin == escape_plugin(empty_dir_plugin) ? name : "wrapped_" + name;
  // The marker first: a tear-down cut short must not look like a volume that is ready.
  KEELSON_TRY(base::remove_tree(marker_dir(root, uid, marker)));
  const std::string directory = pod_dir(root, uid) + "/volumes/" + plugin + "/" + name;
  KEELSON_TRY(unmount_own(directory, mounts));
  return base::remove_tree(directory);
}

bool is_own(const std::string& escaped_plugin) {
  for (const std::string_view plugin :
       {empty_dir_plugin, config_map_plugin, secret_plugin, downward_api_plugin, projected_plugin}) {
    if (escaped_plugin == escape_plugin(plugin)) return true;
  }
  return false;
}

Status no_mounts_below(const std::string& path, Mounts& mounts) {
  auto found = mounts.at_or_below(path);
  if (!found.ok()) return std::move(found).error();
  if (!found->empty()) return left_alone(path, found->front().path + " is still mounted");
  return {};
}

Status remove_empty_directory(const std::string& path) {
  if (rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno == ENOTEMPTY || errno == EEXIST) return left_alone(path, "it still holds data");
  if (errno == ENOTDIR) return left_alone(path, "it is a file where a directory was expected");
  return errno_error("rmdir " + path, errno);
}

// volumes/PLUGIN~/NAME by rmdir only: what is not empty is somebody's data.
Status remove_volumes_tree(const std::string& volumes) {
  auto plugins = names_in(volumes);
  if (!plugins.ok()) return std::move(plugins).error();
  for (const auto& plugin : *plugins) {
    const std::string path = volumes + "/" + plugin;
    struct stat info {};
    if (lstat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) {
      return left_alone(path, "it is a file where a directory was expected");
    }
    auto names = names_in(path);
    if (!names.ok()) return std::move(names).error();
    for (const auto& name : *names) KEELSON_TRY(remove_empty_directory(path + "/" + name));
    KEELSON_TRY(remove_empty_directory(path));
  }
  return remove_empty_directory(volumes);
}

}  // namespace

Status tear_down(const std::string& root, const std::string& uid, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  // They hold the volumes.
  KEELSON_TRY(clear_sub_paths(root, uid, mounts));
  const std::string volumes = pod_dir(root, uid) + "/volumes";
  auto plugins = names_in(volumes);
  if (!plugins.ok()) return std::move(plugins).error();
  Status first;
  const auto keep_first = [&first](Status status) {
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  for (const auto& plugin : *plugins) {
    auto names = names_in(volumes + "/" + plugin);
    if (!names.ok()) {
      keep_first(std::move(names).error());
      continue;
    }
    for (const auto& name : *names) {
      if (is_own(plugin)) {
        keep_first(tear_down_own(root, uid, plugin, name, mounts));
      } else {
        const std::string path = volumes + "/" + plugin + "/" + name;
        keep_first(left_alone(path, "volumes of this type are not managed by this agent yet"));
      }
    }
  }
  return first;
}

Status remove_pod_dir(const std::string& root, const std::string& uid, Mounts& mounts) {
  KEELSON_TRY(check_element("pod uid", uid));
  const std::string pod = pod_dir(root, uid);
  if (!base::path_exists(pod)) return {};
  KEELSON_TRY(no_mounts_below(pod, mounts));
  KEELSON_TRY(remove_volumes_tree(pod + "/volumes"));
  auto rest = names_in(pod);
  if (!rest.ok()) return std::move(rest).error();
  for (const auto& name : *rest) KEELSON_TRY(base::remove_tree(pod + "/" + name));
  return remove_empty_directory(pod);
}

}  // namespace keelson::volume
