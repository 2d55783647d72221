// Timeline and LoopClock: one virtual time for several loops.
//
// turn() runs the loops handler by handler. The world and each agent have a loop of their own, and a LoopClock that
// sleeps on it; all LoopClocks of a Timeline show the same time. Time stands still until advance(). A LoopClock that is
// frozen wakes nobody any more: its agent is dead. Owner: Simulation; the Timeline outlives the clocks. Thread: the
// simulation's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/clock.hpp"

namespace keelson::sim {

class LoopClock;

// Lets one handler run that is ready now; false when there is none.
bool turn(base::Loop& loop);

class Timeline {
 public:
  base::SteadyTime now() const { return now_; }
  base::SystemTime system_now() const;
  base::Duration elapsed() const { return now_ - kStart; }
  // Jumps the system time only, as an administrator or NTP would.
  void jump_system(base::Duration duration) { system_offset_ += duration; }
  // The earliest time that anybody sleeps until, or SteadyTime::max().
  base::SteadyTime next_deadline() const;
  // Moves to `when`, which is not after next_deadline(), and wakes who slept until then.
  void advance(base::SteadyTime when);

 private:
  friend class LoopClock;
  static constexpr base::SteadyTime kStart{std::chrono::hours(1)};

  base::SteadyTime now_ = kStart;
  base::Duration system_offset_{0};
  std::uint64_t sequence_ = 0;
  std::set<std::pair<std::uint64_t, LoopClock*>> clocks_;  // in the order of their making
};

class LoopClock final : public base::Clock {
 public:
  LoopClock(Timeline& timeline, base::Loop& loop);
  ~LoopClock() override;

  base::SystemTime now() const override { return timeline_.system_now(); }
  base::SteadyTime steady_now() const override { return timeline_.now(); }
  base::Task<void> sleep_until(base::SteadyTime when) override;
  std::unique_ptr<base::Alarm> set_alarm(base::SteadyTime when, std::function<void()> ring) override;

  void freeze();
  std::size_t sleepers() const { return sleepers_.size(); }

 private:
  friend class Timeline;
  struct Sleeper;
  class SleeperAlarm;
  using Key = std::pair<base::SteadyTime, std::uint64_t>;

  Timeline& timeline_;
  base::Loop& loop_;
  std::uint64_t number_;
  bool frozen_ = false;
  std::map<Key, Sleeper*> sleepers_;
};

}  // namespace keelson::sim
