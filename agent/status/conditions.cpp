#include "agent/status/conditions.hpp"

#include <algorithm>
#include <array>

#include "agent/status/container_status.hpp"
#include "agent/sync/plan.hpp"

namespace keelson::agent {
namespace {

using api::core::PodCondition;

// Written anew at each computation; every other type belongs to somebody else and is kept as found.
constexpr std::array<std::string_view, 7> kOwned = {kResizePending, kResizeInProgress, "PodReadyToStartContainers",
                                                    "Initialized",  "Ready",           "ContainersReady",
                                                    "PodScheduled"};
constexpr std::string_view kDisruptionTarget = "DisruptionTarget";  // shared: ours when we end the pod

struct Verdict {
  bool value = false;
  std::string reason;
  std::string message;
};

std::string bracketed(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() > 1 ? " " : "") + name;
  return out + "]";
}

const PodCondition* find_condition(const api::core::PodStatus& status, std::string_view type) {
  for (const auto& condition : status.conditions()) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

bool any_regular_ran(const api::core::PodStatus& status) {
  return std::any_of(status.containerstatuses().begin(), status.containerstatuses().end(), [](const auto& container) {
    return container.state().has_running() || container.state().has_terminated();
  });
}

Verdict initialized(const StatusInput& input, const api::core::PodStatus& out) {
  const auto& inits = input.pod.spec().initcontainers();
  if (out.phase() == "Succeeded") return {true, "PodCompleted", ""};
  if (inits.empty()) return {true, "", ""};
  if (any_regular_ran(out)) return {true, "", ""};
  if (const auto* before = find_condition(input.before, "Initialized");
      before != nullptr && before->status() == "True") {
    return {true, "", ""};
  }
  std::vector<std::string> unknown;
  std::vector<std::string> incomplete;
  for (const auto& spec : inits) {
    const auto* status = find_before(out, ContainerType::init, spec.name());
    if (status == nullptr) {
      unknown.push_back(spec.name());
    } else if (is_sidecar(spec) ? !status->started() : !status->ready()) {
      incomplete.push_back(spec.name());
    }
  }
  std::string message;
  if (!unknown.empty()) message = "containers with unknown status: " + bracketed(unknown);
  if (!incomplete.empty()) {
    if (!message.empty()) message += ", ";
    message += "containers with incomplete status: " + bracketed(incomplete);
  }
  if (message.empty()) return {true, "", ""};
  return {false, "ContainersNotInitialized", message};
}

Verdict containers_ready(const StatusInput& input, const api::core::PodStatus& out) {
  if (out.phase() == "Succeeded") return {false, "PodCompleted", ""};
  if (out.phase() == "Failed") return {false, "PodFailed", ""};
  std::vector<std::string> unknown;
  std::vector<std::string> unready;
  const auto judge = [&](ContainerType type, const std::string& name) {
    const auto* status = find_before(out, type, name);
    if (status == nullptr) {
      unknown.push_back(name);
    } else if (!status->ready()) {
      unready.push_back(name);
    }
  };
  for (const auto& spec : input.pod.spec().initcontainers()) {
    if (is_sidecar(spec)) judge(ContainerType::init, spec.name());
  }
  for (const auto& spec : input.pod.spec().containers()) judge(ContainerType::regular, spec.name());
  std::string message;
  if (!unknown.empty()) message = "containers with unknown status: " + bracketed(unknown);
  if (!unready.empty()) {
    if (!message.empty()) message += ", ";
    message += "containers with unready status: " + bracketed(unready);
  }
  if (message.empty()) return {true, "", ""};
  return {false, "ContainersNotReady", message};
}

// Who else writes conditions writes them in the API; without an API they are where they were.
const api::core::PodStatus& foreign_source(const StatusInput& input) {
  return input.pod.status().conditions_size() > 0 ? input.pod.status() : input.before;
}

Verdict ready(const StatusInput& input, const Verdict& containers) {
  if (!containers.value) return containers;
  std::string message;
  for (const auto& gate : input.pod.spec().readinessgates()) {
    const auto* condition = find_condition(foreign_source(input), gate.conditiontype());
    std::string problem;
    if (condition == nullptr) {
      problem = "corresponding condition of pod readiness gate \"" + gate.conditiontype() + "\" does not exist.";
    } else if (condition->status() != "True") {
      problem = "the status of pod readiness gate \"" + gate.conditiontype() + "\" is not \"True\", but " +
                condition->status();
    }
    if (problem.empty()) continue;
    if (!message.empty()) message += ", ";
    message += problem;
  }
  if (message.empty()) return {true, "", ""};
  return {false, "ReadinessGatesNotReady", message};
}

void add(const StatusInput& input, std::string_view type, const Verdict& verdict, api::core::PodStatus& out) {
  PodCondition& condition = *out.add_conditions();
  condition.set_type(std::string(type));
  condition.set_status(verdict.value ? "True" : "False");
  if (!verdict.reason.empty()) condition.set_reason(verdict.reason);
  if (!verdict.message.empty()) condition.set_message(verdict.message);
  if (input.pod.metadata().generation() > 0) condition.set_observedgeneration(input.pod.metadata().generation());
  const PodCondition* before = find_condition(input.before, type);
  const bool unchanged = before != nullptr && before->status() == condition.status();
  *condition.mutable_lasttransitiontime() = unchanged ? before->lasttransitiontime() : to_api_time(input.now);
}

// They keep the generation that they were made for; a pod that has ended has nothing to resize.
void add_resize(const StatusInput& input, api::core::PodStatus& out) {
  if (input.resize == nullptr || is_terminal(out)) return;
  if (input.resize->pending) *out.add_conditions() = *input.resize->pending;
  if (input.resize->in_progress) *out.add_conditions() = *input.resize->in_progress;
}

}  // namespace

void fill_conditions(const StatusInput& input, api::core::PodStatus& out) {
  const bool disrupts = input.forced && !input.forced->disruption.empty();
  for (const auto& condition : foreign_source(input).conditions()) {
    const bool owned = std::find(kOwned.begin(), kOwned.end(), condition.type()) != kOwned.end();
    if (!owned && !(disrupts && condition.type() == kDisruptionTarget)) *out.add_conditions() = condition;
  }
  add_resize(input, out);
  if (disrupts) add(input, kDisruptionTarget, {true, "TerminationByKubelet", input.forced->disruption}, out);
  const SandboxVerdict sandbox = judge_sandbox(input.pod, input.observed);
  const Verdict containers = containers_ready(input, out);
  add(input, "PodReadyToStartContainers", {!sandbox.changed, "", ""}, out);
  add(input, "Initialized", initialized(input, out), out);
  add(input, "Ready", ready(input, containers), out);
  add(input, "ContainersReady", containers, out);
  add(input, "PodScheduled", {true, "", ""}, out);
}

}  // namespace keelson::agent
