// From two listings of one pod to the events between them. Pure functions, any thread. Source: contract 02 §12 (table).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pleg/runtime_lister.hpp"

namespace keelson::pleg {

enum class EventType {
  container_started,
  container_died,
  container_removed,  // does not need a sync
  container_changed,  // created or unknown: the snapshot is renewed, nobody is told
  pod_sync,           // somebody asked to look again and nothing had changed
};

std::string_view to_string(EventType type);

struct Transition {
  EventType type;
  std::string id;  // of the container or sandbox
  bool operator==(const Transition&) const = default;
};

// nullopt: not there.
std::vector<EventType> events_between(std::optional<State> before, std::optional<State> now);

// Both sorted by id.
bool same_items(const std::vector<Item>& before, const std::vector<const Item*>& now);
std::vector<Transition> transitions(const std::vector<Item>& before, const std::vector<const Item*>& now);

}  // namespace keelson::pleg
