// StatsSource: what the statistics need to know of the agent; and the plain values it tells.
//
// Implemented by the agent's wiring and by the tests' fake. Owner: the wiring; outlives the Sampler. Thread: the loop.
// The runtime's answers may fail; all others are at hand and answered at once. Source: contract 05 §10, §14.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "cri-client/stats.hpp"
#include "cri-client/types.hpp"
#include "volume/manager/volume_usage.hpp"

namespace keelson::stats {

struct ContainerFacts {
  std::string name;  // in the pod; of a sandbox empty
  std::string id;
  std::string image;         // as the metrics' label has it
  base::SystemTime created;  // CRI created_at
};

struct PodFacts {
  std::string uid;
  std::string ns;
  std::string name;
  std::string cgroup;                      // below the hierarchies ("/kubepods/podUID"); empty: the pod has none
  ContainerFacts sandbox;                  // the ready one, else the newest
  std::vector<ContainerFacts> containers;  // that run, init and ephemeral ones too
  std::string log_directory;               // LOGS/NS_NAME_UID
  std::string hosts_file;                  // ROOT/pods/UID/etc-hosts
};

struct SystemContainer {
  std::string name;    // "kubelet", "runtime", "misc", "pods"
  std::string cgroup;  // below the hierarchies
};

class StatsSource {
 public:
  virtual ~StatsSource() = default;

  virtual std::string node_name() const = 0;
  // The node's pods; those without a running container are left out of every answer.
  virtual std::vector<PodFacts> pods() const = 0;
  // Those whose cgroup is configured, in the order in which they are shown.
  virtual std::vector<SystemContainer> system_containers() const = 0;
  // Further cgroups of /metrics/cadvisor: the QoS tiers.
  virtual std::vector<std::string> tiers() const = 0;
  // Of the pod's volumes, as they were measured last.
  virtual std::optional<volume::PodUsage> volumes(const std::string& pod_uid) const = 0;

  virtual base::Task<Result<std::vector<cri::ContainerStats>>> container_stats() = 0;
  virtual base::Task<Result<cri::ImageFsInfo>> image_fs_info() = 0;
};

}  // namespace keelson::stats
