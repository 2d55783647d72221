// The tasks of the volume manager: one for each volume of a pod that is not as it should be, one for each device that
// nobody uses.
#include <algorithm>

#include "volume/manager/checks.hpp"
#include "volume/manager/manager.hpp"
#include "volume/manager/state.hpp"
#include "volume/mount_options.hpp"

namespace keelson::volume {
namespace {

// The Node is told anew when it changes; this is for a change that was missed.
constexpr auto kAttachPoll = std::chrono::seconds(10);

std::string failed_text(const char* step, const std::string& name) {
  return std::string(step) + " failed for volume \"" + name + "\"";
}

bool lists(const google::protobuf::RepeatedPtrField<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const api::core::AttachedVolume* attached_volume(const api::core::Node& node, const std::string& name) {
  for (const auto& volume : node.status().volumesattached()) {
    if (volume.name() == name) return &volume;
  }
  return nullptr;
}

}  // namespace

VolumeManager::Step VolumeManager::Step::failed(Error error, std::string prefix, bool block) {
  Step step;
  step.error = std::move(error);
  step.prefix = std::move(prefix);
  if (block) step.reason = "FailedMapVolume";
  return step;
}

VolumeManager::Step VolumeManager::Step::waiting(Error error) {
  Step step;
  step.error = std::move(error);
  step.quiet = true;
  return step;
}

VolumeManager::Step VolumeManager::Step::unverified(Error error) {
  Step step;
  step.error = std::move(error);
  step.verifies = true;
  return step;
}

// --- A volume of a pod ---

void VolumeManager::start(const MountPtr& mount) {
  if (mount->busy || !mount->has_work()) return;
  mount->busy = true;
  base::spawn(gate_, "volume " + mount->name + " of pod " + mount->uid, drive(mount));
}

base::Task<void> VolumeManager::drive(MountPtr mount) {
  while (mount->has_work()) {
    const bool wanted = mount->wanted;
    mount->waits_for.clear();
    const base::SteadyTime begun = base_.clock.steady_now();
    Step step;
    if (wanted) {
      step = co_await mount_step(mount);
    } else {
      step = co_await unmount_step(mount);
    }
    count(*mount, wanted, step, begun);
    if (!step.error || mount->wanted != wanted) {
      mount->backoff.reset();
      continue;
    }
    mount->waits_for = step.error->to_string();
    tell(*mount, step);
    settled(*mount);
    const base::Duration pause = step.quiet ? base::Duration(kAttachPoll) : mount->backoff.next(base_.random);
    co_await mount->bell.wait_for(base_.clock, pause);
  }
  mount->waits_for.clear();
  mount->busy = false;
  settled(*mount);
  if (mount->state == State::absent) {
    mount->verified = false;
    wake_others(*mount);
  }
  // What was set in motion while this was ending.
  if (mount->device) start_device(mount->device);
}

void VolumeManager::count(const Mount& mount, bool wanted, const Step& step, base::SteadyTime begun) {
  const char* operation = mount.block ? "map_volume" : "volume_mount";
  if (!wanted) operation = mount.block ? "unmap_volume" : "volume_unmount";
  if (step.verifies) operation = "verify_controller_attached_volume";
  if (step.quiet && !step.verifies) return;
  if (step.error || step.worked) count(mount, operation, begun, step.error.has_value());
}

// Those who wait for the volume under another SELinux label.
void VolumeManager::wake_others(const Mount& mount) {
  if (!mount.device) return;
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, other] : pod->mounts) {
      if (other.get() != &mount && other->device == mount.device && !other->waits_for.empty()) other->bell.notify();
    }
  }
}

void VolumeManager::settled(Mount& mount) {
  const auto pod = pods_.find(mount.uid);
  if (pod != pods_.end()) pod->second->changed.notify();
}

void VolumeManager::tell(const Mount& mount, const Step& step) {
  const std::string text = step.error->to_string();
  if (step.quiet) return;
  base_.log.info("A volume is not as it should be",
                 {{"volume", mount.name}, {"uid", mount.uid}, {"wanted", mount.wanted}, {"err", text}});
  if (step.prefix.empty() || !mount.spec || !base_.hooks.event) return;
  base_.hooks.event(*mount.spec->pod, true, step.reason, step.prefix + " : " + text);
}

