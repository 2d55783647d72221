// Disks of a storage network: iSCSI and Fibre Channel.
#include "volume/block_device.hpp"
#include "volume/manager/disk_plugins.hpp"
#include "volume/manager/outcome.hpp"
#include "volume/manager/selinux.hpp"
#include "volume/mount_options.hpp"
#include "volume/paths.hpp"

namespace keelson::volume {
namespace {

constexpr auto kAttachLimit = std::chrono::minutes(10);  // rounds of logins, a wait for each path, mkfs, fsck
constexpr auto kDetachLimit = std::chrono::minutes(5);

// A disk that was found, and whether it could be mounted.
struct Attached {
  std::string device;
  DiskMounted mounted;
};

// Of the mount for the node, which alone has an SELinux context, or of a pod's own.
std::vector<std::string> options_of(const VolumeSpec& spec, bool read_only, const std::string& context) {
  std::vector<std::string> more;
  if (read_only) more.emplace_back("ro");
  if (!context.empty()) more.push_back(context_option(context));
  return spec.pv == nullptr ? more : mount_options(*spec.pv, more);
}

PodMount mount_from(const std::string& root, const MountOrder& order, std::string_view plugin, bool read_only) {
  PodMount mount;
  mount.root = root;
  mount.uid = order.spec.pod->metadata().uid();
  mount.plugin = std::string(plugin);
  mount.name = order.spec.name;
  mount.source = order.place;
  mount.read_only = read_only;
  mount.options = options_of(order.spec, false, "");
  return mount;
}

Result<Ok> tear_down_block(const std::string& place, Mounts& mounts) {
  return as_result(tear_down_block_device(place, mounts));
}

// --- iSCSI ---

struct IscsiSource {
  IscsiDisk disk;
  std::string fs_type;
  bool read_only = false;
  std::string secret_ns;
  std::string secret_name;
};

IscsiSource iscsi_of(const VolumeSpec& spec) {
  IscsiSource out;
  if (spec.pv != nullptr) {
    const auto& source = spec.pv->spec().persistentvolumesource().iscsi();
    out.disk = iscsi_disk(spec.name, source);
    out.fs_type = source.fstype();
    out.read_only = spec.read_only;
    out.secret_ns = source.secretref().namespace_();
    out.secret_name = source.secretref().name();
  } else {
    const auto& source = spec.volume().volumesource().iscsi();
    out.disk = iscsi_disk(spec.name, source);
    out.fs_type = source.fstype();
    out.read_only = source.readonly();
    out.secret_ns = spec.pod->metadata().namespace_();
    out.secret_name = source.secretref().name();
  }
  return out;
}

std::string iscsi_name_of(const IscsiDisk& disk) {
  return std::string(iscsi_plugin) + "/" + disk.portals.front() + ":" + disk.iqn + ":" + std::to_string(disk.lun);
}

IscsiUse iscsi_use(bool block) { return block ? IscsiUse::block : IscsiUse::file_system; }

// PORTAL:IQN:LUN, the portal as it is written.
std::string iscsi_unique_name(const VolumeSpec& spec) {
  const auto name = [](const auto& source) {
    return std::string(iscsi_plugin) + "/" + source.targetportal() + ":" + source.iqn() + ":" +
           std::to_string(source.lun());
  };
  if (spec.pv != nullptr) return name(spec.pv->spec().persistentvolumesource().iscsi());
  return name(spec.volume().volumesource().iscsi());
}

// Not coroutines: closures are made outside of those.
base::Task<Result<Attached>> attach_iscsi_disk(const DiskHost& host, const MountOrder& order, IscsiSecret secret) {
  return host.work.on_device<Attached>(
      "attach iSCSI disk of " + order.spec.name, "iscsi " + order.manner.serial, kAttachLimit,
      [source = iscsi_of(order.spec), secret = std::move(secret), block = order.spec.block,
       options = options_of(order.spec, iscsi_of(order.spec).read_only, order.spec.context), root = host.work.root(),
       programs = host.programs, scsi = host.scsi](Mounts& mounts) -> Result<Attached> {
        const IscsiHost on{root, *programs, *scsi, mounts, {}};
        auto device = attach_iscsi(source.disk, iscsi_use(block), secret, on);
        if (!device.ok()) return std::move(device).error();
        Attached out{*device, {}};
        if (!block) out.mounted = mount_iscsi_device(source.disk, *device, source.fs_type, options, on);
        return out;
      });
}
base::Task<Result<Ok>> detach_iscsi_disk(const DiskHost& host, const DeviceOrder& order, const std::string& serial) {
  return host.work.on_device<Ok>(
      "detach iSCSI disk of " + order.name, "iscsi " + serial, kDetachLimit,
      [order, root = host.work.root(), programs = host.programs, scsi = host.scsi](Mounts& mounts) -> Result<Ok> {
        const IscsiHost on{root, *programs, *scsi, mounts, {}};
        if (!order.block) return as_result(detach_iscsi(order.place, on));
        // Its iscsi.json lies in GLOBAL and goes by the detach, GLOBAL last.
        auto pods = pods_of_block_device(order.place, mounts);
        if (!pods.ok()) return std::move(pods).error();
        KEELSON_TRY(detach_iscsi_block(order.place, on));
        return tear_down_block(order.place, mounts);
      });
}

// --- Fibre Channel ---

struct FcSource {
  Result<FcDisk> disk;
  std::string fs_type;
  bool read_only = false;
};

FcSource fc_of(const VolumeSpec& spec) {
  const auto& source =
      spec.pv != nullptr ? spec.pv->spec().persistentvolumesource().fc() : spec.volume().volumesource().fc();
  return {fc_disk(source), source.fstype(), spec.pv != nullptr ? spec.read_only : source.readonly()};
}

FcUse fc_use(bool block) { return block ? FcUse::block : FcUse::file_system; }

std::string fc_unique_name(const FcDisk& disk) {
  const auto& names = disk.wwids.empty() ? disk.wwns : disk.wwids;
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
  text = std::string(fc_plugin) + "/[" + text + "]";
  return disk.wwids.empty() ? text + ":" + std::to_string(disk.lun) : text;
}

// Not coroutines: closures are made outside of those.
base::Task<Result<Attached>> attach_fc_disk(const DiskHost& host, const MountOrder& order) {
  return host.work.on_device<Attached>(
      "attach Fibre Channel disk of " + order.spec.name, order.manner.device, kAttachLimit,
      [source = fc_of(order.spec), block = order.spec.block,
       options = options_of(order.spec, fc_of(order.spec).read_only, order.spec.context), root = host.work.root(),
       programs = host.programs, scsi = host.scsi](Mounts& mounts) -> Result<Attached> {
        if (!source.disk.ok()) return source.disk.error();
        const FcHost on{root, *programs, *scsi, mounts};
        auto device = attach_fc(*source.disk, on);
        if (!device.ok()) return std::move(device).error();
        Attached out{*device, {}};
        if (!block) out.mounted = mount_fc_device(*source.disk, *device, source.fs_type, options, on);
        return out;
      });
}
// The device that is left to be taken out; empty when there is none.
base::Task<Result<std::string>> unmount_fc_disk(const DiskHost& host, const DeviceOrder& order) {
  return host.work.on_device<std::string>("unmount Fibre Channel disk of " + order.name, order.device, kDetachLimit,
                                          [order, root = host.work.root(), programs = host.programs,
                                           scsi = host.scsi](Mounts& mounts) -> Result<std::string> {
                                            const FcHost on{root, *programs, *scsi, mounts};
                                            if (!order.block) return unmount_fc(order.place, on);
                                            auto device = fc_block_device(order.place, on);
                                            if (!device.ok()) return device;
                                            KEELSON_TRY(tear_down_block_device(order.place, mounts));
                                            return device;
                                          });
}
base::Task<Result<Ok>> take_out_fc_disk(const DiskHost& host, const DeviceOrder& order, const std::string& device) {
  return host.work.on_device<Ok>(
      "take out " + device, order.device, kDetachLimit,
      [device, root = host.work.root(), programs = host.programs, scsi = host.scsi](Mounts& mounts) {
        return as_result(take_out_fc(device, FcHost{root, *programs, *scsi, mounts}));
      });
}

// What is at or below nothing is not to be taken off.
Error no_place(const DeviceOrder& order) {
  return Error(ErrorKind::internal, "where " + order.device + " was mounted is not known");
}

// The SELinux contexts that they are mounted with; where the table cannot be read they are not known.
void see_contexts(std::vector<DeviceOrder>& all, Mounts& mounts) {
  if (all.empty()) return;
  const auto table = mounts.entries();
  if (!table.ok()) return;
  for (DeviceOrder& order : all) {
    if (order.block) continue;
    const std::string place = mounts.real_path(order.place).value_or(order.place);
    for (const MountEntry& entry : *table) {
      if (entry.path == place) order.context = context_in(entry.super_options);
    }
  }
}

// Not coroutines: closures are made outside of those.
base::Task<Result<std::vector<DeviceOrder>>> find_iscsi_devices(const DiskHost& host) {
  return host.work.on_device<std::vector<DeviceOrder>>(
      "find iSCSI disks of the node", "iscsi", kDetachLimit,
      [root = host.work.root()](Mounts& mounts) -> Result<std::vector<DeviceOrder>> {
        std::vector<DeviceOrder> all;
        const std::string top = plugin_dir(root, iscsi_plugin);
        for (const bool block : {false, true}) {
          for (const auto& interface : find_global_dirs(block ? top + "/volumeDevices" : top, block)) {
            for (auto& order : find_global_dirs(interface.place, block)) {
              const auto disk = parse_iscsi_global_dir(order.place);
              if (!disk) continue;
              order.device = iscsi_name_of(*disk);
              order.attachable = true;
              all.push_back(std::move(order));
            }
          }
        }
        see_contexts(all, mounts);
        return all;
      });
}
base::Task<Result<std::vector<DeviceOrder>>> find_fc_devices(const DiskHost& host) {
  return host.work.on_device<std::vector<DeviceOrder>>(
      "find Fibre Channel disks of the node", "fc", kDetachLimit,
      [root = host.work.root()](Mounts& mounts) -> Result<std::vector<DeviceOrder>> {
        std::vector<DeviceOrder> all;
        const std::string top = plugin_dir(root, fc_plugin);
        for (const bool block : {false, true}) {
          for (auto& order : find_global_dirs(block ? top + "/volumeDevices" : top, block)) {
            const auto disk = order.name == "volumeDevices" ? std::nullopt : parse_fc_global_dir(order.place);
            if (!disk) continue;
            order.device = fc_unique_name(*disk);
            order.attachable = true;
            all.push_back(std::move(order));
          }
        }
        see_contexts(all, mounts);
        return all;
      });
}

}  // namespace

DiskPlugin::PodMountOf SanPlugin::pod_mount(const MountOrder& order) const {
  return [mount = mount_from(host_.work.root(), order, name(), is_read_only(order.spec))] {
    return Result<PodMount>(mount);
  };
}

std::string SanPlugin::device(const MountOrder& order) const {
  const auto known = attached_.find(order.manner.device);
  return known == attached_.end() ? order.device_path : known->second;
}

// --- iSCSI ---

bool IscsiPlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr ? spec.volume().volumesource().has_iscsi()
                            : spec.pv->spec().persistentvolumesource().has_iscsi();
}

