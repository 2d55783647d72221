#include "agent/wiring/node_server.hpp"

#include <algorithm>
#include <utility>

#include "agent/health/checks.hpp"
#include "agent/logs/container_logs_handler.hpp"
#include "agent/logs/log_rotator.hpp"
#include "agent/metrics/handler.hpp"
#include "agent/node_api/checkpoint.hpp"
#include "agent/node_api/configz.hpp"
#include "agent/node_api/debug.hpp"
#include "agent/node_api/flag_values.hpp"
#include "agent/node_api/health.hpp"
#include "agent/node_api/logs_handler.hpp"
#include "agent/node_api/pods.hpp"
#include "agent/node_api/zpages.hpp"
#include "agent/server/router.hpp"
#include "agent/server/server.hpp"
#include "agent/stats/page_handler.hpp"
#include "agent/stats/summary_handler.hpp"
#include "agent/streaming/handlers.hpp"
#include "agent/wiring/api_reviews.hpp"
#include "agent/wiring/bound_pods.hpp"
#include "agent/wiring/metrics_collectors.hpp"
#include "agent/wiring/pod_stats.hpp"
#include "agent/wiring/pod_streams.hpp"
#include "agent/wiring/serving_identity.hpp"
#include "api/quantity.hpp"
#include "cgroup-manager/layout.hpp"

namespace keelson::agent {
namespace {

constexpr std::size_t kStatsThreads = 2;
constexpr base::Duration kLogPatience = std::chrono::seconds(1);  // of a scrape
// Threads for what clients ask, apart from those that pods wait for, and for the rotation of logs.
std::size_t threads(const config::KubeletConfiguration& kubelet) {
  return 3 + 2 * static_cast<std::size_t>(std::clamp(kubelet.container_log_max_workers, 1, 8));
}

server::Switches switches(const config::Configuration& configuration) {
  const auto& kubelet = configuration.kubelet;
  server::Switches out;
  out.debugging = kubelet.enable_debugging_handlers;
  out.system_logs = kubelet.enable_system_log_handler;
  out.profiling = kubelet.enable_profiling_handler;
  out.flags = kubelet.enable_debug_flags_handler;
  out.checkpoint = configuration.gates.enabled("ContainerCheckpoint");
  out.statusz = configuration.gates.enabled("ComponentStatusz");
  out.flagz = configuration.gates.enabled("ComponentFlagz");
  return out;
}

server::TlsSettings tls_settings(const config::KubeletConfiguration& kubelet) {
  server::TlsSettings out;
  out.min_version = kubelet.tls_min_version;
  out.cipher_suites = kubelet.tls_cipher_suites;
  out.curve_preferences = kubelet.tls_curve_preferences;
  return out;
}

logs::RotationPolicy rotation_policy(const config::KubeletConfiguration& kubelet) {
  logs::RotationPolicy out;
  // The configuration was validated; what is not a quantity cannot be here.
  const auto size = api::Quantity::parse(kubelet.container_log_max_size);
  if (size.ok()) out.max_size = size->value();
  out.max_files = kubelet.container_log_max_files;
  out.interval = std::chrono::duration_cast<base::Duration>(kubelet.container_log_monitor_interval);
  out.workers = kubelet.container_log_max_workers;
  return out;
}

server::Authorization authorization(const config::KubeletConfiguration& kubelet, const std::string& node_name,
                                    server::AccessReviewer& reviewer) {
  server::Authorization out;
  out.node_name = node_name;
  out.reviewer = kubelet.authorization.mode == "AlwaysAllow" ? nullptr : &reviewer;
  const auto& webhook = kubelet.authorization.webhook;
  out.allowed_ttl = std::chrono::duration_cast<base::Duration>(webhook.cache_authorized_ttl);
  out.denied_ttl = std::chrono::duration_cast<base::Duration>(webhook.cache_unauthorized_ttl);
  return out;
}

stats::MachineFacts machine_facts(const Machine& machine) {
  stats::MachineFacts out;
  const stats::CpuTopology topology = stats::read_cpu_topology("/sys");
  out.cpus = machine.cpus;
  out.physical_cores = topology.cores;
  out.sockets = topology.sockets;
  out.memory_bytes = machine.memory_bytes;
  out.swap_bytes = machine.swap_bytes;
  out.boot_id = machine.boot_id;
  out.machine_id = machine.machine_id;
  out.system_uuid = machine.system_uuid;
  out.kernel_version = machine.kernel_version;
  out.os_version = machine.os_image;
  return out;
}

stats::SamplerOptions sampler_options(const config::Configuration& configuration, const NodeFacts& facts) {
  stats::SamplerOptions out;
  if (auto layout = cgroups::find_layout(); layout.ok()) out.layout = std::move(*layout);
  out.root_directory = facts.paths.root;
  // contract 03 §15: of all runtimes CRI-O alone is believed.
  out.split_image_fs = configuration.gates.enabled("KubeletSeparateDiskGC") &&
                       configuration.kubelet.container_runtime_endpoint.ends_with("/crio/crio.sock");
  out.volume_health = configuration.gates.enabled("CSIVolumeHealth");
  return out;
}

// "v1.36.2" -> "1.36.2"; of it "1.36".
std::string without_v(const std::string& version) { return version.starts_with('v') ? version.substr(1) : version; }
std::string minor_of(const std::string& version) { return version.substr(0, version.rfind('.')); }

node_api::StatuszFacts statusz_facts(const config::Configuration& configuration, const NodeFacts& facts) {
  node_api::StatuszFacts out;
  out.started = facts.agent_started;
  out.go_version = "none (C++20)";
  out.binary_version = without_v(configuration.reported_version);
  out.emulation_version = minor_of(out.binary_version);
  for (const std::string_view name : server::endpoint_names()) {
    const bool debug = name == server::endpoint::pprof || name == server::endpoint::debug_flags;
    out.paths.push_back(debug ? "/debug/" + std::string(name) : "/" + std::string(name));
  }
  return out;
}

}  // namespace

struct NodeServer::Parts {
  Parts(Base given, Hooks given_hooks);

