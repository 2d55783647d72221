// Which features of pods the node says it has (status.declaredFeatures).
//
// Pure. Declaring one invites pods that need it, so the table says for each whether this agent declares it at all.
// Source: contract 01 §7.2.
#pragma once

#include <string>
#include <vector>

#include "config/feature_gates.hpp"

namespace keelson::agent {

// Sorted, each once. `host_network_user_namespaces`: the runtime says that it can.
std::vector<std::string> declared_features(const config::FeatureGates& gates, bool host_network_user_namespaces);

}  // namespace keelson::agent
