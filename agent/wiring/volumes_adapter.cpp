#include "agent/wiring/volumes_adapter.hpp"

#include "agent/pod_config/qos.hpp"
#include "volume/csi/migration.hpp"
#include "volume/manager/local_plugins.hpp"

namespace keelson::agent {
namespace {

constexpr auto kSubPathLimit = std::chrono::seconds(30);

volume::LocalVolumeOptions options_of(const NodeFacts& facts, const api::Pod& pod) {
  volume::LocalVolumeOptions options;
  options.root = facts.paths.root;
  options.node_allocatable_memory = facts.info.memory_bytes;
  const auto allocatable = facts.info.allocatable.find("memory");
  if (allocatable != facts.info.allocatable.end()) options.node_allocatable_memory = allocatable->second.value();
  const ResourceList limits = effective_limits(pod);
  if (const auto memory = limits.find("memory"); memory != limits.end())
    options.pod_memory_limit = memory->second.value();
  return options;
}

using Migrated = Result<std::optional<api::core::PersistentVolume>>;

}  // namespace

volume::VolumeEvent volume_events(EventRecorder& events) {
  return [&events](const api::Pod& pod, bool warning, std::string reason, std::string message) {
    events.record(pod, {warning, std::move(reason), std::move(message), ""});
  };
}

volume::VolumeObjectEvent volume_object_events(EventRecorder& events) {
  return [&events](const api::Pod& pod, api::core::ObjectReference object, bool warning, std::string reason,
                   std::string message) {
    PodEvent event{warning, std::move(reason), std::move(message), ""};
    event.of_object = std::make_shared<const api::core::ObjectReference>(std::move(object));
    events.record(pod, std::move(event));
  };
}

volume::VolumeManager::Base VolumesAdapter::manager_base(const Base& base, volume::VolumeDisk& disk) {
  volume::VolumeManager::Hooks hooks;
  hooks.event = volume_events(base.events);
  hooks.object_event = volume_object_events(base.events);
  hooks.waits = base.waits;
  hooks.in_use_changed = base.in_use_changed;
  volume::ClaimSources claims;
  claims.cluster = base.cluster;
  claims.migrate_pv = [](const api::core::PersistentVolume& pv) -> Migrated { return volume::migrated_to_csi(pv); };
  claims.migrate_inline = [](const api::core::Volume& volume, const std::string& ns) -> Migrated {
    return volume::migrated_to_csi(volume, ns);
  };
  return {base.loop,        base.clock, base.random,  disk,        std::move(claims), base.waits_for_attach,
          std::move(hooks), base.log,   base.selinux, base.metrics};
}

VolumesAdapter::VolumesAdapter(Base base)
    : log_(base.log),
      unmounting_(base.unmounting),
      work_({base.pool, base.slow_pool == nullptr ? base.pool : *base.slow_pool}, base.mounts, base.facts.paths.root),
      disk_(work_),
      manager_(manager_base(base, disk_)) {
  const auto options = [&facts = base.facts](const api::Pod& pod) { return options_of(facts, pod); };
  auto projections = std::make_unique<ProjectionPlugin>(work_, base.facts, base.objects, options);
  projections_ = projections.get();
  manager_.add_plugin(std::move(projections));
  manager_.add_plugin(std::make_unique<volume::EmptyDirPlugin>(work_, options));
  manager_.add_plugin(std::make_unique<volume::HostPathPlugin>(work_));
  manager_.add_plugin(std::make_unique<volume::GitRepoPlugin>());
}

void VolumesAdapter::start(base::Gate& gate) { base::spawn(gate, "volumes of before", manager_.restore()); }

base::Task<Result<ResolvedVolumes>> VolumesAdapter::mount(api::PodPtr pod) {
  auto mounted = co_await manager_.mount(pod);
  if (!mounted.ok()) co_return std::move(mounted).error();
  ResolvedVolumes out;
  for (const auto& [name, volume] : *mounted) {
    ResolvedVolume& entry = out[name];
    entry.host_path = volume.path;
    entry.read_only = volume.read_only;
    entry.selinux_relabel = volume.relabel;
    entry.block = volume.block;
    entry.name = volume.name;
    entry.group = volume.group;
  }
  co_return out;
}

base::Task<Status> VolumesAdapter::prepare_sub_path(api::PodPtr pod, SubPathRequest request) {
  volume::SubPath wanted;
  wanted.volume_path = request.volume_path;
  wanted.path = request.sub_path;
  wanted.target = request.target;
  wanted.volume = request.volume;
  wanted.container = request.container;
  auto done = co_await bind_sub_path(pod->metadata().uid(), request.name, std::move(wanted));
  if (!done.ok()) co_return done.error();
  if (!*done) co_return Status();
  // The reason may tell of the host, so only people on the node are shown it.
  log_.error("A sub-path cannot be mounted", {{"uid", pod->metadata().uid()}, {"err", (*done)->reason}});
  co_return Error(ErrorKind::invalid, (*done)->shown);
}

// Not a coroutine: closures are made outside of those.
base::Task<Result<VolumesAdapter::SubPathOutcome>> VolumesAdapter::bind_sub_path(std::string uid, std::string name,
                                                                                 volume::SubPath wanted) {
  return work_.on_sub_path<SubPathOutcome>("bind sub-path of volume " + name, uid, name, kSubPathLimit,
                                           [wanted = std::move(wanted)](volume::Mounts& mounts) {
                                             return Result<SubPathOutcome>(volume::prepare_sub_path(wanted, mounts));
                                           });
}

base::Task<Status> VolumesAdapter::unmount(std::string uid) {
  if (unmounting_) unmounting_(uid);
  auto done = co_await manager_.unmount(uid);
  if (done.ok()) projections_->forget(uid);
  co_return done;
}

}  // namespace keelson::agent
