#include "agent/sync/pod_workers.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "agent/allocation/resizes.hpp"
#include "agent/pod_config/qos.hpp"
#include "agent/sync/containers.hpp"
#include "agent/sync/orphan.hpp"
#include "agent/sync/restart.hpp"

namespace keelson::agent {
namespace {

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

std::string source_of(const api::Pod& pod) {
  const auto found = pod.metadata().annotations().find("kubernetes.io/config.source");
  return found == pod.metadata().annotations().end() ? "" : found->second;
}

// A change in a foreign condition that a readiness gate names is worth a round (contract 02 §15.2).
bool gates_changed(const api::Pod& a, const api::Pod& b) {
  const auto value = [](const api::Pod& pod, const std::string& type) {
    for (const auto& condition : pod.status().conditions()) {
      if (condition.type() == type) return condition.status();
    }
    return std::string();
  };
  return std::any_of(b.spec().readinessgates().begin(), b.spec().readinessgates().end(), [&](const auto& gate) {
    return value(a, gate.conditiontype()) != value(b, gate.conditiontype());
  });
}

bool is_over(const api::Pod& pod) { return pod.metadata().has_deletiontimestamp() || is_terminal(pod.status()); }

}  // namespace

PodWorkers::PodWorkers(WorkerContext context) : context_(std::move(context)), gate_(context_.loop) {
  context_.metrics = &metrics_;
}

PodWorkers::~PodWorkers() = default;

void PodWorkers::expect_source(const std::string& source) { expected_.insert(source); }

bool PodWorkers::all_sources_ready() const {
  return std::includes(ready_.begin(), ready_.end(), expected_.begin(), expected_.end());
}

PodWorker* PodWorkers::worker(const std::string& uid) const {
  const auto found = workers_.find(uid);
  return found == workers_.end() ? nullptr : found->second.get();
}

bool PodWorkers::take(const std::string& source, api::PodPtr pod) {
  const std::string uid = pod->metadata().uid();
  const auto known = wanted_.find(uid);
  if (known == wanted_.end()) {
    context_.log.info("Pod added", {{"pod", pod_path(*pod)}, {"uid", uid}, {"source", source}});
    context_.sink.added(pod);
    context_.resizes.pod_appeared(*pod);
    metrics_.containers_per_pod.observe(static_cast<double>(pod->spec().containers_size()));
    wanted_[uid] = Wanted{std::move(pod), source, std::nullopt, context_.clock.steady_now()};
    return true;
  }
  Wanted& wanted = known->second;
  const api::PodPtr before = std::exchange(wanted.pod, std::move(pod));
  PodWorker* running = worker(uid);
  if (same_content(*before, *wanted.pod)) {
    if (running != nullptr) running->refresh(as_run(wanted.pod));
    if (running != nullptr && gates_changed(*before, *wanted.pod)) running->wake();
    return false;
  }
  if (running != nullptr) running->update(as_run(wanted.pod));
  context_.resizes.count_request(*before, *wanted.pod);
  context_.resizes.pod_changed(*wanted.pod);
  if (wanted.refused) tell_refusal(wanted);
  return running == nullptr && !wanted.refused;
}

void PodWorkers::set_pods(const std::string& source, std::vector<api::PodPtr> pods) {
  ready_.insert(source);
  std::set<std::string> present;
  for (auto& pod : pods) {
    present.insert(pod->metadata().uid());
    take(source, std::move(pod));
  }
  std::vector<std::string> vanished;
  for (const auto& [uid, wanted] : wanted_) {
    if (wanted.source == source && present.count(uid) == 0) vanished.push_back(uid);
  }
  for (const std::string& uid : vanished) forget(uid);
  reconcile();
  if (knowledge_.source_spoke) knowledge_.source_spoke();
}

void PodWorkers::set_pod(const std::string& source, api::PodPtr pod) {
  const bool fresh = take(source, std::move(pod));
  if (fresh && ready_.count(source) > 0) reconcile();
}

void PodWorkers::remove_pod(const std::string& uid) {
  forget(uid);
  reconcile();
}

void PodWorkers::source_ready(const std::string& source) {
  ready_.insert(source);
  reconcile();
  if (knowledge_.source_spoke) knowledge_.source_spoke();
}

void PodWorkers::forget(const std::string& uid) {
  const auto found = wanted_.find(uid);
  if (found == wanted_.end()) return;
  const Wanted& wanted = found->second;
  context_.log.info("Pod removed", {{"pod", pod_path(*wanted.pod)}, {"uid", uid}, {"source", wanted.source}});
  context_.sink.removed(wanted.pod);
  wanted_.erase(found);
  context_.resizes.pod_gone(uid);
  if (workers_.count(uid) == 0) context_.sink.forget(uid);
}

// Nothing is ended before every source has spoken; but a static pod whose successor waits for its name is known by its
// own source to be over. Else a control plane could not be repaired: its API server is a source, and one of its pods.
bool PodWorkers::may_end(const std::string& source, const api::Pod& pod) const {
  if (all_sources_ready()) return true;
  if (ready_.count(source) == 0 || (knowledge_.source_unsure && knowledge_.source_unsure(source))) return false;
  return std::any_of(wanted_.begin(), wanted_.end(), [&](const auto& entry) {
    return entry.second.source == source && is_static(*entry.second.pod) &&
           full_name(*entry.second.pod) == full_name(pod);
  });
}

void PodWorkers::reconcile() {
  if (!told_ready_ && all_sources_ready()) {
    told_ready_ = true;
    context_.sink.sources_ready();
  }
  for (const auto& [uid, worker] : workers_) {
    if (wanted_.count(uid) > 0 || worker->state() == WorkerState::finished) continue;
    if (worker->termination() && worker->termination()->deleted) continue;
    if (!may_end(source_of(*worker->pod()), *worker->pod())) continue;
    worker->terminate({"it was removed from its source", std::nullopt, std::nullopt, true});
  }
  // A finished worker whose pod is gone is not needed; one that finished by itself stays while its pod is wanted.
  std::vector<std::string> gone;
  for (const auto& [uid, worker] : workers_) {
    if (worker->state() == WorkerState::finished && wanted_.count(uid) == 0) gone.push_back(uid);
  }
  for (const std::string& uid : gone) {
    drop(uid);
    context_.sink.forget(uid);
    if (pod_gone_) pod_gone_(uid);
  }
  if (knowledge_.runtime_listed && !knowledge_.runtime_listed()) return;
  start_wanted();
}

void PodWorkers::start_wanted() {
  std::vector<std::pair<std::string, Wanted*>> waiting;
  for (auto& [uid, wanted] : wanted_) {
    if (workers_.count(uid) == 0 && cleaning_.count(uid) == 0 && !wanted.refused) waiting.emplace_back(uid, &wanted);
  }
  // contract 02 §4: in the order of their creation, so that the older pod gets the room.
  std::stable_sort(waiting.begin(), waiting.end(), [](const auto& a, const auto& b) {
    return a.second->pod->metadata().creationtimestamp().seconds() <
           b.second->pod->metadata().creationtimestamp().seconds();
  });
  for (const auto& [uid, wanted] : waiting) {
    if (name_taken(*wanted->pod) || !admitted(*wanted)) continue;
    if (!is_over(*wanted->pod)) context_.allocations.admit(*wanted->pod);
    start_worker(uid, as_run(wanted->pod));
    context_.resizes.pod_changed(*wanted->pod);
  }
}

bool PodWorkers::admitted(Wanted& wanted) {
  if (!knowledge_.admit || is_over(*wanted.pod)) return true;
  PodAdmission admission = knowledge_.admit(wanted.pod);
  if (admission.verdict != PodAdmission::Verdict::refused) return admission.verdict == PodAdmission::Verdict::admitted;
  context_.log.warning("Pod was refused", {{"pod", pod_path(*wanted.pod)},
                                           {"uid", wanted.pod->metadata().uid()},
                                           {"reason", admission.refusal.reason()},
                                           {"message", admission.refusal.message()}});
  if (knowledge_.runs && knowledge_.runs(wanted.pod->metadata().uid())) {
    end_refused(wanted.pod, admission.refusal);
    return false;
  }
  wanted.refused = std::move(admission.refusal);
  tell_refusal(wanted);
  return false;
}

// It was admitted once, by an earlier agent, and runs: it is ended first, and its end is told when nothing runs.
void PodWorkers::end_refused(const api::PodPtr& pod, const api::core::PodStatus& refusal) {
  start_worker(pod->metadata().uid(), as_run(pod));
  Termination termination{"it was refused: " + refusal.reason(), std::nullopt,
                          ForcedEnd{refusal.phase(), refusal.reason(), refusal.message(), ""}};
  worker(pod->metadata().uid())->terminate(std::move(termination));
}

// Nothing of it ever ran: its status is final at once, and so is its deletion.
void PodWorkers::tell_refusal(const Wanted& wanted) { context_.sink.terminated(wanted.pod, *wanted.refused); }

// contract 02 §4.1: two static pods of one name never run together; the API sees to its own names.
bool PodWorkers::name_taken(const api::Pod& pod) const {
  if (!is_static(pod)) return false;
  if (knowledge_.namesake_runs && knowledge_.namesake_runs(pod)) return true;
  return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second->state() != WorkerState::finished && full_name(*entry.second->pod()) == full_name(pod);
  });
}

