// The Node object: what is created, and what of an existing one is put right when the agent registers.
//
// Pure functions. Everything but the status is set when the Node is created; later only what the contract lists under
// "Reconcile" changes, so that other writers' labels, annotations and taints live on. Source: contract 01 §7.1.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/node/addresses.hpp"
#include "agent/node/capacity.hpp"
#include "agent/node/machine.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

// What stays the same while the agent runs.
struct NodeSettings {
  std::string name;
  Machine machine;
  NodeCapacity capacity;
  AddressSettings addresses;
  std::map<std::string, std::string> labels;  // --node-labels
  std::vector<config::Taint> taints;
  std::string provider_id;
  std::string version;  // "v1.36.2"
  std::int32_t port = 10250;
  std::int32_t max_images = 50;  // -1: all
  bool attach_detach = true;
  bool local_storage = true;
  bool register_node = true;
  bool get_only_when_it_exists = false;  // gate KubeletRegistrationGetOnExistsOnly: a 403 is no reason to look
  base::Duration update_frequency = std::chrono::seconds(10);
  base::Duration report_frequency = std::chrono::minutes(5);
  config::FeatureGates gates;
};

NodeSettings node_settings(const config::Configuration& configuration, const std::string& name, const Machine& machine,
                           NodeCapacity capacity);

// Metadata and spec of the Node that is created; its status is still empty.
api::core::Node new_node(const NodeSettings& settings);

// `existing` with what is ours to put right after `wanted`, a Node as we would create it, status included.
// `reset_devices`: the device manager has no memory of what it once offered, so extended resources start at 0.
api::core::Node reconciled(const api::core::Node& existing, const api::core::Node& wanted, bool reset_devices);

// spec.podCIDRs, joined by commas; "" when there is none.
std::string pod_cidrs(const api::core::Node& node);

}  // namespace keelson::agent
