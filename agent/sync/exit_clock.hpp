// ExitClock: when containers ended, on the steady clock.
//
// The runtime tells the end of a container in system time, which may jump. A container that we saw end is timed by the
// steady clock from that moment; one that had ended before we looked is placed by its system time, never in the future.
// A plain value of the pod's worker. Source: contract 02 §7 (back-off counts from finishedAt).
#pragma once

#include <map>
#include <set>
#include <string>

#include "agent/sync/observed.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

class ExitClock {
 public:
  // Takes note of what is newly exited and forgets what the runtime no longer has.
  void observe(const ObservedPod& observed, base::SystemTime now, base::SteadyTime steady_now);
  const std::map<std::string, base::SteadyTime>& exits() const { return exits_; }

 private:
  std::set<std::string> seen_alive_;
  std::map<std::string, base::SteadyTime> exits_;
};

}  // namespace keelson::agent
