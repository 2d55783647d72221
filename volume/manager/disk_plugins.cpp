#include "volume/manager/disk_plugins.hpp"

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
  return work.on_volume<Ok>("unmount volume " + name + " of pod " + uid, uid, name, kUnmountLimit,
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
    co_return out;
  }
  const FsGroupWatch watch(host_.clock, order, host_.event);
  auto mounted = co_await bind(order, watch.progress());
  if (!mounted.ok()) co_return classified(std::move(mounted).error());
  if (mounted->already_mounted && host_.event) {
    host_.event(*order.spec.pod, true, "AlreadyMountedVolume", *mounted->already_mounted);
  }
  if (mounted->failure) co_return classified(*mounted->failure);
  out.path = volume_dir(host_.work.root(), uid, name(), order.spec.name);
  out.relabel = !out.read_only;
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

base::Task<Result<PodMounted>> DiskPlugin::bind(MountOrder order, std::shared_ptr<FsGroupProgress> progress) {
  const std::string uid = order.spec.pod->metadata().uid();
  const auto group = fs_group_of(*order.spec.pod);
  const FsGroupPolicy policy = fs_group_policy(order.spec.pod->spec().securitycontext().fsgroupchangepolicy());
  return host_.work.on_volume<PodMounted>(
      "mount volume " + order.spec.name + " of pod " + uid, uid, order.spec.name, group ? kWalkLimit : kLimit,
      [mount_of = pod_mount(order), group, policy, progress](Mounts& mounts) -> Result<PodMounted> {
        auto mount = mount_of();
        if (!mount.ok()) return std::move(mount).error();
        mount->fs_group = group;
        mount->fs_group_policy = policy;
        return mount_for_pod(*mount, *progress, mounts);
      });
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

VolumeResult<std::string> DiskPlugin::placed(const MountOrder& order, Result<DiskMounted> mounted,
                                             std::string place) const {
  if (!mounted.ok()) return classified(std::move(mounted).error());
  if (!mounted->failure) return place;
  if (mounted->mismatch && host_.event) {
    host_.event(*order.spec.pod, true, "FailedMountOnFilesystemMismatch", mounted->failure->to_string());
  }
  return classified(*mounted->failure);
}

}  // namespace keelson::volume
