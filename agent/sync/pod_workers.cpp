#include "agent/sync/pod_workers.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "agent/sync/containers.hpp"

namespace keelson::agent {
namespace {

constexpr char kGraceAnnotation[] = "io.kubernetes.pod.terminationGracePeriod";

bool is_kubelets_own(const std::string& key) {
  return key == "kubernetes.io/config.source" || key == "kubernetes.io/config.mirror" ||
         key == "kubernetes.io/config.seen";
}

// What makes a pod "changed" (contract 02 §4): spec, labels, deletion, annotations but the kubelet's own.
bool same_content(const api::Pod& a, const api::Pod& b) {
  const auto strip = [](const api::Pod& pod) {
    api::Pod copy;
    *copy.mutable_spec() = pod.spec();
    auto& meta = *copy.mutable_metadata();
    *meta.mutable_labels() = pod.metadata().labels();
    for (const auto& [key, value] : pod.metadata().annotations()) {
      if (!is_kubelets_own(key)) (*meta.mutable_annotations())[key] = value;
    }
    if (pod.metadata().has_deletiontimestamp()) *meta.mutable_deletiontimestamp() = pod.metadata().deletiontimestamp();
    if (pod.metadata().has_deletiongraceperiodseconds()) {
      meta.set_deletiongraceperiodseconds(pod.metadata().deletiongraceperiodseconds());
    }
    return copy;
  };
  const api::Pod left = strip(a);
  const api::Pod right = strip(b);
  if (left.ByteSizeLong() != right.ByteSizeLong()) return false;
  // Maps have no order on the wire: compare them, and the spec, deterministically.
  const auto bytes = [](const api::Pod& pod) {
    std::string out;
    google::protobuf::io::StringOutputStream stream(&out);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    pod.SerializeToCodedStream(&coded);
    return out;
  };
  return bytes(left) == bytes(right);
}

}  // namespace

PodWorkers::PodWorkers(WorkerContext context) : context_(std::move(context)), gate_(context_.loop) {}

PodWorkers::~PodWorkers() = default;

void PodWorkers::expect_source(const std::string& source) { expected_.insert(source); }

bool PodWorkers::all_sources_ready() const {
  return std::includes(ready_.begin(), ready_.end(), expected_.begin(), expected_.end());
}

PodWorker* PodWorkers::worker(const std::string& uid) const {
  const auto found = workers_.find(uid);
  return found == workers_.end() ? nullptr : found->second.get();
}

void PodWorkers::set_pods(const std::string& source, std::vector<api::PodPtr> pods) {
  ready_.insert(source);
  std::set<std::string> present;
  for (auto& pod : pods) {
    const std::string uid = pod->metadata().uid();
    present.insert(uid);
    const auto known = wanted_.find(uid);
    if (known == wanted_.end()) {
      context_.log.info("Pod added", {{"pod", pod_path(*pod)}, {"uid", uid}, {"source", source}});
      wanted_[uid] = Wanted{std::move(pod), source};
      continue;
    }
    if (same_content(*known->second.pod, *pod)) continue;
    known->second.pod = std::move(pod);
    if (PodWorker* running = worker(uid); running != nullptr) running->update(known->second.pod);
  }
  for (auto entry = wanted_.begin(); entry != wanted_.end();) {
    if (entry->second.source != source || present.count(entry->first) > 0) {
      ++entry;
      continue;
    }
    context_.log.info("Pod removed",
                      {{"pod", pod_path(*entry->second.pod)}, {"uid", entry->first}, {"source", source}});
    entry = wanted_.erase(entry);
  }
  reconcile();
  if (knowledge_.source_spoke) knowledge_.source_spoke();
}

void PodWorkers::reconcile() {
  for (const auto& [uid, worker] : workers_) {
    if (wanted_.count(uid) > 0 || worker->state() == WorkerState::finished) continue;
    if (worker->termination() && worker->termination()->deleted) continue;
    if (all_sources_ready()) worker->terminate({"it was removed from its source", std::nullopt, std::nullopt, true});
  }
  // A finished worker whose pod is gone is not needed; one that finished by itself stays while its pod is wanted.
  std::vector<std::string> gone;
  for (const auto& [uid, worker] : workers_) {
    if (worker->state() == WorkerState::finished && wanted_.count(uid) == 0) gone.push_back(uid);
  }
  for (const std::string& uid : gone) {
    workers_.erase(uid);
    if (pod_gone_) pod_gone_(uid);
  }
  if (knowledge_.runtime_listed && !knowledge_.runtime_listed()) return;
  for (const auto& [uid, wanted] : wanted_) {
    if (workers_.count(uid) == 0 && cleaning_.count(uid) == 0 && !name_taken(*wanted.pod))
      start_worker(uid, wanted.pod);
  }
}

bool PodWorkers::name_taken(const api::Pod& pod) const {
  if (knowledge_.namesake_runs && knowledge_.namesake_runs(pod)) return true;
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second->state() != WorkerState::finished && full_name(*entry.second->pod()) == full_name(pod);
  });
}

