#include "config/feature_gates.hpp"

#include <algorithm>

namespace keelson::config {
namespace {

struct Dependency {
  std::string_view gate;
  std::string_view needs;
};

// Only gates that this agent acts on.
constexpr Dependency kDependencies[] = {
    {"ClusterTrustBundleProjection", "ClusterTrustBundle"},
    {"GracefulNodeShutdownBasedOnPodPriority", "GracefulNodeShutdown"},
    {"ImageVolumeWithDigest", "ImageVolume"},
    {"InPlacePodLevelResourcesVerticalScaling", "NodeDeclaredFeatures"},
    {"InPlacePodLevelResourcesVerticalScaling", "PodLevelResources"},
    {"ResourceHealthStatusMessage", "ResourceHealthStatus"},
    {"RestartAllContainersOnContainerExits", "ContainerRestartRules"},
    {"RestartAllContainersOnContainerExits", "NodeDeclaredFeatures"},
};

}  // namespace

std::string_view to_string(Stage stage) {
  switch (stage) {
    case Stage::alpha: return "ALPHA";
    case Stage::beta: return "BETA";
    case Stage::ga: return "";
    case Stage::deprecated: return "DEPRECATED";
  }
  return "";
}

const GateSpec* find_gate(std::string_view name) {
  const auto gates = known_gates();
  const auto it = std::lower_bound(gates.begin(), gates.end(), name,
                                   [](const GateSpec& gate, std::string_view wanted) { return gate.name < wanted; });
  return it != gates.end() && it->name == name ? &*it : nullptr;
}

Status check_gate(std::string_view name, bool enabled) {
  const GateSpec* gate = find_gate(name);
  if (gate == nullptr) return Error(ErrorKind::invalid, "unrecognized feature gate: " + std::string(name));
  if (gate->locked && gate->enabled_by_default != enabled) {
    return Error(ErrorKind::invalid, "cannot set feature gate " + std::string(name) + " to " +
                                         (enabled ? "true" : "false") + ", feature is locked to " +
                                         (gate->enabled_by_default ? "true" : "false"));
  }
  return {};
}

FeatureGates::FeatureGates(const std::map<std::string, bool>& overrides) {
  const auto set = [&](std::string_view name) -> const bool* {
    const auto it = overrides.find(std::string(name));
    return it != overrides.end() && check_gate(name, it->second).ok() ? &it->second : nullptr;
  };
  const bool* all_alpha = set("AllAlpha");
  const bool* all_beta = set("AllBeta");
  values_.reserve(known_gates().size());
  for (const GateSpec& gate : known_gates()) {
    bool value = gate.enabled_by_default;
    if (gate.stage == Stage::alpha && all_alpha != nullptr) value = *all_alpha;
    if (gate.stage == Stage::beta && all_beta != nullptr) value = *all_beta;
    if (gate.locked) value = gate.enabled_by_default;
    if (const bool* own = set(gate.name)) value = *own;
    values_.emplace_back(&gate, value);
  }
}

bool FeatureGates::enabled(std::string_view name) const {
  const auto it =
      std::lower_bound(values_.begin(), values_.end(), name,
                       [](const auto& entry, std::string_view wanted) { return entry.first->name < wanted; });
  KEELSON_CHECK(it != values_.end() && it->first->name == name && "a feature gate that does not exist");
  return it->second;
}

std::vector<std::string> unmet_gate_dependencies(const FeatureGates& gates) {
  std::vector<std::string> lines;
  for (const Dependency& dependency : kDependencies) {
    if (!gates.enabled(dependency.gate) || gates.enabled(dependency.needs)) continue;
    lines.push_back("feature gate " + std::string(dependency.gate) + " is on but builds on " +
                    std::string(dependency.needs) + ", which is off");
  }
  return lines;
}

}  // namespace keelson::config