base::Task<VolumeResult<VolumeManner>> IscsiPlugin::manner(VolumeSpec spec) {
  VolumeManner manner;
  manner.device = iscsi_unique_name(spec);
  manner.attachable = true;
  const IscsiDisk disk = iscsi_of(spec).disk;
  manner.serial = disk.iqn;
  manner.place = iscsi_global_dir(host_.work.root(), disk, iscsi_use(spec.block));
  manner.takes_context = true;
  co_return manner;
}

base::Task<Result<FoundManner>> IscsiPlugin::manner_of_found(FoundVolume found) {
  const auto disk = parse_iscsi_global_dir(found.global_dir);
  if (!disk) co_return Error(ErrorKind::invalid, "what it shows is not known");
  FoundManner out;
  out.manner.device = iscsi_name_of(*disk);
  out.manner.attachable = true;
  out.manner.serial = disk->iqn;
  out.place = found.global_dir;
  co_return out;
}

base::Task<Result<std::vector<DeviceOrder>>> IscsiPlugin::found_devices() { return find_iscsi_devices(host_); }

base::Task<VolumeResult<std::string>> IscsiPlugin::mount_device(MountOrder order) {
  const IscsiSource source = iscsi_of(order.spec);
  IscsiSecret secret;
  if (!source.secret_name.empty() && host_.secret) {
    auto read = co_await host_.secret(source.secret_ns, source.secret_name);
    if (!read.ok()) co_return transient_error(std::move(read).error());
    secret = std::move(*read);
  }
  auto attached = co_await attach_iscsi_disk(host_, order, std::move(secret));
  if (!attached.ok()) co_return classified(std::move(attached).error());
  attached_[order.manner.device] = attached->device;
  const std::string place = iscsi_global_dir(host_.work.root(), source.disk, iscsi_use(order.spec.block));
  auto done = placed(order, std::move(attached->mounted), place);
  // It is logged in, whatever came of the mount.
  if (!done.ok()) co_return uncertain_error(std::move(done).error().error);
  co_return done;
}

