#include "volume/manager/manager.hpp"

#include <algorithm>

#include "volume/manager/state.hpp"
#include "volume/supplemental_group.hpp"

namespace keelson::volume {
namespace {

constexpr auto kWait = std::chrono::seconds(123);     // contract 04 §16: 2 min 3 s
constexpr auto kFreshWait = std::chrono::seconds(2);  // for volumes that are mounted and set up anew

}  // namespace

VolumeManager::VolumeManager(Base base)
    : base_(std::move(base)),
      metrics_(base_.metrics == nullptr ? uncounted_ : *base_.metrics),
      restored_bell_(base_.loop),
      gate_(base_.loop) {}
VolumeManager::~VolumeManager() = default;

void VolumeManager::add_plugin(std::unique_ptr<VolumePlugin> plugin) { plugins_.push_back(std::move(plugin)); }

base::Task<void> VolumeManager::stop() { co_await gate_.stop(); }

// --- What is wanted ---

base::Task<Result<std::map<std::string, MountedVolume>>> VolumeManager::mount(api::PodPtr pod) {
  std::map<std::string, MountedVolume> out;
  const std::vector<std::string> outer = used_volumes(pod->spec());
  if (outer.empty()) co_return out;
  co_await await_restored();
  const PodRecord known = record(pod->metadata().uid());
  auto resolved = co_await resolve_all(known, pod, outer);
  want_all(*known, pod, std::move(resolved));
  const base::SteadyTime fresh_until = base_.clock.after(kFreshWait);
  const base::SteadyTime until = base_.clock.after(kWait);
  while (true) {
    if (!known->failed.empty()) {
      std::string why;
      for (const auto& [name, error] : known->failed) why += (why.empty() ? "" : "; ") + error.to_string();
      auto error = co_await unfinished(known, outer, ErrorKind::invalid, std::move(why));
      co_return error;
    }
    const bool late = base_.clock.steady_now() >= fresh_until;
    if (all_mounted(*known, outer, !late)) break;
    if (base_.clock.steady_now() >= until) {
      auto error = co_await unfinished(known, outer, ErrorKind::deadline_exceeded, "context deadline exceeded");
      co_return error;
    }
    tell_waits(*known);
    const bool only_fresh = all_mounted(*known, outer, false);
    const base::SteadyTime next = only_fresh ? fresh_until : until;
    co_await known->changed.wait_until(base_.clock, next);
  }
  for (const auto& name : outer) {
    const Mount& mount = *known->volumes.at(name);
    MountedVolume& volume = out[name] = mount.result;
    volume.name = mount.name;
    if (mount.spec->pv != nullptr) volume.group = supplemental_group(*mount.spec->pv, pod->spec());
  }
  co_return out;
}

bool VolumeManager::all_mounted(const Pod& pod, const std::vector<std::string>& outer, bool fresh) const {
  return std::all_of(outer.begin(), outer.end(), [&](const std::string& name) {
    const auto found = pod.volumes.find(name);
    if (found == pod.volumes.end()) return false;
    const Mount& mount = *found->second;
    // One that failed to be set up anew serves on with what it holds.
    const bool under_way = (mount.due || mount.busy) && mount.waits_for.empty();
    return mount.state == State::mounted && !(fresh && under_way);
  });
}

// contract 04 §18: the names of what is not there, and what could not even be begun. Where one is not attached because
// the node is full, the pod is to find another node.
base::Task<Error> VolumeManager::unfinished(PodRecord pod, std::vector<std::string> outer, ErrorKind kind,
                                            std::string why) {
  std::vector<std::string> unmounted;
  std::vector<std::string> unattached;
  std::vector<std::string> unprocessed;
  std::vector<MountPtr> waiting;
  for (const auto& name : outer) {
    const auto found = pod->volumes.find(name);
    if (found == pod->volumes.end()) {
      unprocessed.push_back(name);
      unmounted.push_back(name);
      continue;
    }
    const MountPtr& mount = found->second;
    if (mount->state != State::mounted) unmounted.push_back(name);
    if (!mount->manner.attachable || mount->verified || mount->state == State::mounted) continue;
    unattached.push_back(name);
    if (!mount->restored) waiting.push_back(mount);
  }
  const std::string text = "unmounted volumes=[" + joined_names(unmounted) + "], unattached volumes=[" +
                           joined_names(unattached) + "], failed to process volumes=[" + joined_names(unprocessed) +
                           "]: " + why;
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const bool full = co_await waiting[i]->plugin.is_node_full(order_of(*waiting[i]));
    if (full) {
      co_return Error(ErrorKind::exhausted, "Node has reached its volume attachment limit, rejecting pod: " + text);
    }
  }
  co_return Error(kind, text);
}