MountOrder VolumeManager::order_of(const Mount& mount) {
  MountOrder order;
  order.spec = *mount.spec;
  order.manner = mount.manner;
  if (mount.device) {
    order.place = mount.device->order.place;
    order.device_path = mount.device->device_path;
  }
  order.mounted = mount.state == State::mounted;
  order.restored = mount.restored;
  order.progress = mount.progress;
  return order;
}

base::Task<VolumeManager::Step> VolumeManager::mount_step(MountPtr mount) {
  const VolumeSpec& spec = *mount->spec;
  const char* affinity = mount->block ? "MapVolume.NodeAffinity check" : "MountVolume.NodeAffinity check";
  const auto node = base_.claims.cluster == nullptr ? nullptr : base_.claims.cluster->node();
  if (Status here = check_node_affinity(spec, node.get()); !here.ok()) {
    co_return Step::failed(here.error(), failed_text(affinity, mount->name));
  }
  if (spec.pv != nullptr) {
    if (Status options = check_mount_options(*spec.pv); !options.ok()) {
      co_return Step::failed(options.error(), failed_text("MountVolume.NewMounter initialization", mount->name));
    }
  }
  if (Step free = check_taken(*mount); free.error) co_return free;
  if (!mount->manner.attachable) count_verified(*mount, base_.clock.steady_now());
  if (!mount->device) {
    auto done = co_await set_up(mount);
    co_return done;
  }
  auto done = co_await mount_with_device(mount);
  co_return done;
}

VolumeManager::Step VolumeManager::check_taken(const Mount& mount) const {
  if (!is_for_one_pod(*mount.spec) || !is_taken_by_another(mount)) return Step::done();
  const Error taken(ErrorKind::unavailable,
                    "volume uses the ReadWriteOncePod access mode and is already in use by another pod");
  return Step::failed(taken, failed_text("MountVolume.SetUp", mount.name));
}

base::Task<VolumeManager::Step> VolumeManager::mount_with_device(MountPtr mount) {
  const DevicePtr device = mount->device;
  const auto permit = co_await device->lock.acquire();
  if (!mount->wanted) co_return Step::done();
  // Somebody may have had it set up while this one waited.
  if (Step free = check_taken(*mount); free.error) co_return free;
  Step attached = co_await attach(mount);
  if (attached.error) co_return attached;
  Step fits = co_await leave_other_context(mount);
  if (fits.error) co_return fits;
  if (device->state != State::mounted) {
    Step mounted = co_await mount_device(mount);
    if (mounted.error) co_return mounted;
  }
  if (!mount->wanted) co_return Step::done();
  auto done = co_await set_up(mount);
  co_return done;
}

// contract 04 §12: what is mounted under another label is unmounted first, when nobody uses it any more.
base::Task<VolumeManager::Step> VolumeManager::leave_other_context(MountPtr mount) {
  const DevicePtr device = mount->device;
  const std::optional<std::string>& context = device->order.context;
  const bool fits = !context || same_context(*context, mount->spec->context);
  if (device->state == State::absent || mount->state != State::absent || fits) co_return Step::done();
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, other] : pod->mounts) {
      if (other->device != device || other->state == State::absent) continue;
      co_return Step::waiting(Error(ErrorKind::unavailable, "it is in use here under another SELinux label"));
    }
  }
  const auto serial = co_await device->serial->acquire();
  const auto gone = co_await unmount_device(device);
  if (!gone.ok()) {
    co_return Step::failed(gone.error().error, failed_text("MountVolume.MountDevice", mount->name), mount->block);
  }
  co_return Step::done();
}

