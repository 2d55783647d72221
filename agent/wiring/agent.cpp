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
#include "agent/wiring/admission_gate.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "agent/wiring/cluster.hpp"
#include "agent/wiring/image_settings.hpp"
#include "agent/wiring/lone_node.hpp"
#include "agent/wiring/manifest_sources.hpp"
#include "agent/wiring/network_hook_http.hpp"
#include "agent/wiring/node_facts_builder.hpp"
#include "agent/wiring/node_server.hpp"
#include "agent/wiring/node_volumes.hpp"
#include "agent/wiring/plugin_labels.hpp"
#include "agent/wiring/pod_engine.hpp"
#include "agent/wiring/pod_views.hpp"
#include "base/duration.hpp"
#include "base/memory.hpp"
#include "config/host_checks.hpp"
#include "config/version.hpp"
#include "cri-client/grpc_runtime.hpp"
#include "cri-client/handshake.hpp"
#include "volume/mounts.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kPoolThreads = 8;
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

ResizeRules resize_rules(const config::Configuration& configuration) {
  const auto& gates = configuration.gates;
  ResizeRules rules;
  rules.enabled = gates.enabled("InPlacePodVerticalScaling");
  rules.pod_level = gates.enabled("InPlacePodLevelResourcesVerticalScaling");
  rules.exclusive_cpus = gates.enabled("InPlacePodVerticalScalingExclusiveCPUs");
  rules.exclusive_memory = gates.enabled("InPlacePodVerticalScalingExclusiveMemory");
  rules.static_cpu_manager = configuration.kubelet.cpu_manager_policy == "static";
  rules.static_memory_manager = configuration.kubelet.memory_manager_policy == "Static";
  return rules;
}

PodEngineSettings engine_settings(const config::Configuration& configuration, const Machine& machine) {
  PodEngineSettings settings;
  settings.pulls = pull_limits(configuration.kubelet);
  settings.garbage = garbage_policy(configuration.flags);
  settings.starts = StartLimits{starts_at_once(machine.cpus)};
  settings.verification = pull_verification(configuration.kubelet);
  settings.plugins = plugin_settings(configuration);
  settings.node_logins = node_logins(configuration);
  settings.resize = resize_rules(configuration);
  settings.allocates_plain_init = configuration.gates.enabled("InPlacePodVerticalScalingInitContainers");
  return settings;
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
        image_files(pool),
        programs(loop, clock),
        loop_watch(clock),
        health_server(checks),
        notifier(log),
        gate(loop),
        random(std::random_device{}()),
        events(log),
        network(loop, clock, pool) {}

  // --- Start, in order ---
  Status prepare();
  Status join_cluster();
  Status build();
  Status build_admission();
  Status build_server();
  Status listen();
  base::Task<void> bring_up();
  base::Task<void> shake_hands();
  base::Task<void> report_regularly();
  base::Task<void> shut_down();
  void report();
  void reload();
  void begin_stop(int signal);
  void give_up(const std::string& why);
  AgentInfo info() const;

  config::Configuration configuration;
  AgentOptions options;
  base::Logger log;
  base::Loop loop;
  base::RealClock clock;
  base::BlockingPool pool;
  DiskImageFiles image_files;
  ProcessRunner programs;
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
  NodeFacts facts;
  std::string cgroup_driver;
  std::string runtime_error = "not contacted yet";
  bool runtime_config_missing = false;
  bool ready = false;
  bool stopping = false;
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
  std::unique_ptr<DiskPodFiles> files;
  std::unique_ptr<DiskAllocationFiles> allocation_files;
  std::unique_ptr<NodeVolumes> volumes;
  std::unique_ptr<CgroupsAdapter> cgroups;
  probes::Network network;  // of probes and hooks
  std::unique_ptr<RuntimeCommands> commands;
  std::unique_ptr<probes::NetworkTransport> transport;
  std::unique_ptr<NetworkHookHttp> hook_http;
  std::unique_ptr<RuntimeHooks> lifecycle;
  std::unique_ptr<PodEngine> engine;
  std::unique_ptr<ManifestSources> sources;
  std::unique_ptr<PodViews> views;
  std::unique_ptr<ControlServer> control;
  std::unique_ptr<NodeServer> server;
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
  auto ids = read_id_pool(id_pool_source(), static_cast<std::uint32_t>(configuration.kubelet.ids_per_pod()),
                          configuration.kubelet.max_pods);
  if (!ids.ok()) return ids.error();
  facts.id_pool = *ids;
  KEELSON_TRY(make_root_directories(facts.paths));
  if (auto shared = volume::make_shared(facts.paths.root); !shared.ok()) {
    log.warning("No mount can be propagated between the node and containers", {{"err", shared.error()}});
  }
  if (facts.info.selinux) {
    if (auto labelled = label_plugin_directories(facts.paths); !labelled.ok()) {
      log.warning("The directories of plugins have no SELinux label", {{"err", labelled.error()}});
    }
  }
  return {};
}

