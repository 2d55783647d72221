// Limits: the values of one cgroup, whatever the version and the driver. What is absent is not written.
//
// A plain value. Source: contract 03 §3.1, §4.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace keelson::cgroups {

struct Limits {
  std::optional<std::int64_t> cpu_shares;       // v1 shares; v2 gets the weight of weight_from_shares()
  std::optional<std::int64_t> cpu_quota;        // microseconds per period; 0 and below = no cap
  std::optional<std::int64_t> cpu_period;       // microseconds
  std::optional<std::int64_t> memory;           // bytes; 0 is not written, -1 = no limit
  std::optional<std::int64_t> pids;             // 0 is written as 1, below 0 = no limit
  std::map<std::string, std::int64_t> hugetlb;  // by page size in the kernel's form ("2MB"), bytes
  std::optional<std::string> cpuset_cpus;
  std::map<std::string, std::string> unified;  // v2 only: file name -> value
  bool operator==(const Limits&) const = default;
};

}  // namespace keelson::cgroups
