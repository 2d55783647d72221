// PodCgroupValues: what a pod's cgroup has in force, as far as statuses show it.
//
// A plain value; what is not set is absent ("max" on cgroup v2). Source: contract 02 §15.4.
#pragma once

#include <cstdint>
#include <optional>

namespace keelson::agent {

struct PodCgroupValues {
  std::optional<std::int64_t> cpu_shares;
  std::optional<std::int64_t> cpu_quota_us;
  std::optional<std::int64_t> cpu_period_us;
  std::optional<std::int64_t> memory_limit_bytes;
};

}  // namespace keelson::agent
