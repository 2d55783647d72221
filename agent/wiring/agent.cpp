#include "agent/wiring/agent.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "agent/control/server.hpp"
#include "agent/events/tee_recorder.hpp"
#include "agent/health/checks.hpp"
#include "agent/health/pulse.hpp"
#include "agent/health/server.hpp"
#include "agent/health/status_cell.hpp"
#include "agent/node/kernel_settings.hpp"
#include "agent/node/process_limits.hpp"
#include "agent/service/lock_file.hpp"
#include "agent/service/notify.hpp"
#include "agent/service/signals.hpp"
#include "agent/sync/event_log.hpp"
#include "agent/sync/garbage.hpp"
#include "agent/sync/pod_workers.hpp"
#include "agent/sync/runtime_health.hpp"
#include "agent/wiring/admission_gate.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "agent/wiring/cluster.hpp"
#include "agent/wiring/lone_node.hpp"
#include "agent/wiring/manifest_sources.hpp"
#include "agent/wiring/node_facts_builder.hpp"
#include "agent/wiring/pleg_adapter.hpp"
#include "agent/wiring/pod_views.hpp"
#include "agent/wiring/volumes_adapter.hpp"
#include "base/duration.hpp"
#include "base/memory.hpp"
#include "config/host_checks.hpp"
#include "config/version.hpp"
#include "cri-client/grpc_runtime.hpp"
#include "cri-client/handshake.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kPoolThreads = 8;
constexpr auto kHousekeepingPeriod = std::chrono::seconds(30);  // a safety net: what ends a pod asks for it at once
constexpr base::Duration kUnlistedPause = std::chrono::milliseconds(20);  // nothing is started before
constexpr auto kListedPatience = std::chrono::seconds(10);  // for a pod of the runtime that cannot be looked at
constexpr base::Duration kUnsettledPause = std::chrono::seconds(1);
constexpr auto kReportFirstPause = std::chrono::milliseconds(20);  // until all is ready: Ready is told without delay
constexpr auto kReportLastPause = std::chrono::seconds(1);
constexpr auto kReportPause = std::chrono::seconds(10);
constexpr auto kHandshakeFirstRetry = std::chrono::milliseconds(250);
constexpr auto kHandshakeLastRetry = std::chrono::seconds(5);

GarbagePolicy garbage_policy(const config::Flags& flags) {
  GarbagePolicy policy;
  policy.minimum_age = flags.minimum_container_ttl_duration;
  policy.per_container = flags.maximum_dead_containers_per_container;
  policy.overall = flags.maximum_dead_containers;
  return policy;
}

ImagePullLimits pull_limits(const config::KubeletConfiguration& kubelet) {
  ImagePullLimits limits;
  limits.parallel = 1;
  if (!kubelet.serialize_image_pulls) {
    limits.parallel =
        kubelet.max_parallel_image_pulls ? static_cast<std::size_t>(*kubelet.max_parallel_image_pulls) : SIZE_MAX;
  }
  limits.qps = kubelet.registry_pull_qps;
  limits.burst = kubelet.registry_burst;
  return limits;
}

cri::GrpcRuntimeOptions runtime_options(const config::Configuration& configuration) {
  cri::GrpcRuntimeOptions options;
  options.endpoint = configuration.kubelet.container_runtime_endpoint;
  options.image_endpoint = configuration.kubelet.image_endpoint();
  options.request_timeout = configuration.kubelet.runtime_request_timeout;
  return options;
}

}  // namespace

struct Agent::Services {
  Services(config::Configuration given, AgentOptions given_options, base::Logger given_log)
      : configuration(std::move(given)),
        options(std::move(given_options)),
        log(std::move(given_log)),
        clock(loop),
        pool(loop, clock, kPoolThreads),
        loop_watch(clock),
        health_server(checks),
        notifier(log),
        gate(loop),
        random(std::random_device{}()),
        events(log),
        housekeeping_bell(loop) {}

  // --- Start, in order ---
  Status prepare();
  Status join_cluster();
  Status build();
  Status build_admission();
  Status listen();
  base::Task<void> bring_up();
  base::Task<void> shake_hands();
  base::Task<void> keep_house();
  base::Task<void> report_regularly();
  base::Task<void> shut_down();
  void on_pleg_event(const pleg::PodEvent& event);
  void report();
  void reload();
  void begin_stop(int signal);
  void give_up(const std::string& why);
  std::vector<std::string> known_uids() const;
  bool runtime_listed();
  bool runs(const std::string& uid) const;
  bool namesake_runs(const api::Pod& pod) const;
  AgentInfo info() const;

