#include "volume/manager/flex_plugin.hpp"

#include "api/base64.hpp"
#include "base/file.hpp"
#include "volume/manager/outcome.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr auto kLimit = std::chrono::minutes(10);
constexpr auto kWalkLimit = std::chrono::hours(24 * 7);  // a walk that goes on is no hang, and can be cancelled

// What the source of a pod and that of a PersistentVolume have in common, with the secret's place.
struct FlexSource {
  std::string driver;
  FlexVolume volume;
  std::string secret_ns;
  std::string secret_name;
};

template <class Source>
FlexSource source_of(const Source& source, const VolumeSpec& spec, bool read_only) {
  FlexSource out;
  out.driver = source.driver();
  out.volume.name = spec.name;
  out.volume.fs_type = source.fstype();
  out.volume.read_only = read_only;
  out.volume.options = {source.options().begin(), source.options().end()};
  out.secret_ns = spec.pod->metadata().namespace_();
  out.secret_name = source.secretref().name();
  return out;
}

FlexSource flex_of(const VolumeSpec& spec) {
  if (spec.pv == nullptr) {
    const auto& source = spec.volume().volumesource().flexvolume();
    return source_of(source, spec, source.readonly());
  }
  const auto& source = spec.pv->spec().persistentvolumesource().flexvolume();
  FlexSource out = source_of(source, spec, spec.read_only);
  if (!source.secretref().namespace_().empty()) out.secret_ns = source.secretref().namespace_();
  return out;
}

std::string unique_name(const std::string& driver, const std::string& name) { return driver + "/" + name; }

std::string driver_of(const DeviceOrder& order) {
  const auto slash = order.device.find_last_of('/');
  return slash == std::string::npos ? std::string() : order.device.substr(0, slash);
}

// DRIVER/mounts/NAME and VENDOR/DRIVER/mounts/NAME.
std::vector<DeviceOrder> find_mount_dirs(const std::string& root) {
  std::vector<DeviceOrder> out;
  const std::string top = plugin_dir(root, "kubernetes.io/flexvolume");
  const auto add = [&](const std::string& driver) {
    for (auto& order : find_global_dirs(top + "/" + driver + "/mounts", false)) {
      order.device = unique_name(driver, order.name);
      order.attachable = true;
      out.push_back(std::move(order));
    }
  };
  for (const auto& first : find_global_dirs(top, false)) {
    add(first.name);
    for (const auto& second : find_global_dirs(first.place, false)) add(first.name + "/" + second.name);
  }
  return out;
}

// Not coroutines: closures are made outside of those.
base::Task<Result<std::vector<DeviceOrder>>> find_flex_devices(const DiskHost& host) {
  return host.work.on_device<std::vector<DeviceOrder>>(
      "find FlexVolumes of the node", "flexvolume", kLimit,
      [root = host.work.root()](Mounts&) { return Result<std::vector<DeviceOrder>>(find_mount_dirs(root)); });
}
base::Task<Result<std::string>> version_of(const DiskHost& host, const std::string& directory,
                                           const std::string& driver) {
  return host.work.on_device<std::string>(
      "look for FlexVolume driver " + driver, "flexvolume driver " + driver, kLimit,
      [directory, driver](Mounts&) { return Result<std::string>(flex_version(directory, driver)); });
}

}  // namespace

bool FlexPlugin::is_called(const std::string& plugin) const { return !plugin.starts_with("kubernetes.io/"); }

bool FlexPlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr ? spec.volume().volumesource().has_flexvolume()
                            : spec.pv->spec().persistentvolumesource().has_flexvolume();
}

