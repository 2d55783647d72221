#include "volume/manager/disk_plugins.hpp"

#include "base/file.hpp"
#include "volume/block_device.hpp"
#include "volume/manager/outcome.hpp"
#include "volume/mount_options.hpp"
#include "volume/mount_point.hpp"
#include "volume/nfs.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr auto kLimit = std::chrono::minutes(2);
constexpr auto kUnmountLimit = std::chrono::minutes(4);  // a server's file system is pulled off after a minute
constexpr auto kWalkLimit = std::chrono::hours(24 * 7);  // a walk that goes on is no hang, and can be cancelled

NfsVolume nfs_of(const VolumeSpec& spec) {
  const auto& source =
      spec.pv == nullptr ? spec.volume().volumesource().nfs() : spec.pv->spec().persistentvolumesource().nfs();
  NfsVolume volume;
  volume.server = source.server();
  volume.path = source.path();
  volume.read_only = spec.pv == nullptr ? source.readonly() : spec.read_only;
  if (spec.pv != nullptr) volume.mount_options = mount_options(*spec.pv, {});
  return volume;
}

// Not coroutines: closures are made outside of those.
base::Task<Result<Ok>> mount_nfs(DiskWork& work, const VolumeSpec& spec) {
  const std::string& uid = spec.pod->metadata().uid();
  return work.on_volume<Ok>("mount NFS volume " + spec.name + " of pod " + uid, uid, spec.name, kLimit,
                            [root = work.root(), uid, name = spec.name, volume = nfs_of(spec)](Mounts& mounts) {
                              return as_result(set_up_nfs(root, uid, name, volume, mounts));
                            });
}
base::Task<Result<Ok>> clean_up(DiskWork& work, const std::string& uid, const std::string& name,
                                const std::string& plugin) {
  // Beside a call that hangs at the volume: to pull it off is what brings that back.
  const std::string key = "unmount volume " + name + " of pod " + uid;
  return work.on_device<Ok>(key, key, kUnmountLimit,
                            [path = volume_dir(work.root(), uid, plugin, name)](Mounts& mounts) {
                              return as_result(clean_up_mount_point(path, mounts));
                            });
}

}  // namespace

// --- NFS ---

bool NfsPlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr ? spec.volume().volumesource().has_nfs()
                            : spec.pv->spec().persistentvolumesource().has_nfs();
}

void tell_mapped(const VolumeEvent& event, const MountOrder& order, const std::string& global_dir,
                 const std::string& link) {
  if (!event) return;
  const std::string done = "MapVolume.MapPodDevice succeeded for volume \"" + order.spec.name + "\" ";
  const std::string directory = link.substr(0, link.find_last_of('/'));
  event(*order.spec.pod, false, "SuccessfulMountVolume", done + "globalMapPath \"" + global_dir + "\"");
  event(*order.spec.pod, false, "SuccessfulMountVolume", done + "volumeMapPath \"" + directory + "\"");
}

base::Task<Status> check_free(DiskWork& work, const std::string& device) {
  return without_value(work.on_device<Ok>("look whether " + device + " is in use", "open " + device, kLimit,
                                          [device](Mounts&) { return as_result(check_device_unused(device)); }));
}

std::vector<DeviceOrder> find_global_dirs(const std::string& directory, bool block) {
  std::vector<DeviceOrder> out;
  if (!base::is_directory(directory)) return out;
  for (const auto& name : base::list_subdirectories(directory).value_or({})) {
    DeviceOrder order;
    order.name = name;
    order.block = block;
    order.place = directory + "/" + name;
    out.push_back(std::move(order));
  }
  return out;
}

base::Task<VolumeResult<MountedVolume>> NfsPlugin::set_up(MountOrder order) {
  const auto mounted = co_await mount_nfs(work_, order.spec);
  if (!mounted.ok()) co_return classified(mounted.error());
  MountedVolume out;
  out.path = volume_dir(work_.root(), order.spec.pod->metadata().uid(), nfs_plugin, order.spec.name);
  out.read_only = nfs_of(order.spec).read_only;
  co_return out;
}

base::Task<VolumeStatus> NfsPlugin::tear_down(TearDownOrder order) {
  auto gone = co_await clean_up(work_, order.uid, order.name, name());
  if (!gone.ok()) co_return uncertain_error(std::move(gone).error());
  co_return VolumeStatus();
}

// --- Disks ---