base::Task<VolumeStatus> IscsiPlugin::unmount_device(DeviceOrder order) {
  const auto disk = parse_iscsi_global_dir(order.place);
  if (!disk) co_return uncertain_error(no_place(order));
  if (Status free = co_await check_released(order); !free.ok()) co_return uncertain_error(std::move(free).error());
  auto gone = co_await detach_iscsi_disk(host_, order, disk->iqn);
  if (!gone.ok()) co_return uncertain_error(std::move(gone).error());
  attached_.erase(order.device);
  co_return VolumeStatus();
}

bool IscsiPlugin::is_read_only(const VolumeSpec& spec) const { return iscsi_of(spec).read_only; }

// --- Fibre Channel ---

bool FcPlugin::serves(const VolumeSpec& spec) const {
  return spec.pv == nullptr ? spec.volume().volumesource().has_fc() : spec.pv->spec().persistentvolumesource().has_fc();
}

base::Task<VolumeResult<VolumeManner>> FcPlugin::manner(VolumeSpec spec) {
  const FcSource source = fc_of(spec);
  if (!source.disk.ok()) co_return final_error(source.disk.error());
  VolumeManner manner;
  manner.device = fc_unique_name(*source.disk);
  manner.attachable = true;
  manner.place = fc_global_dir(host_.work.root(), *source.disk, fc_use(spec.block));
  manner.takes_context = true;
  co_return manner;
}

