// The arithmetic between Kubernetes resources and cgroup values.
//
// Pure functions, any thread. CPU in millicores, periods and quotas in microseconds. Source: contract 02 §2.4, 03 §4.
#pragma once

#include <cstdint>

namespace keelson::cgroups {

inline constexpr std::int64_t kMinShares = 2;
inline constexpr std::int64_t kMaxShares = 262'144;
inline constexpr std::int64_t kMinQuota = 1'000;
inline constexpr std::int64_t kDefaultPeriod = 100'000;

// m * 1024 / 1000 held within [2, 262144]; 0 gives 2.
std::int64_t shares_from_milli(std::int64_t milli);
// m * period / 1000, at least 1000; 0 gives 0 (no quota).
std::int64_t quota_from_milli(std::int64_t milli, std::int64_t period);
// The agent's own linear formula for pod, tier and root cgroups; 0 = unset.
std::int64_t weight_from_shares(std::int64_t shares);
std::int64_t shares_from_weight(std::int64_t weight);
// ceil(shares * 1000 / 1024) and quota * 1000 / period: what a status says of a running container.
std::int64_t milli_from_shares(std::int64_t shares);
std::int64_t milli_from_quota(std::int64_t quota, std::int64_t period);

}  // namespace keelson::cgroups