  Status open();
  void plug_in(server::Router& router);
  void collect();
  base::Task<void> measure_logs();
  base::Task<void> measure_logs_now();
  config::KubeletConfiguration in_force() const;

  Base base;
  Hooks hooks;
  base::BlockingPool pool;
  base::BlockingPool stats_pool;  // apart: a batch that hangs in the kernel keeps its thread
  base::Gate gate;
  server::ServerMetrics counts;
  ApiReviews reviews;
  std::unique_ptr<server::ClientCa> client_ca;
  std::unique_ptr<server::TokenAuthenticator> tokens;
  std::unique_ptr<server::Authenticator> authenticator;
  std::unique_ptr<server::Authorizer> authorizer;
  std::unique_ptr<ServingIdentity> identity;
  std::unique_ptr<server::TlsContexts> tls;

  BoundPodsAdapter pods;
  PodStreams streams;
  PodStats stats;
  logs::LogReader reader;
  logs::LogRotator rotator;
  streaming::UpgradeProxy proxy;
  base::CountsBy<1> websockets;
  stats::Sampler sampler;
  std::vector<stats::LogUse> log_use;  // as of the last scrape
  bool measuring_logs = false;
  base::Notification logs_measured;
  HealthChecks checks;

  node_api::HealthHandler health;
  node_api::PodsHandler pods_handler;
  node_api::RunningPodsHandler running_pods;
  node_api::ConfigzHandler configz;
  node_api::CheckpointHandler checkpoint;
  node_api::StatuszHandler statusz;
  node_api::FlagzHandler flagz;
  node_api::PprofHandler pprof;
  node_api::LogLevelHandler log_level;
  node_api::LogsHandler node_logs;
  logs::ContainerLogsHandler container_logs;
  streaming::ExecHandler exec;
  streaming::AttachHandler attach;
  streaming::PortForwardHandler port_forward;
  streaming::RunHandler run;
  stats::SummaryHandler summary;
  stats::PageHandler resource;
  stats::PageHandler cadvisor;
  metrics::MetricsHandler metrics_main;
  metrics::MetricsHandler metrics_probes;
  metrics::MetricsHandler metrics_slis;