std::string PodWorkers::waits_for_namesake(const std::string& uid) const {
  const auto wanted = wanted_.find(uid);
  if (wanted == wanted_.end() || workers_.count(uid) > 0 || !is_static(*wanted->second.pod)) return "";
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
  if (auto kept = backoffs_.extract(uid)) started.backoff() = std::move(kept.mapped());
  if (const auto wanted = wanted_.find(uid); wanted != wanted_.end()) started.first_seen(wanted->second.seen);
  workers_[uid] = std::move(worker);
  started.start(gate_);
}

// contract 02 §7: a manifest that is taken away and put back is the same pod; that its containers crash is not
// forgotten.
void PodWorkers::drop(const std::string& uid) {
  const base::SteadyTime now = context_.clock.steady_now();
  for (auto& [removed, backoff] : backoffs_) backoff.forget_old(now);
  std::erase_if(backoffs_, [](const auto& entry) { return entry.second.size() == 0; });
  const auto found = workers_.find(uid);
  if (is_static(*found->second->pod()) && found->second->backoff().size() > 0) {
    backoffs_.insert_or_assign(uid, std::move(found->second->backoff()));
  }
  workers_.erase(found);
}

void PodWorkers::finished(const std::string& uid) {
  if (gate_.stopping()) return;
  PodWorker* done = worker(uid);
  if (done == nullptr || done->state() != WorkerState::finished) return;
  context_.resizes.look_again("pod_terminated");
  const auto wanted = wanted_.find(uid);
  const bool was_removed = done->termination() && done->termination()->deleted;
  if (wanted == wanted_.end()) {
    drop(uid);
    context_.sink.forget(uid);
    if (pod_gone_) pod_gone_(uid);
  } else if (was_removed && !wanted->second.pod->metadata().has_deletiontimestamp()) {
    // It was removed and came back while it was being ended: begin anew.
    ++(is_static(*wanted->second.pod) ? metrics_.restarted_static_pods : metrics_.restarted_api_pods);
    drop(uid);
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
  if (gate_.stopping()) return;
  if (!observed->any_running() && !observed->any_ready_sandbox()) return;
  if (const PodWorker* known = worker(observed->uid)) {
    if (known->state() == WorkerState::finished) end_again(*known);
    return;
  }
  if (wanted_.count(observed->uid) > 0) return;
  const api::PodPtr pod = pod_from_runtime(*observed);
  const std::string source = source_of(*pod);
  if (!may_end(source, *pod)) return;
  if (!source.empty() && knowledge_.source_unsure && knowledge_.source_unsure(source)) {
    if (spared_.insert(observed->uid).second) {
      context_.log.warning("A pod that no manifest describes goes on running, because some manifest cannot be read",
                           {{"pod", pod_path(*pod)}, {"uid", observed->uid}});
    }
    return;
  }
  spared_.erase(observed->uid);
  ++metrics_.orphaned_runtime_pods;
  start_worker(observed->uid, pod);
  Termination orphaned{"no source knows it", std::chrono::seconds(1), std::nullopt, true};
  orphaned.unknown = true;
  worker(observed->uid)->terminate(std::move(orphaned));
}

// How it ended stays as it is.
void PodWorkers::end_again(const PodWorker& done) {
  const std::string uid = done.pod()->metadata().uid();
  const api::core::PodStatus& status = done.status();
  Termination termination{"something of it runs after its end", std::chrono::seconds(1), std::nullopt};
  if (is_terminal(status)) termination.forced = ForcedEnd{status.phase(), status.reason(), status.message(), ""};
  if (done.termination()) {
    termination.deleted = done.termination()->deleted;
    termination.unknown = done.termination()->unknown;
  }
  context_.log.warning("Something of a pod runs after its end", {{"pod", pod_path(*done.pod())}, {"uid", uid}});
  start_worker(uid, done.pod());  // in its place
  worker(uid)->terminate(std::move(termination));
}

bool PodWorkers::abandoned(const std::string& uid) const {
  // One that was refused may have run under an earlier agent.
  const auto wanted = wanted_.find(uid);
  if ((wanted != wanted_.end() && !wanted->second.refused) || workers_.count(uid) > 0) return false;
  return !knowledge_.runs || !knowledge_.runs(uid);
}

api::PodPtr PodWorkers::as_run(const api::PodPtr& pod) const {
  const NodeFacts& facts = context_.facts;
  return with_restart_gates(context_.allocations.allocated_pod(pod), facts.restart_rules, facts.restarts_all);
}

void PodWorkers::reallocated(const std::string& uid) {
  const auto wanted = wanted_.find(uid);
  PodWorker* running = worker(uid);
  if (wanted != wanted_.end() && running != nullptr) running->update(as_run(wanted->second.pod));
}

api::PodPtr PodWorkers::running_pod(const std::string& uid) const {
  const auto wanted = wanted_.find(uid);
  const PodWorker* running = worker(uid);
  if (wanted == wanted_.end() || running == nullptr || running->state() != WorkerState::sync) return nullptr;
  return wanted->second.pod;
}

// contract 02 §10.
void PodWorkers::forget_allocations() {
  std::set<std::string> known;
  for (const auto& [uid, wanted] : wanted_) known.insert(uid);
  for (const auto& [uid, worker] : workers_) known.insert(uid);
  context_.allocations.keep_only(known);
}

base::Task<void> PodWorkers::housekeep() {
  if (!all_sources_ready()) co_return;
  forget_allocations();
  std::set<std::string> uids;
  auto directories = co_await context_.files.pod_directories();
  if (directories.ok()) uids.insert(directories->begin(), directories->end());
  auto cgroups = co_await context_.cgroups.list();
  if (cgroups.ok()) uids.insert(cgroups->begin(), cgroups->end());
  for (const std::string& uid : uids) {
    if (!abandoned(uid) || !cleaning_.insert(uid).second) continue;
    // Side by side: a volume that hangs keeps no other pod's remains.
    base::spawn(gate_, "remains of pod " + uid, clean_up(uid));
  }
}

// A pod that comes back meanwhile waits until its remains are gone.
base::Task<void> PodWorkers::clean_up(std::string uid) {
  auto removed = co_await context_.volumes.unmount(uid);
  const bool unmounted = removed.ok();
  co_await context_.user_namespaces.release(uid);
  if (unmounted) removed = co_await context_.files.remove_pod_directory(uid);
  if (!removed.ok()) context_.log.warning("Orphaned pod directory stays", {{"uid", uid}, {"err", removed.error()}});
  if (unmounted) {
    removed = co_await context_.cgroups.remove(uid);
  } else {
    removed = co_await context_.cgroups.lower(uid);
  }
  if (!removed.ok()) context_.log.warning("Orphaned pod cgroup stays", {{"uid", uid}, {"err", removed.error()}});
  cleaning_.erase(uid);
  if (wanted_.count(uid) > 0) reconcile();
}

base::Task<void> PodWorkers::stop() { co_await gate_.stop(); }

}  // namespace keelson::agent
