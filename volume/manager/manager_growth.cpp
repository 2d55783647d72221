// Volumes whose PersistentVolume has grown: made larger when they are mounted, and by a task of their device while they
// are.
#include "volume/manager/manager.hpp"
#include "volume/manager/state.hpp"

namespace keelson::volume {
namespace {

// Pods are synced as often as something happens to them; their PersistentVolumes are not looked at so often.
constexpr auto kLookPause = std::chrono::seconds(30);

std::string about(const char* what, const std::string& name) {
  return std::string(what) + " for volume \"" + name + "\"";
}

}  // namespace

// The device's lock is held. What fails keeps the pod from starting.
base::Task<Status> VolumeManager::grow_at_mount(MountPtr mount, std::string path) {
  VolumeCluster* cluster = base_.claims.cluster;
  const VolumeSpec::PvPtr pv = mount->spec->pv;
  VolumeSpec::ClaimPtr claim = mount->spec->claim;
  if (!mount->manner.expands || claim == nullptr || cluster == nullptr) co_return Status();
  const DevicePtr device = mount->device;
  if (size_of(*pv) > size_of(*claim)) {
    auto now = co_await cluster->claim(claim->metadata().namespace_(), claim->metadata().name());
    if (!now.ok()) co_return std::move(now).error().wrap("mountVolume.NodeExpandVolume get PVC failed");
    claim = *now;
  }
  if (!device->size) device->size = size_of(*claim);
  const ExpansionFacts facts{*pv, *claim, std::nullopt, mount->spec->read_only, device->growth_failed};
  const Expansion plan = plan_expansion(facts);
  if (plan.step == Expansion::Step::read_only) {
    tell_growth(*mount, *claim, true, "FileSystemResizeFailed",
                about("MountVolume.NodeExpandVolume failed", mount->name) + " requested read-only file system");
  }
  if (plan.step == Expansion::Step::settled) device->size = plan.size;
  if (plan.step != Expansion::Step::expand) co_return Status();
  auto done = co_await expand(mount, std::move(path), std::move(claim), plan);
  co_return done;
}

// The device's lock is held. An error: to be tried again.
base::Task<Status> VolumeManager::expand(MountPtr mount, std::string path, VolumeSpec::ClaimPtr claim, Expansion plan) {
  const DevicePtr device = mount->device;
  if (plan.told()) {
    auto told = co_await tell_claim(claim, claim_in_progress(*claim), true);
    if (!told.ok()) co_return std::move(told).error();
    claim = *told;
  }
  ExpandOrder order;
  order.spec = *mount->spec;
  order.manner = mount->manner;
  order.place = device->order.place;
  order.path = std::move(path);
  order.device_path = device->device_path;
  order.size = plan.size.value();
  order.from = device->size.value_or(api::Quantity()).value();
  const ExpandResult result = co_await mount->plugin.expand(std::move(order));
  const ExpansionVerdict verdict = judge_expansion(plan, result);
  device->growth_refused = device->growth_refused || verdict.refused;
  device->growth_failed = device->growth_failed || verdict.failed_for_good;
  if (verdict.event) {
    const std::string& node = mount->spec->pod->spec().nodename();
    tell_growth(*mount, *claim, false, "FileSystemResizeSuccessful",
                about("MountVolume.NodeExpandVolume succeeded", mount->name) + " " + node);
  }
  using Tell = ExpansionVerdict::Tell;
  if (verdict.tell == Tell::finished) {
    auto told = co_await tell_claim(claim, claim_expanded(*claim, plan.size), true);
    if (!told.ok()) co_return std::move(told).error().wrap("mountVolume.NodeExpandVolume update pvc status failed");
  } else if (verdict.tell != Tell::nothing) {
    const bool infeasible = verdict.tell == Tell::infeasible;
    auto failed = claim_failed(*claim, *result.error, infeasible, base_.clock.now());
    auto told = co_await tell_claim(claim, std::move(failed), false);
    if (!told.ok()) {
      base_.log.warning("A claim cannot be told that its volume does not grow",
                        {{"claim", claim->metadata().name()}, {"err", told.error()}});
    }
  }
  if (verdict.settled) {
    device->size = plan.size;
    device->growth_failed = false;
  }
  if (verdict.error) co_return *verdict.error;
  co_return Status();
}

base::Task<Result<VolumeSpec::ClaimPtr>> VolumeManager::tell_claim(VolumeSpec::ClaimPtr claim,
                                                                   api::core::PersistentVolumeClaim wanted,
                                                                   bool only_unchanged) {
  return base_.claims.cluster->patch_claim_status(std::move(claim), std::move(wanted), only_unchanged);
}

void VolumeManager::tell_growth(const Mount& mount, const api::core::PersistentVolumeClaim& claim, bool warning,
                                const std::string& reason, const std::string& message) {
  base_.log.info("A volume of the node grows", {{"volume", mount.name}, {"reason", reason}, {"message", message}});
  if (base_.hooks.event) base_.hooks.event(*mount.spec->pod, warning, reason, message);
  if (base_.hooks.object_event)
    base_.hooks.object_event(*mount.spec->pod, reference_to(claim), warning, reason, message);
}

// --- While it is mounted ---

VolumeManager::MountPtr VolumeManager::grown_by(const Device& device) const {
  for (const auto& [uid, pod] : pods_) {
    for (const auto& [key, mount] : pod->mounts) {
      if (mount->device.get() != &device || mount->state != State::mounted || !mount->wanted) continue;
      if (mount->manner.expands && mount->spec->claim != nullptr && !mount->spec->read_only) return mount;
    }
  }
  return nullptr;
}

void VolumeManager::start_growth(const DevicePtr& device) {
  if (base_.claims.cluster == nullptr || device->growth_refused || grown_by(*device) == nullptr) return;
  const base::SteadyTime now = base_.clock.steady_now();
  if (device->growing || now < device->next_look) return;
  device->next_look = now + kLookPause;
  device->growing = true;
  base::spawn(gate_, "size of volume " + device->order.name, drive_growth(device));
}

base::Task<void> VolumeManager::drive_growth(DevicePtr device) {
  base::Backoff backoff = volume_backoff();
  while (true) {
    const bool again = co_await grow(device);
    if (!again) break;
    co_await base_.clock.sleep_for(backoff.next(base_.random));
  }
  device->growing = false;
}

// Whether it is to be tried again.
base::Task<bool> VolumeManager::grow(DevicePtr device) {
  const MountPtr mount = grown_by(*device);
  if (mount == nullptr || device->growth_refused || !device->size) co_return false;
  VolumeCluster& cluster = *base_.claims.cluster;
  const auto pv = co_await cluster.persistent_volume(mount->name);
  if (!pv.ok() || size_of(**pv) <= *device->size) co_return false;
  const api::meta::ObjectMeta meta = mount->spec->claim->metadata();
  const auto permit = co_await device->lock.acquire();
  if (mount->state != State::mounted || !mount->wanted) co_return false;
  const base::SteadyTime begun = base_.clock.steady_now();
  Status done;
  bool waits = false;
  bool tried = true;
  const auto claim = co_await cluster.claim(meta.namespace_(), meta.name());
  if (claim.ok()) {
    const ExpansionFacts facts{**pv, **claim, device->size, false, device->growth_failed};
    const Expansion plan = plan_expansion(facts);
    if (plan.step == Expansion::Step::settled) device->size = plan.size;
    waits = plan.step == Expansion::Step::wait;
    tried = plan.step == Expansion::Step::expand;
    if (plan.step == Expansion::Step::expand) done = co_await expand(mount, mount->result.path, *claim, plan);
  } else {
    done = claim.error().wrap("mountVolume.NodeExpandVolume get PVC failed");
  }
  if (tried) count(*mount, "volume_fs_resize", begun, !done.ok());
  if (done.ok()) co_return waits;
  base_.log.info("A volume of the node does not grow", {{"volume", mount->name}, {"err", done.error()}});
  if (base_.hooks.event) {
    base_.hooks.event(
        *mount->spec->pod, true, "VolumeResizeFailed",
        about("NodeExpandVolume.NodeExpandVolume failed", mount->name) + " : " + done.error().to_string());
  }
  co_return true;
}

}  // namespace keelson::volume