  server::Router router;
  server::Router read_only_router;
  server::Server server;
  server::Server read_only;
};

NodeServer::Parts::Parts(Base given, Hooks given_hooks)
    : base(std::move(given)),
      hooks(std::move(given_hooks)),
      pool(base.loop, base.clock, threads(base.configuration.kubelet)),
      stats_pool(base.loop, base.clock, kStatsThreads),
      gate(base.loop),
      reviews(base.cluster == nullptr ? nullptr : &base.cluster->api().reviews()),
      pods(base.clock, base.engine.workers()),
      streams(pods, base.runtime),
      stats(PodStats::Base{base.configuration, base.facts, base.engine.workers(), base.cgroups, base.volumes.usage(),
                           base.runtime, base.runtime}),
      reader(logs::LogReader::Base{base.loop, base.clock, pool, streams, base.log}),
      rotator(logs::LogRotator::Base{base.loop, base.clock, pool, streams, rotation_policy(base.configuration.kubelet),
                                     base.log}),
      proxy(base.loop, base.clock, pool, base.log),
      sampler(stats::Sampler::Base{base.loop, base.clock, stats_pool, stats, base.log},
              sampler_options(base.configuration, base.facts)),
      logs_measured(base.loop),
      health(checks, base.log),
      pods_handler(pods),
      running_pods(base.runtime),
      configz([this] { return in_force(); }),
      checkpoint(node_api::CheckpointHandler::Base{base.clock, pods, base.runtime, base.runtime,
                                                   base.facts.paths.root + "/checkpoints"}),
      statusz(base.clock, statusz_facts(base.configuration, base.facts)),
      flagz(node_api::flag_values(base.arguments)),
      log_level(base.log_sink, base.log),
      node_logs(base.loop, base.clock, pool,
                node_api::LogsOptions{"/var/log", base.configuration.kubelet.enable_system_log_query, "journalctl"}),
      container_logs(base.clock, streams, reader),
      exec(streaming::StreamingParts{streams, base.runtime, proxy, websockets}),
      attach(streaming::StreamingParts{streams, base.runtime, proxy, websockets}),
      port_forward(streaming::StreamingParts{streams, base.runtime, proxy, websockets}),
      run(streams, base.runtime),
      summary(sampler),
      resource(stats::resource_handler(sampler, base.facts.agent_started)),
      cadvisor(stats::cadvisor_handler(sampler, machine_facts(base.machine), base.facts.agent_started)),
      metrics_main(base.facts.agent_started, base.log),
      metrics_probes(base.facts.agent_started, base.log),
      metrics_slis(base.facts.agent_started, base.log),
      router(server::Port::read_write, switches(base.configuration)),
      read_only_router(server::Port::read_only, switches(base.configuration)),
      server(base.loop, base.clock, base.log, router, counts),
      read_only(base.loop, base.clock, base.log, read_only_router, counts) {
  checks.add("log", [] { return Status(); });
  checks.add("syncloop", hooks.syncloop);
  checks.add("device-plugin", [] { return Status(); });
  plug_in(router);
  plug_in(read_only_router);
  collect();
}

void NodeServer::Parts::plug_in(server::Router& to) {
  namespace endpoint = server::endpoint;
  to.plug(endpoint::healthz, health);
  to.plug(endpoint::pods, pods_handler);
  to.plug(endpoint::running_pods, running_pods);
  to.plug(endpoint::stats_summary, summary);
  to.plug(endpoint::metrics, metrics_main);
  to.plug(endpoint::metrics_cadvisor, cadvisor);
  to.plug(endpoint::metrics_resource, resource);
  to.plug(endpoint::metrics_probes, metrics_probes);
  to.plug(endpoint::metrics_slis, metrics_slis);
  to.plug(endpoint::container_logs, container_logs);
  to.plug(endpoint::run, run);
  to.plug(endpoint::exec, exec);
  to.plug(endpoint::attach, attach);
  to.plug(endpoint::port_forward, port_forward);
  to.plug(endpoint::logs, node_logs);
  to.plug(endpoint::pprof, pprof);
  to.plug(endpoint::debug_flags, log_level);
  to.plug(endpoint::configz, configz);
  to.plug(endpoint::checkpoint, checkpoint);
  to.plug(endpoint::statusz, statusz);
  to.plug(endpoint::flagz, flagz);
}

void NodeServer::Parts::collect() {
  const MetricsPages pages{metrics_main, metrics_probes, metrics_slis};
  const MetricsSources sources{base.configuration,
                               base.facts,
                               base.engine,
                               base.runtime.metrics(),
                               base.cgroups,
                               base.admission,
                               base.hooks,
                               base.volumes,
                               counts,
                               health,
                               base.cluster,
                               hooks.runtime_config_missing,
                               websockets,
                               log_use};
  add_collectors(pages, sources);
  metrics_main.before([this] { return measure_logs(); });
}

// A scrape does not wait for a disk that does not answer: it shows what was known.
base::Task<void> NodeServer::Parts::measure_logs() {
  if (!std::exchange(measuring_logs, true)) base::spawn(gate, "sizes of logs", measure_logs_now());
  const base::SteadyTime until = base.clock.after(kLogPatience);
  while (measuring_logs) {
    const bool rung = co_await logs_measured.wait_until(base.clock, until);
    if (!rung) break;
  }
}

base::Task<void> NodeServer::Parts::measure_logs_now() {
  auto measured = co_await sampler.log_use();
  if (measured.ok()) {
    log_use = std::move(*measured);
  } else {
    base.log.debug(2, "Sizes of logs stay as they were", {{"err", measured.error()}});
  }
  measuring_logs = false;
  logs_measured.notify();
}

config::KubeletConfiguration NodeServer::Parts::in_force() const {
  config::KubeletConfiguration out = base.configuration.kubelet;
  if (const std::string driver = hooks.cgroup_driver(); !driver.empty()) out.cgroup_driver = driver;
  if (out.tls_cert_file.empty() && out.tls_private_key_file.empty()) {
    out.tls_cert_file = identity->certificate_file();
    out.tls_private_key_file = identity->key_file();
  }
  return out;
}

Status NodeServer::Parts::open() {
  const auto& kubelet = base.configuration.kubelet;
  auto policy = server::tls_policy(tls_settings(kubelet));
  if (!policy.ok()) return policy.error();
  for (const auto& left_out : policy->left_out) base.log.warning("Not known to the TLS library", {{"name", left_out}});
  auto serving =
      ServingIdentity::create(base.clock, base.configuration, base.facts.node_name,
                              base.cluster == nullptr ? nullptr : base.cluster->serving_certificate(), base.log);
  if (!serving.ok()) return serving.error();
  identity = std::move(*serving);
  if (!kubelet.authentication.x509.client_ca_file.empty()) {
    auto opened = server::ClientCa::open(kubelet.authentication.x509.client_ca_file,
                                         base.configuration.gates.enabled("ReloadKubeletClientCAFile"), base.log);
    if (!opened.ok()) return opened.error().wrap("authentication.x509.clientCAFile");
    client_ca = std::move(*opened);
  }
  tls = std::make_unique<server::TlsContexts>(std::move(*policy), *identity, client_ca.get(), base.log);
  if (kubelet.authentication.webhook.enabled) {
    const auto ttl = std::chrono::duration_cast<base::Duration>(kubelet.authentication.webhook.cache_ttl);
    tokens = std::make_unique<server::TokenAuthenticator>(base.loop, base.clock, base.random, reviews, ttl, counts);
  }
  server::Authentication methods;
  methods.client_ca = client_ca.get();
  methods.tokens = tokens.get();
  methods.anonymous = kubelet.authentication.anonymous.enabled;
  authenticator = std::make_unique<server::Authenticator>(base.clock, methods, counts);
  authorizer = std::make_unique<server::Authorizer>(base.clock, base.random, base.log,
                                                    authorization(kubelet, base.facts.node_name, reviews), counts);
  return {};
}

Result<std::unique_ptr<NodeServer>> NodeServer::create(Base base, Hooks hooks) {
  auto parts = std::make_unique<Parts>(std::move(base), std::move(hooks));
  if (parts->base.configuration.kubelet.enable_server) KEELSON_TRY(parts->open());
  return std::unique_ptr<NodeServer>(new NodeServer(std::move(parts)));
}

NodeServer::NodeServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
NodeServer::~NodeServer() = default;

Status NodeServer::listen() {
  Parts& p = *parts_;
  const auto& kubelet = p.base.configuration.kubelet;
  if (!kubelet.enable_server) return {};
  server::ServerOptions options;
  options.address = kubelet.address;
  options.port = kubelet.port;
  server::Access access;
  access.authenticator = p.authenticator.get();
  access.authorizer = p.authorizer.get();
  KEELSON_TRY(p.server.start(options, p.tls.get(), access).wrap("while opening the HTTPS port (port, address)"));
  if (kubelet.read_only_port > 0) {
    options.port = kubelet.read_only_port;
    KEELSON_TRY(
        p.read_only.start(options, nullptr, server::Access{}).wrap("while opening the read-only port (readOnlyPort)"));
  }
  p.identity->start(p.gate, p.pool, p.hooks.fatal);
  return {};
}

void NodeServer::start() { parts_->rotator.start(); }
void NodeServer::container_started(const std::string& id) { parts_->rotator.container_started(id); }

base::Task<void> NodeServer::stop() {
  Parts& p = *parts_;
  co_await p.server.stop();
  co_await p.read_only.stop();
  co_await p.proxy.stop();
  co_await p.reader.stop();
  co_await p.rotator.stop();
  if (p.tokens) co_await p.tokens->stop();
  co_await p.gate.stop();
}

int NodeServer::port() const { return parts_->base.configuration.kubelet.enable_server ? parts_->server.port() : 0; }

}  // namespace keelson::agent
