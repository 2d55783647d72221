// PodStartTimes: how long pods of the API take from their creation until all their containers are seen to run.
//
// A pod counts once, when the watch shows it started; one that this agent did not see before it had a start time (it
// ran before the agent did) does not count. From the time of a pod without storage of its own, the time in which its
// images were pulled and its init containers ran is taken off, which makes the figure that the pod startup SLI is
// about. Owner: PodWorkers. Thread: the loop. Nothing fails. Source: contract 05 §12
// (kubelet_pod_start_sli_duration_seconds, kubelet_pod_start_total_duration_seconds,
// kubelet_first_network_pod_start_sli_duration_seconds).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/counters.hpp"

namespace keelson::agent {

class PodStartTimes {
 public:
  using Seconds = base::Histogram<base::buckets::kPodStarts>;

  // The watch has brought this copy, mirrors included.
  void seen(const api::Pod& pod, base::SystemTime now);
  void gone(const std::string& uid) { pods_.erase(uid); }
  // Whether the pod's start is still to be told.
  bool awaits(const std::string& uid) const { return pods_.count(uid) > 0; }
  // An image was pulled for the pod.
  void pulled(const std::string& uid, base::SteadyTime begun, base::SteadyTime ended);
  // So long its init containers ran, all together.
  void initialised(const std::string& uid, base::Duration total);

  const Seconds& total() const { return total_; }
  const Seconds& sli() const { return sli_; }
  // In seconds; 0 before there was one.
  double first_with_network() const { return first_with_network_.value_or(0); }

 private:
  using Pull = std::pair<base::SteadyTime, base::SteadyTime>;
  struct Starting {
    std::vector<Pull> pulls;
    base::Duration init{};
  };

  std::map<std::string, Starting> pods_;  // by UID
  Seconds total_;
  Seconds sli_;
  std::optional<double> first_with_network_;
};

// The time that these spans cover; what two of them share counts once. Pure.
base::Duration covered(std::vector<std::pair<base::SteadyTime, base::SteadyTime>> spans);

}  // namespace keelson::agent
