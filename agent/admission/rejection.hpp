// Rejection: why a pod does not run here, and what becomes of it.
//
// Pure functions and values, any thread. Source: contract 02 §13 "Refused", contract 05 (metric
// kubelet_admission_rejections_total).
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

struct Rejection {
  std::string reason;
  std::string message;  // of the event; the status puts "Pod was rejected: " before it
  bool operator==(const Rejection&) const = default;
};

// The status of a refused pod: nothing but phase, reason, message, startTime, qosClass and observedGeneration.
api::core::PodStatus rejected_status(const api::Pod& pod, const Rejection& rejection, base::SystemTime now);

// The label `reason` of the metric: the reasons it knows, OutOfExtendedResources, Other.
std::string rejection_label(const std::string& reason);

// How often what was the reason; the metrics endpoint reads it.
class RejectionCounters {
 public:
  void count(const Rejection& rejection) { ++counts_[rejection_label(rejection.reason)]; }
  const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace keelson::agent
