#include "probes/alarm.hpp"

namespace keelson::probes {

base::Task<void> Alarm::watch(std::uint64_t generation, base::SteadyTime at) {
  while (at != base::SteadyTime::max()) {
    co_await clock_.sleep_until(at);
    if (generation != generation_) co_return;
    // What ring() itself brings about is in its answer.
    wakes_at_ = base::SteadyTime::min();
    at = ring_();
    wakes_at_ = at;
  }
}

}  // namespace keelson::probes