  config::Configuration configuration;
  AgentOptions options;
  base::Logger log;
  base::Loop loop;
  base::RealClock clock;
  base::BlockingPool pool;
  HealthChecks checks;
  LoopWatch loop_watch;
  StatusCell pleg_pulse{Error(ErrorKind::unavailable, "pleg has yet to be successful")};
  StatusCell runtime_pulse{Error(ErrorKind::unavailable, "the container runtime was not contacted yet")};
  HealthServer health_server;
  Notifier notifier;
  base::Gate gate;
  base::Random random;
  EventLog events;
  NoStatusSink no_sink;
  NoPodObjects no_objects;
  Machine machine;
  base::Notification housekeeping_bell;
  NodeFacts facts;
  std::string cgroup_driver;
  std::string runtime_error = "not contacted yet";
  bool ready = false;
  bool stopping = false;
  bool listed = false;
  std::optional<base::SteadyTime> listing_since;
  int exit_status = 0;

  // What the parts are given: the cluster's, or those that have nobody to talk to.
  EventRecorder* recorder = &events;
  StatusSink* sink = &no_sink;
  PodObjects* objects = &no_objects;

  std::unique_ptr<LockFile> lock;
  std::unique_ptr<Cluster> cluster;
  std::unique_ptr<TeeRecorder> tee;
  std::unique_ptr<AdmissionGate> admission;
  std::unique_ptr<cri::GrpcRuntime> runtime;
  std::unique_ptr<RuntimeHealth> health;
  std::unique_ptr<PlegLister> lister;
  std::unique_ptr<pleg::Pleg> pleg;
  std::unique_ptr<PlegObserver> observer;
  std::unique_ptr<ImagePuller> images;
  std::unique_ptr<DiskPodFiles> files;
  std::unique_ptr<VolumesAdapter> volumes;
  std::unique_ptr<CgroupsAdapter> cgroups;
  std::unique_ptr<PodRuntime> pod_runtime;
  std::unique_ptr<PodWorkers> workers;
  std::unique_ptr<GarbageCollector> garbage;
  std::unique_ptr<ManifestSources> sources;
  std::unique_ptr<PodViews> views;
  std::unique_ptr<ControlServer> control;
  std::unique_ptr<Watchdog> watchdog;
  std::unique_ptr<Signals> signals;
};

Status Agent::Services::prepare() {
  const auto problems = config::host_problems(configuration, config::RealHost());
  for (const auto& problem : problems) log.error(problem);
  if (!problems.empty()) {
    return Error(ErrorKind::invalid, "this host does not fit the configuration (" + std::to_string(problems.size()) +
                                         " problem" + (problems.size() == 1 ? "" : "s") + " above)");
  }
  const auto& flags = configuration.flags;
  KEELSON_TRY(check_lock_flags(flags.lock_file, flags.exit_on_lock_contention));
  if (!flags.lock_file.empty()) {
    auto taken = LockFile::acquire(flags.lock_file, log);
    if (!taken.ok()) return taken.error();
    lock = std::move(*taken);
  }
  if (auto set = set_oom_score(configuration.kubelet.oom_score_adj); !set.ok()) {
    log.warning("The agent's own OOM score stays", {{"err", set.error()}});
  }
  if (auto set = set_open_files(configuration.kubelet.max_open_files); !set.ok()) {
    log.warning("The agent's own file limit stays", {{"err", set.error()}});
  }
  std::vector<std::string> warnings;
  KEELSON_TRY(apply_kernel_settings("/proc/sys", configuration.kubelet.protect_kernel_defaults, warnings));
  for (const auto& warning : warnings) log.warning(warning);
  auto name = node_name(flags.hostname_override);
  if (!name.ok()) return name.error();
  machine = read_machine("");
  auto built = build_node_facts(configuration, machine, *name, clock.now(), log);
  if (!built.ok()) return built.error();
  facts = std::move(*built);
  return make_root_directories(facts.paths);
}

