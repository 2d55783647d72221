#include "agent/node/declared_features.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

struct Row {
  const char* feature;  // also the name of its gate
  bool declared;        // false: not ours to offer yet, whatever the gate says
  bool needs_runtime;
};

constexpr Row kRows[] = {
    {"ExtendWebSocketsToKubelet", false, false},
    {"InPlacePodLevelResourcesVerticalScaling", true, false},
    {"InPlacePodVerticalScalingInitContainers", true, false},
    {"RestartAllContainersOnContainerExits", true, false},
    {"UserNamespacesHostNetworkSupport", true, true},
};

}  // namespace

std::vector<std::string> declared_features(const config::FeatureGates& gates, bool host_network_user_namespaces) {
  std::vector<std::string> out;
  for (const Row& row : kRows) {
    if (!row.declared || !gates.enabled(row.feature)) continue;
    if (row.needs_runtime && !host_network_user_namespaces) continue;
    out.emplace_back(row.feature);
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace keelson::agent