base::Task<VolumeResult<MountedVolume>> DiskPlugin::set_up(MountOrder order) {
  const std::string uid = order.spec.pod->metadata().uid();
  MountedVolume out;
  out.read_only = is_read_only(order.spec);
  if (order.spec.block) {
    auto mapped = co_await map(order);
    if (!mapped.ok()) co_return uncertain_error(std::move(mapped).error());
    out.path = volume_device(host_.work.root(), uid, name(), order.spec.name);
    out.block = true;
    mapped_[order.manner.device] = device(order);
    if (!order.mounted) tell_mapped(host_.event, order, order.place, out.path);
    co_return out;
  }
  out.path = volume_dir(host_.work.root(), uid, name(), order.spec.name);
  const FsGroupWatch watch(host_.clock, order, out.path, tells_of_walks() ? host_.event : VolumeEvent());
  auto mounted = co_await bind(order, watch.progress());
  if (!mounted.ok()) co_return classified(std::move(mounted).error());
  if (mounted->already_mounted && host_.event) {
    host_.event(*order.spec.pod, true, "AlreadyMountedVolume", *mounted->already_mounted);
  }
  if (mounted->failure) co_return classified(*mounted->failure);
  out.relabel = !out.read_only && order.spec.context.empty();
  out.grouped = watch.progress()->entries > 0;
  co_return out;
}

base::Task<VolumeStatus> DiskPlugin::tear_down(TearDownOrder order) {
  Status gone;
  if (order.block) {
    gone = co_await unmap(order);
  } else {
    gone = co_await unbind(order);
  }
  if (!gone.ok()) co_return uncertain_error(std::move(gone).error());
  co_return VolumeStatus();
}

std::string DiskPlugin::found_place(const MountOrder& order) const {
  if (!order.restored || order.spec.block) return {};
  return volume_dir(host_.work.root(), order.spec.pod->metadata().uid(), name(), order.spec.name);
}

bool is_still_mounted(const std::string& place, Mounts& mounts) {
  if (place.empty()) return false;
  const auto mounted = is_mount_point(place, mounts);
  return mounted.ok() && *mounted;
}

base::Task<Result<PodMounted>> DiskPlugin::bind(MountOrder order, std::shared_ptr<FsGroupProgress> progress) {
  const std::string uid = order.spec.pod->metadata().uid();
  const auto group = fs_group_of(*order.spec.pod);
  const FsGroupPolicy policy = fs_group_policy(order.spec.pod->spec().securitycontext().fsgroupchangepolicy());
  auto work = [mount_of = pod_mount(order), found = found_place(order), group, policy,
               progress](Mounts& mounts) -> Result<PodMounted> {
    if (is_still_mounted(found, mounts)) return PodMounted();
    auto mount = mount_of();
    if (!mount.ok()) return std::move(mount).error();
    mount->fs_group = group;
    mount->fs_group_policy = policy;
    return mount_for_pod(*mount, *progress, mounts);
  };
  return host_.work.on_volume<PodMounted>("mount volume " + order.spec.name + " of pod " + uid, uid, order.spec.name,
                                          group ? kWalkLimit : kLimit, std::move(work));
}

base::Task<Status> DiskPlugin::unbind(TearDownOrder order) {
  return without_value(clean_up(host_.work, order.uid, order.name, name()));
}

base::Task<Status> DiskPlugin::map(MountOrder order) {
  const std::string uid = order.spec.pod->metadata().uid();
  BlockMap map;
  map.device = device(order);
  map.global_dir = order.place;
  map.uid = uid;
  map.pod_link = volume_device(host_.work.root(), uid, name(), order.spec.name);
  return without_value(host_.work.on_volume<Ok>(
      "map device of " + order.spec.name, uid, order.spec.name, kLimit,
      [map, loops = host_.loops](Mounts& mounts) { return as_result(map_block_device(map, mounts, *loops)); }));
}

base::Task<Status> DiskPlugin::unmap(TearDownOrder order) {
  BlockMap map;
  map.global_dir = order.place;
  map.uid = order.uid;
  map.pod_link = volume_device(host_.work.root(), order.uid, name(), order.name);
  return without_value(host_.work.on_volume<Ok>(
      "unmap device of " + order.name, order.uid, order.name, kLimit,
      [map, loops = host_.loops](Mounts& mounts) { return as_result(unmap_block_device(map, mounts, *loops)); }));
}

// contract 04 §15: nobody else may have it open when it is given up.
base::Task<Status> DiskPlugin::check_released(DeviceOrder order) {
  const auto known = mapped_.find(order.device);
  if (!order.block || known == mapped_.end()) co_return Status();
  auto free = co_await check_free(host_.work, known->second);
  if (free.ok()) mapped_.erase(order.device);
  co_return free;
}

VolumeResult<std::string> DiskPlugin::placed(const MountOrder& order, Result<DiskMounted> mounted,
                                             std::string place) const {
  if (!mounted.ok()) return classified(std::move(mounted).error());
  if (!mounted->failure) return place;
  if (mounted->mismatch && host_.object_event && order.spec.pv != nullptr) {
    host_.object_event(*order.spec.pod, reference_to(*order.spec.pv), true, "FailedMountOnFilesystemMismatch",
                       "MountVolume failed for volume \"" + order.spec.name + "\" " + mounted->failure->to_string());
  }
  return classified(*mounted->failure);
}

}  // namespace keelson::volume
