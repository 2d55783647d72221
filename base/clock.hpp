// Clock: the only place time comes from. RealClock for the agent, VirtualClock for tests and simulation.
//
// Owner: main() or a test; outlives everything that uses it. Thread: the loop, but the two now() calls, which any
// thread may make. Sleeping: `co_await clock.sleep_for(d)` or sleep_until(t); cancellation of the awaiting task ends
// the sleep with operation_aborted. Steady time never jumps and drives timers and back-off; system time may jump either
// way and is only for what people and the API see.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>

#include "base/loop.hpp"
#include "base/task.hpp"

namespace keelson::base {

using SystemTime = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

// Rings once, on the loop, in a handler of its own; destroyed before that, never.
class Alarm {
 public:
  virtual ~Alarm() = default;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SystemTime now() const = 0;
  virtual SteadyTime steady_now() const = 0;
  virtual Task<void> sleep_until(SteadyTime when) = 0;
  // For who waits for something else, too: no task has to be cancelled when that comes first. Keep what it returns.
  virtual std::unique_ptr<Alarm> set_alarm(SteadyTime when, std::function<void()> ring) = 0;
  // The end of time when it is further away.
  SteadyTime after(Duration duration) const {
    const SteadyTime now = steady_now();
    return duration > SteadyTime::max() - now ? SteadyTime::max() : now + duration;
  }
  // A duration past the end of time is a sleep that only cancellation ends.
  Task<void> sleep_for(Duration duration) { return sleep_until(after(duration)); }
};

class RealClock final : public Clock {
 public:
  explicit RealClock(Loop& loop) : loop_(loop) {}
  SystemTime now() const override { return std::chrono::system_clock::now(); }
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
  Task<void> sleep_until(SteadyTime when) override;
  std::unique_ptr<Alarm> set_alarm(SteadyTime when, std::function<void()> ring) override;

 private:
  Loop& loop_;
};

// Time stands still until advance(). Sleepers wake in order of their deadlines; between two deadlines the loop is
// pumped until nothing is ready, so that what a wake-up causes happens at its own time.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(Loop& loop, SystemTime start = SystemTime(std::chrono::seconds(1'767'225'600)))
      : loop_(loop), start_(start) {}

  SystemTime now() const override;
  SteadyTime steady_now() const override;
  Task<void> sleep_until(SteadyTime when) override;
  std::unique_ptr<Alarm> set_alarm(SteadyTime when, std::function<void()> ring) override;

  // Moves time forward by `duration`, pumping the loop at every deadline on the way. Call from the loop's thread, not
  // from inside a handler.
  void advance(Duration duration);
  // Jumps the system time only, as an administrator or NTP would.
  void jump_system(Duration duration);
  // The earliest deadline anybody sleeps for, or SteadyTime::max().
  SteadyTime next_deadline() const;
  std::size_t sleepers() const { return sleepers_.size(); }

 private:
  struct Sleeper;
  class SleeperAlarm;
  struct Earlier {
    bool operator()(const std::shared_ptr<Sleeper>& a, const std::shared_ptr<Sleeper>& b) const;
  };

  Loop& loop_;
  SystemTime start_;
  mutable std::mutex mutex_;  // now() is callable from any thread
  Duration system_offset_{0};
  Duration elapsed_{0};
  std::uint64_t next_sequence_ = 0;
  std::set<std::shared_ptr<Sleeper>, Earlier> sleepers_;
};

}  // namespace keelson::base
