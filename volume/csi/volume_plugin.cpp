#include "volume/csi/volume_plugin.hpp"

#include "base/file.hpp"
#include "volume/block_device.hpp"
#include "volume/csi/files.hpp"
#include "volume/csi/names.hpp"
#include "volume/csi/paths.hpp"
#include "volume/manager/outcome.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr auto kDiskLimit = std::chrono::minutes(2);

BlockMap map_of(const std::string& root, const std::string& uid, const std::string& name, const std::string& device) {
  BlockMap map;
  map.device = device;
  map.global_dir = csi_block_paths(root, name).devices;
  map.uid = uid;
  map.pod_link = csi_device_link(root, uid, name);
  return map;
}

// Not coroutines: closures are made outside of those.
base::Task<Result<VolData>> load(DiskWork& work, const std::string& directory) {
  return work.on_device<VolData>("read " + directory, directory, kDiskLimit,
                                 [directory](Mounts&) { return load_vol_data(directory); });
}
base::Task<Result<std::vector<DeviceOrder>>> find_devices(DiskWork& work) {
  return work.on_device<std::vector<DeviceOrder>>(
      "find CSI volumes of the node", "csi", kDiskLimit,
      [root = work.root()](Mounts&) { return Result<std::vector<DeviceOrder>>(find_csi_devices(root)); });
}

base::Task<Result<bool>> look_for_labels(DiskWork& work, const std::string& path) {
  return work.on_device<bool>("look how " + path + " is mounted", "labels " + path, kDiskLimit,
                              [path](Mounts& mounts) -> Result<bool> {
                                if (!base::is_directory("/sys/fs/selinux")) return false;
                                return keeps_labels(path, mounts);
                              });
}

VolumeManner manner_of(const std::string& driver, const std::string& handle, const CsiTraits& traits) {
  VolumeManner manner;
  manner.device = csi_unique_name(driver, handle);
  manner.attachable = traits.attach_required;
  manner.repeats = traits.requires_republish;
  manner.expands = true;
  manner.takes_context = traits.selinux_mount;
  manner.label = std::string(csi_plugin) + ":" + driver;
  return manner;
}

// Inline volumes: never staged, never attached.
void without_device(VolumeManner& manner) {
  manner.device.clear();
  manner.attachable = false;
  manner.expands = false;
}

std::vector<std::string> names_in(const std::string& directory) {
  if (!base::is_directory(directory)) return {};
  return base::list_directory(directory).value_or({});
}

}  // namespace

std::pair<std::string, std::string> parse_csi_unique_name(const std::string& unique) {
  const std::string prefix = std::string(csi_plugin) + "/";
  const auto caret = unique.find('^');
  if (!unique.starts_with(prefix) || caret == std::string::npos) return {};
  return {unique.substr(prefix.size(), caret - prefix.size()), unique.substr(caret + 1)};
}

std::vector<DeviceOrder> find_csi_devices(const std::string& root) {
  std::vector<DeviceOrder> out;
  const std::string top = plugin_dir(root, csi_plugin);
  for (const auto& driver : names_in(top)) {
    if (driver == "volumeDevices") continue;
    for (const auto& volume : names_in(top + "/" + driver)) {
      const auto data = load_vol_data(top + "/" + driver + "/" + volume);
      if (!data.ok()) continue;
      DeviceOrder order;
      order.device = csi_unique_name(data->driver_name, data->volume_handle);
      order.name = volume;
      order.attachable = true;
      order.context = data->selinux_mount_context;
      out.push_back(std::move(order));
    }
  }
  for (const auto& volume : names_in(top + "/volumeDevices")) {
    const auto data = load_vol_data(csi_block_paths(root, volume).data);
    if (!data.ok()) continue;
    DeviceOrder order;
    order.device = csi_unique_name(data->driver_name, data->volume_handle);
    order.name = data->spec_vol_id.empty() ? volume : data->spec_vol_id;
    order.block = true;
    order.attachable = true;
    out.push_back(std::move(order));
  }
  return out;
}

std::string CsiVolumePlugin::name() const { return std::string(csi_plugin); }

bool CsiVolumePlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr ? spec.volume().volumesource().has_csi()
                            : spec.pv->spec().persistentvolumesource().has_csi();
}

base::Task<VolumeResult<VolumeManner>> CsiVolumePlugin::manner(VolumeSpec spec) {
  const auto volume = csi_volume(spec);
  if (!volume.ok()) co_return final_error(volume.error());
  const auto traits = co_await csi_.traits(volume->driver);
  if (!traits.ok()) co_return traits.error();
  VolumeManner manner = manner_of(volume->driver, volume->handle, *traits);
  if (volume->inline_volume) without_device(manner);
  co_return manner;
}

