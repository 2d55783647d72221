#include "volume/reconstruct.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "base/file.hpp"
#include "volume/block_device.hpp"
#include "volume/fc.hpp"
#include "volume/iscsi.hpp"
#include "volume/local_volume.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr std::string_view kCsiPlugin = "kubernetes.io/csi";

class Search {
 public:
  Search(std::string root, Mounts& mounts, std::vector<MountEntry> table)
      : root_(std::move(root)), mounts_(mounts), table_(std::move(table)) {
    real_root_ = mounts_.real_path(root_).value_or(root_);
  }

  FoundVolumes run() {
    for (const auto& uid : names_in(root_ + "/pods")) {
      const std::string pod = pod_dir(root_, uid);
      for_each_volume(pod + "/volumes",
                      [&](const std::string& plugin, const std::string& path) { add_volume(uid, plugin, path); });
      for_each_volume(pod + "/volumeDevices",
                      [&](const std::string& plugin, const std::string& path) { add_device(uid, plugin, path); });
    }
    return std::move(found_);
  }

 private:
  // None when there is no such directory.
  std::vector<std::string> names_in(const std::string& path) {
    auto names = base::list_directory(path);
    if (names.ok()) return std::move(*names);
    if (names.error().code() != ENOENT) found_.unreadable.push_back({path, names.error()});
    return {};
  }

  template <class Visit>
  void for_each_volume(const std::string& top, Visit visit) {
    for (const auto& escaped : names_in(top)) {
      for (const auto& name : names_in(top + "/" + escaped)) {
        visit(unescape_plugin(escaped), top + "/" + escaped + "/" + name);
      }
    }
  }

  // As the table has it.
  std::string real(const std::string& path) const { return real_root_ + path.substr(root_.size()); }
  // As the caller has it; what is elsewhere stays as it is.
  std::string ours(const std::string& path) const {
    return is_at_or_below(path, real_root_) ? root_ + path.substr(real_root_.size()) : path;
  }

  void add_volume(const std::string& uid, const std::string& plugin, const std::string& path) {
    FoundVolume volume{.uid = uid, .plugin = plugin, .name = path.substr(path.find_last_of('/') + 1), .path = path};
    const std::string place = real(path) + (plugin == kCsiPlugin ? "/mount" : "");
    volume.mounted = is_mounted_at(table_, place);
    if (volume.mounted) {
      if (const MountEntry* mount = mount_of(table_, place)) volume.device = mount->source;
      volume.global_dir = global_dir_of(plugin, place);
    } else {
      tell_if_unreadable(path);
    }
    found_.volumes.push_back(std::move(volume));
  }

  // The global mount of the plugin that shows the same.
  std::string global_dir_of(const std::string& plugin, const std::string& place) const {
    if (plugin != iscsi_plugin && plugin != fc_plugin && plugin != local_plugin) return "";
    const std::string top = real(plugin_dir(root_, plugin));
    for (const auto& reference : mount_references(table_, place)) {
      if (is_at_or_below(reference, top)) return ours(reference);
    }
    return "";
  }

  void add_device(const std::string& uid, const std::string& plugin, const std::string& path) {
    FoundVolume volume{
        .uid = uid, .plugin = plugin, .name = path.substr(path.find_last_of('/') + 1), .path = path, .block = true};
    std::error_code error;
    volume.device = std::filesystem::read_symlink(path, error).string();
    if (error) {
      found_.unreadable.push_back({path, errno_error("reading the link " + path, error.value())});
      return;
    }
    // local volumes have their devices below the escaped name.
    for (const std::string& top : {plugin_dir(root_, plugin), plugin_dir(root_, escape_plugin(plugin))}) {
      auto global = find_global_map(top, uid, path, mounts_);
      if (!global.ok()) found_.unreadable.push_back({top, global.error()});
      if (!global.ok() || global->empty()) continue;
      volume.global_dir = std::move(*global);
      volume.mounted = true;
      break;
    }
    found_.volumes.push_back(std::move(volume));
  }

  // Only what nothing is mounted on is looked at.
  void tell_if_unreadable(const std::string& path) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
      found_.unreadable.push_back({path, errno_error("looking at " + path, errno)});
    } else if (!S_ISDIR(info.st_mode)) {
      found_.unreadable.push_back({path, Error(ErrorKind::invalid, path + " is not a directory")});
    }
  }

  std::string root_;
  std::string real_root_;
  Mounts& mounts_;
  std::vector<MountEntry> table_;
  FoundVolumes found_;
};

}  // namespace

Result<FoundVolumes> find_volumes(const std::string& root, Mounts& mounts) {
  auto table = mounts.entries();
  if (!table.ok()) return std::move(table).error();
  return Search(root, mounts, std::move(*table)).run();
}

}  // namespace keelson::volume