// What is mounted already stays as it is, whatever becomes of its claim.
base::Task<VolumeManager::AllResolved> VolumeManager::resolve_all(PodRecord pod, api::PodPtr wanted,
                                                                  std::vector<std::string> outer) {
  AllResolved out;
  pod->failed.clear();
  for (std::size_t i = 0; i < outer.size(); ++i) {
    const auto known = pod->volumes.find(outer[i]);
    if (known != pod->volumes.end() && known->second->state == State::mounted) continue;
    auto one = co_await resolve_one(wanted, outer[i]);
    if (one.ok()) {
      out.emplace(outer[i], std::move(*one));
    } else {
      pod->failed.emplace(outer[i], std::move(one).error());
    }
  }
  co_return out;
}

base::Task<Result<VolumeManager::Resolved>> VolumeManager::resolve_one(api::PodPtr wanted, std::string outer) {
  auto spec = co_await resolve_volume(base_.claims, wanted, outer);
  if (!spec.ok()) co_return std::move(spec).error();
  VolumePlugin* plugin = plugin_of(*spec);
  if (plugin == nullptr) {
    co_return Error(ErrorKind::unimplemented, "failed to get Plugin from volumeSpec for volume \"" + spec->name +
                                                  "\" err=no volume plugin matched");
  }
  auto manner = co_await plugin->manner(*spec);
  if (!manner.ok()) co_return std::move(manner).error().error;
  if (manner->takes_context) {
    auto context = mount_context(*spec, base_.selinux);
    if (!context.ok()) co_return std::move(context).error();
    spec->context = std::move(*context);
  }
  Resolved out{plugin, std::move(*spec), std::move(*manner)};
  co_return out;
}

// Without an await between, so that no device is given up that is just becoming wanted.
void VolumeManager::want_all(Pod& pod, const api::PodPtr& wanted, AllResolved resolved) {
  for (auto& [outer, one] : resolved) {
    MountPtr& mount = pod.mounts[key_of(one.plugin->name(), one.spec.name)];
    if (mount == nullptr) {
      mount = std::make_shared<Mount>(base_.loop, *one.plugin);
      mount->restored = forget_lost(pod.uid, *one.plugin, one.spec.name);
      if (mount->restored) mount->state = State::uncertain;
    }
    take(*mount, pod.uid, std::move(one));
    pod.volumes[outer] = mount;
  }
  for (const auto& [outer, mount] : pod.volumes) {
    mount->spec->pod = wanted;
    const bool again = mount->state == State::mounted && mount->manner.repeats;
    if (!mount->wanted) mount->backoff.reset();
    if (!mount->wanted || again) mount->asked = base_.clock.steady_now();
    mount->wanted = true;
    if (again) mount->due = true;
    start(mount);
    if (mount->state == State::mounted && mount->device) start_growth(mount->device);
  }
  in_use_changed();
}

void VolumeManager::take(Mount& mount, const std::string& uid, Resolved found) {
  const bool bound = mount.device != nullptr && (mount.busy || mount.state != State::absent);
  // Another device under the same name: first what there is must be taken off.
  if (bound && mount.spec && mount.device->order.device != found.manner.device) return;
  mount.uid = uid;
  mount.name = found.spec.name;
  mount.block = found.spec.block;
  if (!found.manner.device.empty()) {
    mount.device = device_of(mount.plugin, found.manner, mount.name, mount.block);
    mount.device->attachable = found.manner.attachable;
  }
  mount.manner = std::move(found.manner);
  mount.spec = std::move(found.spec);
}

