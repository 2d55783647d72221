// NodeFacts: what the sync code must know of the node and of the configuration, as one plain struct.
//
// Filled once at start (agent/node), then changed only by the loop when the runtime's status tells something new.
// Owner: main(). Source: contract 01 §2, §7.2; contract 02 §2.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/sync/paths.hpp"
#include "base/clock.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

struct NodeFacts {
  std::string node_name;
  std::vector<std::string> node_ips;  // primary first
  Paths paths;

  // Machine (contract 01 §7.2).
  std::uint64_t memory_bytes = 0;
  std::uint64_t swap_bytes = 0;
  std::uint32_t cpus = 0;
  std::vector<std::string> hugepage_sizes;  // "2MB", "1GB"
  std::vector<std::string> thermal_paths;   // existing thermal_throttle directories
  bool cgroup_v2 = false;

  // Configuration.
  bool systemd_cgroups = false;
  bool cgroups_per_qos = true;
  std::string cgroup_root;
  bool cpu_cfs_quota = true;
  std::chrono::microseconds cpu_cfs_period{100'000};
  bool single_process_oom_kill = false;
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  std::string resolv_conf = "/etc/resolv.conf";
  bool seccomp_default = false;
  std::int64_t pod_pids_limit = -1;
  base::Duration sync_frequency = std::chrono::minutes(1);
  base::Duration restart_backoff_cap = std::chrono::seconds(300);
  base::SystemTime agent_started{};

  // Of the runtime.
  std::string runtime_name;
  std::string runtime_version;
  std::vector<cri::RuntimeHandler> handlers;
};

}  // namespace keelson::agent
