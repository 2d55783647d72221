// Counters of the PLEG, for /metrics. Plain values, the loop's thread. Source: contract 02 §12, 05 §12 (bucket set D).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/clock.hpp"

namespace keelson::pleg {

struct Histogram {
  static constexpr std::array<double, 11> bounds{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};  // seconds

  std::uint64_t count = 0;
  double sum = 0;
  std::array<std::uint64_t, bounds.size()> buckets{};  // not cumulative

  void observe(base::Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    ++count;
    sum += seconds;
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), seconds);
    if (bucket != bounds.end()) ++buckets[bucket - bounds.begin()];
  }
};

struct Metrics {
  Histogram relist_duration;
  Histogram relist_interval;
  Histogram pod_relist_duration;
  Histogram event_latency;           // from an event in the runtime until it is heard of here
  base::SystemTime last_seen{};      // start of the last good relist
  std::uint64_t discard_events = 0;  // requests for one pod that found the queue full; a whole relist follows instead
  std::uint64_t connection_success = 0;  // of the event stream
  std::uint64_t connection_errors = 0;
};

// What runs, as last listed.
struct Counts {
  std::size_t running_pods = 0;             // pods with a running sandbox
  std::array<std::size_t, 4> containers{};  // by State
};

}  // namespace keelson::pleg
