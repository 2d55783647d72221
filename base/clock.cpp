#include "base/clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <tuple>

namespace keelson::base {

Task<void> RealClock::sleep_until(SteadyTime when) {
  asio::steady_timer timer(loop_.context(), when);
  co_await timer.async_wait(asio::use_awaitable);
}

struct VirtualClock::Sleeper {
  Sleeper(asio::io_context& context, SteadyTime when, std::uint64_t number)
      : due(when), sequence(number), wake(context, SteadyTime::max()) {}
  SteadyTime due;
  std::uint64_t sequence;
  bool expired = false;
  asio::steady_timer wake;
};

bool VirtualClock::Earlier::operator()(const std::shared_ptr<Sleeper>& a, const std::shared_ptr<Sleeper>& b) const {
  return std::tie(a->due, a->sequence) < std::tie(b->due, b->sequence);
}

SystemTime VirtualClock::now() const {
  std::lock_guard lock(mutex_);
  return start_ + std::chrono::duration_cast<SystemTime::duration>(elapsed_ + system_offset_);
}

SteadyTime VirtualClock::steady_now() const {
  std::lock_guard lock(mutex_);
  return SteadyTime(std::chrono::hours(1)) + elapsed_;
}

Task<void> VirtualClock::sleep_until(SteadyTime when) {
  auto sleeper = std::make_shared<Sleeper>(loop_.context(), when, next_sequence_++);
  sleepers_.insert(sleeper);
  struct Leave {
    VirtualClock& clock;
    const std::shared_ptr<Sleeper>& sleeper;
    ~Leave() { clock.sleepers_.erase(sleeper); }
  } leave{*this, sleeper};
  if (when <= steady_now()) {
    sleeper->expired = true;
    co_await asio::post(loop_.context(), asio::use_awaitable);
    co_return;
  }
  try {
    co_await sleeper->wake.async_wait(asio::use_awaitable);
  } catch (const boost::system::system_error&) {
    // The wake-up of advance() and the cancellation of our task look alike to the timer.
    if (!sleeper->expired) throw;
  }
}

SteadyTime VirtualClock::next_deadline() const {
  for (const auto& sleeper : sleepers_) {
    if (!sleeper->expired) return sleeper->due;
  }
  return SteadyTime::max();
}

void VirtualClock::jump_system(Duration duration) {
  std::lock_guard lock(mutex_);
  system_offset_ += duration;
}

void VirtualClock::advance(Duration duration) {
  KEELSON_ASSERT_ON_LOOP(loop_);
  const SteadyTime target = steady_now() + duration;
  while (loop_.poll() > 0) {
  }
  while (next_deadline() <= target) {
    const SteadyTime due = next_deadline();
    if (due > steady_now()) {
      std::lock_guard lock(mutex_);
      elapsed_ = due - SteadyTime(std::chrono::hours(1));
    }
    for (const auto& sleeper : sleepers_) {
      if (sleeper->expired || sleeper->due > due) continue;
      sleeper->expired = true;
      sleeper->wake.cancel();
    }
    while (loop_.poll() > 0) {
    }
  }
  std::lock_guard lock(mutex_);
  elapsed_ = target - SteadyTime(std::chrono::hours(1));
}

}  // namespace keelson::base
