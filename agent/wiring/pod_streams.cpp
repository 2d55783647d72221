#include "agent/wiring/pod_streams.hpp"

#include <algorithm>
#include <utility>

namespace keelson::agent {
namespace {

constexpr char kPodUid[] = "io.kubernetes.pod.uid";

cri::ContainerFilter running_containers() {
  cri::ContainerFilter filter;
  filter.state = cri::ContainerState::running;
  return filter;
}

}  // namespace

base::Task<Result<std::optional<std::string>>> PodStreams::running_container(api::PodPtr pod, std::string container) {
  cri::ContainerFilter filter = running_containers();
  filter.label_selector[kPodUid] = pod->metadata().uid();
  auto listed = co_await runtime_.list_containers(std::move(filter));
  if (!listed.ok()) co_return listed.error();
  const cri::Container* newest = nullptr;
  for (const cri::Container& seen : *listed) {
    if (seen.metadata.name != container || seen.state != cri::ContainerState::running) continue;
    if (newest == nullptr || seen.created_at > newest->created_at) newest = &seen;
  }
  std::optional<std::string> id;
  if (newest != nullptr) id = newest->id;
  co_return id;
}

base::Task<Result<std::optional<std::string>>> PodStreams::ready_sandbox(api::PodPtr pod) {
  cri::PodSandboxFilter filter;
  filter.state = cri::SandboxState::ready;
  filter.label_selector[kPodUid] = pod->metadata().uid();
  auto listed = co_await runtime_.list_pod_sandboxes(std::move(filter));
  if (!listed.ok()) co_return listed.error();
  const cri::PodSandbox* newest = nullptr;
  for (const cri::PodSandbox& seen : *listed) {
    if (seen.state != cri::SandboxState::ready) continue;
    if (newest == nullptr || seen.created_at > newest->created_at) newest = &seen;
  }
  std::optional<std::string> id;
  if (newest != nullptr) id = newest->id;
  co_return id;
}

base::Task<Result<std::string>> PodStreams::log_path(std::string container_id) {
  auto status = co_await runtime_.container_status(std::move(container_id));
  if (!status.ok()) co_return status.error();
  co_return std::move(status->log_path);
}

base::Task<Result<bool>> PodStreams::running(std::string container_id) {
  auto status = co_await runtime_.container_status(std::move(container_id));
  if (!status.ok()) co_return status.error();
  co_return status->state == cri::ContainerState::running;
}

base::Task<Result<std::vector<std::string>>> PodStreams::running() {
  auto listed = co_await runtime_.list_containers(running_containers());
  if (!listed.ok()) co_return listed.error();
  std::vector<std::string> ids;
  ids.reserve(listed->size());
  for (cri::Container& seen : *listed) ids.push_back(std::move(seen.id));
  co_return ids;
}

base::Task<Status> PodStreams::reopen_log(std::string id) {
  auto done = co_await runtime_.reopen_container_log(std::move(id));
  co_return done;
}

}  // namespace keelson::agent