base::Task<Status> VolumeManager::unmount(std::string uid) {
  co_await await_restored();
  if (pods_.count(uid) == 0 && !has_lost(uid)) {
    auto swept = co_await base_.disk.sweep(uid);
    co_return swept;
  }
  const PodRecord pod = record(uid);
  pod->volumes.clear();
  pod->failed.clear();
  bool helped = has_lost(uid);
  for (const auto& [key, mount] : pod->mounts) {
    mount->wanted = false;
    mount->due = false;
    if (mount->progress->cancel) mount->progress->cancel();
    if (mount->manner.swept && !mount->busy) mount->state = State::absent;
    helped = helped || mount->has_work() || mount->busy;
  }
  if (helped) {
    auto cleared = co_await base_.disk.clear_sub_paths(uid);
    if (!cleared.ok()) {
      // The call that is in its way may come back then.
      start_unmounting(*pod, true);
      co_return cleared;
    }
    co_await clean_lost(uid);
    start_unmounting(*pod, false);
    const bool gone = co_await await_unmounted(pod);
    if (!gone) co_return still_mounted(*pod);
  }
  // Somebody may have wanted it again meanwhile.
  const auto now = pods_.find(uid);
  if (now != pods_.end() && now->second == pod) pods_.erase(now);
  const base::SteadyTime begun = base_.clock.steady_now();
  auto swept = co_await base_.disk.sweep(uid);
  for (const auto& [key, mount] : pod->mounts) {
    if (mount->manner.swept) count(*mount, "volume_unmount", begun, !swept.ok());
  }
  co_return swept;
}

void VolumeManager::start_unmounting(const Pod& pod, bool only_of_servers) {
  for (const auto& [key, mount] : pod.mounts) {
    if (only_of_servers && !mount->manner.of_server) continue;
    mount->backoff.reset();
    start(mount);
    mount->bell.notify();
  }
}

base::Task<bool> VolumeManager::await_unmounted(PodRecord pod) {
  const std::map<std::string, MountPtr> mounts = pod->mounts;
  const base::SteadyTime until = base_.clock.after(kWait);
  while (true) {
    const bool left = std::any_of(mounts.begin(), mounts.end(), [](const auto& entry) {
      return entry.second->busy || entry.second->state != State::absent;
    });
    if (!left) co_return true;
    if (base_.clock.steady_now() >= until) co_return false;
    tell_waits(*pod);
    co_await pod->changed.wait_until(base_.clock, until);
  }
}

Error VolumeManager::still_mounted(const Pod& pod) const {
  std::vector<std::string> names;
  std::string why;
  for (const auto& [key, mount] : pod.mounts) {
    if (mount->state == State::absent && !mount->busy) continue;
    names.push_back(mount->name);
    if (!mount->waits_for.empty()) why += (why.empty() ? ": " : "; ") + mount->waits_for;
  }
  return Error(ErrorKind::deadline_exceeded, "mounted volumes=[" + joined_names(std::move(names)) + "]" + why);
}

// --- Records ---

VolumeManager::PodRecord VolumeManager::record(const std::string& uid) {
  PodRecord& pod = pods_[uid];
  if (pod == nullptr) pod = std::make_shared<Pod>(base_.loop);
  pod->uid = uid;
  return pod;
}

VolumePlugin* VolumeManager::plugin_of(const VolumeSpec& spec) const {
  for (const auto& plugin : plugins_) {
    if (plugin->serves(spec)) return plugin.get();
  }
  return nullptr;
}

VolumePlugin* VolumeManager::plugin_named(const std::string& name) const {
  for (const auto& plugin : plugins_) {
    if (plugin->is_called(name)) return plugin.get();
  }
  return nullptr;
}

VolumeManager::DevicePtr VolumeManager::device_of(VolumePlugin& plugin, const VolumeManner& manner,
                                                  const std::string& name, bool block) {
  DevicePtr& device = devices_[device_key(manner.device, block)];
  if (device == nullptr) {
    device = std::make_shared<Device>(base_.loop, plugin);
    device->order.device = manner.device;
    device->order.name = name;
    device->order.block = block;
    device->label = manner.label.empty() ? plugin.name() : manner.label;
    const std::string& serial = manner.serial.empty() ? manner.device : manner.serial;
    std::weak_ptr<base::Semaphore>& shared = serials_[serial];
    device->serial = shared.lock();
    if (device->serial == nullptr) {
      device->serial = std::make_shared<base::Semaphore>(base_.loop, 1);
      shared = device->serial;
    }
  }
  device->attachable = device->attachable || manner.attachable;
  return device;
}