base::Task<Result<FoundManner>> CsiVolumePlugin::manner_of_found(FoundVolume found) {
  const std::string directory = found.block ? csi_block_paths(host_.work.root(), found.name).data : found.path;
  const auto data = co_await load(host_.work, directory);
  if (!data.ok()) co_return data.error();
  FoundManner out;
  // Whether it must be attached is asked when it is wanted again; to take it off it need not be known.
  out.manner = manner_of(data->driver_name, data->volume_handle, CsiTraits());
  if (data->lifecycle_mode == "Ephemeral") without_device(out.manner);
  if (!found.block) out.context = data->selinux_mount_context;
  co_return out;
}

base::Task<Result<std::vector<DeviceOrder>>> CsiVolumePlugin::found_devices() { return find_devices(host_.work); }

base::Task<VolumeStatus> CsiVolumePlugin::check_attached(MountOrder order) {
  auto volume = csi_volume(order.spec);
  if (!volume.ok()) co_return final_error(std::move(volume).error());
  auto done = co_await csi_.check_attached(std::move(*volume));
  co_return done;
}

base::Task<VolumeResult<std::string>> CsiVolumePlugin::mount_device(MountOrder order) {
  auto volume = csi_volume(order.spec);
  if (!volume.ok()) co_return final_error(std::move(volume).error());
  VolumeStatus done;
  if (order.spec.block) {
    done = co_await csi_.stage_block(std::move(*volume));
  } else {
    CsiStage stage;
    stage.volume = std::move(*volume);
    stage.fs_group = fs_group_of(*order.spec.pod);
    stage.selinux_label = order.spec.context;
    done = co_await csi_.stage(std::move(stage));
  }
  if (!done.ok()) co_return std::move(done).error();
  co_return std::string();
}

base::Task<VolumeStatus> CsiVolumePlugin::unmount_device(DeviceOrder order) {
  VolumeStatus done;
  if (order.block) {
    done = co_await release_pods(order.name);
    if (done.ok()) done = co_await csi_.unstage_block(order.name);
    if (done.ok()) mapped_.erase(order.name);
  } else {
    const auto [driver, handle] = parse_csi_unique_name(order.device);
    done = co_await csi_.unstage(driver, handle);
  }
  co_return done;
}

base::Task<VolumeResult<MountedVolume>> CsiVolumePlugin::set_up(MountOrder order) {
  auto volume = csi_volume(order.spec);
  if (!volume.ok()) co_return final_error(std::move(volume).error());
  if (order.spec.block) {
    auto mapped = co_await map(std::move(*volume), std::move(order));
    co_return mapped;
  }
  const bool read_only = volume->read_only;
  CsiPublish publish;
  publish.volume = std::move(*volume);
  publish.pod = csi_pod(*order.spec.pod);
  publish.fs_group = fs_group_of(*order.spec.pod);
  publish.fs_group_change_policy = order.spec.pod->spec().securitycontext().fsgroupchangepolicy();
  publish.selinux_label = order.spec.context;
  publish.republish = order.mounted;
  publish.restored = order.restored;
  const std::string directory = csi_target_path(host_.work.root(), publish.pod.uid, publish.volume.name);
  const FsGroupWatch watch(host_.clock, order, directory, host_.event);
  publish.progress = watch.progress();
  auto published = co_await csi_.publish(std::move(publish));
  if (!published.ok()) co_return std::move(published).error();
  MountedVolume out;
  out.path = published->path;
  out.read_only = read_only;
  out.grouped = published->grouped;
  if (!read_only && !published->selinux_mounted) {
    const auto labels = co_await look_for_labels(host_.work, out.path);
    out.relabel = labels.ok() && *labels;
  }
  co_return out;
}

base::Task<VolumeResult<MountedVolume>> CsiVolumePlugin::map(CsiVolume volume, MountOrder order) {
  const std::string uid = order.spec.pod->metadata().uid();
  const std::string name = volume.name;
  const bool read_only = volume.read_only;
  const auto published = co_await csi_.publish_block(std::move(volume), csi_pod(*order.spec.pod));
  if (!published.ok()) co_return published.error();
  auto bound = co_await bind(uid, name, published->path);
  // The driver has published it: it must be taken back.
  if (!bound.ok()) co_return uncertain_error(std::move(bound).error());
  MountedVolume out;
  out.path = csi_device_link(host_.work.root(), uid, name);
  out.read_only = read_only;
  out.block = true;
  mapped_[name] = published->path;
  if (!order.mounted) tell_mapped(host_.event, order, csi_block_paths(host_.work.root(), name).devices, out.path);
  co_return out;
}

