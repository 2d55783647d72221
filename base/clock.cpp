#include "base/clock.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <tuple>

namespace keelson::base {

Task<void> RealClock::sleep_until(SteadyTime when) {
  asio::steady_timer timer(loop_.context(), when);
  co_await timer.async_wait(asio::use_awaitable);
}

namespace {

class TimerAlarm final : public Alarm {
 public:
  TimerAlarm(asio::io_context& context, SteadyTime when, std::function<void()> ring) : timer_(context, when) {
    // A ring that is on its way when the alarm is destroyed must find that out.
    timer_.async_wait([alive = std::weak_ptr(alive_), ring = std::move(ring)](const boost::system::error_code& error) {
      if (!error && !alive.expired()) ring();
    });
  }

 private:
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  asio::steady_timer timer_;
};

}  // namespace

std::unique_ptr<Alarm> RealClock::set_alarm(SteadyTime when, std::function<void()> ring) {
  return std::make_unique<TimerAlarm>(loop_.context(), when, std::move(ring));
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
  boost::system::error_code ignored;
  co_await sleeper->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  // The wake-up of advance() and the cancellation of our task look alike to the timer.
  if (!sleeper->expired) throw boost::system::system_error(asio::error::operation_aborted);
}

class VirtualClock::SleeperAlarm final : public Alarm {
 public:
  SleeperAlarm(VirtualClock& clock, SteadyTime when, std::function<void()> ring)
      : clock_(clock), sleeper_(std::make_shared<Sleeper>(clock.loop_.context(), when, clock.next_sequence_++)) {
    sleeper_->wake.async_wait([sleeper = std::weak_ptr(sleeper_), ring = std::move(ring)](auto) {
      const auto still = sleeper.lock();
      if (still != nullptr && still->expired) ring();
    });
    if (when <= clock.steady_now()) {
      sleeper_->expired = true;
      sleeper_->wake.cancel();
    }
    clock_.sleepers_.insert(sleeper_);
  }
  ~SleeperAlarm() override { clock_.sleepers_.erase(sleeper_); }

 private:
  VirtualClock& clock_;
  std::shared_ptr<Sleeper> sleeper_;
};

std::unique_ptr<Alarm> VirtualClock::set_alarm(SteadyTime when, std::function<void()> ring) {
  return std::make_unique<SleeperAlarm>(*this, when, std::move(ring));
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