Status Agent::Services::join_cluster() {
  if (configuration.standalone()) return {};
  Cluster::Hooks hooks;
  hooks.fatal = [this](const std::string& why) { give_up(why); };
  hooks.pleg_problem = [this] {
    const Status healthy = pleg->healthy();
    return healthy.ok() ? std::string() : healthy.error().message();
  };
  hooks.changed = [this] { report(); };
  const ApiConnection::Base base{loop, clock, pool, random, configuration, facts.node_name, log};
  auto made = Cluster::create(base, facts, machine, std::move(hooks));
  if (!made.ok()) return made.error();
  cluster = std::move(*made);
  tee = std::make_unique<TeeRecorder>(events, cluster->events());
  recorder = tee.get();
  sink = &cluster->statuses();
  objects = &cluster->objects();
  return {};
}

Status Agent::Services::build_admission() {
  std::function<AdmissionGate::NodePtr()> node;
  if (cluster) {
    node = [this] { return cluster->node(); };
  } else {
    auto lone = lone_node(configuration, facts.node_name, machine, clock.now(), log);
    if (!lone.ok()) return lone.error();
    node = [made = *lone] { return made; };
  }
  auto made =
      AdmissionGate::create(clock, configuration, facts, machine.kernel_version, *workers, *recorder, std::move(node));
  if (!made.ok()) return made.error();
  admission = std::move(*made);
  if (cluster) {
    admission->read_node_by(
        [this](std::function<void(AdmissionGate::NodePtr)> answer) { cluster->read_node(std::move(answer)); });
  }
  return {};
}

Status Agent::Services::build() {
  auto made = cri::GrpcRuntime::create(loop, clock, runtime_options(configuration));
  if (!made.ok()) return made.error();
  runtime = std::move(*made);
  health = std::make_unique<RuntimeHealth>(clock, *runtime, log);
  lister = std::make_unique<PlegLister>(clock, *runtime);
  pleg = std::make_unique<pleg::Pleg>(loop, clock, *lister, log);
  observer = std::make_unique<PlegObserver>(*pleg);
  images = std::make_unique<ImagePuller>(loop, clock, *runtime, *recorder, pull_limits(configuration.kubelet));
  files = std::make_unique<DiskPodFiles>(pool, facts.paths);
  volumes = std::make_unique<VolumesAdapter>(pool, facts, *objects, *recorder);
  auto groups = CgroupsAdapter::create(pool, log, configuration.kubelet, facts.info);
  if (!groups.ok()) return groups.error();
  cgroups = std::move(*groups);
  pod_runtime = std::make_unique<PodRuntime>(loop, clock, random, *runtime, *images, *files, *cgroups, *objects, facts,
                                             *recorder);
  workers = std::make_unique<PodWorkers>(WorkerContext{loop, clock, random, facts, *observer, *pod_runtime, *files,
                                                       *volumes, *cgroups, *objects, *health, *recorder, *sink, log});
  garbage = std::make_unique<GarbageCollector>(loop, clock, *runtime, *files, facts.paths,
                                               garbage_policy(configuration.flags), log);
  sources =
      std::make_unique<ManifestSources>(loop, clock, pool, log, configuration, facts.node_name, *workers, *recorder);
  views = std::make_unique<PodViews>(
      clock, facts, *workers,
      PodViews::Sources{[this] { return info(); }, [this] { return sources->problems(); },
                        [this](const std::string& uid) { return sources->manifest_of(uid); }});
  control = std::make_unique<ControlServer>(loop, clock, log, *views);
  events.find_journals_by([this](const std::string& uid) -> Journal* {
    PodWorker* worker = workers->worker(uid);
    return worker == nullptr ? nullptr : &worker->journal();
  });
  workers->on_pod_gone([this](const std::string&) {
    housekeeping_bell.notify();
    garbage->pod_gone();
  });
  PodWorkers::Knowledge knowledge;
  knowledge.runtime_listed = [this] { return runtime_listed(); };
  knowledge.namesake_runs = [this](const api::Pod& pod) { return namesake_runs(pod); };
  knowledge.source_unsure = [this](const std::string& source) { return sources->unsure(source); };
  knowledge.source_spoke = [this] { housekeeping_bell.notify(); };
  knowledge.runs = [this](const std::string& uid) { return runs(uid); };
  if (cluster) cluster->attach(*workers, *health, *runtime, *runtime);
  KEELSON_TRY(build_admission());
  knowledge.admit = [this](const api::PodPtr& pod) { return admission->ask(pod); };
  workers->set_knowledge(std::move(knowledge));
  pleg->on_event([this](const pleg::PodEvent& event) { on_pleg_event(event); });
  return {};
}

