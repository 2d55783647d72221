// Signals: SIGTERM and SIGINT stop the agent, SIGHUP asks for a reload.
//
// The first SIGTERM or SIGINT calls `on_stop` on the loop and starts a clock: when the process has not ended after the
// stop limit (2 s), it exits with status 1 by itself, even with a stalled loop, because the signal handler's own timer
// does it. A second one exits with status 1 at once. Nothing is lost by that: the agent is made to be killed at any
// moment. SIGPIPE is ignored from then on. Owner: main(); one instance in a process (signals are the process's).
// Thread: constructed and destroyed on the loop's thread; hooks run on the loop. Stops: the destructor puts the former
// handlers back and stops the clock. What fails: create(): a second instance, or no file descriptor. Source: issue
// "Health and service manners"; signal-safety(7).
#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"

namespace keelson::agent {

struct SignalHooks {
  std::function<void(int signal)> on_stop;  // once
  std::function<void()> on_reload;          // may be empty; rings coalesce
};

class Signals {
 public:
  static constexpr base::Duration stop_limit = std::chrono::seconds(2);

  static Result<std::unique_ptr<Signals>> create(base::Loop& loop, SignalHooks hooks,
                                                 base::Duration limit = stop_limit);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  struct State;
  explicit Signals(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace keelson::agent
