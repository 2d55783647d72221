// ContainerRow: one cgroup as /metrics/cadvisor shows it, with the labels of all its series.
//
// rows_of() is pure; any thread. Rows refer to the snapshot, which outlives them. Source: contract 05 §14 (row kinds).
#pragma once

#include <string>
#include <vector>

#include "agent/stats/snapshot.hpp"

namespace keelson::stats {

struct ContainerRow {
  std::string id;  // the cgroup's path
  std::string container;
  std::string image;
  std::string name;
  std::string ns;
  std::string pod;
  base::SystemTime created;
  const CgroupReading* group = nullptr;               // never null
  const std::vector<Interface>* network = nullptr;    // of root and sandboxes
  const std::vector<MountReading>* mounts = nullptr;  // of the root
  const std::vector<Disk>* disks = nullptr;           // names of devices; never null
};

// The root, system containers and tiers, then of each pod its cgroup, sandbox and containers; those that could not be
// read are left out.
std::vector<ContainerRow> rows_of(const Snapshot& snapshot);

}  // namespace keelson::stats
