// VolumesAdapter: the workers' PodVolumes over volume/, on the blocking pool.
//
// Owner: Agent. Thread: the loop. Each call has a deadline; a volume that hangs holds back its own pod only.
#pragma once

#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_resources.hpp"
#include "base/blocking_pool.hpp"
#include "base/in_flight.hpp"
#include "volume/mounts.hpp"

namespace keelson::agent {

class VolumesAdapter final : public PodVolumes {
 public:
  VolumesAdapter(base::BlockingPool& pool, const NodeFacts& facts)
      : pool_(pool), facts_(facts), mounts_(std::make_shared<volume::LinuxMounts>()) {}

  base::Task<Result<ResolvedVolumes>> mount(api::PodPtr pod) override;
  base::Task<Status> unmount(std::string uid) override;

 private:
  base::BlockingPool& pool_;
  const NodeFacts& facts_;
  base::InFlight in_flight_;                // by UID: a volume that hangs takes one thread, not one for each try
  std::shared_ptr<volume::Mounts> mounts_;  // shared with calls that outlive their deadline
};

}  // namespace keelson::agent
