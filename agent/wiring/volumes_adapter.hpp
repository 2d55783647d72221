// VolumesAdapter: the workers' PodVolumes over volume/, on the blocking pool.
//
// Volumes made of API objects (configMap, secret, projected, downwardAPI) are put together here at every sync and
// written only when what they hold has changed. Owner: Agent. Thread: the loop. Each call has a deadline; a volume that
// hangs holds back its own pod only. Source: contract 02 §5.1 step 7, contract 04 §3, §8.
#pragma once

#include <map>
#include <string>

#include "agent/objects/volume_payload.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_objects.hpp"
#include "agent/sync/pod_resources.hpp"
#include "base/blocking_pool.hpp"
#include "base/in_flight.hpp"
#include "volume/mounts.hpp"
#include "volume/sub_path.hpp"

namespace keelson::agent {

class VolumesAdapter final : public PodVolumes {
 public:
  VolumesAdapter(base::BlockingPool& pool, const NodeFacts& facts, PodObjects& objects, EventRecorder& events,
                 base::Logger log)
      : VolumesAdapter(pool, facts, objects, events, std::move(log), std::make_shared<volume::LinuxMounts>()) {}
  // Tests give a mount table of their own.
  VolumesAdapter(base::BlockingPool& pool, const NodeFacts& facts, PodObjects& objects, EventRecorder& events,
                 base::Logger log, std::shared_ptr<volume::Mounts> mounts)
      : pool_(pool),
        facts_(facts),
        objects_(objects),
        events_(events),
        log_(std::move(log)),
        mounts_(std::move(mounts)) {}

  base::Task<Result<ResolvedVolumes>> mount(api::PodPtr pod) override;
  base::Task<Status> prepare_sub_path(api::PodPtr pod, SubPathRequest request) override;
  base::Task<Status> unmount(std::string uid) override;

 private:
  using Projections = std::vector<volume::Projection>;
  // What can be made of the API's objects, and the first failure among the rest.
  struct Wanted {
    Projections projections;
    std::optional<Error> failure;
  };
  using SubPathOutcome = std::optional<volume::SubPathFailure>;

  base::Task<Result<ResolvedVolumes>> set_up(api::PodPtr pod, Projections projections);
  // The volumes made of API objects; those that lie on the disk as they should are in `written_` and left out.
  base::Task<Wanted> projections_of(api::PodPtr pod);
  base::Task<Result<SubPathOutcome>> bind_sub_path(std::string uid, volume::SubPath wanted);
  base::Task<PayloadObjects> fetch(api::PodPtr pod, PayloadNeeds needs);

  base::BlockingPool& pool_;
  const NodeFacts& facts_;
  PodObjects& objects_;
  EventRecorder& events_;
  base::Logger log_;
  base::InFlight in_flight_;                // by UID: a volume that hangs takes one thread, not one for each try
  std::shared_ptr<volume::Mounts> mounts_;  // shared with calls that outlive their deadline
  // By pod and volume: a hash of what was written last, and where.
  struct Written {
    std::size_t payload = 0;
    std::string host_path;
  };
  std::map<std::string, std::map<std::string, Written>> written_;
};

}  // namespace keelson::agent
