// Event objects: the Event that tells of a pod or of the node, its name, and the patch that counts it up.
//
// Pure functions, any thread. Source: contract 02 §22.1; the recorded bodies in tests/golden/data/requests.
#pragma once

#include <string>
#include <string_view>

#include "agent/sync/events.hpp"
#include "api/objects.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"

namespace keelson::agent {

// The pod as it is now; a static pod keeps the UID of its manifest.
api::core::ObjectReference reference_to(const api::Pod& pod, std::string field_path);
// Without a UID.
api::core::ObjectReference reference_to_node(const std::string& node_name);

struct EventContent {
  bool warning = false;
  std::string reason;
  std::string message;
};
// First seen and last seen `now`, counted once, reported by the kubelet of that node.
api::core::Event make_event(api::core::ObjectReference object, EventContent content, const std::string& node_name,
                            base::SystemTime now, base::Random& random);

// `OBJECT.` and the nanoseconds since 1970 in hex; a random UUID where that could not be the name of an object.
std::string event_name(const std::string& object_name, base::SystemTime now, base::Random& random);

// The strategic merge patch for an event that is there already: count, lastTimestamp and message.
std::string event_patch(const api::core::Event& event);

}  // namespace keelson::agent
