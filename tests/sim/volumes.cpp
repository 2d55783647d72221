#include "tests/sim/volumes.hpp"

#include "tests/sim/disk.hpp"

namespace keelson::sim {

using base::Task;
using volume::VolumeStatus;

namespace {

constexpr char kLocal[] = "sim/local";
constexpr char kDriver[] = "sim/driver";

using Expanded = volume::ExpandResult::Outcome;

// What the world answers when a call has failed before it took effect; anything else may have.
VolumeStatus outcome_of(Status done) {
  if (done.ok()) return VolumeStatus();
  if (done.error().kind() == ErrorKind::invalid) return volume::final_error(std::move(done).error());
  return volume::uncertain_error(std::move(done).error());
}

Task<volume::VolumeResult<volume::MountedVolume>> set_up_in(Wire& wire, Disk& disk, volume::MountOrder order) {
  const std::string uid = order.spec.pod->metadata().uid();
  const std::string name = order.spec.name;
  const std::string device = order.manner.device;
  auto done =
      co_await wire.call(disk.visit("set_up_volume", uid + "/" + name, disk.node_volumes.set_up(uid, name, device)));
  VolumeStatus outcome = outcome_of(std::move(done));
  if (!outcome.ok()) co_return std::move(outcome).error();
  volume::MountedVolume out;
  out.path = "/volumes/" + name;
  co_return out;
}

class LocalPlugin final : public volume::VolumePlugin {
 public:
  LocalPlugin(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  std::string name() const override { return kLocal; }
  bool serves(const volume::VolumeSpec& spec) const override { return spec.volume().volumesource().has_emptydir(); }
  Task<volume::VolumeResult<volume::VolumeManner>> manner(volume::VolumeSpec) override {
    volume::VolumeManner manner;
    manner.swept = true;
    co_return manner;
  }
  Task<Result<volume::FoundManner>> manner_of_found(volume::FoundVolume) override {
    volume::FoundManner out;
    out.manner.swept = true;
    co_return out;
  }
  Task<volume::VolumeResult<volume::MountedVolume>> set_up(volume::MountOrder order) override {
    return set_up_in(wire_, disk_, std::move(order));
  }
  Task<VolumeStatus> tear_down(volume::TearDownOrder) override { co_return VolumeStatus(); }

 private:
  Wire& wire_;
  Disk& disk_;
};

// Inline volumes of a driver, and claims with a device behind them.
class DriverPlugin final : public volume::VolumePlugin {
 public:
  DriverPlugin(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  std::string name() const override { return kDriver; }
  bool serves(const volume::VolumeSpec& spec) const override {
    return spec.pv != nullptr || spec.volume().volumesource().has_csi();
  }
  Task<volume::VolumeResult<volume::VolumeManner>> manner(volume::VolumeSpec spec) override {
    volume::VolumeManner manner;
    if (spec.pv != nullptr) manner.device = device_of(spec.name);
    manner.expands = spec.pv != nullptr;
    manner.repeats = spec.pv == nullptr;
    co_return manner;
  }
  Task<Result<volume::FoundManner>> manner_of_found(volume::FoundVolume found) override {
    volume::FoundManner out;
    out.manner.device = found.global_dir;
    co_return out;
  }
  Task<Result<std::vector<volume::DeviceOrder>>> found_devices() override {
    return wire_.call(disk_.visit("find_volumes", "devices", disk_.node_volumes.find_devices()));
  }
  Task<volume::VolumeResult<std::string>> mount_device(volume::MountOrder order) override {
    const std::string device = order.manner.device;
    auto done = co_await wire_.call(disk_.visit("stage_volume", device, disk_.node_volumes.stage(device)));
    VolumeStatus outcome = outcome_of(std::move(done));
    if (!outcome.ok()) co_return std::move(outcome).error();
    co_return device;
  }
  Task<VolumeStatus> unmount_device(volume::DeviceOrder order) override {
    const std::string device = order.device;
    auto done = co_await wire_.call(disk_.visit("unstage_volume", device, disk_.node_volumes.unstage(device)));
    co_return outcome_of(std::move(done));
  }
  Task<volume::VolumeResult<volume::MountedVolume>> set_up(volume::MountOrder order) override {
    return set_up_in(wire_, disk_, std::move(order));
  }
  Task<VolumeStatus> tear_down(volume::TearDownOrder order) override {
    const std::string about = order.uid + "/" + order.name;
    auto done = co_await wire_.call(
        disk_.visit("tear_down_volume", about, disk_.node_volumes.tear_down(order.uid, order.name)));
    co_return outcome_of(std::move(done));
  }
  Task<volume::ExpandResult> expand(volume::ExpandOrder order) override {
    const std::string pv = order.spec.name;
    if (disk_.node_volumes.staged.count(order.manner.device) == 0) {
      disk_.node_volumes.violations.push_back(pv + " is made larger, and is not staged");
    }
    auto done = co_await wire_.call(disk_.visit("expand_volume", pv, disk_.claims.expand(pv, order.size)));
    if (done.ok()) co_return volume::ExpandResult();
    // What has failed for sure has not taken effect; of the rest the driver cannot say.
    const bool final = done.error().kind() == ErrorKind::invalid;
    co_return volume::ExpandResult{final ? Expanded::failed : Expanded::uncertain, done.error()};
  }

 private:
  Wire& wire_;
  Disk& disk_;
};

}  // namespace

// --- The node ---

bool VolumesOnNode::all_of(const api::Pod& pod) const {
  const auto mounted = mounts.find(pod.metadata().uid());
  for (const auto& volume : pod.spec().volumes()) {
    if (!volume::use_of(pod.spec(), volume.name()).any()) continue;
    const std::string claim = volume::claim_name(pod, volume);
    const std::string name = claim.empty() ? volume.name() : pv_of(claim);
    if (mounted == mounts.end() || mounted->second.count(name) == 0) return false;
  }
  return true;
}

bool VolumesOnNode::shows(const std::string& device) const {
  for (const auto& [uid, volumes] : mounts) {
    for (const auto& [name, shown] : volumes) {
      if (shown == device) return true;
    }
  }
  return false;
}

Task<Status> VolumesOnNode::set_up(std::string uid, std::string name, std::string device) {
  if (!device.empty() && staged.count(device) == 0) {
    violations.push_back("volume " + name + " is mounted for pod " + uid + " and was not staged");
  }
  mounts[uid][name] = device;
  tell(name + " is mounted for pod " + uid);
  co_return Status();
}

Task<Status> VolumesOnNode::tear_down(std::string uid, std::string name) {
  const auto pod = mounts.find(uid);
  if (pod == mounts.end()) co_return Status();
  losses += pod->second.erase(name);
  tell(name + " is taken off pod " + uid);
  if (pod->second.empty()) mounts.erase(pod);
  co_return Status();
}

Task<Status> VolumesOnNode::stage(std::string device) {
  staged.insert(device);
  tell(device + " is staged");
  co_return Status();
}

Task<Status> VolumesOnNode::unstage(std::string device) {
  if (shows(device)) violations.push_back(device + " is unstaged while a pod has it mounted");
  staged.erase(device);
  tell(device + " is unstaged");
  co_return Status();
}

Task<Status> VolumesOnNode::sweep(std::string uid) {
  // As the real ones: the loop goes on meanwhile.
  co_await base::asio::post(base::asio::use_awaitable);
  const auto pod = mounts.find(uid);
  if (pod != mounts.end()) {
    for (const auto& [name, device] : pod->second) {
      if (name != "data")
        co_return Error(ErrorKind::unavailable, name + " stays: its driver has not unpublished it yet");
    }
    losses += pod->second.size();
    mounts.erase(pod);
  }
  ++sweeps[uid];
  co_return Status();
}

Task<Result<volume::FoundVolumes>> VolumesOnNode::find() {
  volume::FoundVolumes found;
  for (const auto& [uid, volumes] : mounts) {
    for (const auto& [name, device] : volumes) {
      volume::FoundVolume one;
      one.uid = uid;
      one.plugin = name == "data" ? kLocal : kDriver;
      one.name = name;
      one.mounted = true;
      one.global_dir = device;
      found.volumes.push_back(std::move(one));
    }
  }
  co_return found;
}

Task<Result<std::vector<volume::DeviceOrder>>> VolumesOnNode::find_devices() {
  std::vector<volume::DeviceOrder> out;
  for (const auto& device : staged) {
    volume::DeviceOrder order;
    order.device = device;
    order.name = device.substr(device.find_last_of('/') + 1);
    order.place = device;
    out.push_back(std::move(order));
  }
  co_return out;
}

// --- One agent's ---

class SimVolumes::Claims final : public volume::VolumeCluster {
 public:
  Claims(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  Task<Result<volume::VolumeSpec::ClaimPtr>> claim(std::string ns, std::string name) override {
    return wire_.call(disk_.visit("read_claim", name, disk_.claims.claim(std::move(ns), name)));
  }
  Task<Result<volume::VolumeSpec::PvPtr>> persistent_volume(std::string name) override {
    return wire_.call(disk_.visit("read_claim", name, disk_.claims.persistent_volume(name)));
  }
  Task<Result<volume::VolumeSpec::ClaimPtr>> patch_claim_status(volume::VolumeSpec::ClaimPtr now,
                                                                api::core::PersistentVolumeClaim wanted,
                                                                bool only_unchanged) override {
    const std::string name = now->metadata().name();
    return wire_.call(
        disk_.visit("patch_claim", name, disk_.claims.patch_status(std::move(now), std::move(wanted), only_unchanged)));
  }
  Task<Result<NodePtr>> read_node() override { co_return NodePtr(); }
  NodePtr node() const override { return nullptr; }

 private:
  Wire& wire_;
  Disk& disk_;
};

class SimVolumes::OnDisk final : public volume::VolumeDisk {
 public:
  OnDisk(Wire& wire, Disk& disk) : wire_(wire), disk_(disk) {}
  Task<Result<volume::FoundVolumes>> find() override {
    return wire_.call(disk_.visit("find_volumes", "", disk_.node_volumes.find()));
  }
  Task<Status> clear_sub_paths(std::string uid) override {
    return wire_.call(disk_.visit("clear_sub_paths", uid, nothing()));
  }
  Task<Status> sweep(std::string uid) override {
    return wire_.call(disk_.visit("sweep_volumes", uid, disk_.node_volumes.sweep(uid)));
  }

