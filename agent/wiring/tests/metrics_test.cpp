// The families of the metrics pages: those that a kubelet has, with its words, types, labels and buckets. Source:
// contract 05 §12, §15, §16; tests/golden/data/http/metrics.txt, metrics-probes.txt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/metrics/tests/text_reader.hpp"
#include "agent/sync/tests/world.hpp"
#include "agent/wiring/metrics_api.hpp"
#include "agent/wiring/metrics_node.hpp"
#include "agent/wiring/metrics_pods.hpp"
#include "agent/wiring/metrics_probes.hpp"
#include "agent/wiring/metrics_volumes.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using metrics::Page;
using metrics::testing::read_recorded;
using metrics::testing::read_text;
using metrics::testing::ReadFamily;
using metrics::testing::ReadPage;
using testing::make_wanted;

// A node on which everything has happened once, so that every family has a series.
class BusyNode {
 public:
  BusyNode() {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
    brain.start();
    brain.set_pods({make_wanted("u1")});
    brain.workers->source_ready("api");
    world.until([this] { return brain.phase("u1") == "Running"; }, 10s);
  }

  Page collect() {
    Page page;
    collect_pods(page);
    collect_the_node(page);
    collect_the_api(page);
    collect_volumes(page);
    return page;
  }

  testing::World world;
  testing::Brain brain{world};

 private:
  void collect_pods(Page& page) {
    collect_pod_counts(*brain.workers, 1, page);
    SyncMetrics sync = brain.workers->metrics();
    sync.terminated_containers[{"container", "3", "Error"}] = 8;
    collect_workers(sync, page);
    StartMetrics starts = brain.engine.runtime().metrics();
    starts.container_errors[{"container", "ErrImagePull"}] = 1;
    starts.run_sandbox_errors[{"kata"}] = 1;
    starts.resizes[{"true"}].observe(20.0);
    collect_starts(starts, page);
    collect_hooks(world.lifecycle, page);
    collect_pleg(brain.engine.pleg().metrics(), brain.engine.pleg().counts(), page);
    collect_resizes(brain.engine.resizes(), starts, page);
    collect_log_use({{"u1", "ns", "pod", "main", 4096}}, page);
  }

  void collect_the_node(Page& page) {
    collect_node(brain.facts, page);
    config::Configuration configuration;
    configuration.reported_version = "v1.36.2";
    collect_version(configuration, page);
    cri::OperationMetrics operations;
    operations.record("version", 3ms, false);
    operations.record("version", 3s, true);
    collect_runtime(operations, page);
    collect_losing_support(page);
    collect_images(brain.engine.images().metrics(), page);
    PullRecords& records = brain.engine.pull_records();
    (void)world.run(records.ask("image:1", "sha256:image:1"));
    collect_pull_records(records, page);
    CredentialPluginMetrics plugins;
    ++plugins.errors[{"p"}];
    plugins.durations[{"p"}].observe(1s);
    collect_credential_plugins(plugins, page);
    CgroupsAdapter::Durations cgroups;
    cgroups[{"create"}].observe(1ms);
    collect_cgroups(cgroups, page);
    RejectionCounters rejections;
    rejections.count({"OutOfcpu", ""});
    base::CountsBy<1> preemptions{{{"cpu"}, 1}};
    base::CountsBy<1> late{{{"VolumeAttachmentLimitExceeded"}, 1}};
    collect_credential_config("sha256:0", page);
    collect_pod_certificates({{{"example.com/signer", "fresh"}, 2}}, page);
    collect_admission(rejections, late, preemptions, page);
    collect_startup(NodeStartup(), base::SystemTime(), base::SystemTime(), page);
  }

  static void collect_the_api(Page& page) {
    kube::RequestMetrics requests;
    requests.requests[{"200", "GET"}] = 5;
    requests.retries[{"503", "GET"}] = 1;
    kube::RequestMetrics::Verb& verb = requests.verbs[{"GET"}];
    verb.duration.observe(.2);
    verb.rate_limiter.observe(.001);
    verb.request_size.observe(0.0);
    verb.response_size.observe(2000.0);
    collect_requests("192.0.2.10:6443", {&requests, &requests}, page);
    collect_status_sync(StatusWriter::SyncDurations(), page);
    server::ServerMetrics server;
    auto& kind = server.requests[{"GET", "metrics", false, false}];
    kind.total = 1;
    kind.duration.observe(.1);
    server.access_reviews["201"].observe(.1);
    collect_server(server, page);
  }

