// status(): the PodStatus that the API and people are shown, decided purely.
//
// status(desired pod, what was shown before, observed state, probe results, failed starts, now) -> PodStatus. No I/O,
// no clock. The order of lists, the reasons and messages are the kubelet's. Thread: any. Source: contract 02 §15.1
// phase, §15.2 conditions, §15.3 container statuses, §15.4 pod fields, §15.6 final status.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/allocation/resize_conditions.hpp"
#include "agent/status/pod_cgroup_values.hpp"
#include "agent/sync/observed.hpp"
#include "agent/sync/plan.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

// Why the last try to start a container came to nothing: ErrImagePull, CreateContainerError, CrashLoopBackOff ...
struct WaitingReason {
  std::string reason;
  std::string message;
};

// A phase, reason and message that the agent forces on a pod (contract 02 §14).
struct ForcedEnd {
  std::string phase;
  std::string reason;
  std::string message;
  std::string disruption;  // message of the DisruptionTarget condition; empty: no such condition
};

struct StatusInput {
  // Its own status is the API's copy: foreign conditions and the phase that the API shows are read from there.
  const api::Pod& pod;
  // The last status that was computed or read; empty for a pod never seen.
  const api::core::PodStatus& before;
  const ObservedPod& observed;
  const std::map<std::string, ProbeView>& probes;         // by container id
  const std::map<std::string, WaitingReason>& waiting;    // by container name
  const std::map<std::string, std::string>& termination;  // by container id: text of the termination message file
  std::vector<std::string> host_ips;                      // primary first; empty while the node's address is unknown
  std::string runtime_name;                               // the scheme of container ids
  base::SystemTime now;
  base::SystemTime agent_started;
  bool terminating = false;  // nothing is started any more
  bool stopped = false;      // and nothing of it runs: what its containers came to is the pod's phase
  std::optional<ForcedEnd> forced;
  std::optional<PodCgroupValues> pod_cgroup;
  bool recursive_read_only = false;          // the pod's runtime handler can mount so
  const PodAllocation* actuated = nullptr;   // what was last put in force; null without a record
  const ResizeConditions* resize = nullptr;  // what is told of its resize; null: nothing
};

api::core::PodStatus status(const StatusInput& input);

// contract 02 §15.6: what never ended visibly is ended, for a pod whose containers are known to be gone.
void make_final(const api::Pod& pod, api::core::PodStatus& status);

bool is_terminal(const api::core::PodStatus& status);

}  // namespace keelson::agent
