// PodStats: what the statistics ask about this node's pods, from the workers' last observations and the runtime.
//
// Owner: NodeServer. Thread: the loop. What fails: what the runtime answers. Source: contract 05 §10, §14.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/stats/source.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_workers.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "config/configuration.hpp"
#include "cri-client/runtime.hpp"
#include "cri-client/stats.hpp"
#include "volume/manager/usage_meter.hpp"

namespace keelson::agent {

class PodStats final : public stats::StatsSource {
 public:
  // All of it outlives this.
  struct Base {
    const config::Configuration& configuration;
    const NodeFacts& facts;
    const PodWorkers& workers;
    const CgroupsAdapter& cgroups;
    const volume::UsageMeter& volumes;
    cri::StatsService& stats;
    cri::ImageService& images;
  };
  explicit PodStats(Base base) : base_(base) {}

  std::string node_name() const override { return base_.facts.node_name; }
  std::vector<stats::PodFacts> pods() const override;
  std::vector<stats::SystemContainer> system_containers() const override;
  std::vector<std::string> tiers() const override { return base_.cgroups.tier_paths(); }
  std::optional<volume::PodUsage> volumes(const std::string& pod_uid) const override {
    return base_.volumes.usage(pod_uid);
  }
  base::Task<Result<std::vector<cri::ContainerStats>>> container_stats() override;
  base::Task<Result<cri::ImageFsInfo>> image_fs_info() override;

 private:
  Base base_;
};

}  // namespace keelson::agent