base::Task<Result<FlexPlugin::DriverPtr>> FlexPlugin::driver(std::string name) {
  const auto version = co_await version_of(host_, directory_, name);
  if (!version.ok()) co_return version.error();
  const auto known = known_.find(name);
  if (known != known_.end() && !version->empty() && known->second.version == *version) {
    co_return std::make_shared<const FlexDriver>(known->second.driver);
  }
  auto looked = co_await look(name, *version);
  if (!looked.ok()) co_return std::move(looked).error();
  auto found = std::make_shared<const FlexDriver>(looked->driver);
  known_[name] = std::move(*looked);
  co_return found;
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<FlexPlugin::Known>> FlexPlugin::look(const std::string& name, const std::string& version) {
  return host_.work.on_device<Known>(
      "ask FlexVolume driver " + name + " what it can", "flexvolume driver " + name, kLimit,
      [directory = directory_, name, version, programs = host_.programs](Mounts&) -> Result<Known> {
        auto found = find_flex_driver(directory, name, *programs);
        if (!found.ok()) return std::move(found).error();
        return Known{version, std::move(*found)};
      });
}

base::Task<VolumeResult<VolumeManner>> FlexPlugin::manner(VolumeSpec spec) {
  const FlexSource source = flex_of(spec);
  const auto found = co_await driver(source.driver);
  if (!found.ok()) {
    const bool none = found.error().kind() == ErrorKind::not_found;
    if (!none) co_return classified(found.error());
    co_return final_error(Error(ErrorKind::unimplemented, "failed to get Plugin from volumeSpec for volume \"" +
                                                              spec.name + "\" err=no volume plugin matched"));
  }
  VolumeManner manner;
  manner.label = source.driver;
  if ((*found)->attaches) {
    manner.device = unique_name(source.driver, spec.name);
    manner.attachable = true;
    manner.expands = (*found)->grows;
    manner.place = flex_mount_dir(host_.work.root(), source.driver, spec.name);
  }
  co_return manner;
}

base::Task<Result<FoundManner>> FlexPlugin::manner_of_found(FoundVolume found) {
  drivers_of_[found.uid][found.name] = found.plugin;
  const auto known = co_await driver(found.plugin);
  if (!known.ok()) co_return known.error();
  FoundManner out;
  out.manner.label = found.plugin;
  if ((*known)->attaches) {
    out.manner.device = unique_name(found.plugin, found.name);
    out.manner.attachable = true;
    out.place = flex_mount_dir(host_.work.root(), found.plugin, found.name);
  }
  co_return out;
}

base::Task<Result<std::vector<DeviceOrder>>> FlexPlugin::found_devices() { return find_flex_devices(host_); }

base::Task<VolumeResult<std::string>> FlexPlugin::mount_device(MountOrder order) {
  const FlexSource source = flex_of(order.spec);
  const auto found = co_await driver(source.driver);
  if (!found.ok()) co_return transient_error(found.error());
  auto mounted = co_await mount_for_node(order, *found);
  // Whatever the driver has answered: it was called, and may have mounted something.
  if (!mounted.ok()) co_return uncertain_error(std::move(mounted).error());
  co_return order.manner.place;
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<Ok>> FlexPlugin::mount_for_node(const MountOrder& order, DriverPtr driver) {
  return host_.work.on_device<Ok>(
      "mount FlexVolume " + order.spec.name, order.manner.device, kLimit,
      [driver = std::move(driver), volume = flex_of(order.spec).volume, device = order.device_path,
       place = order.manner.place, programs = host_.programs](Mounts& mounts) {
        return as_result(mount_flex_device(*driver, volume, device, place, *programs, mounts));
      });
}

base::Task<VolumeStatus> FlexPlugin::unmount_device(DeviceOrder order) {
  const auto found = co_await driver(driver_of(order));
  if (!found.ok()) co_return uncertain_error(found.error());
  auto gone = co_await unmount_for_node(order, *found);
  if (!gone.ok()) co_return uncertain_error(std::move(gone).error());
  co_return VolumeStatus();
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<Ok>> FlexPlugin::unmount_for_node(const DeviceOrder& order, DriverPtr driver) {
  return host_.work.on_device<Ok>(
      "unmount FlexVolume " + order.name, order.device, kLimit,
      [driver = std::move(driver), place = order.place, programs = host_.programs](Mounts& mounts) {
        return as_result(unmount_flex_device(*driver, place, *programs, mounts));
      });
}

base::Task<Result<FlexPlugin::Words>> FlexPlugin::words_for(VolumeSpec spec) {
  const FlexSource source = flex_of(spec);
  const auto& meta = spec.pod->metadata();
  Words words;
  words["kubernetes.io/pod.name"] = meta.name();
  words["kubernetes.io/pod.namespace"] = meta.namespace_();
  words["kubernetes.io/pod.uid"] = meta.uid();
  words["kubernetes.io/serviceAccount.name"] = spec.pod->spec().serviceaccountname();
  if (const auto group = fs_group_of(*spec.pod)) {
    words["kubernetes.io/fsGroup"] = std::to_string(*group);
    words["kubernetes.io/mounterArgs.FsGroup"] = std::to_string(*group);
  }
  if (source.secret_name.empty() || !host_.secret) co_return words;
  const auto secret = co_await host_.secret(source.secret_ns, source.secret_name);
  if (!secret.ok()) co_return secret.error();
  for (const auto& [key, value] : *secret) words["kubernetes.io/secret/" + key] = api::base64_encode(value);
  co_return words;
}

base::Task<VolumeResult<MountedVolume>> FlexPlugin::set_up(MountOrder order) {
  const FlexSource source = flex_of(order.spec);
  const std::string uid = order.spec.pod->metadata().uid();
  const auto found = co_await driver(source.driver);
  if (!found.ok()) co_return transient_error(found.error());
  auto words = co_await words_for(order.spec);
  if (!words.ok()) co_return transient_error(std::move(words).error());
  drivers_of_[uid][order.spec.name] = source.driver;
  MountedVolume out;
  out.path = volume_dir(host_.work.root(), uid, source.driver, order.spec.name);
  out.read_only = source.volume.read_only;
  out.relabel = (*found)->relabels && !out.read_only;
  const FsGroupWatch watch(host_.clock, order, out.path, VolumeEvent());
  auto mounted = co_await mount(order, *found, std::move(*words), watch.progress());
  // As in mount_device().
  if (!mounted.ok()) co_return uncertain_error(std::move(mounted).error());
  out.grouped = watch.progress()->entries > 0;
  co_return out;
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<Ok>> FlexPlugin::mount(const MountOrder& order, DriverPtr driver, Words words,
                                         std::shared_ptr<FsGroupProgress> progress) {
  const std::string uid = order.spec.pod->metadata().uid();
  const FlexVolume volume = flex_of(order.spec).volume;
  const auto group = driver->takes_group && !volume.read_only ? fs_group_of(*order.spec.pod) : std::nullopt;
  const FsGroupPolicy policy = fs_group_policy(order.spec.pod->spec().securitycontext().fsgroupchangepolicy());
  const std::string target = volume_dir(host_.work.root(), uid, driver->name, order.spec.name);
  return host_.work.on_volume<Ok>(
      "mount FlexVolume " + order.spec.name + " of pod " + uid, uid, order.spec.name, group ? kWalkLimit : kLimit,
      [driver, volume, words = std::move(words), place = order.place, target, group, policy, progress,
       programs = host_.programs](Mounts& mounts) -> Result<Ok> {
        KEELSON_TRY(set_up_flex(*driver, volume, words, place, target, *programs, mounts));
        if (!group) return Ok{};
        auto changed = change_fs_group({target, *group, FsGroupAccess::read_write, policy}, *progress);
        if (!changed.ok()) return std::move(changed).error();
        return Ok{};
      });
}

base::Task<VolumeStatus> FlexPlugin::tear_down(TearDownOrder order) {
  const auto pod = drivers_of_.find(order.uid);
  if (pod == drivers_of_.end() || pod->second.count(order.name) == 0) co_return VolumeStatus();
  const auto found = co_await driver(pod->second.at(order.name));
  if (!found.ok()) co_return uncertain_error(found.error());
  auto gone = co_await unmount(order, *found);
  if (!gone.ok()) co_return uncertain_error(std::move(gone).error());
  const auto left = drivers_of_.find(order.uid);
  if (left != drivers_of_.end()) left->second.erase(order.name);
  std::erase_if(drivers_of_, [](const auto& entry) { return entry.second.empty(); });
  co_return VolumeStatus();
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<Ok>> FlexPlugin::unmount(const TearDownOrder& order, DriverPtr driver) {
  const std::string target = volume_dir(host_.work.root(), order.uid, driver->name, order.name);
  return host_.work.on_volume<Ok>("unmount FlexVolume " + order.name + " of pod " + order.uid, order.uid, order.name,
                                  kLimit,
                                  [driver = std::move(driver), target, programs = host_.programs](Mounts& mounts) {
                                    return as_result(tear_down_flex(*driver, target, *programs, mounts));
                                  });
}

base::Task<ExpandResult> FlexPlugin::expand(ExpandOrder order) {
  ExpandResult out;
  if (order.spec.block) co_return out;
  const auto found = co_await driver(flex_of(order.spec).driver);
  Result<Ok> grown = Ok{};
  if (found.ok()) {
    grown = co_await grow(order, *found);
  } else {
    grown = found.error();
  }
  if (grown.ok()) co_return out;
  const VolumeError error = classified(std::move(grown).error());
  const bool final = found.ok() && error.outcome == VolumeError::Outcome::final;
  out.outcome = final ? ExpandResult::Outcome::failed : ExpandResult::Outcome::uncertain;
  out.error = error.error;
  co_return out;
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<Ok>> FlexPlugin::grow(const ExpandOrder& order, DriverPtr driver) {
  FlexGrowth growth;
  growth.device = order.device_path;
  growth.path = order.path;
  growth.size = order.size;
  growth.from = order.from;
  return host_.work.on_device<Ok>(
      "grow FlexVolume " + order.spec.name, order.manner.device, kLimit,
      [driver = std::move(driver), volume = flex_of(order.spec).volume, growth, programs = host_.programs](Mounts&) {
        return as_result(grow_flex(*driver, volume, growth, *programs));
      });
}

}  // namespace keelson::volume
