#include "agent/admission/admit.hpp"

#include <algorithm>

#include "agent/admission/predicates.hpp"
#include "agent/admission/preemption.hpp"
#include "agent/pod_config/qos.hpp"

namespace keelson::agent {
namespace {

using Refusal = std::optional<Rejection>;

constexpr std::string_view kOsLabel = "kubernetes.io/os";
constexpr std::string_view kOs = "linux";

std::string joined(const std::vector<std::string>& list, std::string_view between) {
  std::string text;
  for (const std::string& item : list) {
    if (!text.empty()) text += between;
    text += item;
  }
  return text;
}

Refusal check_pressure(const AdmissionInput& input) {
  const auto& pressures = input.facts.pressures;
  if (pressures.empty() || is_critical(input.pod)) return std::nullopt;
  if (pressures == std::vector<std::string>{"MemoryPressure"}) {
    if (qos_class(input.pod) != QosClass::best_effort) return std::nullopt;
    api::core::Taint taint;
    taint.set_key("node.kubernetes.io/memory-pressure");
    taint.set_effect("NoSchedule");
    if (tolerates(input.pod, taint)) return std::nullopt;
  }
  return Rejection{"Evicted", "The node had condition: [" + joined(pressures, " ") + "]. "};
}

Refusal check_sysctls(const AdmissionInput& input) {
  auto complaint = input.facts.sysctls.complaint(input.pod);
  if (!complaint) return std::nullopt;
  return Rejection{"SysctlForbidden", std::move(*complaint)};
}

Refusal check_node_and_os(const AdmissionInput& input) {
  if (input.node == nullptr) return Rejection{"InvalidNodeInfo", "Kubelet cannot get node info."};
  const auto& labels = input.pod.metadata().labels();
  const auto os_label = labels.find(std::string(kOsLabel));
  if (os_label != labels.end() && os_label->second != kOs) {
    return Rejection{"PodOSSelectorNodeLabelDoesNotMatch",
                     "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"};
  }
  if (input.pod.spec().has_os() && input.pod.spec().os().name() != kOs) {
    return Rejection{"PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"};
  }
  const bool strict = input.pod.spec().securitycontext().supplementalgroupspolicy() == "Strict";
  if (strict && !input.node->status().features().supplementalgroupspolicy()) {
    return Rejection{"SupplementalGroupsPolicyNotSupported",
                     "SupplementalGroupsPolicy=Strict is not supported in this node"};
  }
  return std::nullopt;
}

Rejection out_of(const Shortage& shortage) {
  return {"OutOf" + shortage.resource, "Node didn't have enough resource: " + shortage.resource +
                                           ", requested: " + std::to_string(shortage.requested) +
                                           ", used: " + std::to_string(shortage.used) +
                                           ", capacity: " + std::to_string(shortage.capacity)};
}

Rejection predicate_failed(const std::string& name, const std::string& why) {
  return {name, "Predicate " + name + " failed: " + why};
}

// Those that have nothing to do with resources, in table order.
std::vector<Rejection> other_predicates(const AdmissionInput& input) {
  const api::Pod& pod = input.pod;
  const api::core::Node& node = *input.node;
  std::vector<Rejection> failed;
  if (!affinity_matches(pod, node)) {
    failed.push_back(predicate_failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
  }
  if (!pod.spec().nodename().empty() && pod.spec().nodename() != input.facts.node_name) {
    failed.push_back(predicate_failed("NodeName", "node(s) didn't match the requested node name"));
  }
  if (!host_ports_free(pod, input.others)) {
    failed.push_back(predicate_failed("NodePorts", "node(s) didn't have free ports for the requested pod ports"));
  }
  if (!is_static(pod) && !tolerates_no_execute(pod, node)) {
    failed.push_back(predicate_failed("TaintToleration", "node(s) had taints that the pod didn't tolerate"));
  }
  return failed;
}

AdmissionDecision check_predicates(const AdmissionInput& input) {
  AdmissionDecision out;
  const std::vector<Shortage> shortages = resource_shortages(input.pod, *input.node, input.others);
  const std::vector<Rejection> others = other_predicates(input);
  const bool critical = is_critical(input.pod);
  if (!shortages.empty() && !critical) {
    out.rejection = out_of(shortages.front());
  } else if (!others.empty()) {
    // Room could be made for a critical pod, but not for what else is wrong.
    out.rejection = others.front();
    out.only_affinity_failed = shortages.empty() && others.size() == 1 && others.front().reason == "NodeAffinity";
  } else if (!shortages.empty()) {
    auto victims = choose_victims(input.pod, input.others, shortages);
    if (victims.ok()) {
      out.victims = std::move(*victims);
      out.preemption_signal = shortages.front().resource;
    } else {
      out.rejection =
          Rejection{"UnexpectedAdmissionError",
                    "Unexpected error while attempting to recover from admission failure: preemption: error "
                    "finding a set of pods to preempt: " +
                        victims.error().message()};
    }
  }
  return out;
}

Refusal check_apparmor(const AdmissionInput& input) {
  if (input.facts.apparmor || input.pod.status().phase() != "Pending" || !wants_apparmor(input.pod)) {
    return std::nullopt;
  }
  return Rejection{"AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"};
}

Refusal check_pod_level_resources(const AdmissionInput& input) {
  const auto& resources = input.pod.spec().resources();
  const bool given = !resources.requests().empty() || !resources.limits().empty();
  if (input.facts.pod_level_resources || !given) return std::nullopt;
  return Rejection{"PodLevelResourcesNotSupported", "PodLevelResources feature gate is disabled"};
}

Refusal check_features(const AdmissionInput& input) {
  const auto& declared = input.facts.features;
  std::vector<std::string> missing = required_node_features(input.pod);
  std::erase_if(missing, [&](const std::string& feature) {
    return std::find(declared.begin(), declared.end(), feature) != declared.end();
  });
  if (missing.empty()) return std::nullopt;
  return Rejection{"PodFeatureUnsupported",
                   "Pod requires node features that are not available: " + joined(missing, ", ")};
}

Refusal check_shutdown(const AdmissionInput& input) {
  if (!input.facts.shutting_down) return std::nullopt;
  return Rejection{"NodeShutdown", "Pod was rejected as the node is shutting down."};
}

}  // namespace

AdmissionDecision admit(const AdmissionInput& input) {
  for (const auto check : {check_pressure, check_sysctls, check_node_and_os}) {
    if (Refusal refusal = check(input)) return {.rejection = std::move(refusal)};
  }
  AdmissionDecision out = check_predicates(input);
  if (out.rejection) return out;
  for (const auto check : {check_apparmor, check_pod_level_resources, check_features, check_shutdown}) {
    // Nobody has to go for a pod that does not come.
    if (Refusal refusal = check(input)) return {.rejection = std::move(refusal)};
  }
  return out;
}

}  // namespace keelson::agent
