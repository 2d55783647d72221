// Observer: fresh observations of one pod, as the workers ask for them. Implemented over the PLEG (agent/wiring).
//
// Thread: the loop. What fails: `unavailable` and others of the runtime when the pod cannot be looked at.
// Source: contract 02 §5 (each step waits for a snapshot newer than the last step), §12.
#pragma once

#include <string>

#include "agent/sync/observed.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

class Observer {
 public:
  virtual ~Observer() = default;
  // An observation taken after `newer_than`; a pod the runtime does not know is an empty one.
  virtual base::Task<Result<ObservedPtr>> observe(std::string uid, base::SteadyTime newer_than) = 0;
  // Look at this pod soon, because we just changed it.
  virtual void look_again(const std::string& uid) = 0;
};

}  // namespace keelson::agent
