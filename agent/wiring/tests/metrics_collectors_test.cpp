// All pages of a node without a cluster, as its parts are put together: each collector is on its page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"
#include "agent/wiring/metrics_collectors.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using testing::make_wanted;

struct Pages : ::testing::Test {
  Pages() {
    world.cri.images["image:1"].id = "sha256:image:1";
    configuration.kubelet.cgroups_per_qos = false;
    admission = std::move(*AdmissionGate::create(world.clock, configuration, brain.facts, "6.1.0", *brain.workers,
                                                 brain.engine.allocations(), world.events, [] { return nullptr; }));
    cgroups = std::move(*CgroupsAdapter::create(pool, base::Logger(), configuration.kubelet, brain.facts.info));
    checks.add("syncloop", [] { return Status(); });
    const MetricsSources sources{configuration, brain.facts, brain.engine,    operations,
                                 *cgroups,      *admission,  world.lifecycle, volumes,
                                 server,        health,      nullptr,         [this] { return missing; },
                                 websockets,    log_use};
    add_collectors({main, probes, slis}, sources);
    brain.start();
    brain.set_pods({make_wanted("u1")});
    world.until([this] { return brain.phase("u1") == "Running"; }, 10s);
  }
  ~Pages() override {
    brain.stop();
    world.run(volumes.stop());
  }
  static bool has(const metrics::Page& page, const std::string& name) {
    const auto found = page.families().find(name);
    return found != page.families().end() && !found->second.samples().empty();
  }

  testing::World world;
  testing::Brain brain{world};
  base::BlockingPool pool{world.loop, world.clock, 1};
  config::Configuration configuration;
  NodeVolumes volumes{NodeVolumes::Base{world.loop, world.clock, world.random, pool, configuration, brain.facts,
                                        world.objects, world.events, base::Logger(), nullptr, nullptr}};
  std::unique_ptr<AdmissionGate> admission;
  std::unique_ptr<CgroupsAdapter> cgroups;
  cri::OperationMetrics operations;
  server::ServerMetrics server;
  base::CountsBy<1> websockets{{{"exec"}, 1}};
  std::vector<stats::LogUse> log_use{{"u1", "ns", "pod", "main", 4096}};
  HealthChecks checks;
  node_api::HealthHandler health{checks, base::Logger()};
  bool missing = false;
  metrics::MetricsHandler main{base::SystemTime(), base::Logger()};
  metrics::MetricsHandler probes{base::SystemTime(), base::Logger()};
  metrics::MetricsHandler slis{base::SystemTime(), base::Logger()};
};

TEST_F(Pages, TheMainOneHasSomethingOfEveryPart) {
  operations.record("version", 3ms, false);
  const metrics::Page page = main.page();
  for (const char* name :
       {"kubelet_running_pods", "kubelet_pod_worker_duration_seconds", "kubelet_started_pods_total",
        "kubelet_lifecycle_handler_http_fallbacks_total", "kubelet_pleg_relist_duration_seconds",
        "kubelet_pod_in_progress_resizes", "process_resident_memory_bytes", "kubernetes_build_info",
        "kubernetes_feature_enabled", "kubelet_node_name", "kubelet_runtime_operations_total",
        "kubelet_image_volume_requested_total", "kubelet_imagemanager_ondisk_pulledrecords",
        "apiserver_client_certificate_expiration_seconds", "kubelet_websocket_streaming_requests_total",
        "kubelet_container_log_filesystem_used_bytes", "reconstruct_volume_operations_total"}) {
    EXPECT_TRUE(has(page, name)) << name;
  }
  for (const char* name : {"rest_client_requests_total", "kubelet_certificate_manager_client_ttl_seconds",
                           "kubelet_cri_losing_support", "prober_probe_total"}) {
    EXPECT_FALSE(has(page, name)) << name;
  }
  missing = true;
  EXPECT_TRUE(has(main.page(), "kubelet_cri_losing_support"));
}

TEST_F(Pages, TheOthersHaveTheirOwnAndTheStartOfTheProcess) {
  EXPECT_TRUE(has(probes.page(), "process_start_time_seconds"));
  EXPECT_FALSE(has(probes.page(), "kubelet_running_pods"));
  EXPECT_TRUE(has(slis.page(), "process_start_time_seconds"));
  EXPECT_FALSE(has(slis.page(), "kubernetes_healthcheck")) << "nobody has asked for it";
}

}  // namespace
}  // namespace keelson::agent
