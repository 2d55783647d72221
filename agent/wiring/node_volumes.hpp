// NodeVolumes: all that has to do with volumes on this node, put together: the volume manager with its plugins, the
// cluster's claims, the CSI drivers, and how much the volumes use.
//
// Owner: Agent. Thread: the loop. Stops: stop(), after the workers and before the cluster. What fails: nothing here;
// see the parts. Source: contract 04 §16, §19, §25.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/wiring/cluster.hpp"
#include "agent/wiring/cluster_volumes.hpp"
#include "agent/wiring/csi_service.hpp"
#include "agent/wiring/volumes_adapter.hpp"
#include "config/configuration.hpp"
#include "volume/csi/volume_stats.hpp"
#include "volume/manager/usage_meter.hpp"

namespace keelson::agent {

class NodeVolumes {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    base::BlockingPool& pool;
    const config::Configuration& configuration;
    const NodeFacts& facts;
    PodObjects& objects;
    EventRecorder& events;
    base::Logger log;
    Cluster* cluster = nullptr;  // null: standalone
    std::function<void(const std::string& uid, std::string text)> waits;
  };
  explicit NodeVolumes(const Base& base);

  PodVolumes& pod_volumes() { return *adapter_; }
  volume::VolumeManager& manager() { return adapter_->manager(); }
  // For the stats summary, metrics and eviction.
  const volume::UsageMeter& usage() const { return *usage_; }
  const volume::VolumeMetrics& metrics() const { return metrics_; }
  // For handlers of other plugins, and metrics; null: standalone.
  CsiService* csi() { return csi_.get(); }

  // CSI drivers wait until the node has joined its cluster.
  void start();
  base::Task<void> stop();

 private:
  void add_plugins(const Base& base);
  void add_meter(const Base& base);

  volume::VolumeMetrics metrics_;
  base::BlockingPool slow_pool_;
  base::BlockingPool tree_pool_;  // of measuring
  base::BlockingPool look_pool_;
  base::Gate gate_;
  Cluster* cluster_;
  std::shared_ptr<volume::Mounts> mounts_;
  std::unique_ptr<ClusterVolumes> claims_;
  std::unique_ptr<CsiService> csi_;
  std::unique_ptr<VolumesAdapter> adapter_;
  volume::DiskWork measuring_;
  std::unique_ptr<volume::CsiGauge> csi_gauge_;
  std::unique_ptr<volume::NodeGauge> gauge_;
  std::unique_ptr<volume::UsageMeter> usage_;
};

}  // namespace keelson::agent
