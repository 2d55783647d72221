#include "tests/sim/timeline.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

namespace keelson::sim {

using base::SteadyTime;
using base::Task;

namespace {
constexpr base::SystemTime kSystemStart{std::chrono::seconds(1'767'225'600)};  // 2026-01-01
}

bool turn(base::Loop& loop) {
  loop.context().restart();
  return loop.context().poll_one() > 0;
}

base::SystemTime Timeline::system_now() const {
  return kSystemStart + std::chrono::duration_cast<base::SystemTime::duration>(elapsed() + system_offset_);
}

SteadyTime Timeline::next_deadline() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& [number, clock] : clocks_) {
    if (!clock->sleepers_.empty()) next = std::min(next, clock->sleepers_.begin()->first.first);
  }
  return next;
}

struct LoopClock::Sleeper {
  explicit Sleeper(base::Loop& loop) : wake(loop.context(), SteadyTime::max()) {}
  bool expired = false;
  boost::asio::steady_timer wake;
};

void Timeline::advance(SteadyTime when) {
  now_ = std::max(now_, when);
  for (const auto& [number, clock] : clocks_) {
    auto& sleepers = clock->sleepers_;
    while (!sleepers.empty() && sleepers.begin()->first.first <= now_) {
      LoopClock::Sleeper* sleeper = sleepers.begin()->second;
      sleepers.erase(sleepers.begin());
      sleeper->expired = true;
      sleeper->wake.cancel();
    }
  }
}

LoopClock::LoopClock(Timeline& timeline, base::Loop& loop)
    : timeline_(timeline), loop_(loop), number_(timeline.sequence_++) {
  timeline_.clocks_.emplace(number_, this);
}

LoopClock::~LoopClock() { freeze(); }

void LoopClock::freeze() {
  frozen_ = true;
  sleepers_.clear();
  timeline_.clocks_.erase({number_, this});
}

class LoopClock::SleeperAlarm final : public base::Alarm {
 public:
  SleeperAlarm(LoopClock& clock, SteadyTime when, std::function<void()> ring)
      : clock_(clock), key_(when, clock.timeline_.sequence_++), sleeper_(std::make_shared<Sleeper>(clock.loop_)) {
    sleeper_->wake.async_wait([sleeper = std::weak_ptr(sleeper_), ring = std::move(ring)](auto) {
      const auto still = sleeper.lock();
      if (still != nullptr && still->expired) ring();
    });
    if (when <= clock.timeline_.now()) {
      sleeper_->expired = true;
      sleeper_->wake.cancel();
    } else if (!clock.frozen_) {
      clock_.sleepers_.emplace(key_, sleeper_.get());
    }
  }
  ~SleeperAlarm() override { clock_.sleepers_.erase(key_); }

 private:
  LoopClock& clock_;
  Key key_;
  std::shared_ptr<Sleeper> sleeper_;
};

std::unique_ptr<base::Alarm> LoopClock::set_alarm(SteadyTime when, std::function<void()> ring) {
  return std::make_unique<SleeperAlarm>(*this, when, std::move(ring));
}

Task<void> LoopClock::sleep_until(SteadyTime when) {
  if (when <= timeline_.now()) {
    co_await boost::asio::post(loop_.context(), boost::asio::use_awaitable);
    co_return;
  }
  Sleeper sleeper(loop_);
  const Key key{when, timeline_.sequence_++};
  if (!frozen_) sleepers_.emplace(key, &sleeper);
  struct Leave {
    LoopClock& clock;
    const Key& key;
    ~Leave() { clock.sleepers_.erase(key); }
  } leave{*this, key};
  // The wake-up of advance() and the cancellation of our task look alike to the timer.
  boost::system::error_code ended;
  co_await sleeper.wake.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ended));
  if (!sleeper.expired) throw boost::system::system_error(ended);
}

}  // namespace keelson::sim
