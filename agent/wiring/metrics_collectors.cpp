#include "agent/wiring/metrics_collectors.hpp"

#include <utility>

#include "agent/metrics/process.hpp"
#include "agent/stats/proc_text.hpp"
#include "agent/wiring/cluster_pods.hpp"
#include "agent/wiring/metrics_api.hpp"
#include "agent/wiring/metrics_node.hpp"
#include "agent/wiring/metrics_pods.hpp"
#include "agent/wiring/metrics_probes.hpp"
#include "agent/wiring/metrics_volumes.hpp"
#include "base/file.hpp"
#include "config/credential_providers.hpp"

namespace keelson::agent {
namespace {

using metrics::MetricsHandler;
using metrics::Page;

constexpr char kProc[] = "/proc";

std::size_t mirrors_of(const Cluster* cluster) { return cluster == nullptr ? 0 : cluster->pods().mirrors(); }

void add_pods(MetricsHandler& page, const MetricsSources& from) {
  PodEngine& engine = from.engine;
  page.add("pods", [&engine, cluster = from.cluster](Page& to) {
    collect_pod_counts(engine.workers(), mirrors_of(cluster), to);
  });
  page.add("pod workers", [&engine](Page& to) { collect_workers(engine.workers().metrics(), to); });
  page.add("starts", [&engine](Page& to) { collect_starts(engine.runtime().metrics(), to); });
  page.add("hooks", [&hooks = from.hooks](Page& to) { collect_hooks(hooks, to); });
  page.add("pleg", [&engine](Page& to) { collect_pleg(engine.pleg().metrics(), engine.pleg().counts(), to); });
  page.add("resizes", [&engine](Page& to) { collect_resizes(engine.resizes(), engine.runtime().metrics(), to); });
}

// It is read once, as the configuration is.
std::string credential_hash(const config::Configuration& configuration) {
  const std::string& path = configuration.flags.image_credential_provider_config;
  return path.empty() ? "" : config::credential_config_hash(path, config::RealFiles());
}

void add_node(MetricsHandler& page, const MetricsSources& from) {
  page.add("process", [](Page& to) { collect(metrics::read_process(kProc), to); });
  page.add("version", [&configuration = from.configuration](Page& to) { collect_version(configuration, to); });
  page.add("node", [&facts = from.facts](Page& to) { collect_node(facts, to); });
  page.add("runtime", [&runtime = from.runtime, missing = from.runtime_config_missing](Page& to) {
    collect_runtime(runtime, to);
    if (missing && missing()) collect_losing_support(to);
  });
  PodEngine& engine = from.engine;
  page.add("images", [&engine](Page& to) {
    collect_images(engine.images().metrics(), to);
    collect_pull_records(engine.pull_records(), to);
    collect_credential_plugins(engine.credential_plugins().metrics(), to);
  });
  if (const std::string hash = credential_hash(from.configuration); !hash.empty()) {
    page.add("credential providers", [hash](Page& to) { collect_credential_config(hash, to); });
  }
  page.add("cgroups", [&cgroups = from.cgroups](Page& to) { collect_cgroups(cgroups.durations(), to); });
  page.add("admission", [&admission = from.admission, &engine](Page& to) {
    collect_admission(admission.rejections(), engine.workers().metrics().rejected, admission.preemptions(), to);
  });
  page.add("server", [&server = from.server](Page& to) { collect_server(server, to); });
  page.add("websockets", [&streams = from.websockets](Page& to) { collect_websockets(streams, to); });
  page.add("logs", [&logs = from.log_use](Page& to) { collect_log_use(logs, to); });
}

std::vector<volume::PodUsage> usages(const PodWorkers& workers, const volume::UsageMeter& meter) {
  std::vector<volume::PodUsage> out;
  for (const auto& [uid, worker] : workers.workers()) {
    if (auto usage = meter.usage(uid)) out.push_back(std::move(*usage));
  }
  return out;
}

void add_volumes(MetricsHandler& page, const MetricsSources& from) {
  NodeVolumes& volumes = from.volumes;
  page.add("volumes", [&volumes](Page& to) { collect_volume_work(volumes.metrics(), volumes.manager().counts(), to); });
  const bool with_health = from.configuration.gates.enabled("CSIVolumeHealth");
  page.add("claims", [&volumes, &engine = from.engine, with_health](Page& to) {
    collect_claims(usages(engine.workers(), volumes.usage()), with_health, to);
  });
  page.add("plugins", [&volumes](Page& to) {
    if (volumes.csi() != nullptr) collect_plugins(volumes.csi()->registrations().view(), to);
  });
}

base::SystemTime boot_time() {
  const std::string stat = base::read_file(std::string(kProc) + "/stat").value_or("");
  return base::SystemTime(std::chrono::seconds(stats::parse_boot_time(stat).value_or(0)));
}

void add_cluster(MetricsHandler& page, Cluster& cluster, const NodeFacts& facts) {
  page.add("requests to the API server", [&cluster](Page& to) {
    ApiAccess& api = cluster.api();
    const std::vector<const kube::RequestMetrics*> clients{&api.main().metrics(), &api.events().metrics(),
                                                           &api.heartbeat().metrics(), &api.lease().metrics(),
                                                           &api.reviews().metrics()};
    collect_requests(host_of(api.server()), clients, to);
  });
  page.add("certificates", [&cluster](Page& to) {
    collect_certificates(cluster.api().certificate(), cluster.serving_certificate(), cluster.serving_rotations(), to);
  });
  page.add("certificates of pods", [&cluster](Page& to) {
    if (const auto states = cluster.pod_certificates()) collect_pod_certificates(*states, to);
  });
  page.add("statuses", [&cluster](Page& to) { collect_status_sync(cluster.pods().writer().sync_durations(), to); });
  page.add("node startup", [&cluster, &facts, booted = boot_time()](Page& to) {
    collect_startup(cluster.startup(), booted, facts.agent_started, to);
  });
}

void add_start_time(MetricsHandler& page) {
  page.add("process", [](Page& to) { collect_start_time(metrics::read_process(kProc), to); });
}

}  // namespace

void add_collectors(const MetricsPages& pages, const MetricsSources& sources) {
  add_pods(pages.main, sources);
  add_node(pages.main, sources);
  add_volumes(pages.main, sources);
  if (sources.cluster != nullptr) add_cluster(pages.main, *sources.cluster, sources.facts);
  pages.probes.add("probes", [&engine = sources.engine](Page& to) { collect_probes(engine.probes().metrics(), to); });
  add_start_time(pages.probes);
  pages.slis.add("health", [&health = sources.health](Page& to) { node_api::collect(health.counts(), to); });
  pages.slis.on_reset([&health = sources.health] { health.reset_counts(); });
  add_start_time(pages.slis);
}

}  // namespace keelson::agent
