#include "agent/sync/garbage.hpp"

#include <algorithm>
#include <map>

#include "agent/sync/newest.hpp"
#include "agent/sync/orphan.hpp"
#include "agent/sync/pod_runtime.hpp"

namespace keelson::agent {
namespace {

constexpr char kPodUid[] = "io.kubernetes.pod.uid";
constexpr char kPodName[] = "io.kubernetes.pod.name";
constexpr char kPodNamespace[] = "io.kubernetes.pod.namespace";

std::string label(const cri::StringMap& labels, const char* key) {
  const auto found = labels.find(key);
  return found == labels.end() ? std::string() : found->second;
}

template <class T>
bool is_among(const std::vector<T>& list, const std::string& id) {
  return std::any_of(list.begin(), list.end(), [&](const T& entry) { return entry.id == id; });
}

// The dead instances of one container of one pod, newest first.
using Group = std::vector<cri::Container>;
using Groups = std::map<std::pair<std::string, std::string>, Group>;

Groups dead_groups(const std::vector<cri::Container>& containers, const GarbagePolicy& policy, base::SystemTime now) {
  Groups groups;
  const auto now_nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  for (const auto& container : containers) {
    const std::string uid = label(container.labels, kPodUid);
    // One without our labels is somebody else's.
    if (uid.empty() || container.state == cri::ContainerState::running) continue;
    if (policy.minimum_age.count() > 0 && now_nanos - container.created_at < policy.minimum_age.count()) continue;
    groups[{uid, container.metadata.name}].push_back(container);
  }
  for (auto& [key, group] : groups) std::stable_sort(group.begin(), group.end(), is_newer<cri::Container>);
  return groups;
}

// Moves what is beyond the `keep` newest of the group to `out`.
void trim(Group& group, std::size_t keep, std::vector<cri::Container>& out) {
  while (group.size() > keep) {
    out.push_back(std::move(group.back()));
    group.pop_back();
  }
}

void trim_overall(Groups& groups, int overall, std::vector<cri::Container>& out) {
  std::size_t total = 0;
  for (const auto& [key, group] : groups) total += group.size();
  if (overall < 0 || total <= static_cast<std::size_t>(overall) || groups.empty()) return;
  const std::size_t share = std::max<std::size_t>(1, static_cast<std::size_t>(overall) / groups.size());
  std::vector<cri::Container> left;
  for (auto& [key, group] : groups) {
    trim(group, share, out);
    for (auto& container : group) left.push_back(std::move(container));
    group.clear();
  }
  std::stable_sort(left.begin(), left.end(), [](const auto& a, const auto& b) { return a.created_at > b.created_at; });
  trim(left, static_cast<std::size_t>(overall), out);
}

}  // namespace

Garbage choose_garbage(const std::vector<cri::Container>& containers, const std::vector<cri::PodSandbox>& sandboxes,
                       const std::function<PodFate(const std::string& uid)>& fate, const GarbagePolicy& policy,
                       base::SystemTime now) {
  Garbage garbage;
  Groups groups = dead_groups(containers, policy, now);
  for (auto entry = groups.begin(); entry != groups.end();) {
    if (fate(entry->first.first) == PodFate::gone) {
      trim(entry->second, 0, garbage.containers);
    } else if (policy.per_container >= 0) {
      trim(entry->second, static_cast<std::size_t>(policy.per_container), garbage.containers);
    }
    entry = entry->second.empty() ? groups.erase(entry) : std::next(entry);
  }
  trim_overall(groups, policy.overall, garbage.containers);

  std::set<std::string> removed;
  for (const auto& container : garbage.containers) removed.insert(container.id);
  std::set<std::string> occupied;
  for (const auto& container : containers) {
    if (removed.count(container.id) == 0) occupied.insert(container.pod_sandbox_id);
  }
  std::map<std::string, std::vector<cri::PodSandbox>> by_pod;
  for (const auto& sandbox : sandboxes) {
    if (!sandbox.metadata.uid.empty()) by_pod[sandbox.metadata.uid].push_back(sandbox);
  }
  for (auto& [uid, list] : by_pod) {
    std::stable_sort(list.begin(), list.end(), is_newer<cri::PodSandbox>);
    const bool gone = fate(uid) == PodFate::gone;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const bool dead = list[i].state != cri::SandboxState::ready && occupied.count(list[i].id) == 0;
      if (dead && (gone || i > 0)) garbage.sandboxes.push_back(list[i]);
    }
  }
  return garbage;
}

std::vector<cri::ContainerStatus> choose_surplus(const ObservedPod& observed, const std::string& id,
                                                 int per_container) {
  std::vector<cri::ContainerStatus> surplus;
  const cri::ContainerStatus* died = observed.by_id(id);
  if (died == nullptr) return surplus;
  int kept = 0;
  for (const auto& status : observed.containers) {
    if (status.metadata.name != died->metadata.name || status.state != cri::ContainerState::exited) continue;
    if (kept++ >= std::max(1, per_container)) surplus.push_back(status);
  }
  return surplus;
}

