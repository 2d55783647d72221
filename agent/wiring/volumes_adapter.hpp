// VolumesAdapter: the workers' PodVolumes: the volume manager with a plugin for each type, and sub-paths.
//
// Owner: Agent. Thread: the loop. Each call has a deadline; a volume that hangs holds back its own pod only. Stops:
// stop(), after the workers. What fails: see volume/manager/manager.hpp. Source: contract 02 §5.1 step 7, contract 04
// §8, §14, §16.
#pragma once

#include <memory>
#include <string>

#include "agent/sync/events.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_objects.hpp"
#include "agent/sync/pod_resources.hpp"
#include "agent/wiring/projection_plugin.hpp"
#include "base/blocking_pool.hpp"
#include "volume/manager/disk_work.hpp"
#include "volume/manager/manager.hpp"
#include "volume/mounts.hpp"
#include "volume/sub_path.hpp"

namespace keelson::agent {

// What the manager and plugins of volumes tell, as events of their pods, claims and PersistentVolumes; `events`
// outlives it.
volume::VolumeEvent volume_events(EventRecorder& events);
volume::VolumeObjectEvent volume_object_events(EventRecorder& events);

class VolumesAdapter final : public PodVolumes {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    base::BlockingPool& pool;
    const NodeFacts& facts;
    PodObjects& objects;
    EventRecorder& events;
    base::Logger log;
    std::shared_ptr<volume::Mounts> mounts = std::make_shared<volume::LinuxMounts>();
    volume::VolumeCluster* cluster = nullptr;  // null: there is no API server, and there are no claims
    bool waits_for_attach = true;
    std::function<void(const std::string& uid, std::string text)> waits;
    std::function<void()> in_use_changed;
    base::BlockingPool* slow_pool = nullptr;                 // for what may hang or take long; null: `pool`
    std::function<void(const std::string& uid)> unmounting;  // before volumes of a pod are taken off; may be empty
    volume::VolumeMetrics* metrics = nullptr;
    volume::SELinuxHost selinux = {};
  };
  explicit VolumesAdapter(Base base);

  // More types; before start().
  void add_plugin(std::unique_ptr<volume::VolumePlugin> plugin) { manager_.add_plugin(std::move(plugin)); }
  // Takes up what there was before.
  void start(base::Gate& gate);
  base::Task<void> stop() { return manager_.stop(); }

  base::Task<Result<ResolvedVolumes>> mount(api::PodPtr pod) override;
  base::Task<Status> prepare_sub_path(api::PodPtr pod, SubPathRequest request) override;
  base::Task<Status> unmount(std::string uid) override;

  volume::VolumeManager& manager() { return manager_; }
  const volume::VolumeManager& manager() const { return manager_; }
  volume::DiskWork& work() { return work_; }

 private:
  using SubPathOutcome = std::optional<volume::SubPathFailure>;

  static volume::VolumeManager::Base manager_base(const Base& base, volume::VolumeDisk& disk);
  base::Task<Result<SubPathOutcome>> bind_sub_path(std::string uid, std::string name, volume::SubPath wanted);

  base::Logger log_;
  std::function<void(const std::string& uid)> unmounting_;
  volume::DiskWork work_;
  volume::PodVolumesDisk disk_;
  volume::VolumeManager manager_;
  ProjectionPlugin* projections_ = nullptr;  // the manager's
};

}  // namespace keelson::agent