  static void collect_volumes(Page& page) {
    volume::VolumeMetrics volumes;
    volumes.operations[{"kubernetes.io/secret", "volume_mount", "success", "false"}].observe(5ms);
    volumes.totals[{"kubernetes.io/secret", "overall_volume_mount"}].observe(5ms);
    volumes.csi_calls[{"a.driver", "/csi.v1.Node/NodePublishVolume", "OK", "false"}].observe(5ms);
    volumes.collections[{"du"}].observe(1ms);
    volume::VolumeCounts counts;
    counts.actual["kubernetes.io/secret"] = 1;
    counts.desired["kubernetes.io/secret"] = 2;
    collect_volume_work(volumes, counts, page);
    volume::VolumeUsage usage;
    usage.claim = volume::ClaimRef{"ns", "data"};
    usage.measured.figures = {100, 40, 60, 10, 4, 6};
    usage.measured.abnormal = true;
    volume::PodUsage pod;
    pod.volumes = {usage, volume::VolumeUsage()};
    collect_claims({pod, pod}, true, page);
    PluginRegistrations::View plugin;
    plugin.socket = "/plugins/a.sock";
    plugin.plugin.emplace();
    PluginRegistrations::View failing;
    failing.socket = "/plugins/b.sock";
    collect_plugins({plugin, failing}, page);
  }
};

// What is written of one family.
std::string family_text(const Page& page, const std::string& name) {
  const std::string all = text(page);
  const auto begin = all.find("# HELP " + name + ' ');
  if (begin == std::string::npos) return "";
  const auto end = all.find("\n# HELP", begin);
  std::string out = all.substr(begin, end == std::string::npos ? end : end + 1 - begin);
  return out.substr(out.find('\n', out.find("# TYPE")) + 1);
}

void expect_like(const ReadFamily& ours, const ReadFamily& recorded, const std::string& name) {
  EXPECT_EQ(ours.help, recorded.help) << name;
  EXPECT_EQ(ours.type, recorded.type) << name;
  EXPECT_EQ(ours.label_names(), recorded.label_names()) << name;
  EXPECT_EQ(ours.bounds(), recorded.bounds()) << name;
}

// `go_*` and the like in the table of docs/compatibility.md.
std::set<std::string> documented_as_absent() {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/docs/compatibility.md");
  EXPECT_TRUE(in.good());
  std::set<std::string> names;
  bool in_table = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) in_table = line.find("Families of metrics that are not there") != std::string::npos;
    if (!in_table || !line.starts_with("| `")) continue;
    const std::string cell = line.substr(0, line.find(" | ", 2));
    for (auto at = cell.find('`'); at != std::string::npos; at = cell.find('`', at + 1)) {
      const auto end = cell.find('`', at + 1);
      names.insert(cell.substr(at + 1, end - at - 1));
      at = end;
    }
  }
  return names;
}