Status Agent::Services::listen() {
  auto made = Signals::create(loop, SignalHooks{[this](int signal) { begin_stop(signal); }, [this] { reload(); }});
  if (!made.ok()) return made.error();
  signals = std::move(*made);
  auto interval = watchdog_interval();
  if (!interval.ok()) return interval.error();
  checks.add("syncloop", [this] { return loop_watch.check(); });
  checks.add("pleg", [this] { return pleg_pulse.get(); });
  checks.add("runtime", [this] { return runtime_pulse.get(); });
  const auto& kubelet = configuration.kubelet;
  KEELSON_TRY(health_server.start({kubelet.healthz_bind_address, kubelet.healthz_port, false}));
  ControlOptions control_options;
  control_options.path = options.control_socket;
  KEELSON_TRY(control->start(control_options).wrap("while opening the control socket"));
  loop_watch.start(gate);
  if (lock && configuration.flags.exit_on_lock_contention) {
    KEELSON_TRY(lock->watch(loop, [this] {
      log.warning("Another agent asks for the lock file");
      begin_stop(SIGTERM);
    }));
  }
  if (*interval) {
    watchdog = std::make_unique<Watchdog>(
        clock, log, [this] { notifier.watchdog(); },
        [this] {
          return checks.run({"ping", "syncloop"});
        });
    watchdog->start(gate, **interval);
  }
  return {};
}

// The runtime may come up after us: everything else is there already, and each new cause is told once.
base::Task<void> Agent::Services::shake_hands() {
  base::Backoff retry(kHandshakeFirstRetry, kHandshakeLastRetry, 2.0, 0.1);
  while (true) {
    auto hands = co_await cri::shake_hands(*runtime, *runtime, clock, runtime->runtime_path(), runtime->image_path());
    if (hands.ok()) {
      runtime_error.clear();
      facts.runtime_name = hands->version.runtime_name;
      facts.runtime_version = hands->version.runtime_version;
      const bool systemd = hands->cgroup_driver ? *hands->cgroup_driver == cri::CgroupDriver::systemd
                                                : configuration.kubelet.cgroup_driver == "systemd";
      cgroup_driver = systemd ? "systemd" : "cgroupfs";
      cgroups->use_systemd(systemd);
      log.info("Container runtime is there",
               {{"runtime", facts.runtime_name}, {"version", facts.runtime_version}, {"cgroupDriver", cgroup_driver}});
      co_return;
    }
    const std::string text = hands.error().to_string();
    if (text != runtime_error) {
      log.error("Waiting for the container runtime", {{"err", text}});
      notifier.status("waiting for the container runtime: " + text);
    }
    runtime_error = text;
    runtime_pulse.set(Error(ErrorKind::unavailable, text));
    co_await clock.sleep_for(retry.next(random));
  }
}

base::Task<void> Agent::Services::bring_up() {
  sources->start();
  if (cluster) cluster->start();
  co_await shake_hands();
  co_await health->check();
  facts.handlers = health->handlers();
  if (!configuration.kubelet.pod_cidr.empty() && configuration.standalone()) {
    auto told = co_await runtime->update_runtime_config(configuration.kubelet.pod_cidr);
    if (!told.ok()) log.warning("The runtime does not take the pod CIDR", {{"err", told.error()}});
  }
  if (cluster) cluster->runtime_changed();
  health->start(gate, [this] {
    facts.handlers = health->handlers();
    if (cluster) cluster->runtime_changed();
    workers->wake_all();
    report();
  });
  pleg->start();
  garbage->start(
      gate,
      [this](const std::string& uid) {
        const bool alive = workers->wanted().count(uid) > 0 || workers->worker(uid) != nullptr;
        return alive ? PodFate::alive : PodFate::gone;
      },
      [this] { return workers->all_sources_ready(); }, [this] { return known_uids(); });
  base::spawn(gate, "housekeeping", keep_house());
  base::spawn(gate, "reports", report_regularly());
  workers->wake_all();
}

