#include "agent/wiring/pod_engine.hpp"

#include <algorithm>

namespace keelson::agent {
namespace {

constexpr base::Duration kUnlistedPause = std::chrono::milliseconds(20);  // nothing is started before
constexpr auto kListedPatience = std::chrono::seconds(10);  // for a pod of the runtime that cannot be looked at
constexpr base::Duration kUnsettledPause = std::chrono::seconds(1);
// Many pods that go together are cleaned up after together.
constexpr base::Duration kGatherPause = std::chrono::milliseconds(200);

WorkerContext worker_context(const PodEngineParts& parts, Observer& observer, PodRuntime& runtime, Killer& killer,
                             UserNamespaces& user_namespaces, PodProbes& probes, RuntimeHealth& health,
                             Allocations& allocations, Resizes& resizes) {
  return {parts.loop,   parts.clock,   parts.random,  parts.facts,   observer,        runtime, killer,
          parts.files,  parts.volumes, parts.cgroups, parts.objects, user_namespaces, probes,  health,
          parts.events, parts.sink,    allocations,   resizes,       parts.log};
}

bool shows_life(const pleg::Snapshot& snapshot, const std::string& uid) {
  const ObservedPtr observed = observed_of(snapshot, uid);
  return observed->any_running() || observed->any_ready_sandbox();
}

bool is_worked_on(const PodWorkers& workers, const std::string& uid) {
  const PodWorker* worker = workers.worker(uid);
  return worker != nullptr && worker->state() != WorkerState::finished;
}

}  // namespace

PodEngine::PodEngine(PodEngineParts parts, PodEngineSettings settings)
    : parts_(std::move(parts)),
      settings_(std::move(settings)),
      health_(parts_.clock, parts_.runtime, parts_.log),
      lister_(parts_.clock, parts_.runtime),
      pleg_(parts_.loop, parts_.clock, lister_, parts_.log),
      observer_(pleg_),
      node_credentials_(parts_.loop, parts_.clock, image_files(), settings_.node_logins, parts_.log),
      plugins_(parts_.loop, parts_.clock, parts_.programs, parts_.objects, settings_.plugins, parts_.log),
      credentials_(parts_.objects, parts_.events, node_credentials_, plugins_),
      pull_records_(parts_.loop, parts_.clock, image_files(), parts_.facts.paths.root, settings_.verification,
                    parts_.log),
      images_(parts_.loop, parts_.clock, parts_.images, credentials_, pull_records_, parts_.events, settings_.pulls),
      slots_(parts_.loop, parts_.clock, settings_.starts),
      killer_(parts_.loop, parts_.clock, parts_.runtime, parts_.lifecycle, parts_.facts, parts_.events),
      user_namespaces_(parts_.random, parts_.files, parts_.facts.id_pool, parts_.log),
      configs_(parts_.random, parts_.files, parts_.volumes, parts_.cgroups, parts_.objects, user_namespaces_,
               parts_.facts, parts_.events, parts_.log),
      allocations_(parts_.loop, parts_.clock, parts_.allocations, settings_.allocates_plain_init, parts_.log),
      resizes_(parts_.loop, parts_.clock, allocations_, parts_.events, settings_.resize, parts_.facts.info, parts_.log),
      resizer_(parts_.runtime, parts_.cgroups, allocations_, parts_.facts),
      runtime_(parts_.loop, parts_.clock, parts_.runtime, slots_, parts_.lifecycle, killer_, images_, configs_,
               resizer_, allocations_, parts_.files, parts_.facts, parts_.events),
      probes_(parts_.loop, parts_.clock, parts_.random, parts_.facts.agent_started, parts_.probes, parts_.events,
              [this](const std::string& uid) { on_probe(uid); }),
      workers_(worker_context(parts_, observer_, runtime_, killer_, user_namespaces_, probes_, health_, allocations_,
                              resizes_)),
      garbage_(parts_.loop, parts_.clock, parts_.runtime, killer_, parts_.files, parts_.facts.paths, settings_.garbage,
               parts_.log),
      housekeeping_bell_(parts_.loop),
      gate_(parts_.loop) {
  workers_.on_pod_gone([this](const std::string&) {
    pods_went_ = true;
    housekeeping_bell_.notify();
    garbage_.pod_gone();
  });
  images_.on_pulled([this](const std::string& uid, base::SteadyTime begun, base::SteadyTime ended) {
    workers_.metrics().starts.pulled(uid, begun, ended);
  });
  pleg_.on_event([this](const pleg::PodEvent& event) { on_pleg_event(event); });
  pleg_.when_ending([this](const std::string& uid) {
    const PodWorker* worker = workers_.worker(uid);
    return worker != nullptr && worker->state() != WorkerState::sync;
  });
  set_hooks({});
}

void PodEngine::set_hooks(Hooks hooks) {
  hooks_ = std::move(hooks);
  PodWorkers::Knowledge knowledge;
  knowledge.runtime_listed = [this] { return runtime_listed(); };
  knowledge.namesake_runs = [this](const api::Pod& pod) { return namesake_runs(pod); };
  knowledge.source_unsure = hooks_.source_unsure;
  knowledge.source_spoke = [this] {
    housekeeping_bell_.notify();
    resizes_.look_again();
  };
  knowledge.runs = [this](const std::string& uid) { return runs(uid); };
  knowledge.admit = hooks_.admit;
  workers_.set_knowledge(std::move(knowledge));
  Resizes::Hooks resize_hooks;
  resize_hooks.ready = [this] { return workers_.all_sources_ready(); };
  resize_hooks.wanted = [this](const std::string& uid) { return workers_.running_pod(uid); };
  resize_hooks.admit = hooks_.admit_resize;
  resize_hooks.changed = [this](const std::string& uid) { workers_.reallocated(uid); };
  resizes_.set_hooks(std::move(resize_hooks));
}

base::Task<void> PodEngine::start() {
  co_await health_.check();
  co_await user_namespaces_.load();
  begin();
}

// Not in the coroutine: closures that become functions are made outside of those (docs/architecture.md, "One loop").
void PodEngine::begin() {
  runtime_changed();
  plugins_.start(gate_);
  pull_records_.start(gate_, parts_.images);
  health_.start(gate_, [this] {
    runtime_changed();
    workers_.wake_all();
  });
  pleg_.start();
  garbage_.start(
      gate_,
      [this](const std::string& uid) {
        const bool alive = workers_.wanted().count(uid) > 0 || workers_.worker(uid) != nullptr;
        return alive ? PodFate::alive : PodFate::gone;
      },
      [this] { return workers_.all_sources_ready(); }, [this] { return known_uids(); });
  base::spawn(gate_, "housekeeping", keep_house());
  resizes_.start();
  workers_.wake_all();
}

void PodEngine::runtime_changed() {
  parts_.facts.handlers = health_.handlers();
  if (hooks_.runtime_changed) hooks_.runtime_changed();
}

base::Task<void> PodEngine::stop_workers() { co_await workers_.stop(); }

base::Task<void> PodEngine::stop() {
  co_await workers_.stop();
  co_await probes_.stop();
  co_await resizes_.stop();
  co_await allocations_.stop();
  co_await gate_.stop();
  co_await killer_.stop();
  co_await pleg_.stop();
}

std::vector<std::string> PodEngine::known_uids() const {
  std::vector<std::string> uids;
  for (const auto& [uid, worker] : workers_.workers()) uids.push_back(uid);
  for (const auto& [uid, wanted] : workers_.wanted()) uids.push_back(uid);
  return uids;
}

void PodEngine::on_pleg_event(const pleg::PodEvent& event) {
  if (event.type == pleg::EventType::container_died) {
    garbage_.container_died(observed_of(event.snapshot, event.uid), event.id);
  }
  if (event.type == pleg::EventType::container_started && hooks_.container_started) {
    hooks_.container_started(event.id);
  }
  if (is_worked_on(workers_, event.uid)) {
    // contract 02 §12: the removal of a dead container changes nothing that a worker would act on.
    if (event.type != pleg::EventType::container_removed) workers_.wake(event.uid);
    return;
  }
  workers_.saw_runtime_pod(observed_of(event.snapshot, event.uid));
}

void PodEngine::on_probe(const std::string& uid) {
  if (PodWorker* worker = workers_.worker(uid)) worker->probe_changed();
}

// Pods that only the runtime has get their workers first, so that their namesakes wait for them.
void PodEngine::adopt_runtime_pods() {
  for (const std::string& uid : pleg_.pods()) {
    if (is_worked_on(workers_, uid)) continue;
    const auto snapshot = pleg_.latest(uid);
    if (snapshot) workers_.saw_runtime_pod(observed_of(*snapshot, uid));
  }
}

// Pods that only the runtime knows, directories and cgroups that nobody owns.
base::Task<void> PodEngine::keep_house() {
  while (true) {
    const bool settled = pleg_.settled();
    if (runtime_listed()) {
      adopt_runtime_pods();
      workers_.look_again();
      co_await workers_.housekeep();
      images_.forget_old();
    }
    // What rang while pods were still being looked at must not wait for the safety net.
    const bool quiet = listed_ && settled && hooks_.calm();
    const base::Duration pause = !listed_ ? kUnlistedPause : quiet ? settings_.housekeeping : kUnsettledPause;
    const bool rung = co_await housekeeping_bell_.wait_for(parts_.clock, pause);
    if (std::exchange(pods_went_, false)) co_await parts_.clock.sleep_for(kGatherPause);
    if (!rung && quiet && hooks_.idle) hooks_.idle();
  }
}

bool PodEngine::runtime_listed() {
  if (listed_) return true;
  if (!pleg_.healthy().ok()) return false;
  if (!listing_since_) listing_since_ = parts_.clock.steady_now();
  // One that hangs must not hold up the others for long.
  listed_ = parts_.clock.steady_now() - *listing_since_ > kListedPatience;
  const std::vector<std::string> uids = pleg_.pods();
  listed_ = listed_ || std::all_of(uids.begin(), uids.end(), [this](const auto& uid) { return pleg_.latest(uid); });
  return listed_;
}

// One that is listed and could not be looked at yet counts as running: its volumes are not to be taken from under it.
bool PodEngine::runs(const std::string& uid) const {
  const auto snapshot = pleg_.latest(uid);
  return snapshot ? shows_life(*snapshot, uid) : pleg_.lists(uid);
}

// One that could not be looked at yet counts as running: two of one name must never run together.
bool PodEngine::namesake_runs(const api::Pod& pod) const {
  const auto& meta = pod.metadata();
  return pleg_.namesake_may_run(meta.uid(), meta.namespace_(), meta.name(),
                                [](const pleg::Snapshot& snapshot) { return shows_life(snapshot, ""); });
}

}  // namespace keelson::agent