// What is left of pods when a unmapping of before did not come to its end: without it the driver would be asked to take
// back a volume that it has published. Then nobody else may have the device open.
base::Task<VolumeStatus> CsiVolumePlugin::release_pods(std::string name) {
  const auto pods = co_await pods_of(name);
  if (!pods.ok()) co_return uncertain_error(pods.error());
  for (std::size_t i = 0; i < pods->size(); ++i) {
    TearDownOrder left;
    left.uid = (*pods)[i];
    left.name = name;
    left.block = true;
    auto gone = co_await tear_down(std::move(left));
    if (!gone.ok()) co_return gone;
  }
  const auto device = mapped_.find(name);
  if (device == mapped_.end()) co_return VolumeStatus();
  Status free = co_await check_free(host_.work, device->second);
  if (!free.ok()) co_return uncertain_error(std::move(free).error());
  co_return VolumeStatus();
}

base::Task<VolumeStatus> CsiVolumePlugin::tear_down(TearDownOrder order) {
  VolumeStatus done;
  if (!order.block) {
    done = co_await csi_.unpublish(order.uid, order.name);
    co_return done;
  }
  auto unbound = co_await unbind(order.uid, order.name);
  if (!unbound.ok()) co_return uncertain_error(std::move(unbound).error());
  done = co_await csi_.unpublish_block(order.uid, order.name);
  co_return done;
}

base::Task<bool> CsiVolumePlugin::is_node_full(MountOrder order) {
  auto volume = csi_volume(order.spec);
  if (!volume.ok() || volume->inline_volume) co_return false;
  const bool full = co_await csi_.is_node_full(std::move(*volume));
  co_return full;
}

base::Task<ExpandResult> CsiVolumePlugin::expand(ExpandOrder order) {
  using Outcome = ExpandResult::Outcome;
  ExpandResult out;
  auto volume = csi_volume(order.spec);
  if (!volume.ok()) {
    out.outcome = Outcome::failed;
    out.error = volume.error();
    co_return out;
  }
  const std::string driver = volume->driver;
  CsiExpand wanted;
  wanted.volume = std::move(*volume);
  wanted.block = order.spec.block;
  wanted.size = order.size;
  wanted.volume_path = order.path;
  const auto device = mapped_.find(order.spec.name);
  if (order.spec.block && device != mapped_.end()) wanted.volume_path = device->second;
  const auto expanded = co_await csi_.expand(std::move(wanted));
  if (!expanded.ok()) {
    out.outcome = csi_expand_failure(expanded.error());
    out.error = expanded.error().error;
  } else if (!expanded->supported) {
    out.outcome = Outcome::unsupported;
    out.error = Error(ErrorKind::unimplemented, "Expander.NodeExpand found CSI plugin " + std::string(csi_plugin) +
                                                    "/" + driver + " to not support node expansion");
  }
  co_return out;
}

// Not coroutines: closures are made outside of those.
base::Task<Status> CsiVolumePlugin::bind(std::string uid, std::string name, std::string device) {
  const BlockMap map = map_of(host_.work.root(), uid, name, device);
  return without_value(host_.work.on_volume<Ok>(
      "map device of " + name, uid, name, kDiskLimit,
      [map, loops = host_.loops](Mounts& mounts) { return as_result(map_block_device(map, mounts, *loops)); }));
}

base::Task<Status> CsiVolumePlugin::unbind(std::string uid, std::string name) {
  const BlockMap map = map_of(host_.work.root(), uid, name, "");
  return without_value(host_.work.on_volume<Ok>(
      "unmap device of " + name, uid, name, kDiskLimit,
      [map, loops = host_.loops](Mounts& mounts) { return as_result(unmap_block_device(map, mounts, *loops)); }));
}

// UIDs of pods of which a device or a file of the driver is left.
base::Task<Result<std::vector<std::string>>> CsiVolumePlugin::pods_of(std::string name) {
  const CsiBlockPaths paths = csi_block_paths(host_.work.root(), name);
  return host_.work.on_device<std::vector<std::string>>(
      "look for pods of block volume " + name, "pods of " + name, kDiskLimit,
      [paths](Mounts&) -> Result<std::vector<std::string>> {
        std::set<std::string> uids;
        for (const auto& directory : {paths.devices, paths.publish_dir}) {
          for (auto& uid : names_in(directory)) uids.insert(std::move(uid));
        }
        return std::vector<std::string>(uids.begin(), uids.end());
      });
}

}  // namespace keelson::volume
