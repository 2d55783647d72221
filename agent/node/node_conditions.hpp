// The node's four conditions: MemoryPressure, DiskPressure, PIDPressure and Ready.
//
// Pure functions. They change only these four, in place or appended in this order, and leave those of other writers
// (NetworkUnavailable) as they are. What changed comes back as events about the node. Source: contract 01 §8.1.
#pragma once

#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

// What keeps the node from being ready; an empty text is no cause.
struct ReadyCauses {
  std::string runtime_status;  // no good answer yet, or none for too long
  std::string pleg;            // why pods' states are not known: "pleg has yet to be successful"
  std::string runtime;         // RuntimeReady=false
  std::string network;         // NetworkReady=false, or not known yet
  std::string storage;         // the CSINode
  bool shutting_down = false;
  std::vector<std::string> missing_capacity;
  std::string soft;  // a warning that keeps Ready: "CPU hardcapping unsupported"
};

// In the kubelet's order, each once.
std::vector<std::string> texts(const ReadyCauses& causes);
// One plain, several as "[a, b]", none as "".
std::string joined_causes(const std::vector<std::string>& texts);

struct Pressures {
  bool memory = false;
  bool disk = false;
  bool pid = false;
};

struct NodeEvent {
  bool warning = false;
  std::string reason;
  std::string message;
  bool operator==(const NodeEvent&) const = default;
};

// "Node NAME status is now: REASON"
NodeEvent status_event(const std::string& node, const std::string& reason);

std::vector<NodeEvent> update_conditions(const Pressures& pressures, const ReadyCauses& causes, base::SystemTime now,
                                         api::core::Node& node);

// Null when the Node has no such condition.
const api::core::NodeCondition* find_condition(const api::core::Node& node, std::string_view type);
bool is_ready(const api::core::Node& node);

}  // namespace keelson::agent
