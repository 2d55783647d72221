// Local PersistentVolumes.
#include "volume/block_device.hpp"
#include "volume/manager/disk_plugins.hpp"
#include "volume/manager/outcome.hpp"
#include "volume/mount_options.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr auto kLimit = std::chrono::minutes(10);  // mkfs and fsck of a large disk take their time

LocalVolume local_of(const VolumeSpec& spec) {
  const auto& source = spec.pv->spec().persistentvolumesource().local();
  LocalVolume volume;
  volume.pv = spec.name;
  volume.path = source.path();
  volume.fs_type = source.fstype();
  volume.read_only = spec.read_only;
  volume.mount_options = mount_options(*spec.pv, {});
  return volume;
}

std::string unique_name(const std::string& pv) { return std::string(local_plugin) + "/" + pv; }

// Not coroutines: closures are made outside of those.
base::Task<Result<DiskMounted>> mount_disk(const DiskHost& host, const VolumeSpec& spec, std::string found) {
  return host.work.on_device<DiskMounted>(
      "mount the disk of " + spec.name, unique_name(spec.name), kLimit,
      [root = host.work.root(), volume = local_of(spec), programs = host.programs,
       found = std::move(found)](Mounts& mounts) {
        if (is_still_mounted(found, mounts)) return Result<DiskMounted>(DiskMounted());
        return Result<DiskMounted>(mount_local_device(root, volume, *programs, mounts));
      });
}
base::Task<Result<Ok>> unmount_disk(const DiskHost& host, const DeviceOrder& order) {
  return host.work.on_device<Ok>("unmount the disk of " + order.name, order.device, kLimit,
                                 [root = host.work.root(), order](Mounts& mounts) {
                                   if (!order.block) return as_result(unmount_local_device(root, order.name, mounts));
                                   return as_result(tear_down_block_device(local_global_map(root, order.name), mounts));
                                 });
}

base::Task<Result<Ok>> grow_disk(const DiskHost& host, const VolumeSpec& spec) {
  return host.work.on_device<Ok>("grow the file system of " + spec.name, unique_name(spec.name), kLimit,
                                 [root = host.work.root(), volume = local_of(spec), programs = host.programs](Mounts&) {
                                   return as_result(expand_local(root, volume, *programs));
                                 });
}

base::Task<Result<std::vector<DeviceOrder>>> find_local_devices(const DiskHost& host) {
  return host.work.on_device<std::vector<DeviceOrder>>(
      "find local volumes of the node", "local", kLimit,
      [root = host.work.root()](Mounts&) -> Result<std::vector<DeviceOrder>> {
        const auto parent = [](const std::string& path) { return path.substr(0, path.find_last_of('/')); };
        std::vector<DeviceOrder> all = find_global_dirs(parent(local_mount_dir(root, "x")), false);
        for (auto& order : find_global_dirs(parent(local_global_map(root, "x")), true)) all.push_back(std::move(order));
        for (auto& order : all) order.device = unique_name(order.name);
        return all;
      });
}

}  // namespace

bool LocalVolumePlugin::serves(const VolumeSpec& spec) const {
  return spec.pv != nullptr && spec.pv->spec().persistentvolumesource().has_local();
}

base::Task<VolumeResult<VolumeManner>> LocalVolumePlugin::manner(VolumeSpec spec) {
  VolumeManner manner;
  manner.device = unique_name(spec.name);
  const std::string& root = host_.work.root();
  manner.place = spec.block ? local_global_map(root, spec.name) : local_mount_dir(root, spec.name);
  manner.expands = true;
  co_return manner;
}

base::Task<Result<FoundManner>> LocalVolumePlugin::manner_of_found(FoundVolume found) {
  FoundManner out;
  out.manner.device = unique_name(found.name);
  out.place = found.global_dir;
  co_return out;
}

base::Task<Result<std::vector<DeviceOrder>>> LocalVolumePlugin::found_devices() { return find_local_devices(host_); }

base::Task<VolumeResult<std::string>> LocalVolumePlugin::mount_device(MountOrder order) {
  const std::string& root = host_.work.root();
  if (order.spec.block) co_return local_global_map(root, order.spec.name);
  auto mounted = co_await mount_disk(host_, order.spec, found_place(order));
  co_return placed(order, std::move(mounted), local_mount_dir(root, order.spec.name));
}

base::Task<VolumeStatus> LocalVolumePlugin::unmount_device(DeviceOrder order) {
  if (Status free = co_await check_released(order); !free.ok()) co_return uncertain_error(std::move(free).error());
  auto gone = co_await unmount_disk(host_, order);
  if (!gone.ok()) co_return uncertain_error(std::move(gone).error());
  co_return VolumeStatus();
}

// contract 04 §24: of a directory, or a device without a file system of ours, nothing is to be done.
base::Task<ExpandResult> LocalVolumePlugin::expand(ExpandOrder order) {
  ExpandResult out;
  if (order.spec.block) co_return out;
  auto grown = co_await grow_disk(host_, order.spec);
  if (grown.ok()) co_return out;
  const VolumeError error = classified(std::move(grown).error());
  const bool final = error.outcome == VolumeError::Outcome::final;
  out.outcome = final ? ExpandResult::Outcome::failed : ExpandResult::Outcome::uncertain;
  out.error = error.error;
  co_return out;
}

DiskPlugin::PodMountOf LocalVolumePlugin::pod_mount(const MountOrder& order) const {
  return [root = host_.work.root(), uid = order.spec.pod->metadata().uid(), volume = local_of(order.spec)] {
    return local_pod_mount(root, uid, volume);
  };
}

std::string LocalVolumePlugin::device(const MountOrder& order) const {
  return order.spec.pv->spec().persistentvolumesource().local().path();
}

}  // namespace keelson::volume
