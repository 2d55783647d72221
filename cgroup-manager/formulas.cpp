#include "cgroup-manager/formulas.hpp"

#include <algorithm>

namespace keelson::cgroups {
namespace {

// a * b / c without overflow for any int64 input.
std::int64_t scale(std::int64_t a, std::int64_t b, std::int64_t c) {
  const __int128 product = static_cast<__int128>(a) * b / c;
  constexpr __int128 kMax = INT64_MAX;
  return static_cast<std::int64_t>(std::min(product, kMax));
}

}  // namespace

std::int64_t shares_from_milli(std::int64_t milli) {
  if (milli <= 0) return kMinShares;
  return std::clamp(scale(milli, 1024, 1000), kMinShares, kMaxShares);
}

std::int64_t quota_from_milli(std::int64_t milli, std::int64_t period) {
  if (milli <= 0) return 0;
  return std::max(scale(milli, period, 1000), kMinQuota);
}

std::int64_t weight_from_shares(std::int64_t shares) {
  if (shares <= 0) return 0;
  if (shares >= kMaxShares) return 10'000;
  return 1 + (std::max(shares, kMinShares) - 2) * 9'999 / 262'142;
}

std::int64_t shares_from_weight(std::int64_t weight) {
  if (weight <= 0) return 0;
  return (std::min<std::int64_t>(weight, 10'000) - 1) * 262'142 / 9'999 + 2;
}

std::int64_t milli_from_shares(std::int64_t shares) { return (shares * 1000 + 1023) / 1024; }

std::int64_t milli_from_quota(std::int64_t quota, std::int64_t period) {
  if (quota <= 0 || period <= 0) return 0;
  return scale(quota, 1000, period);
}

}  // namespace keelson::cgroups
