// RateLimit: a token bucket that is waited for, in the order of arrival.
//
// `qps` tokens a second up to `burst`; 0 means no limit. Owner: a Client. Thread: the loop. Stops: with the waiting
// task. Source: contract 01 §2.5 (kubeAPIQPS, kubeAPIBurst), §10.
#pragma once

#include "base/clock.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace keelson::kube {

class RateLimit {
 public:
  RateLimit(base::Loop& loop, base::Clock& clock, double qps, int burst);

  base::Task<void> acquire();

 private:
  void refill();

  base::Clock& clock_;
  double qps_;
  double burst_;
  double tokens_;
  base::SteadyTime filled_at_;
  base::Semaphore turn_;  // who waits for a token, one at a time
};

}  // namespace keelson::kube
