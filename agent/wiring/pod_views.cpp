#include "agent/wiring/pod_views.hpp"

#include "agent/status/container_status.hpp"
#include "agent/sync/containers.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

constexpr char kSourceAnnotation[] = "kubernetes.io/config.source";
constexpr char kSeenAnnotation[] = "kubernetes.io/config.seen";

ViewTime view_time(const api::meta::Time& time) {
  if (time.seconds() == 0) return std::nullopt;
  return base::SystemTime(std::chrono::seconds(time.seconds()));
}

std::string annotation(const api::Pod& pod, const char* key) {
  const auto found = pod.metadata().annotations().find(key);
  return found == pod.metadata().annotations().end() ? std::string() : found->second;
}

ViewTime seen_time(const api::Pod& pod) {
  auto time = base::parse_rfc3339(annotation(pod, kSeenAnnotation));
  if (!time.ok()) return std::nullopt;
  return *time;
}

ContainerKind view_kind(const api::Pod& pod, ContainerRef ref) {
  switch (ref.type) {
    case ContainerType::init:
      return is_sidecar(pod.spec().initcontainers(ref.index)) ? ContainerKind::sidecar : ContainerKind::init;
    case ContainerType::ephemeral: return ContainerKind::ephemeral;
    case ContainerType::regular: break;
  }
  return ContainerKind::regular;
}

void fill_state(const api::core::ContainerStatus& status, ContainerView& view) {
  const auto& last = status.laststate();
  if (last.has_terminated()) {
    view.last_reason = last.terminated().reason();
    view.exit_code = last.terminated().exitcode();
    view.finished_at = view_time(last.terminated().finishedat());
    view.started_at = view_time(last.terminated().startedat());
  }
  const auto& state = status.state();
  if (state.has_running()) {
    view.state = ContainerPhase::running;
    view.started_at = view_time(state.running().startedat());
  } else if (state.has_terminated()) {
    const auto& ended = state.terminated();
    view.state = ContainerPhase::terminated;
    view.reason = ended.reason();
    view.message = ended.message();
    view.exit_code = ended.exitcode();
    if (ended.signal() != 0) view.signal = ended.signal();
    view.started_at = view_time(ended.startedat());
    view.finished_at = view_time(ended.finishedat());
  } else {
    view.state = ContainerPhase::waiting;
    view.reason = state.waiting().reason();
    view.message = state.waiting().message();
  }
}

}  // namespace

ViewTime PodViews::system_time(std::optional<base::SteadyTime> when) const {
  if (!when) return std::nullopt;
  const auto left = *when - clock_.steady_now();
  return clock_.now() + std::chrono::duration_cast<base::SystemTime::duration>(left);
}

std::vector<ImagePullView> PodViews::pulls_of(const std::string& uid) const {
  std::vector<ImagePullView> views;
  std::vector<std::string> pulling;
  std::int32_t queued = 0;
  for (const PullProgress& pull : sources_.pulls()) {
    if (pull.state == PullProgress::State::pulling) pulling.push_back(pull.image + " for " + pull.pod);
    if (pull.state == PullProgress::State::queued) ++queued;
    if (pull.pod_uid != uid) continue;
    ImagePullView view;
    view.image = pull.image;
    view.used_by = pull.used_by;
    view.state = to_string(pull.state);
    view.since = system_time(pull.since);
    if (pull.state == PullProgress::State::queued) view.place = queued;
    views.push_back(std::move(view));
  }
  std::string behind = pulling.empty() ? "" : pulling.front();
  if (pulling.size() > 1) behind += " and " + std::to_string(pulling.size() - 1) + " more";
  for (ImagePullView& view : views) {
    if (view.place > 0) view.behind = behind;
  }
  return views;
}

