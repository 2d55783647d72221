// PodVolumes and PodCgroups: what a pod's worker needs prepared around its containers, and taken away after them.
//
// Implemented in agent/wiring over volume/ and cgroup-manager/. Thread: the loop; the work itself is done on the
// blocking pool. Source: contract 02 §5.1 steps 4 and 7, §5.3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/mounts.hpp"
#include "agent/status/pod_cgroup_values.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class PodVolumes {
 public:
  virtual ~PodVolumes() = default;
  // Mounts what is not mounted yet; called at every sync, so it must be cheap when nothing is to do. `exhausted`: a
  // volume cannot be attached because the node has no room for it.
  virtual base::Task<Result<ResolvedVolumes>> mount(api::PodPtr pod) = 0;
  // Makes the sub-path of a mounted volume, where it is missing, and binds it to its target; what containers do in the
  // volume meanwhile cannot lead it out of there. The error is the text that the waiting state shows, without anything
  // about the host.
  virtual base::Task<Status> prepare_sub_path(api::PodPtr pod, SubPathRequest request) = 0;
  // Unmounts all volumes of the pod and their sub-paths; user data is never removed.
  virtual base::Task<Status> unmount(std::string uid) = 0;
};

// Bytes that are in use now, of the pod and of those of its containers that have a cgroup.
struct PodMemoryUsage {
  std::int64_t pod = 0;
  std::map<std::string, std::int64_t> containers;  // by container id
};

class PodCgroups {
 public:
  virtual ~PodCgroups() = default;
  // The cgroup_parent that the sandbox is given; empty without cgroupsPerQOS.
  virtual std::string parent_of(const api::Pod& pod) const = 0;
  // It is there, or none is made for this pod.
  virtual base::Task<bool> exists(api::PodPtr pod) = 0;
  virtual base::Task<Status> ensure(api::PodPtr pod) = 0;
  virtual base::Task<Status> remove(std::string uid) = 0;
  // Of one that cannot be removed yet: the least share of CPU. Missing is success.
  virtual base::Task<Status> lower(std::string uid) = 0;
  // What is in force for the pod; nothing when it has no cgroup of ours.
  virtual base::Task<std::optional<PodCgroupValues>> values(api::PodPtr pod) = 0;
  // Writes the values that are set and leaves the others; nothing where the pod has no cgroup of ours.
  virtual base::Task<Status> set(api::PodPtr pod, PodCgroupValues values) = 0;
  virtual base::Task<Result<PodMemoryUsage>> memory_usage(api::PodPtr pod, std::vector<std::string> container_ids) = 0;
  // UIDs of pods that have a cgroup.
  virtual base::Task<Result<std::vector<std::string>>> list() = 0;
};

}  // namespace keelson::agent
