#include "agent/node/node_conditions.hpp"

#include <algorithm>

#include "api/time.hpp"

namespace keelson::agent {
namespace {

struct Wording {
  const char* reason;
  const char* message;
  const char* event;
};

struct PressureRow {
  const char* type;
  bool Pressures::*under;
  Wording yes;
  Wording no;
};

constexpr PressureRow kPressures[] = {
    {"MemoryPressure",
     &Pressures::memory,
     {"KubeletHasInsufficientMemory", "kubelet has insufficient memory available", "NodeHasInsufficientMemory"},
     {"KubeletHasSufficientMemory", "kubelet has sufficient memory available", "NodeHasSufficientMemory"}},
    {"DiskPressure",
     &Pressures::disk,
     {"KubeletHasDiskPressure", "kubelet has disk pressure", "NodeHasDiskPressure"},
     {"KubeletHasNoDiskPressure", "kubelet has no disk pressure", "NodeHasNoDiskPressure"}},
    {"PIDPressure",
     &Pressures::pid,
     {"KubeletHasInsufficientPID", "kubelet has insufficient PID available", "NodeHasInsufficientPID"},
     {"KubeletHasSufficientPID", "kubelet has sufficient PID available", "NodeHasSufficientPID"}},
};

api::core::NodeCondition* find_mutable(api::core::Node& node, std::string_view type) {
  for (auto& condition : *node.mutable_status()->mutable_conditions()) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

api::core::NodeCondition& add(api::core::Node& node, std::string_view type) {
  auto* condition = node.mutable_status()->add_conditions();
  condition->set_type(std::string(type));
  return *condition;
}

void update_pressure(const PressureRow& row, bool under, const api::Time& now, api::core::Node& node,
                     std::vector<NodeEvent>& events) {
  auto* known = find_mutable(node, row.type);
  auto& condition = known != nullptr ? *known : add(node, row.type);
  *condition.mutable_lastheartbeattime() = now;
  const char* status = under ? "True" : "False";
  if (condition.status() == status) return;
  const Wording& wording = under ? row.yes : row.no;
  condition.set_status(status);
  condition.set_reason(wording.reason);
  condition.set_message(wording.message);
  *condition.mutable_lasttransitiontime() = now;
  events.push_back(status_event(node.metadata().name(), wording.event));
}

// A node that was not there before tells no change.
void update_ready(const ReadyCauses& causes, const api::Time& now, api::core::Node& node,
                  std::vector<NodeEvent>& events) {
  const std::string problem = joined_causes(texts(causes));
  const bool ready = problem.empty();
  auto* known = find_mutable(node, "Ready");
  auto& condition = known != nullptr ? *known : add(node, "Ready");
  *condition.mutable_lastheartbeattime() = now;
  condition.set_reason(ready ? "KubeletReady" : "KubeletNotReady");
  std::string message = ready ? "kubelet is posting ready status" : problem;
  if (!causes.soft.empty()) message += ". WARNING: " + causes.soft;
  condition.set_message(std::move(message));
  const char* status = ready ? "True" : "False";
  if (condition.status() == status) return;
  condition.set_status(status);
  *condition.mutable_lasttransitiontime() = now;
  if (known != nullptr) events.push_back(status_event(node.metadata().name(), ready ? "NodeReady" : "NodeNotReady"));
}

}  // namespace

std::vector<std::string> texts(const ReadyCauses& causes) {
  std::vector<std::string> out;
  const auto add_text = [&](std::string text) {
    if (!text.empty() && std::find(out.begin(), out.end(), text) == out.end()) out.push_back(std::move(text));
  };
  add_text(causes.runtime_status);
  if (!causes.pleg.empty()) add_text("PLEG is not healthy: " + causes.pleg);
  add_text(causes.runtime);
  add_text(causes.network);
  add_text(causes.storage);
  if (causes.shutting_down) add_text("node is shutting down");
  std::string missing;
  for (const auto& resource : causes.missing_capacity) missing += (missing.empty() ? "" : ", ") + resource;
  if (!missing.empty()) add_text("missing node capacity for resources: " + missing);
  return out;
}

std::string joined_causes(const std::vector<std::string>& texts) {
  if (texts.empty()) return "";
  if (texts.size() == 1) return texts[0];
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() == 1 ? "" : ", ") + text;
  return out + "]";
}

NodeEvent status_event(const std::string& node, const std::string& reason) {
  return {false, reason, "Node " + node + " status is now: " + reason};
}

std::vector<NodeEvent> update_conditions(const Pressures& pressures, const ReadyCauses& causes, base::SystemTime now,
                                         api::core::Node& node) {
  std::vector<NodeEvent> events;
  const api::Time time = api::make_time(now);
  for (const PressureRow& row : kPressures) update_pressure(row, pressures.*row.under, time, node, events);
  update_ready(causes, time, node, events);
  return events;
}

const api::core::NodeCondition* find_condition(const api::core::Node& node, std::string_view type) {
  for (const auto& condition : node.status().conditions()) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

bool is_ready(const api::core::Node& node) {
  const auto* condition = find_condition(node, "Ready");
  return condition != nullptr && condition->status() == "True";
}

}  // namespace keelson::agent
