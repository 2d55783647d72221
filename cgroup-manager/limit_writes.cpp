// From limits to files and values (contract 03 §3.1).
#include <set>

#include "cgroup-manager/cgroupfs.hpp"
#include "cgroup-manager/formulas.hpp"

namespace keelson::cgroups {
namespace {

std::string pids_text(std::int64_t pids) {
  if (pids < 0) return "max";
  return std::to_string(pids == 0 ? 1 : pids);
}

// Unified keys that have a place of their own in the order.
const std::set<std::string>& early_keys() {
  static const std::set<std::string> keys{"memory.swap.max", "memory.low"};
  return keys;
}

void append_unified(std::vector<LimitWrite>& writes, const Limits& limits, const std::string& key) {
  const auto it = limits.unified.find(key);
  if (it != limits.unified.end()) writes.push_back({"", key, it->second});
}

std::vector<LimitWrite> v2_writes(const Limits& limits) {
  std::vector<LimitWrite> writes;
  if (limits.pids) writes.push_back({"", "pids.max", pids_text(*limits.pids)});
  append_unified(writes, limits, "memory.swap.max");
  if (limits.memory.value_or(0) != 0) {
    writes.push_back({"", "memory.max", *limits.memory < 0 ? "max" : std::to_string(*limits.memory)});
  }
  append_unified(writes, limits, "memory.low");
  if (limits.cpu_shares.value_or(0) != 0) {
    writes.push_back({"", "cpu.weight", std::to_string(weight_from_shares(*limits.cpu_shares))});
  }
  if (limits.cpu_quota.value_or(0) != 0 || limits.cpu_period.value_or(0) != 0) {
    const std::int64_t quota = limits.cpu_quota.value_or(0);
    const std::int64_t period = limits.cpu_period.value_or(0) != 0 ? *limits.cpu_period : kDefaultPeriod;
    writes.push_back({"", "cpu.max", (quota <= 0 ? "max" : std::to_string(quota)) + " " + std::to_string(period)});
  }
  if (limits.cpuset_cpus) writes.push_back({"", "cpuset.cpus", *limits.cpuset_cpus});
  for (const auto& [size, limit] : limits.hugetlb) {
    // Where hugetlb is no controller of this machine there is nothing to limit.
    writes.push_back({"", "hugetlb." + size + ".max", std::to_string(limit), true});
    writes.push_back({"", "hugetlb." + size + ".rsvd.max", std::to_string(limit), true});
  }
  for (const auto& [key, value] : limits.unified) {
    if (!early_keys().contains(key)) writes.push_back({"", key, value});
  }
  return writes;
}

std::vector<LimitWrite> v1_writes(const Limits& limits) {
  std::vector<LimitWrite> writes;
  if (limits.memory.value_or(0) != 0) {
    writes.push_back({"memory", "memory.limit_in_bytes", std::to_string(*limits.memory)});
  }
  if (limits.cpu_shares.value_or(0) != 0) {
    writes.push_back({"cpu", "cpu.shares", std::to_string(*limits.cpu_shares), false, true});
  }
  if (limits.cpu_period.value_or(0) != 0) {
    writes.push_back({"cpu", "cpu.cfs_period_us", std::to_string(*limits.cpu_period)});
  }
  if (limits.cpu_quota.value_or(0) != 0) {
    writes.push_back({"cpu", "cpu.cfs_quota_us", std::to_string(*limits.cpu_quota)});
  }
  if (limits.pids) writes.push_back({"pids", "pids.max", pids_text(*limits.pids)});
  for (const auto& [size, limit] : limits.hugetlb) {
    writes.push_back({"hugetlb", "hugetlb." + size + ".limit_in_bytes", std::to_string(limit), true});
    writes.push_back({"hugetlb", "hugetlb." + size + ".rsvd.limit_in_bytes", std::to_string(limit), true});
  }
  if (limits.cpuset_cpus) writes.push_back({"cpuset", "cpuset.cpus", *limits.cpuset_cpus});
  return writes;
}

}  // namespace

std::vector<LimitWrite> limit_writes(const Limits& limits, Version version) {
  return version == Version::v2 ? v2_writes(limits) : v1_writes(limits);
}

}  // namespace keelson::cgroups
