// admit(): whether a pod may run on this node, and whom a critical pod would push out.
//
// Pure, any thread; the caller gathers the facts and carries out the answer. The checks come in the contract's order
// and the first that fails is the answer; of several failing predicates the first in table order. Resource managers and
// device plugins are not asked here. Source: contract 02 §13, §14.1.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/admission/rejection.hpp"
#include "agent/admission/sysctl_allowlist.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

// What of the node and of the configuration decides.
struct AdmissionFacts {
  std::string node_name;
  std::vector<std::string> pressures;  // conditions that hold: "MemoryPressure", "DiskPressure", "PIDPressure"
  SysctlAllowlist sysctls;
  bool apparmor = false;              // the host enforces it
  bool pod_level_resources = true;    // the feature gate
  std::vector<std::string> features;  // those the node declares (status.declaredFeatures)
  bool shutting_down = false;
};

struct AdmissionInput {
  const api::Pod& pod;
  // As the API server knows it, or as it would be registered; null when neither is there.
  const api::core::Node* node = nullptr;
  // All other active pods, with the resources allocated to them.
  const std::vector<api::PodPtr>& others;
  const AdmissionFacts& facts;
};

struct AdmissionDecision {
  std::optional<Rejection> rejection;
  // To be killed first, one after another, each with its own grace, reason Preempting (contract 02 §14).
  std::vector<api::PodPtr> victims;
  // With victims: the first resource that was short, label of the metric kubelet_preemptions.
  std::string preemption_signal;
  // Node affinity alone refuses: read the node afresh and ask once more.
  bool only_affinity_failed = false;

  bool admitted() const { return !rejection.has_value(); }
};

AdmissionDecision admit(const AdmissionInput& input);

inline constexpr std::string_view kPreemptingReason = "Preempting";
inline constexpr std::string_view kPreemptingMessage = "Preempted in order to admit critical pod";

}  // namespace keelson::agent
