#include "pleg/transitions.hpp"

namespace keelson::pleg {

std::string_view to_string(EventType type) {
  switch (type) {
    case EventType::container_started: return "ContainerStarted";
    case EventType::container_died: return "ContainerDied";
    case EventType::container_removed: return "ContainerRemoved";
    case EventType::container_changed: return "ContainerChanged";
    case EventType::pod_sync: return "PodSync";
  }
  return "";
}

std::vector<EventType> events_between(std::optional<State> before, std::optional<State> now) {
  if (before == now) return {};
  if (!now) {
    if (before == State::exited) return {EventType::container_removed};
    return {EventType::container_died, EventType::container_removed};
  }
  switch (*now) {
    case State::running: return {EventType::container_started};
    case State::exited: return {EventType::container_died};
    case State::created:
    case State::unknown: return {EventType::container_changed};
  }
  return {};
}

bool same_items(const std::vector<Item>& before, const std::vector<const Item*>& now) {
  if (before.size() != now.size()) return false;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (before[i].state != now[i]->state || before[i].id != now[i]->id) return false;
  }
  return true;
}

std::vector<Transition> transitions(const std::vector<Item>& before, const std::vector<const Item*>& now) {
  std::vector<Transition> result;
  const auto add = [&result](const std::string& id, std::optional<State> was, std::optional<State> is) {
    for (const EventType type : events_between(was, is)) result.push_back({type, id});
  };
  auto old_item = before.begin();
  auto new_item = now.begin();
  while (old_item != before.end() || new_item != now.end()) {
    const bool only_old = new_item == now.end() || (old_item != before.end() && old_item->id < (*new_item)->id);
    const bool only_new = !only_old && (old_item == before.end() || (*new_item)->id < old_item->id);
    if (only_old) {
      add(old_item->id, old_item->state, std::nullopt);
      ++old_item;
    } else if (only_new) {
      add((*new_item)->id, std::nullopt, (*new_item)->state);
      ++new_item;
    } else {
      add(old_item->id, old_item->state, (*new_item)->state);
      ++old_item;
      ++new_item;
    }
  }
  return result;
}

}  // namespace keelson::pleg
