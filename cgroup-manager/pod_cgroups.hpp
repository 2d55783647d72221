// PodCgroups: the agent's cgroups (pods root, QoS tiers, pods), whatever the driver.
//
// Owner: main(), behind whatever calls it; its calls block (file writes, retries of up to 1 s) and belong on the
// blocking pool, one at a time per cgroup. It keeps no state: the truth is in the file system. Cgroups are named by
// components (names.hpp): tier(root, qos), pod(root, qos, uid). Source: contract 03 §3, §4.1.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "cgroup-manager/limits.hpp"
#include "cgroup-manager/names.hpp"

namespace keelson::cgroups {

struct FoundPod {
  std::string uid;
  QosClass qos = QosClass::best_effort;
  bool operator==(const FoundPod&) const = default;
};

struct Ensured {
  bool created = false;
  // Limits that could not be written to a new cgroup: it is usable, the caller logs them.
  std::vector<Error> warnings;
};

class PodCgroups {
 public:
  virtual ~PodCgroups() = default;

  // Makes the cgroup with its limits, and the levels above it without limits. One that exists is left as it is.
  virtual Result<Ensured> ensure(const CgroupName& name, const Limits& limits) = 0;
  // Writes limits to a cgroup that exists; the first write that fails is the error, the others are still tried.
  virtual Status update(const CgroupName& name, const Limits& limits) = 0;
  // Removes it and everything below; missing is success. Fails while processes live in it.
  virtual Status destroy(const CgroupName& name) = 0;
  // SIGKILL for all processes in it and below, in up to five rounds; fails when some are left.
  virtual Status kill(const CgroupName& name) = 0;
  // Present in all hierarchies that the agent uses.
  virtual bool exists(const CgroupName& name) = 0;
  // Pods that have a cgroup below `root`, sorted by UID: for the clean-up of orphans.
  virtual Result<std::vector<FoundPod>> list_pods(const CgroupName& root) = 0;
  // The form of CRI's cgroup_parent.
  virtual std::string path(const CgroupName& name) const = 0;
};

}  // namespace keelson::cgroups
