#include "cgroup-manager/tiers.hpp"

#include "cgroup-manager/formulas.hpp"

namespace keelson::cgroups {
namespace {

Limits shares_only(std::int64_t shares, const std::vector<std::string>& hugepage_sizes) {
  Limits limits;
  limits.cpu_shares = shares;
  for (const auto& size : hugepage_sizes) limits.hugetlb[size] = kNoHugetlbLimit;
  return limits;
}

}  // namespace

Limits root_limits(const PodsCapacity& capacity) {
  Limits limits = shares_only(shares_from_milli(capacity.cpu_milli), capacity.hugepage_sizes);
  if (capacity.memory_bytes > 0) limits.memory = capacity.memory_bytes;
  if (capacity.pids > 0) limits.pids = capacity.pids;
  limits.cpuset_cpus = capacity.cpus;
  return limits;
}

Limits burstable_limits(std::int64_t cpu_request_milli, const std::vector<std::string>& hugepage_sizes) {
  return shares_only(shares_from_milli(cpu_request_milli), hugepage_sizes);
}

Limits best_effort_limits(const std::vector<std::string>& hugepage_sizes) {
  return shares_only(kMinShares, hugepage_sizes);
}

}  // namespace keelson::cgroups