void GarbageCollector::start(base::Gate& gate, std::function<PodFate(const std::string&)> fate,
                             std::function<bool()> ready, std::function<std::vector<std::string>()> known) {
  fate_ = std::move(fate);
  ready_ = std::move(ready);
  known_ = std::move(known);
  gate_ = &gate;
  base::spawn(gate, "garbage collection", run());
}

void GarbageCollector::container_died(const ObservedPtr& observed, const std::string& id) {
  if (gate_ == nullptr) return;
  for (const auto& status : choose_surplus(*observed, id, policy_.per_container)) {
    base::spawn(*gate_, "removal of container " + status.id, remove_container(status.id));
  }
}

base::Task<void> GarbageCollector::run() {
  while (true) {
    const bool rung = co_await bell_.wait_for(clock_, period);
    if (rung) {
      co_await clock_.sleep_for(after_pod_gone);
      // This pass takes the pods along that went in the meantime.
      if (bell_.pending()) co_await bell_.wait();
    }
    if (ready_()) co_await collect();
  }
}

base::Task<void> GarbageCollector::collect() {
  auto containers = co_await runtime_.list_containers({});
  if (!containers.ok()) co_return;
  auto sandboxes = co_await runtime_.list_pod_sandboxes({});
  if (!sandboxes.ok()) co_return;
  const Garbage garbage = choose_garbage(*containers, *sandboxes, fate_, policy_, clock_.now());
  for (std::size_t i = 0; i < garbage.containers.size(); ++i) co_await remove_container(garbage.containers[i].id);
  for (std::size_t i = 0; i < garbage.sandboxes.size(); ++i) co_await remove_sandbox(garbage.sandboxes[i]);
  // Logs stay with a pod that is wanted, worked on, or of which the runtime still has something.
  LogsInUse in_use;
  for (std::string& uid : known_()) in_use.pods.insert(std::move(uid));
  for (const auto& container : *containers) {
    if (is_among(garbage.containers, container.id)) continue;
    in_use.pods.insert(label(container.labels, kPodUid));
    in_use.containers.insert(container.id);
  }
  for (const auto& sandbox : *sandboxes) {
    if (!is_among(garbage.sandboxes, sandbox.id)) in_use.pods.insert(sandbox.metadata.uid);
  }
  auto removed = co_await files_.remove_orphan_logs(std::move(in_use));
  if (!removed.ok()) log_.warning("Orphaned logs stay", {{"err", removed.error()}});
}

// It may run all the same. Nobody describes it here, so it is killed by what is written on it (contract 02 §9, §20).
base::Task<Status> GarbageCollector::kill_unknown(cri::ContainerStatus status) {
  auto observed = std::make_shared<ObservedPod>();
  observed->uid = label(status.labels, kPodUid);
  observed->name = label(status.labels, kPodName);
  observed->ns = label(status.labels, kPodNamespace);
  ContainerKills kills;
  kills.which.push_back(
      {status.id, status.metadata.name, "Container is in \"unknown\" state, try killing it before removal"});
  observed->containers.push_back(std::move(status));
  kills.pod = pod_from_runtime(*observed);
  kills.observed = std::move(observed);
  return killer_.kill_containers(std::move(kills));
}

base::Task<void> GarbageCollector::remove_container(std::string id) {
  auto status = co_await runtime_.container_status(id);
  if (!status.ok()) {
    if (status.error().kind() != ErrorKind::not_found) {
      log_.warning("Dead container cannot be looked at", {{"id", id}, {"err", status.error()}});
    }
    co_return;
  }
  if (status->state == cri::ContainerState::unknown) {
    auto killed = co_await kill_unknown(*status);
    if (!killed.ok()) {
      log_.warning("Container in unknown state cannot be stopped", {{"id", id}, {"err", killed.error()}});
      co_return;
    }
  }
  auto removed = co_await runtime_.remove_container(id);
  if (!removed.ok()) {
    log_.warning("Dead container cannot be removed", {{"id", id}, {"err", removed.error()}});
    co_return;
  }
  const std::string link = log_link(paths_, label(status->labels, kPodName), label(status->labels, kPodNamespace),
                                    status->metadata.name, id);
  auto cleaned = co_await files_.remove_container_logs(status->log_path, link);
  if (!cleaned.ok()) log_.warning("Logs of a removed container stay", {{"id", id}, {"err", cleaned.error()}});
}

base::Task<void> GarbageCollector::remove_sandbox(cri::PodSandbox sandbox) {
  // It may hold network resources still.
  auto stopped = co_await runtime_.stop_pod_sandbox(sandbox.id);
  Status removed = stopped;
  if (stopped.ok()) removed = co_await runtime_.remove_pod_sandbox(sandbox.id);
  if (!removed.ok()) log_.warning("Dead sandbox cannot be removed", {{"id", sandbox.id}, {"err", removed.error()}});
}

}  // namespace keelson::agent
