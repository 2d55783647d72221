// Expansion and statistics, and the plugin's work on the disk.
#include "base/file.hpp"
#include "volume/csi/files.hpp"
#include "volume/csi/paths.hpp"
#include "volume/csi/plugin.hpp"
#include "volume/csi/plugin_internal.hpp"

namespace keelson::volume {

using base::Task;

namespace {

constexpr base::Duration kDiskLimit = std::chrono::minutes(1);
// A walk over a whole volume; one that goes on is no hang, and can be cancelled.
constexpr base::Duration kGroupLimit = std::chrono::hours(24 * 7);

constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;
constexpr int kFailedPrecondition = 9;
constexpr int kOutOfRange = 11;

template <class T>
Task<Result<T>> still_busy(std::string volume) {
  co_return Error(ErrorKind::exhausted, "an earlier call for " + volume + " still hangs in the kernel");
}

Status check_unused_now(const std::string& path) {
  const auto mountinfo = base::read_file("/proc/self/mountinfo");
  if (!mountinfo.ok()) return mountinfo.error();
  const auto other = foreign_mount_of(*mountinfo, resolve_links(path).value_or(path));
  if (!other) return {};
  return Error(ErrorKind::unavailable,
               "the device mount path \"" + path + "\" is still mounted by other references [" + *other + "]");
}

Status clean_unless_mounted(const std::string& path, const Error& cause, Mounts& mounts) {
  const auto mounted = is_mounted(path, mounts);
  if (!mounted.ok()) return mounted.error();
  if (*mounted) return cause;
  return remove_csi_mount(path, mounts);
}

}  // namespace

ExpandResult::Outcome csi_expand_failure(const VolumeError& error) {
  using Outcome = ExpandResult::Outcome;
  switch (error.error.code()) {
    case kFailedPrecondition: return Outcome::in_use;
    case kInvalidArgument:
    case kNotFound:
    case kOutOfRange: return Outcome::infeasible;
    default: break;
  }
  return error.outcome == VolumeError::Outcome::final ? Outcome::failed : Outcome::uncertain;
}

Task<VolumeResult<CsiExpanded>> CsiPlugin::expand(CsiExpand wanted) {
  const CsiVolume& volume = wanted.volume;
  auto client = client_of(volume.driver, volume.migrated);
  if (!client) co_return csi::no_driver("Expander.NodeExpand failed to get CSI client", volume.driver);
  const auto can = co_await client->capabilities();
  if (!can.ok()) {
    VolumeError error = can.error();
    co_return std::move(error).wrap("Expander.NodeExpand failed to check if node supports expansion ");
  }
  CsiExpanded expanded;
  expanded.supported = can->expand;
  if (!can->expand) co_return expanded;
  auto secrets = co_await secret_of(volume.expand_secret, "NodeExpandSecretRef");
  if (!secrets.ok()) co_return std::move(secrets).error();
  CsiExpandRequest request;
  request.volume_id = volume.handle;
  request.volume_path = wanted.volume_path;
  request.required_bytes = wanted.size;
  request.secrets = std::move(*secrets);
  request.use.block = wanted.block;
  request.use.fs_type = volume.fs_type;
  request.use.mount_flags = volume.mount_options;
  request.use.access_mode = csi_access_mode_of(volume);
  if (!wanted.block) {
    request.staging_path = csi_staging_path(base_.root, volume.driver, volume.handle);
  } else if (can->stage_unstage) {
    request.staging_path = csi_block_paths(base_.root, volume.name).staging;
  }
  auto capacity = co_await client->expand(std::move(request));
  if (!capacity.ok()) co_return std::move(capacity).error().wrap("Expander.NodeExpand failed to expand the volume ");
  expanded.capacity = *capacity;
  co_return expanded;
}

Task<VolumeResult<std::optional<CsiStats>>> CsiPlugin::stats(std::string driver, std::string handle, std::string path) {
  std::optional<CsiStats> none;
  auto client = client_of(driver);
  if (!client) co_return csi::no_driver("failed to get CSI client", driver);
  const auto can = co_await client->capabilities();
  if (!can.ok()) co_return can.error();
  if (!can->volume_stats) co_return none;
  auto stats = co_await client->stats(handle, path);
  if (!stats.ok()) co_return std::move(stats).error();
  none = std::move(*stats);
  co_return none;
}

// --- On the disk. Not coroutines: GCC 12 frees a closure twice that is made inside one.

template <class T>
Task<Result<T>> CsiPlugin::on_disk(const std::string& volume, const char* what, base::Duration limit, Work<T> work) {
  auto token = in_flight_.enter(volume);
  if (!token) return still_busy<T>(volume);
  return base_.pool.run<T>(what, limit, [work = std::move(work), token] { return work(); });
}

Task<Status> CsiPlugin::prepare(std::string directory, std::optional<VolData> data) {
  return on_disk<void>(directory, "prepare a CSI volume's directory", kDiskLimit,
                       [directory, data = std::move(data)] { return prepare_csi_directory(directory, data); });
}

Task<Result<VolData>> CsiPlugin::load(std::string directory) {
  return on_disk<VolData>(directory, "read a CSI volume's data", kDiskLimit,
                          [directory] { return load_vol_data(directory); });
}

Task<Result<bool>> CsiPlugin::exists(std::string path) {
  return on_disk<bool>(path, "look for a CSI block volume", kDiskLimit,
                       [path] { return Result<bool>(base::path_exists(path)); });
}

Task<Status> CsiPlugin::clean_mount(std::string mount_path) {
  return on_disk<void>(mount_path, "remove a CSI volume's directory", kDiskLimit,
                       [mount_path, mounts = base_.mounts] { return remove_csi_mount(mount_path, *mounts); });
}

Task<Status> CsiPlugin::clean_block(std::string name) {
  return on_disk<void>(
      name, "remove a CSI block volume's directories", kDiskLimit,
      [name, root = base_.root, mounts = base_.mounts] { return remove_csi_block(root, name, *mounts); });
}

Task<Status> CsiPlugin::clean_block_file(std::string path) {
  return on_disk<void>(path, "remove a CSI block volume's file", kDiskLimit,
                       [path, mounts = base_.mounts] { return remove_csi_block_file(path, *mounts); });
}

// Without vol_data.json no driver was ever asked, so that only our own directories can be there.
Task<Status> CsiPlugin::clean_unknown(std::string mount_path, Error cause) {
  return on_disk<void>(
      mount_path, "remove what is left of a CSI volume", kDiskLimit,
      [mount_path, cause, mounts = base_.mounts] { return clean_unless_mounted(mount_path, cause, *mounts); });
}

Task<Status> CsiPlugin::check_unused(std::string mount_path) {
  return on_disk<void>(mount_path, "look for other mounts of a CSI volume", kDiskLimit,
                       [mount_path] { return check_unused_now(mount_path); });
}

Task<Result<std::string>> CsiPlugin::resolve(std::string path) {
  return on_disk<std::string>(path, "resolve a CSI block device", kDiskLimit, [path] { return resolve_links(path); });
}

Task<Status> CsiPlugin::apply_group(CsiPublish wanted, std::string path) {
  return on_disk<void>(path, "apply fsGroup to a CSI volume", kGroupLimit,
                       [path, group = *wanted.fs_group, policy = wanted.fs_group_change_policy,
                        progress = wanted.progress] { return apply_csi_fs_group(path, group, policy, *progress); });
}

void CsiPlugin::tell_left(const std::string& path, const Status& cleaned) {
  if (!cleaned.ok())
    base_.log.warning("What a failed CSI mount left stays", {{"path", path}, {"err", cleaned.error()}});
}

}  // namespace keelson::volume
