// MachineFacts: what /metrics/cadvisor says of the machine, which does not change while the agent runs.
//
// The wiring fills it at start; count_cpus() blocks on /sys for a moment. What is missing is zero or empty. Source:
// contract 05 §14 (machine_*, cadvisor_version_info).
#pragma once

#include <cstdint>
#include <string>

#include "agent/metrics/page.hpp"

namespace keelson::stats {

struct MachineFacts {
  std::uint64_t cpus = 0;
  std::uint64_t physical_cores = 0;
  std::uint64_t sockets = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t swap_bytes = 0;
  std::string boot_id;
  std::string machine_id;
  std::string system_uuid;
  std::string kernel_version;
  std::string os_version;
};

struct CpuTopology {
  std::uint64_t cores = 0;
  std::uint64_t sockets = 0;
  bool operator==(const CpuTopology&) const = default;
};
// `sys`: "/sys". Of the CPUs that are online.
CpuTopology read_cpu_topology(const std::string& sys);

// cadvisor_version_info.
void add_version(metrics::Page& page, const MachineFacts& machine);
// machine_*.
void add_machine(metrics::Page& page, const MachineFacts& machine);

}  // namespace keelson::stats
