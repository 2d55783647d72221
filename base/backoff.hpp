// Backoff: delays between tries, growing by a factor up to a cap, with jitter.
//
// A plain value; owner and thread are its user's. `next()` gives the delay before the next try and grows; `reset()`
// after a success. Jitter adds a uniformly random part of up to `jitter` times the delay; the random source is the
// caller's so that a simulation replays.
#pragma once

#include <algorithm>
#include <random>

#include "base/clock.hpp"

namespace keelson::base {

using Random = std::mt19937_64;

class Backoff {
 public:
  Backoff(Duration first, Duration cap, double factor = 2.0, double jitter = 0.0)
      : first_(std::min(first, cap)), cap_(cap), current_(first_), factor_(factor), jitter_(jitter) {}

  Duration next(Random& random) {
    const Duration delay = jittered(current_, jitter_, random);
    const double grown = static_cast<double>(current_.count()) * factor_;
    current_ = std::min(cap_, Duration(static_cast<Duration::rep>(std::min(grown, 9e18))));
    return delay;
  }
  void reset() { current_ = first_; }

  // duration x (1 .. 1+jitter), uniformly.
  static Duration jittered(Duration duration, double jitter, Random& random) {
    if (jitter <= 0) return duration;
    std::uniform_real_distribution<double> part(0.0, jitter);
    return duration + Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * part(random)));
  }

 private:
  Duration first_;
  Duration cap_;
  Duration current_;
  double factor_;
  double jitter_;
};

}  // namespace keelson::base
