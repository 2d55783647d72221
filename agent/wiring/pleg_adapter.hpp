// PlegAdapter: the container runtime as the PLEG wants it, and the PLEG as the pod workers want it.
//
// Owner: Agent. Thread: the loop. Source: contract 02 §12.
#pragma once

#include "agent/sync/observer.hpp"
#include "cri-client/runtime.hpp"
#include "pleg/pleg.hpp"

namespace keelson::agent {

class PlegLister final : public pleg::RuntimeLister {
 public:
  PlegLister(base::Clock& clock, cri::RuntimeService& runtime) : clock_(clock), runtime_(runtime) {}

  base::Task<Result<std::vector<pleg::Item>>> list() override;
  base::Task<Result<std::vector<pleg::Item>>> list_pod(std::string uid) override;
  base::Task<Result<pleg::Inspection>> inspect(pleg::PodTarget target) override;
  base::Task<Status> events(std::function<void(pleg::RuntimeEvent)> on_event) override;

 private:
  base::Task<Result<std::vector<pleg::Item>>> list_matching(cri::StringMap labels);

  base::Clock& clock_;
  cri::RuntimeService& runtime_;
};

// The ObservedPod in a snapshot; an empty one when the runtime knows no such pod.
ObservedPtr observed_of(const pleg::Snapshot& snapshot, const std::string& uid);

class PlegObserver final : public Observer {
 public:
  explicit PlegObserver(pleg::Pleg& pleg) : pleg_(pleg) {}
  base::Task<Result<ObservedPtr>> observe(std::string uid, base::SteadyTime newer_than) override;
  void look_again(const std::string& uid) override { pleg_.request_relist(uid); }

 private:
  pleg::Pleg& pleg_;
};

}  // namespace keelson::agent
