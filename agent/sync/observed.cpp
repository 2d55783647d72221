#include "agent/sync/observed.hpp"

#include <algorithm>

#include "agent/sync/newest.hpp"

namespace keelson::agent {

const cri::ContainerStatus* ObservedPod::newest(std::string_view container_name) const {
  for (const auto& status : containers) {
    if (status.metadata.name == container_name) return &status;
  }
  return nullptr;
}

const cri::ContainerStatus* ObservedPod::previous(std::string_view container_name) const {
  bool skipped_newest = false;
  for (const auto& status : containers) {
    if (status.metadata.name != container_name) continue;
    if (skipped_newest) return &status;
    skipped_newest = true;
  }
  return nullptr;
}

const cri::ContainerStatus* ObservedPod::by_id(std::string_view id) const {
  for (const auto& status : containers) {
    if (status.id == id) return &status;
  }
  return nullptr;
}

bool ObservedPod::any_running() const {
  return std::any_of(containers.begin(), containers.end(),
                     [](const auto& status) { return status.state == cri::ContainerState::running; });
}

bool ObservedPod::any_ready_sandbox() const {
  return std::any_of(sandboxes.begin(), sandboxes.end(),
                     [](const auto& sandbox) { return sandbox.state == cri::SandboxState::ready; });
}

bool ObservedPod::is_in_newest_sandbox(const cri::ContainerStatus& container) const {
  return !sandboxes.empty() && container.created_at >= sandboxes.front().created_at;
}

void sort_newest_first(ObservedPod& pod) {
  std::stable_sort(pod.sandboxes.begin(), pod.sandboxes.end(),
                   [](const auto& a, const auto& b) { return is_newer(a, b); });
  std::stable_sort(pod.containers.begin(), pod.containers.end(), [](const auto& a, const auto& b) {
    if (a.metadata.name != b.metadata.name) return a.metadata.name < b.metadata.name;
    return is_newer(a, b);
  });
}

}  // namespace keelson::agent
