// What lay on the disk when the agent began.
#include <algorithm>

#include "volume/manager/manager.hpp"
#include "volume/manager/state.hpp"

namespace keelson::volume {

base::Task<void> VolumeManager::restore() {
  base::Backoff retry = volume_backoff();
  while (true) {
    Status done = co_await look_around();
    if (done.ok()) break;
    // Without it what lies there would be mounted over, or never taken off.
    base_.log.error("What volumes there were is not known yet", {{"err", done.error()}});
    co_await base_.clock.sleep_for(retry.next(base_.random));
  }
  restored_ = true;
  restored_bell_.notify();
  in_use_changed();
}

base::Task<Status> VolumeManager::look_around() {
  auto found = co_await base_.disk.find();
  if (!found.ok()) co_return std::move(found).error();
  lost_.clear();
  for (const auto& path : found->unreadable) {
    base_.log.warning("A volume's directory cannot be read", {{"path", path.path}, {"err", path.error}});
  }
  const std::vector<FoundVolume> volumes = std::move(found->volumes);
  std::uint64_t errors = 0;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    VolumePlugin* plugin = plugin_named(volumes[i].plugin);
    if (plugin == nullptr) {
      ++errors;
      continue;
    }
    auto manner = co_await plugin->manner_of_found(volumes[i]);
    if (!manner.ok()) {
      base_.log.warning("A volume of before cannot be taken up", {{"path", volumes[i].path}, {"err", manner.error()}});
      ++errors;
      lost_.push_back({plugin, volumes[i]});
      continue;
    }
    take_up(*plugin, volumes[i], std::move(*manner));
  }
  for (std::size_t i = 0; i < plugins_.size(); ++i) {
    const auto devices = co_await plugins_[i]->found_devices();
    if (!devices.ok()) co_return devices.error();
    for (const auto& order : *devices) take_up(*plugins_[i], order);
  }
  // Only of the look that was the last.
  metrics_.reconstructed += volumes.size();
  metrics_.reconstruct_errors += errors;
  co_return Status();
}

void VolumeManager::take_up(VolumePlugin& plugin, const DeviceOrder& found) {
  VolumeManner manner;
  manner.device = found.device;
  const bool known = devices_.count(device_key(found.device, found.block)) > 0;
  const DevicePtr device = device_of(plugin, manner, found.name, found.block);
  device->state = State::uncertain;
  device->restored = true;
  if (!known) device->attachable = found.attachable;
  if (device->order.place.empty()) device->order.place = found.place;
  if (!device->order.context) device->order.context = found.context;
}

void VolumeManager::take_up(VolumePlugin& plugin, const FoundVolume& found, FoundManner manner) {
  if (manner.manner.swept) return;  // needs no help
  const PodRecord pod = record(found.uid);
  auto mount = std::make_shared<Mount>(base_.loop, plugin);
  mount->uid = found.uid;
  mount->name = found.name;
  mount->manner = manner.manner;
  mount->block = found.block;
  mount->restored = true;
  mount->state = State::uncertain;
  if (!manner.manner.device.empty()) {
    mount->device = device_of(plugin, manner.manner, found.name, found.block);
    mount->device->state = State::uncertain;
    mount->device->restored = true;
    mount->device->order.place = manner.place;
    mount->device->order.context = manner.context;
  }
  pod->mounts[key_of(plugin.name(), found.name)] = mount;
}

base::Task<void> VolumeManager::await_restored() {
  while (!restored_) co_await restored_bell_.wait();
}

bool VolumeManager::has_lost(const std::string& uid) const {
  return std::any_of(lost_.begin(), lost_.end(), [&](const Lost& lost) { return lost.found.uid == uid; });
}

bool VolumeManager::forget_lost(const std::string& uid, const VolumePlugin& plugin, const std::string& name) {
  return std::erase_if(lost_, [&](const Lost& lost) {
           return lost.plugin == &plugin && lost.found.uid == uid && lost.found.name == name;
         }) > 0;
}

// contract 04 §16: what could not be taken up is unmounted once, when its pod has ended.
base::Task<void> VolumeManager::clean_lost(std::string uid) {
  std::vector<Lost> lost;
  for (const auto& one : lost_) {
    if (one.found.uid == uid) lost.push_back(one);
  }
  std::erase_if(lost_, [&](const Lost& one) { return one.found.uid == uid; });
  for (std::size_t i = 0; i < lost.size(); ++i) {
    TearDownOrder order;
    order.uid = uid;
    order.name = lost[i].found.name;
    order.block = lost[i].found.block;
    order.place = lost[i].found.global_dir;
    ++metrics_.force_cleaned;
    const auto gone = co_await lost[i].plugin->tear_down(std::move(order));
    if (gone.ok()) continue;
    ++metrics_.force_cleaned_errors;
    base_.log.warning("A volume of before cannot be taken off",
                      {{"path", lost[i].found.path}, {"err", gone.error().error}});
  }
}

}  // namespace keelson::volume
