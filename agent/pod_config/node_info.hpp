// NodeInfo: what the mapping of pods to CRI requests must know of the machine and of the agent's configuration.
//
// A plain value, filled by the caller; nothing here reads the machine. Thread: any.
// Source: contract 02 §2.2, §2.4, §3.1; contract 03 §4.2, §4.4, §4.5.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "api/pod_resources.hpp"

namespace keelson::agent {

// Quantities by resource name ("cpu", "memory", "hugepages-2Mi").
using ResourceList = api::ResourceMap;

enum class SwapBehavior { no_swap, limited_swap };

struct NodeInfo {
  // Machine.
  std::int64_t memory_bytes = 0;
  std::int64_t swap_bytes = 0;
  std::vector<std::string> hugepage_sizes;          // as the runtime names them, base 1024: "2MB", "1GB"
  std::vector<std::string> thermal_throttle_paths;  // those that exist: /sys/devices/system/cpu/cpu0/thermal_throttle
  bool cgroup_v2 = false;
  bool swap_controller = false;  // v2: memory.swap.max exists in the own cgroup; v1: memory.memsw.limit_in_bytes
  bool selinux = false;          // SELinux is enabled
  ResourceList allocatable;      // defaults of resourceFieldRef limits

  // Configuration.
  bool cpu_cfs_quota = true;
  std::int64_t cpu_cfs_period_us = 100'000;
  bool single_process_oom_kill = false;
  SwapBehavior swap_behavior = SwapBehavior::no_swap;
  bool seccomp_default = false;
  bool container_stop_signals = false;  // gate ContainerStopSignals
  std::string root_dir = "/var/lib/kubelet";
  std::string logs_dir = "/var/log/pods";
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  std::vector<std::string> node_ips;  // primary first
};

}  // namespace keelson::agent
