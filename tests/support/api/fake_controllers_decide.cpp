#include <algorithm>

#include "api/selectors.hpp"
#include "api/time.hpp"
#include "tests/support/api/fake_controllers.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;

constexpr const char* kNotReady = "node.kubernetes.io/not-ready";
constexpr const char* kUnreachable = "node.kubernetes.io/unreachable";

const core::NodeCondition* condition_of(const core::Node& node, std::string_view type) {
  for (const auto& condition : node.status().conditions()) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

bool has_taint(const core::Node& node, const std::string& key, const std::string& effect) {
  return std::any_of(node.spec().taints().begin(), node.spec().taints().end(),
                     [&](const auto& taint) { return taint.key() == key && taint.effect() == effect; });
}

bool set_taint(core::Node& node, const std::string& key, const std::string& effect, bool wanted, base::SystemTime now) {
  if (has_taint(node, key, effect) == wanted) return false;
  auto& taints = *node.mutable_spec()->mutable_taints();
  if (!wanted) {
    taints.erase(std::remove_if(taints.begin(), taints.end(),
                                [&](const auto& taint) { return taint.key() == key && taint.effect() == effect; }),
                 taints.end());
    return true;
  }
  auto& taint = *taints.Add();
  taint.set_key(key);
  taint.set_effect(effect);
  if (effect == "NoExecute") *taint.mutable_timeadded() = api::make_time(now);
  return true;
}

}  // namespace

bool tolerates(const core::Toleration& toleration, const core::Taint& taint) {
  if (!toleration.effect().empty() && toleration.effect() != taint.effect()) return false;
  if (toleration.key().empty()) return toleration.operator_() == "Exists";
  if (toleration.key() != taint.key()) return false;
  return toleration.operator_() == "Exists" || toleration.value() == taint.value();
}

bool is_ready(const core::Node& node) {
  const auto* ready = condition_of(node, "Ready");
  return ready != nullptr && ready->status() == "True";
}

bool fits(const api::Pod& pod, const core::Node& node) {
  if (!is_ready(node) || node.spec().unschedulable() || node.metadata().has_deletiontimestamp()) return false;
  for (const auto& taint : node.spec().taints()) {
    if (taint.effect() == "PreferNoSchedule") continue;
    const auto& tolerations = pod.spec().tolerations();
    const auto good = [&taint](const auto& toleration) { return tolerates(toleration, taint); };
    if (std::none_of(tolerations.begin(), tolerations.end(), good)) return false;
  }
  return api::node_matches_pod(pod, api::lookup_in(node.metadata().labels()), node.metadata().name());
}

bool set_condition_taints(core::Node& node, base::SystemTime now) {
  const auto* ready = condition_of(node, "Ready");
  const bool unknown = ready != nullptr && ready->status() == "Unknown";
  const bool not_ready = ready == nullptr || ready->status() == "False";
  bool changed = false;
  for (const auto* effect : {"NoSchedule", "NoExecute"}) {
    // Before the first heartbeat only the registration's own taint is there.
    if (ready == nullptr && std::string_view(effect) == "NoExecute") continue;
    changed |= set_taint(node, kNotReady, effect, not_ready, now);
    changed |= set_taint(node, kUnreachable, effect, unknown, now);
  }
  const std::pair<const char*, const char*> pressures[] = {{"MemoryPressure", "node.kubernetes.io/memory-pressure"},
                                                           {"DiskPressure", "node.kubernetes.io/disk-pressure"},
                                                           {"PIDPressure", "node.kubernetes.io/pid-pressure"}};
  for (const auto& [type, key] : pressures) {
    const auto* pressure = condition_of(node, type);
    changed |= set_taint(node, key, "NoSchedule", pressure != nullptr && pressure->status() == "True", now);
  }
  changed |= set_taint(node, "node.kubernetes.io/unschedulable", "NoSchedule", node.spec().unschedulable(), now);
  return changed;
}

bool set_unknown(core::Node& node, base::SystemTime now) {
  bool changed = false;
  for (const auto* type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    const auto* found = condition_of(node, type);
    if (found != nullptr && found->status() == "Unknown") continue;
    const bool posted = found != nullptr;
    auto& condition = posted ? const_cast<core::NodeCondition&>(*found) : *node.mutable_status()->add_conditions();
    condition.set_type(type);
    condition.set_status("Unknown");
    condition.set_reason(posted ? "NodeStatusUnknown" : "NodeStatusNeverUpdated");
    condition.set_message(posted ? "Kubelet stopped posting node status." : "Kubelet never posted node status.");
    *condition.mutable_lasttransitiontime() = api::make_time(now);
    changed = true;
  }
  return changed;
}

}  // namespace keelson::fakes
