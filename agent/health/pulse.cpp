#include "agent/health/pulse.hpp"

#include <utility>

#include "base/duration.hpp"

namespace keelson::agent {

Pulse::Pulse(const base::Clock& clock, std::string what, base::Duration limit)
    : clock_(clock), what_(std::move(what)), limit_(limit), last_(clock.steady_now().time_since_epoch().count()) {}

void Pulse::beat() { last_.store(clock_.steady_now().time_since_epoch().count(), std::memory_order_relaxed); }

base::Duration Pulse::age() const {
  const base::SteadyTime last{base::SteadyTime::duration(last_.load(std::memory_order_relaxed))};
  return clock_.steady_now() - last;
}

Status Pulse::check() const {
  const base::Duration seen = age();
  if (seen <= limit_) return {};
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(seen);
  return Error(ErrorKind::unavailable, what_ + " was last seen active " + base::format_duration(whole) +
                                           " ago; expected at least every " + base::format_duration(limit_));
}

LoopWatch::LoopWatch(base::Clock& clock) : clock_(clock), pulse_(clock, "the event loop", stall_limit) {}

void LoopWatch::start(base::Gate& gate) {
  pulse_.beat();
  base::spawn(gate, "loop watch", run());
}

base::Task<void> LoopWatch::run() {
  while (true) {
    co_await clock_.sleep_for(beat_period);
    pulse_.beat();
  }
}

}  // namespace keelson::agent
