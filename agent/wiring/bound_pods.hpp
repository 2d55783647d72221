// BoundPodsAdapter: the pods of this node as its HTTPS API tells of them: each with our newest status.
//
// Owner: NodeServer. Thread: the loop; answers at once. Source: contract 05 §6 ("/pods"), §8 (whose status decides).
#pragma once

#include <string>
#include <vector>

#include "agent/node_api/pods.hpp"
#include "agent/sync/pod_workers.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

class BoundPodsAdapter final : public node_api::BoundPods {
 public:
  BoundPodsAdapter(const base::Clock& clock, const PodWorkers& workers);

  std::vector<std::string> uids() const override;
  api::PodPtr pod(const std::string& uid) const override;
  // Of two of one name the one that runs here, not the one that waits for its end.
  api::PodPtr find(const std::string& ns, const std::string& name) const override;

 private:
  api::PodPtr told(const PodWorkers::Wanted& wanted) const;

  const PodWorkers& workers_;
  base::SystemTime zero_;  // the system's time when the steady clock stood at zero
};

}  // namespace keelson::agent
