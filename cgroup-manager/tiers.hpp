// Limits of the pods root and of the QoS tiers.
//
// Pure functions, any thread. Source: contract 03 §4.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cgroup-manager/limits.hpp"

namespace keelson::cgroups {

// "No limit" of huge pages.
inline constexpr std::int64_t kNoHugetlbLimit = std::int64_t{1} << 62;

// What pods may use together: capacity, less the reservations when enforceNodeAllocatable holds "pods". Eviction
// thresholds are not taken off.
struct PodsCapacity {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t pids = 0;                    // min(kernel.pid_max, kernel.threads-max), less reservations; 0 = unknown
  std::vector<std::string> hugepage_sizes;  // "2MB"
  std::optional<std::string> cpus;          // all CPUs ("0-1"): the root's cpuset under CPU manager policy none
};

Limits root_limits(const PodsCapacity& capacity);
// `cpu_request_milli` is the sum over all active Burstable pods.
Limits burstable_limits(std::int64_t cpu_request_milli, const std::vector<std::string>& hugepage_sizes);
Limits best_effort_limits(const std::vector<std::string>& hugepage_sizes);

}  // namespace keelson::cgroups
