// What modules count by for the metrics pages: plain values, copied out when somebody asks (agent/metrics).
//
// Counting costs an addition; there is no registry, no lock and no name here. Owner: who counts. Thread: the loop.
// Source: contract 05 §11 (bucket sets).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/clock.hpp"

namespace keelson::base {

// Upper bounds of buckets, by the names of the contract's sets.
namespace buckets {
// D: durations in seconds, as Prometheus' own default has them.
inline constexpr std::array<double, 11> kDurations{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
// P: starts of pods, in seconds.
inline constexpr std::array<double, 25> kPodStarts{.5,  1,   2,   3,   4,   5,   6,   8,   10,   20,   30,   45,  60,
                                                   120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600};
// I: pulls of images, in seconds.
inline constexpr std::array<double, 18> kImagePulls{1,   5,   10,  20,  30,  60,   120,  180,  240,
                                                    300, 360, 480, 600, 900, 1200, 1800, 2700, 3600};
// C: requests to the API server, in seconds.
inline constexpr std::array<double, 12> kRequests{.005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60};
// Z: sizes of those, in bytes.
inline constexpr std::array<double, 11> kSizes{64,    256,    512,     1024,    4096,    16384,
                                               65536, 262144, 1048576, 4194304, 16777216};
}  // namespace buckets

template <const auto& kBounds>
struct Histogram {
  static constexpr const auto& bounds = kBounds;

  std::uint64_t count = 0;
  double sum = 0;
  std::array<std::uint64_t, kBounds.size()> buckets{};  // not cumulative; what is above them is in `count` only

  void observe(double value) {
    ++count;
    sum += value;
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value);
    if (bucket != bounds.end()) ++buckets[static_cast<std::size_t>(bucket - bounds.begin())];
  }
  // In seconds.
  void observe(Duration duration) { observe(std::chrono::duration<double>(duration).count()); }

  bool operator==(const Histogram&) const = default;
};

// One for each combination of N label values, in the order in which the owner names the labels.
template <std::size_t N, class T>
using ByLabels = std::map<std::array<std::string, N>, T>;
template <std::size_t N>
using CountsBy = ByLabels<N, std::uint64_t>;

}  // namespace keelson::base