 private:
  static Task<Status> nothing() { co_return Status(); }
  Wire& wire_;
  Disk& disk_;
};

SimVolumes::SimVolumes(Base base)
    : wire_(base.wire),
      disk_(base.disk),
      claims_(std::make_unique<Claims>(base.wire, base.disk)),
      on_disk_(std::make_unique<OnDisk>(base.wire, base.disk)) {
  volume::VolumeManager::Hooks hooks;
  hooks.event = [this](const api::Pod& pod, bool warning, std::string reason, std::string message) {
    events_->record(pod, {warning, std::move(reason), std::move(message), ""});
  };
  volume::ClaimSources sources;
  sources.cluster = claims_.get();
  manager_ = std::make_unique<volume::VolumeManager>(volume::VolumeManager::Base{
      base.loop, base.clock, base.random, *on_disk_, std::move(sources), false, std::move(hooks), base.log});
  manager_->add_plugin(std::make_unique<LocalPlugin>(base.wire, base.disk));
  manager_->add_plugin(std::make_unique<DriverPlugin>(base.wire, base.disk));
}

SimVolumes::~SimVolumes() = default;

void SimVolumes::start(base::Gate& gate, agent::EventRecorder& events) {
  events_ = &events;
  base::spawn(gate, "volumes of before", manager_->restore());
}

Task<void> SimVolumes::stop() { return manager_->stop(); }
void SimVolumes::pods_known() { manager_->pods_known(); }

Task<Result<agent::ResolvedVolumes>> SimVolumes::mount(api::PodPtr pod) {
  auto mounted = co_await manager_->mount(pod);
  if (!mounted.ok()) co_return std::move(mounted).error();
  agent::ResolvedVolumes out;
  for (const auto& [name, volume] : *mounted) out[name].host_path = volume.path;
  co_return out;
}

Task<Status> SimVolumes::prepare_sub_path(api::PodPtr pod, agent::SubPathRequest request) {
  const std::string uid = pod->metadata().uid();
  return wire_.call(disk_.visit("prepare_sub_path", uid, disk_.volumes.prepare_sub_path(pod, std::move(request))));
}

Task<Status> SimVolumes::unmount(std::string uid) { return manager_->unmount(std::move(uid)); }

}  // namespace keelson::sim
