// What the metrics page tells of probes: prober_probe_total and prober_probe_duration_seconds, as plain numbers.
//
// The counters live in the workers and go with them, as the kubelet's do. Thread: the loop; the snapshot is a value.
// Source: contract 02 §17, contract 05 §15.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "probes/outcome.hpp"

namespace keelson::probes {

// Of attempts that did not fail, all their tries together.
class DurationHistogram {
 public:
  // Upper bounds in seconds; one more bucket is without bound.
  static constexpr std::array<double, 11> kBounds = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

  void observe(base::Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    std::size_t bucket = 0;
    while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
    ++counts_[bucket];
    sum_ += seconds;
  }
  // Of each bucket by itself, not cumulative.
  const std::array<std::uint64_t, kBounds.size() + 1>& counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  std::array<std::uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0;
};

struct ProbeMetrics {
  ProbeKey key;
  std::string pod;
  std::string ns;
  std::uint64_t successful = 0;
  std::uint64_t failed = 0;
  DurationHistogram duration;
};

}  // namespace keelson::probes