PodView PodViews::view_of(PodWorker& worker, const std::string& source) {
  const api::Pod& pod = *worker.pod();
  const api::core::PodStatus& status = worker.status();
  PodView view;
  view.ns = pod.metadata().namespace_();
  view.name = pod.metadata().name();
  view.uid = pod.metadata().uid();
  view.source = source;
  view.phase = status.phase();
  view.reason = status.reason();
  view.message = status.message();
  view.node = facts_.node_name;
  for (const auto& ip : status.podips()) view.ips.push_back(ip.ip());
  if (!worker.observed()->sandboxes.empty()) view.sandbox_id = worker.observed()->sandboxes.front().id;
  view.created_at = seen_time(pod);
  view.started_at = view_time(status.starttime());
  if (worker.termination() && worker.termination()->deleted) {
    view.reason = "Terminating";
    view.deletion_at = worker.termination()->since;
  }
  for_each_container(pod, [&](ContainerRef ref, const std::string& name) {
    ContainerView container;
    container.name = name;
    container.kind = view_kind(pod, ref);
    container.image = container_of(pod, ref).image();
    if (const auto* entry = find_before(status, ref.type, name); entry != nullptr) {
      container.restarts = entry->restartcount();
      container.ready = entry->ready();
      container.id = entry->containerid();
      fill_state(*entry, container);
    }
    container.next_try_at = system_time(worker.backoff_end(name));
    view.containers.push_back(std::move(container));
  });
  view.pulls = pulls_of(view.uid);
  return view;
}

PodView PodViews::view_of_waiting(const PodWorkers::Wanted& wanted) {
  PodView view;
  view.ns = wanted.pod->metadata().namespace_();
  view.name = wanted.pod->metadata().name();
  view.uid = wanted.pod->metadata().uid();
  view.source = wanted.source;
  view.phase = wanted.refused ? wanted.refused->phase() : "Pending";
  if (wanted.refused) {
    view.reason = wanted.refused->reason();
    view.message = wanted.refused->message();
  }
  view.node = facts_.node_name;
  view.created_at = seen_time(*wanted.pod);
  for_each_container(*wanted.pod, [&](ContainerRef ref, const std::string& name) {
    ContainerView container;
    container.name = name;
    container.kind = view_kind(*wanted.pod, ref);
    container.image = container_of(*wanted.pod, ref).image();
    view.containers.push_back(std::move(container));
  });
  return view;
}

std::vector<PodView> PodViews::pods() {
  std::vector<PodView> out;
  for (const auto& [uid, worker] : workers_.workers()) {
    const auto wanted = workers_.wanted().find(uid);
    const std::string source =
        wanted == workers_.wanted().end() ? annotation(*worker->pod(), kSourceAnnotation) : wanted->second.source;
    out.push_back(view_of(*worker, source));
  }
  for (const auto& [uid, wanted] : workers_.wanted()) {
    if (workers_.worker(uid) == nullptr) out.push_back(view_of_waiting(wanted));
  }
  return out;
}

std::optional<PodStory> PodViews::explain(const std::string& ns, const std::string& name) {
  // Of two pods of one name the one that runs, or ends, tells more than the one that waits for it.
  for (const auto& [uid, worker] : workers_.workers()) {
    const auto& meta = worker->pod()->metadata();
    if (meta.namespace_() != ns || meta.name() != name) continue;
    PodStory story;
    const auto wanted = workers_.wanted().find(uid);
    story.pod = view_of(*worker, wanted == workers_.wanted().end() ? "" : wanted->second.source);
    story.restart_policy = worker->pod()->spec().restartpolicy();
    story.manifest = sources_.manifest_of(uid);
    story.waiting = worker->journal().waiting();
    story.decisions = worker->journal().decisions();
    story.errors = worker->journal().errors();
    story.events = worker->journal().events();
    for (const auto& condition : worker->status().conditions()) {
      story.conditions.push_back({condition.type(), condition.status(), condition.reason(), condition.message(),
                                  view_time(condition.lasttransitiontime())});
    }
    return story;
  }
  for (const auto& [uid, wanted] : workers_.wanted()) {
    const auto& meta = wanted.pod->metadata();
    if (meta.namespace_() != ns || meta.name() != name) continue;
    PodStory story;
    story.pod = view_of_waiting(wanted);
    story.restart_policy = wanted.pod->spec().restartpolicy();
    story.manifest = sources_.manifest_of(uid);
    const std::string namesake = workers_.waits_for_namesake(uid);
    if (wanted.refused) {
      story.waiting.what = "nothing: it was refused (" + wanted.refused->reason() + ")";
      return story;
    }
    story.waiting.what = namesake.empty() ? "the container runtime, to know whether a pod of this name runs already"
                                          : "the pod of the same name that is being ended (uid " + namesake + ")";
    return story;
  }
  return std::nullopt;
}

}  // namespace keelson::agent
