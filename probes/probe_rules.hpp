// When a probe runs and what its results come to, decided purely.
//
// ProbeState is what one worker (one probe of one container of one pod) knows of the container that runs now. Thread:
// any. Source: contract 02 §17.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "probes/outcome.hpp"

namespace keelson::probes {

// What is known of a container when the pod's status was computed last.
struct Sight {
  enum class Life { none, waiting, running, ended, ended_for_good };
  Life life = Life::none;
  std::string container_id;  // empty with none
  base::SystemTime started_at{};
  bool started = false;  // as the status says, or said before this agent began
  std::string pod_ip;

  bool running() const { return life == Life::running; }
};

// A container that started so long before the agent is one that an earlier agent has looked after.
inline constexpr base::Duration kAdoptionAge = std::chrono::seconds(10);

// What holds before the first result. Nothing for a container of an earlier agent, of which the status goes on to say
// what it said; but one whose startup probe had succeeded has started for good.
std::optional<Verdict> first_verdict(Kind kind, const Sight& sight, base::SystemTime agent_started);

class ProbeState {
 public:
  explicit ProbeState(const api::core::Probe& probe);

  // Another container: what the last one did counts no more.
  void begin() {
    on_hold_ = false;
    run_ = 0;
  }
  // Whether an attempt is to be made. `running_for`: how long the container has run. `started`: its startup probe
  // succeeded, or it has none.
  bool may_run(Kind kind, const Sight& sight, base::Duration running_for, bool started) const;
  // Takes the result of an attempt; answers what now holds, or nothing when it is below its threshold.
  std::optional<Verdict> take(Kind kind, bool success);

  base::Duration period() const { return period_; }

 private:
  base::Duration period_;
  base::Duration initial_delay_;
  int success_threshold_;
  int failure_threshold_;
  bool on_hold_ = false;  // until there is another container
  bool last_ = false;
  int run_ = 0;  // how many results in a row were `last_`
};

}  // namespace keelson::probes