std::string PodWorkers::waits_for_namesake(const std::string& uid) const {
  const auto wanted = wanted_.find(uid);
  if (wanted == wanted_.end() || workers_.count(uid) > 0) return "";
  for (const auto& [other, worker] : workers_) {
    if (worker->state() != WorkerState::finished && full_name(*worker->pod()) == full_name(*wanted->second.pod))
      return other;
  }
  return "";
}

void PodWorkers::start_worker(const std::string& uid, api::PodPtr pod) {
  auto worker = std::make_unique<PodWorker>(context_, std::move(pod), [this, uid] {
    // Not now: we are inside the worker's own coroutine.
    context_.loop.post([this, uid] { finished(uid); });
  });
  PodWorker& started = *worker;
  workers_[uid] = std::move(worker);
  started.start(gate_);
}

void PodWorkers::finished(const std::string& uid) {
  if (gate_.stopping()) return;
  PodWorker* done = worker(uid);
  if (done == nullptr || done->state() != WorkerState::finished) return;
  const auto wanted = wanted_.find(uid);
  const bool was_removed = done->termination() && done->termination()->deleted;
  if (wanted == wanted_.end()) {
    workers_.erase(uid);
    if (pod_gone_) pod_gone_(uid);
  } else if (was_removed) {
    // It was removed and came back while it was being ended: begin anew.
    workers_.erase(uid);
  }
  reconcile();
}

void PodWorkers::wake(const std::string& uid) {
  if (PodWorker* found = worker(uid); found != nullptr) found->wake();
}

void PodWorkers::wake_all() {
  for (const auto& [uid, worker] : workers_) worker->wake();
}

void PodWorkers::saw_runtime_pod(const ObservedPtr& observed) {
  if (!all_sources_ready() || gate_.stopping()) return;
  if (wanted_.count(observed->uid) > 0 || workers_.count(observed->uid) > 0) return;
  if (!observed->any_running() && !observed->any_ready_sandbox()) return;
  const api::PodPtr pod = pod_from_runtime(*observed);
  const auto source = pod->metadata().annotations().find("kubernetes.io/config.source");
  if (source != pod->metadata().annotations().end() && knowledge_.source_unsure &&
      knowledge_.source_unsure(source->second)) {
    if (spared_.insert(observed->uid).second) {
      context_.log.warning("A pod that no manifest describes goes on running, because some manifest cannot be read",
                           {{"pod", pod_path(*pod)}, {"uid", observed->uid}});
    }
    return;
  }
  spared_.erase(observed->uid);
  start_worker(observed->uid, pod);
  worker(observed->uid)->terminate({"no source knows it", std::chrono::seconds(1), std::nullopt, true});
}

bool PodWorkers::abandoned(const std::string& uid) const {
  if (wanted_.count(uid) > 0 || workers_.count(uid) > 0) return false;
  return !knowledge_.runs || !knowledge_.runs(uid);
}

base::Task<void> PodWorkers::housekeep() {
  if (!all_sources_ready()) co_return;
  std::set<std::string> uids;
  auto directories = co_await context_.files.pod_directories();
  if (directories.ok()) uids.insert(directories->begin(), directories->end());
  auto cgroups = co_await context_.cgroups.list();
  if (cgroups.ok()) uids.insert(cgroups->begin(), cgroups->end());
  for (const std::string& uid : uids) {
    if (!abandoned(uid)) continue;
    // A pod that comes back meanwhile waits until its remains are gone.
    cleaning_.insert(uid);
    co_await clean_up(uid);
    cleaning_.erase(uid);
    if (wanted_.count(uid) > 0) reconcile();
  }
}

base::Task<void> PodWorkers::clean_up(std::string uid) {
  auto removed = co_await context_.volumes.unmount(uid);
  if (removed.ok()) removed = co_await context_.files.remove_pod_directory(uid);
  if (!removed.ok()) context_.log.warning("Orphaned pod directory stays", {{"uid", uid}, {"err", removed.error()}});
  removed = co_await context_.cgroups.remove(uid);
  if (!removed.ok()) context_.log.warning("Orphaned pod cgroup stays", {{"uid", uid}, {"err", removed.error()}});
}

base::Task<void> PodWorkers::stop() { co_await gate_.stop(); }

api::PodPtr pod_from_runtime(const ObservedPod& observed) {
  auto pod = std::make_shared<api::Pod>();
  auto& meta = *pod->mutable_metadata();
  meta.set_uid(observed.uid);
  meta.set_name(observed.name);
  meta.set_namespace_(observed.ns);
  auto& spec = *pod->mutable_spec();
  if (!observed.sandboxes.empty()) {
    for (const auto& [key, value] : observed.sandboxes.front().annotations) (*meta.mutable_annotations())[key] = value;
    spec.set_hostnetwork(observed.sandboxes.front().network_mode == cri::NamespaceMode::node);
  }
  spec.set_restartpolicy("Never");
  std::set<std::string> names;
  for (const auto& status : observed.containers) {
    if (!names.insert(status.metadata.name).second) continue;
    auto& container = *spec.add_containers();
    container.set_name(status.metadata.name);
    container.set_image(status.image.image);
    const auto grace = status.annotations.find(kGraceAnnotation);
    if (grace != status.annotations.end()) spec.set_terminationgraceperiodseconds(std::atoll(grace->second.c_str()));
  }
  return pod;
}

}  // namespace keelson::agent