base::Task<VolumeManager::Step> VolumeManager::mount_device(MountPtr mount) {
  const DevicePtr device = mount->device;
  const auto serial = co_await device->serial->acquire();
  if (!mount->wanted) co_return Step::done();
  // Where something of it may lie, whatever becomes of the attempt.
  if (device->order.place.empty()) device->order.place = mount->manner.place;
  if (device->state == State::absent) device->order.context = mount->spec->context;
  auto place = co_await device->plugin.mount_device(order_of(*mount));
  if (!place.ok()) {
    const VolumeError& error = place.error();
    if (error.outcome == VolumeError::Outcome::uncertain) device->state = State::uncertain;
    // A device that was found on the disk stays to be taken off until it was mounted once.
    const bool found = mount->restored || device->restored;
    if (error.outcome == VolumeError::Outcome::final && !found) device->state = State::absent;
    const char* what = mount->block ? "MapVolume.SetUpDevice" : "MountVolume.MountDevice";
    co_return Step::failed(error.error, failed_text(what, mount->name), mount->block);
  }
  device->state = State::mounted;
  device->restored = false;
  device->order.place = *place;
  device->order.context = mount->spec->context;
  co_return Step::done();
}

base::Task<VolumeManager::Step> VolumeManager::set_up(MountPtr mount) {
  const bool was_mounted = mount->state == State::mounted;
  mount->due = false;  // a change from now on asks for another
  const base::SteadyTime begun = base_.clock.steady_now();
  auto done = co_await mount->plugin.set_up(order_of(*mount));
  mount->progress->cancel = nullptr;
  mount->progress->text.clear();
  if (done.ok()) {
    if (std::exchange(done->grouped, false)) count(*mount, "volume_apply_access_control", begun, false);
    if (!was_mounted && mount->device) {
      // It is there now, but no pod is to begin with less than it was promised.
      mount->state = State::uncertain;
      mount->placed = true;
      const Status grown = co_await grow_at_mount(mount, done->path);
      if (!grown.ok()) {
        const char* what = mount->block ? "MapVolume.MarkVolumeAsMounted failed while expanding volume"
                                        : "MountVolume.Setup failed while expanding volume";
        co_return Step::failed(grown.error(), std::string(what) + " for volume \"" + mount->name + "\"", mount->block);
      }
    }
    mount->result = *done;
    mount->state = State::mounted;
    mount->restored = false;
    mount->placed = false;
    count_total(*mount);
    co_return Step::worked_well();
  }
  const VolumeError& error = done.error();
  if (was_mounted) {
    mount->due = mount->wanted;
  } else if (error.outcome == VolumeError::Outcome::uncertain) {
    mount->state = State::uncertain;
  } else if (error.outcome == VolumeError::Outcome::final && !mount->restored && !mount->placed) {
    mount->state = State::absent;
  }
  const char* what = mount->block ? "MapVolume.MapPodDevice" : "MountVolume.SetUp";
  co_return Step::failed(error.error, failed_text(what, mount->name), mount->block);
}

// contract 04 §16, the attach handshake; without a cluster nobody attaches, and nobody is waited for.
base::Task<VolumeManager::Step> VolumeManager::attach(MountPtr mount) {
  const DevicePtr device = mount->device;
  VolumeCluster* cluster = base_.claims.cluster;
  if (!mount->manner.attachable || cluster == nullptr) {
    count_verified(*mount, base_.clock.steady_now());
    co_return Step::done();
  }
  const std::string& name = device->order.device;
  const base::SteadyTime begun = base_.clock.steady_now();
  if (base_.waits_for_attach && device->state != State::mounted) {
    const VolumeCluster::NodePtr node = cluster->node();
    if (node == nullptr || !lists(node->status().volumesinuse(), name)) {
      Step told = Step::waiting(Error(ErrorKind::unavailable, "the Node does not say yet that it is in use here"));
      told.verifies = true;
      co_return told;
    }
    if (attached_volume(*node, name) == nullptr) {
      co_return Step::waiting(Error(ErrorKind::unavailable, "it is not attached to this node yet"));
    }
    const auto now = co_await cluster->read_node();
    if (!now.ok()) co_return Step::unverified(now.error());
    const api::core::AttachedVolume* attached = attached_volume(**now, name);
    if (attached == nullptr) {
      co_return Step::unverified(Error(ErrorKind::unavailable, "volume not attached according to node status"));
    }
    device->device_path = attached->devicepath();
  }
  count_verified(*mount, begun);
  const auto checked = co_await mount->plugin.check_attached(order_of(*mount));
  if (checked.ok()) co_return Step::done();
  const char* what = mount->block ? "MapVolume.WaitForAttach" : "MountVolume.WaitForAttach";
  co_return Step::failed(checked.error().error, failed_text(what, mount->name), mount->block);
}

