// Batch: everything that is read for one answer, in one go on the blocking pool: values in, values out.
//
// read_batch() reads some thousands of small files, which takes milliseconds; nothing in it waits for anybody. The
// clock and nothing else is shared with the loop (its now() is for any thread). What fails is nothing: what cannot be
// read is absent; whether that matters is for the caller to say. Source: contract 05 §10, §13, §14.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/stats/cgroup_reader.hpp"
#include "agent/stats/file_usage.hpp"
#include "agent/stats/reading.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::stats {

// How much is asked for; each includes what is above it, but the last, which has no logs and no file systems of pods.
enum class Depth {
  cpu,             // CPU time alone, to have a first sample
  resources,       // and memory: /metrics/resource
  cpu_and_memory,  // and pressures: /stats/summary?only_cpu_and_memory=true
  summary,         // and network, processes, logs, file systems: /stats/summary
  containers,      // all that cgroups tell: /metrics/cadvisor
};

struct ContainerOrder {
  std::string id;
  std::string group_name;  // as it was found before; empty: not yet
};

struct PodOrder {
  std::string cgroup;  // below the hierarchies; empty: the pod has none
  ContainerOrder sandbox;
  std::vector<ContainerOrder> containers;
  std::optional<LogOrder> logs;  // to be measured now
};

struct BatchOrder {
  Depth depth = Depth::summary;
  cgroups::Layout layout;
  std::string proc = "/proc";
  bool started = true;              // read when the machine was started
  std::vector<std::string> groups;  // others than the root and the pods'
  std::vector<PodOrder> pods;
  std::vector<std::string> file_systems;  // a path in each
  std::vector<std::string> pod_mounts;    // mounts below these are pods', not the node's
};

Reading read_batch(const BatchOrder& order, const base::Clock& clock);

}  // namespace keelson::stats
