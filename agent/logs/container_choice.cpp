#include "agent/logs/container_choice.hpp"

#include <algorithm>
#include <string_view>

#include "base/go_text.hpp"

namespace keelson::logs {
namespace {

template <class List>
bool names(const List& list, const std::string& container) {
  return std::any_of(list.begin(), list.end(), [&](const auto& entry) { return entry.name() == container; });
}

const api::core::ContainerStatus* status_of(const api::Pod& pod, const std::string& container) {
  const auto& status = pod.status();
  for (const auto* list :
       {&status.containerstatuses(), &status.initcontainerstatuses(), &status.ephemeralcontainerstatuses()}) {
    for (const auto& entry : *list) {
      if (entry.name() == container) return &entry;
    }
  }
  return nullptr;
}

std::string_view why_waiting(std::string_view reason) {
  if (reason == "ErrImagePull") return "image can't be pulled";
  if (reason == "ImagePullBackOff") return "trying and failing to pull image";
  return reason;
}

}  // namespace

bool has_container(const api::Pod& pod, const std::string& container) {
  const auto& spec = pod.spec();
  if (names(spec.containers(), container) || names(spec.initcontainers(), container)) return true;
  const auto& ephemeral = spec.ephemeralcontainers();
  return std::any_of(ephemeral.begin(), ephemeral.end(),
                     [&](const auto& entry) { return entry.ephemeralcontainercommon().name() == container; });
}

Result<std::string> container_with_logs(const api::Pod& pod, const std::string& container, bool previous) {
  const std::string about =
      "container " + base::go_quote(container) + " in pod " + base::go_quote(pod.metadata().name());
  const auto refused = [](const std::string& text) { return Error(ErrorKind::invalid, text, 400); };
  const auto* status = status_of(pod, container);
  if (status == nullptr) return refused(about + " is not available");

  const auto& state = status->state();
  const std::string& last = status->laststate().terminated().containerid();
  if (previous) {
    if (last.empty()) return refused("previous terminated " + about + " not found");
    return last;
  }
  if (state.has_running()) return status->containerid();
  if (state.has_terminated() && !state.terminated().containerid().empty()) return state.terminated().containerid();
  if (state.has_terminated() || status->laststate().has_terminated()) {
    // The next instance did not come to be: what is there to read is of the one before.
    if (last.empty()) return refused(about + " is terminated");
    return last;
  }
  if (!state.has_waiting()) return refused(about + " is waiting to start - no logs yet");
  return refused(about + " is waiting to start: " + std::string(why_waiting(state.waiting().reason())));
}

}  // namespace keelson::logs
