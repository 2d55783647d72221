// PodProbes: the probes of a pod's containers, as its worker needs them. Implemented over probes/ (agent/wiring).
//
// Thread: the loop; nothing waits. What fails: nothing; failures are results and events. A result that changes comes
// back as PodWorker::probe_changed(). Source: contract 02 §5.1 step 9, §5.2, §17.
#pragma once

#include <map>
#include <string>

#include "agent/sync/observed.hpp"
#include "agent/sync/plan.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

class PodProbes {
 public:
  virtual ~PodProbes() = default;
  // Begins the probes of that pod's containers which do not run yet.
  virtual void start(const api::PodPtr& pod) = 0;
  // What was just observed, and the status made of it: which containers may be probed, and where.
  virtual void see(const api::Pod& pod, const ObservedPod& observed, const api::core::PodStatus& status) = 0;
  // What they say, by container id.
  virtual std::map<std::string, ProbeView> views(const api::Pod& pod) const = 0;
  // Terminating has begun: liveness and startup of regular containers end, all others go on.
  virtual void stop_restarting(const api::Pod& pod) = 0;
  // All end; what they have said stays until forget().
  virtual void stop(const std::string& uid) = 0;
  virtual void forget(const std::string& uid) = 0;
};

}  // namespace keelson::agent
