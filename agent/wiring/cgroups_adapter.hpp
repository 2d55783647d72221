// CgroupsAdapter: the workers' PodCgroups over cgroup-manager, on the blocking pool.
//
// With the cgroupfs driver pod cgroups are made with their limits before the sandbox and removed after it. With the
// systemd driver the names are given to the runtime, which has systemd make the slices; systemd drops them when they
// are empty. Limits of the tiers and of the pods root are not set yet (docs/compatibility.md). Owner: Agent. Thread:
// the loop. Source: contract 02 §5.1 step 4, §5.3; contract 03 §3.
#pragma once

#include <memory>

#include "agent/pod_config/node_info.hpp"
#include "agent/sync/pod_resources.hpp"
#include "base/blocking_pool.hpp"
#include "base/counters.hpp"
#include "base/logger.hpp"
#include "cgroup-manager/names.hpp"
#include "cgroup-manager/pod_cgroups.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

class CgroupsAdapter final : public PodCgroups {
 public:
  // `invalid` when cgroupRoot cannot be used, `not_found` when this machine has no cgroups.
  static Result<std::unique_ptr<CgroupsAdapter>> create(base::BlockingPool& pool, base::Logger log,
                                                        const config::KubeletConfiguration& kubelet,
                                                        const NodeInfo& node);
  ~CgroupsAdapter() override;

  // The driver in force, known after the runtime was asked.
  void use_systemd(bool systemd) { systemd_ = systemd; }

  std::string parent_of(const api::Pod& pod) const override;
  // That of all pods, and the tiers below it; empty when pods have no cgroups of their own.
  std::string pods_path() const;
  std::vector<std::string> tier_paths() const;
  base::Task<bool> exists(api::PodPtr pod) override;
  base::Task<Status> ensure(api::PodPtr pod) override;
  base::Task<Status> remove(std::string uid) override;
  base::Task<Status> lower(std::string uid) override;
  base::Task<std::optional<PodCgroupValues>> values(api::PodPtr pod) override;
  base::Task<Status> set(api::PodPtr pod, PodCgroupValues values) override;
  base::Task<Result<PodMemoryUsage>> memory_usage(api::PodPtr pod, std::vector<std::string> container_ids) override;
  base::Task<Result<std::vector<std::string>>> list() override;

  // kubelet_cgroup_manager_duration_seconds by operation_type: create, update, destroy.
  using Durations = base::ByLabels<1, base::Histogram<base::buckets::kDurations>>;
  const Durations& durations() const { return durations_; }

 private:
  struct Driver;

  base::Task<Result<PodCgroupValues>> read(api::PodPtr pod);
  base::Task<Result<bool>> look_for(api::PodPtr pod);
  base::Task<Result<cgroups::Ensured>> make(api::PodPtr pod);

  base::Task<Status> timed(const char* operation, base::Task<Status> work);

  CgroupsAdapter(base::BlockingPool& pool, base::Logger log, const NodeInfo& node);
  // Nothing for us to make: cgroupsPerQOS is off, or systemd does it.
  bool idle() const { return !driver_ || systemd_; }

  base::BlockingPool& pool_;
  base::Logger log_;
  const NodeInfo& node_;
  bool per_qos_ = true;
  bool systemd_ = false;
  std::int64_t pids_limit_ = -1;
  cgroups::CgroupName root_;
  Durations durations_;
  std::shared_ptr<Driver> driver_;  // shared with calls that outlive their deadline
};

}  // namespace keelson::agent