Status Agent::Services::join_cluster() {
  if (configuration.standalone()) return {};
  Cluster::Hooks hooks;
  hooks.fatal = [this](const std::string& why) { give_up(why); };
  hooks.pleg_problem = [this] {
    const Status healthy = engine->pleg().healthy();
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
  auto made = AdmissionGate::create(clock, configuration, facts, machine.kernel_version, engine->workers(),
                                    engine->allocations(), *recorder, std::move(node));
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
  files = std::make_unique<DiskPodFiles>(pool, facts.paths);
  allocation_files = std::make_unique<DiskAllocationFiles>(pool, facts.paths.root);
  volumes = std::make_unique<NodeVolumes>(NodeVolumes::Base{loop, clock, random, pool, configuration, facts, *objects,
                                                            *recorder, log, cluster.get(),
                                                            [this](const std::string& uid, std::string text) {
                                                              PodWorker* worker = engine->workers().worker(uid);
                                                              if (worker != nullptr)
                                                                worker->journal().waits_for(std::move(text));
                                                            }});
  auto groups = CgroupsAdapter::create(pool, log, configuration.kubelet, facts.info);
  if (!groups.ok()) return groups.error();
  cgroups = std::move(*groups);
  commands = std::make_unique<RuntimeCommands>(*runtime);
  transport = std::make_unique<probes::NetworkTransport>(network, *commands);
  hook_http = std::make_unique<NetworkHookHttp>(network);
  lifecycle = std::make_unique<RuntimeHooks>(clock, *runtime, *hook_http, *recorder);
  engine = std::make_unique<PodEngine>(
      PodEngineParts{loop, clock, random, facts, *runtime, *runtime, *files, volumes->pod_volumes(), *cgroups, *objects,
                     *lifecycle, *transport, *allocation_files, *recorder, *sink, log, &image_files, &programs},
      engine_settings(configuration, machine));
  sources = std::make_unique<ManifestSources>(loop, clock, pool, log, configuration, facts.node_name, engine->workers(),
                                              *recorder);
  views =
      std::make_unique<PodViews>(clock, facts, engine->workers(),
                                 PodViews::Sources{[this] { return info(); }, [this] { return sources->problems(); },
                                                   [this](const std::string& uid) { return sources->manifest_of(uid); },
                                                   [this] { return engine->images().progress(); }});
  control = std::make_unique<ControlServer>(loop, clock, log, *views);
  events.find_journals_by([this](const std::string& uid) -> Journal* {
    PodWorker* worker = engine->workers().worker(uid);
    return worker == nullptr ? nullptr : &worker->journal();
  });
  if (cluster) cluster->attach(engine->workers(), engine->health(), *runtime, *runtime);
  KEELSON_TRY(build_admission());
  PodEngine::Hooks hooks;
  hooks.source_unsure = [this](const std::string& source) { return sources->unsure(source); };
  hooks.admit = [this](const api::PodPtr& pod) { return admission->ask(pod); };
  hooks.admit_resize = [this](const api::PodPtr& pod) { return admission->ask_resize(pod); };
  hooks.runtime_changed = [this] {
    if (cluster) cluster->runtime_changed();
    report();
  };
  // Before the server is there, its rotation will list what runs.
  hooks.container_started = [this](const std::string& id) {
    if (server) server->container_started(id);
  };
  hooks.calm = [this] { return ready; };
  hooks.idle = [] { base::give_back_free_memory(); };
  engine->set_hooks(std::move(hooks));
  return build_server();
}

Status Agent::Services::build_server() {
  NodeServer::Base base{
      loop,     clock,    random,     configuration, facts,         machine,           *engine,          *runtime,
      *cgroups, *volumes, *admission, *lifecycle,    cluster.get(), options.arguments, options.log_sink, log};
  NodeServer::Hooks hooks;
  hooks.syncloop = [this] { return loop_watch.check(); };
  hooks.cgroup_driver = [this] { return cgroup_driver; };
  hooks.runtime_config_missing = [this] { return runtime_config_missing; };
  hooks.fatal = [this](const std::string& why) { give_up(why); };
  auto made = NodeServer::create(std::move(base), std::move(hooks));
  if (!made.ok()) return made.error();
  server = std::move(*made);
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
  KEELSON_TRY(server->listen());
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
      runtime_config_missing = !hands->cgroup_driver.has_value();
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
  volumes->start();
  if (cluster) cluster->start();
  co_await shake_hands();
  if (!configuration.kubelet.pod_cidr.empty() && configuration.standalone()) {
    auto told = co_await runtime->update_runtime_config(configuration.kubelet.pod_cidr);
    if (!told.ok()) log.warning("The runtime does not take the pod CIDR", {{"err", told.error()}});
  }
  co_await engine->start();
  server->start();
  base::spawn(gate, "reports", report_regularly());
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
  pleg_pulse.set(engine->pleg().healthy());
  const std::string problem = engine->health().problem();
  if (engine->workers().all_sources_ready()) volumes->manager().pods_known();
  runtime_pulse.set(problem.empty() ? Status() : Status(Error(ErrorKind::unavailable, problem)));
  const std::size_t wanted = engine->workers().wanted().size();
  std::string text =
      std::to_string(wanted) + (wanted == 1 ? " pod, " : " pods, ") + facts.runtime_name + " " + facts.runtime_version;
  if (!problem.empty()) text += ", " + problem;
  if (!ready && problem.empty() && engine->pleg().healthy().ok() && sources->delivered()) {
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
  co_await server->stop();
  co_await sources->stop();
  co_await engine->stop_workers();
  co_await volumes->stop();
  if (cluster) co_await cluster->stop();
  co_await gate.stop();
  co_await engine->stop();
  co_await network.stop();
  runtime->stop();
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
  info.runtime_error = runtime_error.empty() ? engine->health().problem() : runtime_error;
  for (const auto& condition : engine->health().conditions()) {
    info.runtime_conditions.push_back(
        {condition.type, condition.status ? "True" : "False", condition.reason, condition.message, std::nullopt});
  }
  info.cgroup_driver = cgroup_driver;
  info.healthz_address = configuration.kubelet.healthz_bind_address;
  info.healthz_port = configuration.kubelet.healthz_port;
  info.server_port = server->port();
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
    s.exit_status = 1;
    if (!s.server) return 1;
    // Something listens already, and must end as it does at any other time.
    s.begin_stop(SIGTERM);
    s.loop.run();
    return 1;
  }
  base::spawn(s.gate, "start", s.bring_up());
  s.loop.run();
  s.log.info("Stopped");
  return s.exit_status;
}

}  // namespace keelson::agent
