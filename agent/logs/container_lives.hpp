// ContainerLives: whether containers still run, for those who follow their logs.
//
// Followers of one container share what is known of it. It is asked for at most each second, less often (`most_rest`)
// while the answer stays the same, and soon after the container's log has been closed, which is what its end looks like
// from here; a container that writes is not asked about. The question runs beside its followers, so that a runtime that
// hangs holds up no line. Owner: LogReader. Thread: the loop. Stops: stop(), then destroy it once the last Listener has
// gone. What fails: a runtime that cannot be asked says nothing, and the container counts as running. Source: contract
// 05 §8 (follow).
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/result.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace keelson::logs {

// What this module needs of the runtime (CRI ContainerStatus).
class ContainerState {
 public:
  virtual ~ContainerState() = default;
  // A container that is not there any more is `not_found`.
  virtual base::Task<Result<bool>> running(std::string container_id) = 0;
};

class ContainerLives {
  struct Life;

 public:
  static constexpr base::Duration least_rest = std::chrono::milliseconds(250);
  static constexpr base::Duration rest = std::chrono::seconds(1);
  static constexpr base::Duration most_rest = std::chrono::seconds(5);

  class Listener {
   public:
    Listener(ContainerLives& lives, std::shared_ptr<Life> life, base::Notification& bell);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    bool ended() const;
    // Asks, if it is time.
    void check();
    // It may have ended just now: is asked about at once, or as soon as `least_rest` allows.
    void suspect();
    bool suspected() const;
    base::SteadyTime due() const;

   private:
    ContainerLives& lives_;
    std::shared_ptr<Life> life_;
    base::Notification& bell_;
  };

  ContainerLives(base::Loop& loop, base::Clock& clock, ContainerState& state)
      : clock_(clock), state_(state), gate_(loop) {}
  base::Task<void> stop() { return gate_.stop(); }

  // The bell, which outlives the Listener, rings when the container has ended.
  std::unique_ptr<Listener> follow(const std::string& container_id, base::Notification& bell);

 private:
  struct Life {
    std::string id;
    bool ended = false;
    bool asking = false;
    bool suspected = false;  // since it was asked about last
    base::SteadyTime asked = base::SteadyTime::min();
    base::SteadyTime due = base::SteadyTime::min();
    base::Duration pause = rest;
    std::set<base::Notification*> bells;
  };

  base::Task<void> ask(std::shared_ptr<Life> life);

  base::Clock& clock_;
  ContainerState& state_;
  std::map<std::string, std::weak_ptr<Life>> lives_;
  base::Gate gate_;
};

}  // namespace keelson::logs
