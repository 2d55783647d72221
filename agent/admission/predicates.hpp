// Predicates: what a node must have for a pod, one function each.
//
// Pure functions, any thread. Source: contract 02 §13 (resource fit, node affinity, host ports, taints), contract 03
// §2 (requests of a pod).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "api/objects.hpp"

namespace keelson::agent {

// What is short: CPU in millicores, all else in whole units.
struct Shortage {
  std::string resource;
  std::int64_t requested = 0;
  std::int64_t used = 0;
  std::int64_t capacity = 0;
  std::int64_t missing() const { return requested - (capacity - used); }
};
// In the order they are told: pods, cpu, memory, ephemeral-storage, then all others by name. Extended resources that
// the node does not know, or that a resource claim provides, do not count.
std::vector<Shortage> resource_shortages(const api::Pod& pod, const api::core::Node& node,
                                         const std::vector<api::PodPtr>& others);
// 1 for "pods", millicores for "cpu", else whole units.
std::int64_t requested_amount(const api::Pod& pod, const std::string& resource);

// The pod's nodeSelector and required node affinity hold.
bool affinity_matches(const api::Pod& pod, const api::core::Node& node);
// No host port of the pod is taken by another pod.
bool host_ports_free(const api::Pod& pod, const std::vector<api::PodPtr>& others);

bool tolerates(const api::Pod& pod, const api::core::Taint& taint);
// Every taint with effect NoExecute is tolerated.
bool tolerates_no_execute(const api::Pod& pod, const api::core::Node& node);

// An AppArmor profile other than Unconfined is asked for.
bool wants_apparmor(const api::Pod& pod);
// Features of the node without which this pod cannot run as it says, sorted.
std::vector<std::string> required_node_features(const api::Pod& pod);

}  // namespace keelson::agent