bool is_documented(const std::set<std::string>& absent, const std::string& name) {
  return std::any_of(absent.begin(), absent.end(), [&](const std::string& pattern) {
    if (!pattern.ends_with('*')) return pattern == name;
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

TEST(MetricsPage, HasEveryRecordedFamilyOrTheReasonIsDocumented) {
  BusyNode node;
  const ReadPage ours = read_text(text(node.collect()));
  const std::set<std::string> absent = documented_as_absent();
  ASSERT_GT(absent.size(), 5u);
  for (const auto& [name, family] : read_text(read_recorded("metrics.txt"))) {
    if (name.starts_with("process_")) continue;
    const auto own = ours.find(name);
    if (own == ours.end()) {
      EXPECT_TRUE(is_documented(absent, name)) << name << " is neither there nor in docs/compatibility.md";
      continue;
    }
    EXPECT_FALSE(is_documented(absent, name)) << name << " is there, but docs/compatibility.md says it is not";
    expect_like(own->second, family, name);
  }
}

TEST(MetricsPage, HasWhatAlertsRulesAndDashboardsAskFor) {
  BusyNode node;
  Page page = node.collect();
  const auto has = [&](const std::string& name) { return page.families().count(name) > 0; };
  for (const char* name : {"kubelet_pleg_relist_duration_seconds",
                           "kubelet_node_name",
                           "kubelet_pod_worker_duration_seconds",
                           "kubelet_volume_stats_available_bytes",
                           "kubelet_volume_stats_capacity_bytes",
                           "kubelet_volume_stats_used_bytes",
                           "kubelet_volume_stats_inodes",
                           "kubelet_volume_stats_inodes_free",
                           "kubelet_volume_stats_inodes_used",
                           "rest_client_requests_total",
                           "rest_client_request_duration_seconds",
                           "kubelet_running_pods",
                           "kubelet_running_containers",
                           "volume_manager_total_volumes",
                           "kubelet_runtime_operations_total",
                           "kubelet_runtime_operations_errors_total",
                           "kubelet_runtime_operations_duration_seconds",
                           "kubelet_pod_start_duration_seconds",
                           "storage_operation_duration_seconds",
                           "kubelet_cgroup_manager_duration_seconds",
                           "kubelet_pleg_relist_interval_seconds",
                           "kubelet_pod_start_sli_duration_seconds",
                           "kubelet_pod_start_total_duration_seconds"}) {
    EXPECT_TRUE(has(name)) << name;
  }
}

TEST(MetricsPage, ShowsLogsCertificatesAndConfigurationsAsTheKubeletDoes) {
  BusyNode node;
  const Page page = node.collect();
  EXPECT_EQ(family_text(page, "kubelet_container_log_filesystem_used_bytes"),
            "kubelet_container_log_filesystem_used_bytes{container=\"main\",namespace=\"ns\",pod=\"pod\",uid=\"u1\"} "
            "4096\n");
  EXPECT_EQ(family_text(page, "kubelet_podcertificate_states"),
            "kubelet_podcertificate_states{signer_name=\"example.com/signer\",state=\"fresh\"} 2\n");
  EXPECT_EQ(family_text(page, "kubelet_credential_provider_config_info"),
            "kubelet_credential_provider_config_info{hash=\"sha256:0\"} 1\n");
}

TEST(MetricsPage, ShowsEveryCombinationOfWorkingPods) {
  BusyNode node;
  const Page page = node.collect();
  const std::string pods = family_text(page, "kubelet_working_pods");
  EXPECT_EQ(std::count(pods.begin(), pods.end(), '\n'), 15);
  EXPECT_THAT(pods,
              ::testing::HasSubstr("kubelet_working_pods{config=\"desired\",lifecycle=\"sync\",static=\"true\"} 1\n"));
  EXPECT_EQ(family_text(page, "kubelet_desired_pods"),
            "kubelet_desired_pods{static=\"\"} 0\nkubelet_desired_pods{static=\"true\"} 1\n");
  EXPECT_EQ(family_text(page, "kubelet_active_pods"),
            "kubelet_active_pods{static=\"\"} 0\nkubelet_active_pods{static=\"true\"} 1\n");
  EXPECT_EQ(family_text(page, "kubelet_running_pods"), "kubelet_running_pods 1\n");
}

TEST(MetricsPage, PodsThatEndAndThoseNobodyWantsAreToldApart) {
  BusyNode node;
  node.brain.set_pods({});
  Page page;
  collect_pod_counts(*node.brain.workers, 0, page);
  EXPECT_THAT(family_text(page, "kubelet_working_pods"),
              ::testing::HasSubstr("{config=\"orphan\",lifecycle=\"terminating\",static=\"true\"} 1\n"));
  EXPECT_THAT(family_text(page, "kubelet_desired_pods"), ::testing::HasSubstr("{static=\"true\"} 0\n"));
}

TEST(MetricsPage, AddsUpTheClientsOfTheApiServer) {
  BusyNode node;
  const Page page = node.collect();
  EXPECT_EQ(family_text(page, "rest_client_requests_total"),
            "rest_client_requests_total{code=\"200\",host=\"192.0.2.10:6443\",method=\"GET\"} 10\n");
  EXPECT_THAT(
      family_text(page, "rest_client_response_size_bytes"),
      ::testing::HasSubstr("rest_client_response_size_bytes_sum{host=\"192.0.2.10:6443\",verb=\"GET\"} 4000\n"));
  EXPECT_EQ(host_of("https://192.0.2.10:6443"), "192.0.2.10:6443");
  EXPECT_EQ(host_of("https://[fd00::1]:6443/base/path"), "[fd00::1]:6443");
}

TEST(MetricsPage, ShowsEachClaimOnceAndPluginsByWhatTheyAre) {
  BusyNode node;
  const Page page = node.collect();
  EXPECT_EQ(family_text(page, "kubelet_volume_stats_used_bytes"),
            "kubelet_volume_stats_used_bytes{namespace=\"ns\",persistentvolumeclaim=\"data\"} 60\n");
  EXPECT_EQ(family_text(page, "kubelet_volume_stats_health_status_abnormal"),
            "kubelet_volume_stats_health_status_abnormal{namespace=\"ns\",persistentvolumeclaim=\"data\"} 1\n");
  EXPECT_EQ(family_text(page, "plugin_manager_total_plugins"),
            "plugin_manager_total_plugins{socket_path=\"/plugins/a.sock\",state=\"actual_state_of_world\"} 1\n"
            "plugin_manager_total_plugins{socket_path=\"/plugins/a.sock\",state=\"desired_state_of_world\"} 1\n"
            "plugin_manager_total_plugins{socket_path=\"/plugins/b.sock\",state=\"desired_state_of_world\"} 1\n");
}

TEST(MetricsPage, TellsOfTheStartOfANodeThatIsNew) {
  const auto at = [](int s) { return base::SystemTime(std::chrono::seconds(s)); };
  NodeStartup startup;
  startup.first_try = at(130);
  Page before;
  collect_startup(startup, at(0), at(100), before);
  EXPECT_EQ(family_text(before, "kubelet_node_startup_duration_seconds"), "kubelet_node_startup_duration_seconds 0\n");
  startup.registered = at(131);
  startup.ready = at(135);
  Page after;
  collect_startup(startup, at(0), at(100), after);
  const std::pair<const char*, const char*> rows[] = {
      {"kubelet_node_startup_pre_kubelet_duration_seconds", "100"},
      {"kubelet_node_startup_pre_registration_duration_seconds", "30"},
      {"kubelet_node_startup_registration_duration_seconds", "1"},
      {"kubelet_node_startup_post_registration_duration_seconds", "4"},
      {"kubelet_node_startup_duration_seconds", "135"},
  };
  for (const auto& [name, value] : rows) EXPECT_EQ(family_text(after, name), std::string(name) + " " + value + "\n");
}

TEST(MetricsPage, CountsResizesThatWaitOrAreUnderWay) {
  testing::World world;
  testing::Brain brain(world);
  Resizes resizes(world.loop, world.clock, brain.engine.allocations(), world.events, ResizeRules(), brain.facts.info,
                  base::Logger());
  api::Pod pod = make_wanted("u1");
  auto& pending = *pod.mutable_status()->add_conditions();
  pending.set_type("PodResizePending");
  pending.set_status("True");
  pending.set_reason("Deferred");
  auto& under_way = *pod.mutable_status()->add_conditions();
  under_way.set_type("PodResizeInProgress");
  under_way.set_status("True");
  resizes.pod_appeared(pod);
  Page page;
  collect_resizes(resizes, StartMetrics(), page);
  EXPECT_EQ(family_text(page, "kubelet_pod_pending_resizes"), "kubelet_pod_pending_resizes{reason=\"deferred\"} 1\n");
  EXPECT_EQ(family_text(page, "kubelet_pod_in_progress_resizes"), "kubelet_pod_in_progress_resizes 1\n");
}

TEST(ProbesPage, IsLikeTheRecordedOne) {
  probes::ProbeMetrics probe;
  probe.key = {"uid-1", "main", probes::Kind::liveness};
  probe.pod = "web";
  probe.ns = "ns";
  probe.successful = 2;
  probe.failed = 1;
  probe.duration.observe(3ms);
  probe.duration.observe(20s);
  probes::ProbeMetrics silent;
  silent.key = {"uid-1", "main", probes::Kind::readiness};
  Page page;
  collect_probes({probe, silent}, page);
  const ReadPage recorded = read_text(read_recorded("metrics-probes.txt"));
  const ReadPage ours = read_text(text(page));
  for (const char* name : {"prober_probe_total", "prober_probe_duration_seconds"}) {
    ASSERT_EQ(ours.count(name), 1u);
    expect_like(ours.at(name), recorded.at(name), name);
  }
  const std::string start = "prober_probe_total{container=\"main\",namespace=\"ns\",pod=\"web\",pod_uid=\"uid-1\",";
  EXPECT_EQ(family_text(page, "prober_probe_total"), start + "probe_type=\"Liveness\",result=\"failed\"} 1\n" + start +
                                                         "probe_type=\"Liveness\",result=\"successful\"} 2\n");
  EXPECT_THAT(family_text(page, "prober_probe_duration_seconds"),
              ::testing::HasSubstr("probe_type=\"Liveness\",le=\"10\"} 1\n"));
  EXPECT_THAT(family_text(page, "prober_probe_duration_seconds"), ::testing::HasSubstr("le=\"+Inf\"} 2\n"));
}

}  // namespace
}  // namespace keelson::agent
