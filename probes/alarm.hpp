// Alarm: one timer for many things that become due.
//
// Its owner says when the earliest is due by set(), earlier or later than before; ring() does what is due and answers
// when the next is (SteadyTime::max(): nothing is). With nothing due no timer runs. Owner: a service. Thread: the loop.
// Stops: stop(). Nothing fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/gate.hpp"

namespace keelson::probes {

class Alarm {
 public:
  Alarm(base::Loop& loop, base::Clock& clock, std::string name, std::function<base::SteadyTime()> ring)
      : clock_(clock), name_(std::move(name)), ring_(std::move(ring)), gate_(loop) {}

  void set(base::SteadyTime at) {
    if (at >= wakes_at_) return;
    wakes_at_ = at;
    base::spawn(gate_, name_, watch(++generation_, at));
  }
  base::Task<void> stop() { return gate_.stop(); }

 private:
  // An older one, whose time is later, ends when it wakes.
  base::Task<void> watch(std::uint64_t generation, base::SteadyTime at);

  base::Clock& clock_;
  std::string name_;
  std::function<base::SteadyTime()> ring_;
  base::SteadyTime wakes_at_ = base::SteadyTime::max();
  std::uint64_t generation_ = 0;
  base::Gate gate_;
};

}  // namespace keelson::probes
