#include "volume/csi/files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/file.hpp"
#include "volume/csi/paths.hpp"
#include "volume/fs_group.hpp"
#include "volume/mount_table.hpp"

namespace keelson::volume {
namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.find_last_of('/')); }

Status remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("rmdir " + path, errno);
}

Status remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return errno_error("unlink " + path, errno);
}

Error still_mounted(const std::string& path) {
  return Error(ErrorKind::unavailable, path + " stays: something is still mounted there", EBUSY);
}

}  // namespace

Status prepare_csi_directory(const std::string& directory, const std::optional<VolData>& data) {
  KEELSON_TRY(base::make_directories(directory, 0750));
  if (!data) return {};
  return save_vol_data(directory, *data);
}

Result<bool> is_mounted(const std::string& path, Mounts& mounts) {
  auto found = mounts.at_or_below(path);
  if (!found.ok()) return std::move(found).error();
  return !found->empty();
}

Status remove_csi_mount(const std::string& mount_path, Mounts& mounts) {
  const auto mounted = is_mounted(mount_path, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return {};
  const std::string volume = parent_of(mount_path);
  KEELSON_TRY(remove_directory(mount_path));
  KEELSON_TRY(remove_file(volume + "/" + vol_data_file));
  return remove_directory(volume);
}

Status remove_csi_block(const std::string& root, const std::string& name, Mounts& mounts) {
  const CsiBlockPaths paths = csi_block_paths(root, name);
  for (const std::string& path : {paths.publish_dir, paths.staging, paths.volume}) {
    const auto mounted = is_mounted(path, mounts);
    if (!mounted.ok()) return mounted.error();
    if (*mounted) return still_mounted(path);
  }
  KEELSON_TRY(remove_directory(paths.publish_dir));
  KEELSON_TRY(remove_directory(paths.staging));
  KEELSON_TRY(remove_directory(paths.devices));
  KEELSON_TRY(remove_file(paths.data + "/" + vol_data_file));
  KEELSON_TRY(remove_directory(paths.data));
  return remove_directory(paths.volume);
}

Status remove_csi_block_file(const std::string& path, Mounts& mounts) {
  const auto mounted = is_mounted(path, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return still_mounted(path);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size != 0) return {};
  return remove_file(path);
}

Result<std::string> resolve_links(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return errno_error("resolving " + path, errno);
  std::string out = real;
  std::free(real);
  return out;
}

Status apply_csi_fs_group(const std::string& path, std::int64_t gid, const std::string& change_policy,
                          FsGroupProgress& progress) {
  auto changed = change_fs_group({.path = path, .gid = gid, .policy = fs_group_policy(change_policy)}, progress);
  if (!changed.ok()) return std::move(changed).error();
  return {};
}

Result<bool> keeps_labels(const std::string& path, Mounts& mounts) {
  const auto table = mounts.entries();
  if (!table.ok()) return table.error();
  const std::string real = mounts.real_path(path).value_or(path);
  bool labels = false;
  for (const MountEntry& entry : *table) {
    if (entry.path == real) labels = ("," + entry.super_options + ",").find(",seclabel,") != std::string::npos;
  }
  return labels;
}

std::optional<std::string> foreign_mount_of(std::string_view mountinfo, const std::string& path) {
  const std::vector<MountEntry> table = parse_mount_table(mountinfo);
  const MountEntry* own = mount_of(table, path);
  if (own == nullptr || own->path != path) return std::nullopt;
  // The same directory seen from elsewhere (the root directory bound to another place) is ours, too.
  const auto at = path.find("/plugins/kubernetes.io/");
  const std::string tail = at == std::string::npos ? path : path.substr(at);
  for (std::string& reference : mount_references(table, path)) {
    if (reference.find(tail) == std::string::npos) return std::move(reference);
  }
  return std::nullopt;
}

}  // namespace keelson::volume
