#include "cri-client/operation_metrics.hpp"

#include <algorithm>

namespace keelson::cri {

void OperationMetrics::record(std::string_view operation, base::Duration duration, bool failed) {
  OperationStats& stats = by_operation_[operation];
  const double seconds = std::chrono::duration<double>(duration).count();
  ++stats.count;
  if (failed) ++stats.errors;
  stats.seconds += seconds;
  const auto bucket = std::lower_bound(kOperationBuckets.begin(), kOperationBuckets.end(), seconds);
  if (bucket != kOperationBuckets.end()) ++stats.buckets[bucket - kOperationBuckets.begin()];
}

}  // namespace keelson::cri