std::vector<std::string> Agent::Services::known_uids() const {
  std::vector<std::string> uids;
  for (const auto& [uid, worker] : workers->workers()) uids.push_back(uid);
  for (const auto& [uid, wanted] : workers->wanted()) uids.push_back(uid);
  return uids;
}

void Agent::Services::on_pleg_event(const pleg::PodEvent& event) {
  const ObservedPtr observed = observed_of(event.snapshot, event.uid);
  if (workers->worker(event.uid) != nullptr) {
    // contract 02 §12: the removal of a dead container changes nothing that a worker would act on.
    if (event.type != pleg::EventType::container_removed) workers->wake(event.uid);
    return;
  }
  workers->saw_runtime_pod(observed);
}

// Pods that only the runtime knows, directories and cgroups that nobody owns.
base::Task<void> Agent::Services::keep_house() {
  using namespace base::asio::experimental::awaitable_operators;
  while (true) {
    const bool settled = pleg->settled();
    if (runtime_listed()) {
      // Pods that only the runtime has get their workers first, so that their namesakes wait for them.
      for (const std::string& uid : pleg->pods()) {
        if (workers->worker(uid) != nullptr) continue;
        const auto snapshot = pleg->latest(uid);
        if (snapshot) workers->saw_runtime_pod(observed_of(*snapshot, uid));
      }
      workers->look_again();
      co_await workers->housekeep();
      images->forget_old();
    }
    // What rang while pods were still being looked at must not wait for the safety net.
    const base::Duration pause = !listed            ? kUnlistedPause
                                 : ready && settled ? base::Duration(kHousekeepingPeriod)
                                                    : kUnsettledPause;
    auto wait = clock.sleep_for(pause) || housekeeping_bell.wait();
    const auto ended = co_await std::move(wait);
    const bool quiet = ended.index() == 0 && ready && settled;
    if (quiet) base::give_back_free_memory();
  }
}

// Every pod of the runtime has been looked at once, so that none that runs is taken for absent.
bool Agent::Services::runtime_listed() {
  if (listed) return true;
  if (!pleg->healthy().ok()) return false;
  if (!listing_since) listing_since = clock.steady_now();
  // One that hangs must not hold up the others for long.
  listed = clock.steady_now() - *listing_since > kListedPatience;
  const std::vector<std::string> uids = pleg->pods();
  listed = listed || std::all_of(uids.begin(), uids.end(), [this](const auto& uid) { return pleg->latest(uid); });
  return listed;
}

bool Agent::Services::runs(const std::string& uid) const {
  const auto snapshot = pleg->latest(uid);
  if (!snapshot) return false;
  const ObservedPtr observed = observed_of(*snapshot, uid);
  return observed->any_running() || observed->any_ready_sandbox();
}

// One that could not be looked at yet counts as running: two of one name must never run together.
bool Agent::Services::namesake_runs(const api::Pod& pod) const {
  const auto& meta = pod.metadata();
  return pleg->namesake_may_run(meta.uid(), meta.namespace_(), meta.name(), [](const pleg::Snapshot& snapshot) {
    const ObservedPtr observed = observed_of(snapshot, "");
    return observed->any_running() || observed->any_ready_sandbox();
  });
}

base::Task<void> Agent::Services::report_regularly() {
  base::Backoff until_ready(kReportFirstPause, kReportLastPause, 1.5, 0.0);
  while (true) {
    report();
    const base::Duration pause = ready ? base::Duration(kReportPause) : until_ready.next(random);
    co_await clock.sleep_for(pause);
  }
}

void Agent::Services::report() {
  pleg_pulse.set(pleg->healthy());
  const std::string problem = health->problem();
  runtime_pulse.set(problem.empty() ? Status() : Status(Error(ErrorKind::unavailable, problem)));
  const std::size_t wanted = workers->wanted().size();
  std::string text =
      std::to_string(wanted) + (wanted == 1 ? " pod, " : " pods, ") + facts.runtime_name + " " + facts.runtime_version;
  if (!problem.empty()) text += ", " + problem;
  if (!ready && problem.empty() && pleg->healthy().ok() && sources->delivered()) {
    ready = true;
    log.info("Keelson is ready", {{"node", facts.node_name}, {"pods", wanted}});
    notifier.ready(text);
    return;
  }
  notifier.status(text);
}

