// Pulse and LoopWatch: how another thread sees that something still moves.
//
// A Pulse is beaten by the one thread that is watched and looked at from any other: check() fails when the last beat is
// older than the limit. A LoopWatch beats a Pulse from a timer on the loop each second, so that its check fails as soon
// as the loop has not come round for `limit` (8 s: with the 1 s beat a stalled loop is reported within 10 s). Owner:
// main(), outliving the health server and the gate. Thread: beat() on the watched one, check() on any. Stops: with the
// gate. What fails: check() says for how long nothing was seen.
// Source: contract 05 §6 "check rules"; issue: 500 within 10 s of a stalled loop.
#pragma once

#include <atomic>
#include <string>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/result.hpp"

namespace keelson::agent {

class Pulse {
 public:
  // `what` names it in the failure: "the event loop".
  Pulse(const base::Clock& clock, std::string what, base::Duration limit);

  void beat();
  base::Duration age() const;
  Status check() const;

 private:
  const base::Clock& clock_;
  std::string what_;
  base::Duration limit_;
  std::atomic<base::SteadyTime::rep> last_;
};

class LoopWatch {
 public:
  static constexpr base::Duration beat_period = std::chrono::seconds(1);
  static constexpr base::Duration stall_limit = std::chrono::seconds(8);

  explicit LoopWatch(base::Clock& clock);
  void start(base::Gate& gate);
  Status check() const { return pulse_.check(); }
  base::Duration age() const { return pulse_.age(); }

 private:
  base::Task<void> run();

  base::Clock& clock_;
  Pulse pulse_;
};

}  // namespace keelson::agent
