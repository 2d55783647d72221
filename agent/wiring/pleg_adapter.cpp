#include "agent/wiring/pleg_adapter.hpp"

#include "agent/pod_config/annotations.hpp"
#include "agent/pod_config/mounts.hpp"

namespace keelson::agent {
namespace {

constexpr char kPodUid[] = "io.kubernetes.pod.uid";
constexpr char kPodName[] = "io.kubernetes.pod.name";
constexpr char kPodNamespace[] = "io.kubernetes.pod.namespace";

std::string value_of(const cri::StringMap& labels, const char* key) {
  const auto found = labels.find(key);
  return found == labels.end() ? std::string() : found->second;
}

pleg::State state_of(cri::ContainerState state) {
  switch (state) {
    case cri::ContainerState::created: return pleg::State::created;
    case cri::ContainerState::running: return pleg::State::running;
    case cri::ContainerState::exited: return pleg::State::exited;
    case cri::ContainerState::unknown: break;
  }
  return pleg::State::unknown;
}

pleg::RuntimeEventType event_type(cri::ContainerEventType type) {
  switch (type) {
    case cri::ContainerEventType::created: return pleg::RuntimeEventType::created;
    case cri::ContainerEventType::started: return pleg::RuntimeEventType::started;
    case cri::ContainerEventType::stopped: return pleg::RuntimeEventType::stopped;
    case cri::ContainerEventType::deleted: break;
  }
  return pleg::RuntimeEventType::deleted;
}

// An observation is kept for every pod, so that it holds what is asked of it only: the labels repeat the names, and of
// the mounts the one of the termination file counts.
void drop_unread(cri::ContainerStatus& status) {
  status.labels.clear();
  const auto path = status.annotations.find(std::string(annotation::termination_path));
  const std::string kept = path == status.annotations.end() ? std::string() : absolute_path(path->second);
  std::erase_if(status.mounts, [&](const cri::Mount& mount) { return mount.container_path != kept; });
  status.mounts.shrink_to_fit();
}

}  // namespace

base::Task<Result<std::vector<pleg::Item>>> PlegLister::list() { return list_matching({}); }

base::Task<Result<std::vector<pleg::Item>>> PlegLister::list_pod(std::string uid) {
  cri::StringMap labels;
  labels[kPodUid] = std::move(uid);
  return list_matching(std::move(labels));
}

base::Task<Result<std::vector<pleg::Item>>> PlegLister::list_matching(cri::StringMap labels) {
  cri::PodSandboxFilter sandbox_filter;
  sandbox_filter.label_selector = labels;
  auto sandboxes = co_await runtime_.list_pod_sandboxes(std::move(sandbox_filter));
  if (!sandboxes.ok()) co_return sandboxes.error().wrap("while listing pod sandboxes");
  cri::ContainerFilter container_filter;
  container_filter.label_selector = labels;
  auto containers = co_await runtime_.list_containers(std::move(container_filter));
  if (!containers.ok()) co_return containers.error().wrap("while listing containers");
  std::vector<pleg::Item> items;
  items.reserve(sandboxes->size() + containers->size());
  for (auto& sandbox : *sandboxes) {
    pleg::Item item;
    item.id = std::move(sandbox.id);
    item.pod_uid = std::move(sandbox.metadata.uid);
    item.pod_namespace = std::move(sandbox.metadata.ns);
    item.pod_name = std::move(sandbox.metadata.name);
    item.sandbox = true;
    item.state = sandbox.state == cri::SandboxState::ready ? pleg::State::running : pleg::State::exited;
    item.created_at = sandbox.created_at;
    if (!item.pod_uid.empty()) items.push_back(std::move(item));
  }
  for (auto& container : *containers) {
    pleg::Item item;
    item.id = std::move(container.id);
    item.pod_uid = value_of(container.labels, kPodUid);
    item.pod_namespace = value_of(container.labels, kPodNamespace);
    item.pod_name = value_of(container.labels, kPodName);
    item.container_name = std::move(container.metadata.name);
    item.state = state_of(container.state);
    item.created_at = container.created_at;
    if (!item.pod_uid.empty()) items.push_back(std::move(item));
  }
  co_return items;
}

base::Task<Result<pleg::Inspection>> PlegLister::inspect(pleg::PodTarget target) {
  auto pod = std::make_shared<ObservedPod>();
  pod->uid = target.uid;
  pod->ns = target.ns;
  pod->name = target.name;
  pod->taken_at = clock_.steady_now();
  for (std::size_t i = 0; i < target.items.size(); ++i) {
    const pleg::Item& item = target.items[i];
    if (item.sandbox) {
      auto status = co_await runtime_.pod_sandbox_status(item.id);
      if (status.ok()) {
        status->labels.clear();
        pod->sandboxes.push_back(std::move(*status));
      } else if (status.error().kind() != ErrorKind::not_found) {
        co_return status.error().wrap("while reading the state of sandbox " + item.id);
      }
      continue;
    }
    auto status = co_await runtime_.container_status(item.id);
    if (status.ok()) {
      drop_unread(*status);
      pod->containers.push_back(std::move(*status));
    } else if (status.error().kind() != ErrorKind::not_found) {
      co_return status.error().wrap("while reading the state of container " + item.container_name);
    }
  }
  sort_newest_first(*pod);
  co_return pleg::Inspection(std::move(pod));
}

base::Task<Status> PlegLister::events(std::function<void(pleg::RuntimeEvent)> on_event) {
  return runtime_.container_events([on_event = std::move(on_event)](cri::ContainerEvent event) {
    pleg::RuntimeEvent out;
    if (event.sandbox) out.pod_uid = event.sandbox->metadata.uid;
    out.container_id = std::move(event.container_id);
    out.type = event_type(event.type);
    out.created_at = event.created_at;
    on_event(std::move(out));
  });
}

ObservedPtr observed_of(const pleg::Snapshot& snapshot, const std::string& uid) {
  if (snapshot.inspection) return std::static_pointer_cast<const ObservedPod>(snapshot.inspection);
  auto empty = std::make_shared<ObservedPod>();
  empty->uid = uid;
  empty->taken_at = snapshot.taken_at;
  return empty;
}

base::Task<Result<ObservedPtr>> PlegObserver::observe(std::string uid, base::SteadyTime newer_than) {
  auto snapshot = co_await pleg_.get_newer_than(uid, newer_than);
  if (!snapshot.ok()) co_return snapshot.error();
  co_return observed_of(*snapshot, uid);
}

}  // namespace keelson::agent