void Agent::Services::reload() {
  // Before READY there is nothing that systemd could be told to wait for.
  if (ready) notifier.reloading();
  auto outcome = options.reload();
  if (const auto* refusal = std::get_if<config::Refuse>(&outcome)) {
    for (const auto& error : refusal->errors) log.error(error);
    log.error("The configuration was not reloaded: the running one stays in force");
  } else if (const auto* run = std::get_if<config::Run>(&outcome)) {
    const auto& logging = run->configuration.kubelet.logging;
    options.log_sink->set_verbosity(static_cast<int>(logging.verbosity));
    log.info("Reloaded the log verbosity; any other change of the configuration needs a restart",
             {{"verbosity", logging.verbosity}});
  }
  if (ready) notifier.ready("reloaded");
  report();
}

void Agent::Services::begin_stop(int signal) {
  if (stopping) return;
  stopping = true;
  log.info("Stopping; pods are left as they are", {{"signal", signal}});
  notifier.stopping("stopping; pods are left as they are");
  // Not in a gate: this is what ends the gates. It is the loop's last task.
  base::asio::co_spawn(loop.context(), shut_down(), [this](std::exception_ptr) { loop.stop(); });
}

void Agent::Services::give_up(const std::string& why) {
  log.error("Keelson ends", {{"err", why}});
  exit_status = 1;
  begin_stop(SIGTERM);
}

base::Task<void> Agent::Services::shut_down() {
  co_await control->stop();
  co_await sources->stop();
  co_await workers->stop();
  if (cluster) co_await cluster->stop();
  co_await gate.stop();
  co_await pleg->stop();
  co_await runtime->stop();
  health_server.stop();
}

AgentInfo Agent::Services::info() const {
  AgentInfo info;
  info.version = KEELSON_VERSION;
  info.kubernetes_version = configuration.reported_version;
  info.pid = ::getpid();
  info.started_at = facts.agent_started;
  info.node = facts.node_name;
  info.standalone = configuration.standalone();
  if (cluster) {
    const Cluster::View view = cluster->view();
    info.api_server = view.server;
    info.api_problem = view.problem;
    info.registered = view.registered;
    info.node_ready = view.ready;
    info.unsent_statuses = static_cast<std::int64_t>(view.unsent_statuses);
  }
  info.ready = ready;
  info.config_file = configuration.flags.config;
  info.root_dir = facts.paths.root;
  info.pod_logs_dir = facts.paths.logs;
  info.static_pod_path = configuration.kubelet.static_pod_path;
  info.runtime_endpoint = configuration.kubelet.container_runtime_endpoint;
  info.runtime_name = facts.runtime_name;
  info.runtime_version = facts.runtime_version;
  info.runtime_error = runtime_error.empty() ? health->problem() : runtime_error;
  for (const auto& condition : health->conditions()) {
    info.runtime_conditions.push_back(
        {condition.type, condition.status ? "True" : "False", condition.reason, condition.message, std::nullopt});
  }
  info.cgroup_driver = cgroup_driver;
  info.healthz_address = configuration.kubelet.healthz_bind_address;
  info.healthz_port = configuration.kubelet.healthz_port;
  for (const auto& outcome : checks.run()) {
    info.health.push_back(
        {outcome.name, outcome.status.ok(), outcome.status.ok() ? "" : outcome.status.error().to_string()});
  }
  return info;
}

Agent::Agent(config::Configuration configuration, AgentOptions options, base::Logger log)
    : services_(std::make_unique<Services>(std::move(configuration), std::move(options), std::move(log))) {}

Agent::~Agent() = default;

int Agent::run() {
  Services& s = *services_;
  s.log.info("Starting Keelson", {{"version", KEELSON_VERSION}, {"kubernetes", s.configuration.reported_version}});
  for (const auto step : {&Services::prepare, &Services::join_cluster, &Services::build, &Services::listen}) {
    auto done = (s.*step)();
    if (done.ok()) continue;
    s.log.error("Keelson cannot start", {{"err", done.error()}});
    return 1;
  }
  base::spawn(s.gate, "start", s.bring_up());
  s.loop.run();
  s.runtime->drain();
  s.log.info("Stopped");
  return s.exit_status;
}

}  // namespace keelson::agent