base::Task<Result<FoundManner>> FcPlugin::manner_of_found(FoundVolume found) {
  const auto disk = parse_fc_global_dir(found.global_dir);
  if (!disk) co_return Error(ErrorKind::invalid, "what it shows is not known");
  FoundManner out;
  out.manner.device = fc_unique_name(*disk);
  out.manner.attachable = true;
  out.place = found.global_dir;
  co_return out;
}

base::Task<Result<std::vector<DeviceOrder>>> FcPlugin::found_devices() { return find_fc_devices(host_); }

base::Task<VolumeResult<std::string>> FcPlugin::mount_device(MountOrder order) {
  const FcSource source = fc_of(order.spec);
  if (!source.disk.ok()) co_return final_error(source.disk.error());
  auto attached = co_await attach_fc_disk(host_, order);
  if (!attached.ok()) co_return classified(std::move(attached).error());
  attached_[order.manner.device] = attached->device;
  co_return placed(order, std::move(attached->mounted),
                   fc_global_dir(host_.work.root(), *source.disk, fc_use(order.spec.block)));
}

// A disk may be busy for a while yet; after two minutes the manager's own back-off takes over.
base::Task<VolumeStatus> FcPlugin::unmount_device(DeviceOrder order) {
  if (order.place.empty()) co_return uncertain_error(no_place(order));
  if (Status free = co_await check_released(order); !free.ok()) co_return uncertain_error(std::move(free).error());
  auto device = co_await unmount_fc_disk(host_, order);
  if (!device.ok()) co_return uncertain_error(std::move(device).error());
  const std::string known = attached_[order.device];
  if (device->empty() && !known.empty()) *device = known;
  if (device->empty()) co_return VolumeStatus();
  attached_[order.device] = *device;  // for the next attempt, which finds nothing mounted
  const base::SteadyTime until = host_.clock.after(fc_take_out_limit);
  while (true) {
    auto gone = co_await take_out_fc_disk(host_, order, *device);
    if (gone.ok()) break;
    if (host_.clock.steady_now() >= until) co_return uncertain_error(std::move(gone).error());
    co_await host_.clock.sleep_for(fc_take_out_interval);
  }
  attached_.erase(order.device);
  co_return VolumeStatus();
}

bool FcPlugin::is_read_only(const VolumeSpec& spec) const { return fc_of(spec).read_only; }

}  // namespace keelson::volume