// At each sync of each pod: the Node is told anew only when there is something to tell.
void VolumeManager::in_use_changed() {
  auto now = in_use();
  if (now == told_in_use_) return;
  told_in_use_ = std::move(now);
  if (base_.hooks.in_use_changed) base_.hooks.in_use_changed();
}

std::optional<std::vector<std::string>> VolumeManager::in_use() const {
  if (!restored_) return std::nullopt;
  std::set<std::string> names;
  for (const auto& [key, device] : devices_) {
    if (!device->attachable) continue;
    if (device->busy || device->state != State::absent || is_used(*device)) names.insert(device->order.device);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

void VolumeManager::each_mounted(const SeeMounted& see) const {
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [outer, mount] : pod->volumes) {
      if (mount->state == State::mounted) see(outer, *mount->spec, mount->result);
    }
  }
}

bool VolumeManager::holds(const std::string& uid) const {
  if (!restored_) return true;
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return false;
  const auto& mounts = found->second->mounts;
  return std::any_of(mounts.begin(), mounts.end(),
                     [](const auto& entry) { return entry.second->busy || entry.second->state != State::absent; });
}

VolumeCounts VolumeManager::counts() const {
  VolumeCounts out;
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, mount] : pod->mounts) {
      if (mount->wanted) ++out.desired[label_of(*mount)];
      if (mount->state != State::absent) ++out.actual[label_of(*mount)];
    }
  }
  return out;
}

std::string VolumeManager::label_of(const Mount& mount) {
  return mount.manner.label.empty() ? mount.plugin.name() : mount.manner.label;
}

void VolumeManager::count(const Mount& mount, const char* operation, base::SteadyTime begun, bool failed) {
  const bool migrated = mount.spec && mount.spec->migrated;
  auto& durations =
      metrics_.operations[{label_of(mount), operation, operation_status(failed), migrated_label(migrated)}];
  durations.observe(base_.clock.steady_now() - begun);
}

void VolumeManager::count_total(const Mount& mount) {
  metrics_.totals[{label_of(mount), "overall_volume_mount"}].observe(base_.clock.steady_now() - mount.asked);
}

void VolumeManager::count_verified(Mount& mount, base::SteadyTime begun) {
  if (std::exchange(mount.verified, true)) return;
  count(mount, "verify_controller_attached_volume", begun, false);
}

std::size_t VolumeManager::mounts() const {
  std::size_t count = 0;
  for (const auto& [uid, pod] : pods_) count += pod->mounts.size();
  return count;
}

std::size_t VolumeManager::under_way() const {
  std::size_t count = 0;
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, mount] : pod->mounts) count += mount->busy && mount->waits_for.empty() ? 1 : 0;
  }
  return count;
}

void VolumeManager::look_again(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  for (const auto& [key, mount] : found->second->mounts) {
    if (!mount->waits_for.empty()) mount->bell.notify();
  }
}

void VolumeManager::node_changed() {
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, mount] : pod->mounts) {
      if (mount->manner.attachable && mount->wanted && !mount->waits_for.empty()) mount->bell.notify();
    }
  }
}

void VolumeManager::look_again_all() {
  for (const auto& [uid, pod] : pods_) look_again(uid);
}

void VolumeManager::pods_known() {
  if (std::exchange(pods_known_, true)) return;
  const auto devices = devices_;
  for (const auto& [name, device] : devices) start_device(device);
}

void VolumeManager::tell_waits(const Pod& pod) {
  if (!base_.hooks.waits) return;
  std::string text;
  for (const auto& [key, mount] : pod.mounts) {
    if (!mount->has_work()) continue;
    std::string why = !mount->progress->text.empty() ? mount->progress->text : mount->waits_for;
    text += (text.empty() ? "volume " : "; volume ") + mount->name + (why.empty() ? "" : ": " + why);
  }
  base_.hooks.waits(pod.uid, text.empty() ? "its volumes" : text);
}

}  // namespace keelson::volume