base::Task<VolumeManager::Step> VolumeManager::unmount_step(MountPtr mount) {
  const DevicePtr device = mount->device;
  base::Semaphore::Permit permit;
  if (device) permit = co_await device->lock.acquire();
  if (mount->wanted) co_return Step::done();
  TearDownOrder order;
  order.uid = mount->uid;
  order.name = mount->name;
  order.block = mount->block;
  if (device) order.place = device->order.place;
  const auto gone = co_await mount->plugin.tear_down(std::move(order));
  if (!gone.ok()) {
    mount->state = State::uncertain;
    co_return Step::failed(gone.error().error, "");
  }
  mount->state = State::absent;
  co_return Step::worked_well();
}

bool VolumeManager::is_taken_by_another(const Mount& mount) const {
  for (const auto& [uid, pod] : pods_) {
    if (uid == mount.uid) continue;
    for (const auto& [key, other] : pod->mounts) {
      if (&other->plugin == &mount.plugin && other->name == mount.name && other->state != State::absent) return true;
    }
  }
  return false;
}

// --- A device ---

bool VolumeManager::is_used(const Device& device) const {
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, mount] : pod->mounts) {
      if (mount->device.get() != &device) continue;
      if (mount->wanted || mount->busy || mount->state != State::absent) return true;
    }
  }
  return false;
}

void VolumeManager::start_device(const DevicePtr& device) {
  if (is_used(*device)) return;
  if (device->busy) {
    device->bell.notify();
    return;
  }
  device->busy = true;
  base::spawn(gate_, "volume " + device->order.name + " of the node", drive_device(device));
}

// What is found after a restart waits until it is known that no pod wants it.
base::Task<void> VolumeManager::drive_device(DevicePtr device) {
  while (pods_known_ && !is_used(*device) && device->state != State::absent) {
    VolumeStatus gone;
    {
      const auto permit = co_await device->lock.acquire();
      const auto serial = co_await device->serial->acquire();
      if (is_used(*device)) break;
      gone = co_await unmount_device(device);
    }
    if (gone.ok()) break;
    base_.log.info("A volume of the node stays", {{"volume", device->order.device}, {"err", gone.error().error}});
    const base::Duration pause = device->backoff.next(base_.random);
    co_await device->bell.wait_for(base_.clock, pause);
  }
  device->busy = false;
  device->backoff.reset();
  if (device->state == State::absent && !is_used(*device)) {
    std::erase_if(devices_, [&](const auto& entry) { return entry.second == device; });
    std::erase_if(serials_, [](const auto& entry) { return entry.second.expired(); });
    in_use_changed();
  }
}

// Its lock and its turn are held.
base::Task<VolumeStatus> VolumeManager::unmount_device(DevicePtr device) {
  const base::SteadyTime begun = base_.clock.steady_now();
  auto gone = co_await device->plugin.unmount_device(device->order);
  device->state = gone.ok() ? State::absent : State::uncertain;
  if (gone.ok()) {
    device->size.reset();
    device->growth_refused = false;
    device->growth_failed = false;
  }
  count(*device, begun, !gone.ok());
  co_return gone;
}

void VolumeManager::count(const Device& device, base::SteadyTime begun, bool failed) {
  const char* operation = device.order.block ? "unmap_device" : "unmount_device";
  auto& durations = metrics_.operations[{device.label, operation, operation_status(failed), migrated_label(false)}];
  durations.observe(base_.clock.steady_now() - begun);
}

}  // namespace keelson::volume
