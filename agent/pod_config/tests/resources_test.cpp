#include "agent/pod_config/resources.hpp"

#include <gtest/gtest.h>

#include "agent/pod_config/qos.hpp"
#include "agent/pod_config/tests/pods.hpp"
#include "cgroup-manager/formulas.hpp"

namespace keelson::agent {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;
constexpr std::int64_t kMiB = std::int64_t{1} << 20;

NodeInfo node_of(std::int64_t memory = 24 * kGiB) {
  NodeInfo node;
  node.memory_bytes = memory;
  node.hugepage_sizes = {"2MB", "1GB"};
  return node;
}

std::string containers(const std::string& list, const std::string& more = "") {
  return "spec: {containers: [" + list + "]" + (more.empty() ? "" : ", " + more) + "}";
}
std::string with(const std::string& resources) { return "{name: c, resources: " + resources + "}"; }

struct QosRow {
  const char* why;
  std::string pod;
  QosClass qos;
};

TEST(Qos, FollowsRequestsAndLimits) {
  const std::string full = "{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}";
  const std::vector<QosRow> rows{
      {"nothing", containers("{name: c}"), QosClass::best_effort},
      {"only ephemeral storage", containers(with("{requests: {ephemeral-storage: 1Gi}}")), QosClass::best_effort},
      {"zeros", containers(with("{requests: {cpu: 0}, limits: {memory: 0}}")), QosClass::best_effort},
      {"request = limit", containers(with(full)), QosClass::guaranteed},
      {"equal in other words",
       containers(with("{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1000m, memory: 1024Mi}}")),
       QosClass::guaranteed},
      {"limit above request", containers(with("{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 1Gi}}")),
       QosClass::burstable},
      {"no memory limit", containers(with("{requests: {cpu: 1}, limits: {cpu: 1}}")), QosClass::burstable},
      {"a request only", containers(with("{requests: {cpu: 1m}}")), QosClass::burstable},
      {"one container without", containers(with(full) + ", {name: d}"), QosClass::burstable},
      {"an init container without", containers(with(full), "initContainers: [{name: i}]"), QosClass::burstable},
      {"an ephemeral container without", containers(with(full), "ephemeralContainers: [{name: e}]"),
       QosClass::guaranteed},
      {"pod level", containers("{name: c}", "resources: " + full), QosClass::guaranteed},
      {"pod level decides alone", containers(with(full), "resources: {requests: {cpu: 5}}"), QosClass::burstable},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.why);
    EXPECT_EQ(to_string(compute_qos_class(make_pod(row.pod))), to_string(row.qos));
  }
}

TEST(Qos, AClassInTheStatusIsKept) {
  auto pod = make_pod(containers("{name: c}"));
  pod.mutable_status()->set_qosclass("Guaranteed");
  EXPECT_EQ(qos_class(pod), QosClass::guaranteed);
}

struct SumRow {
  const char* why;
  std::string pod;
  std::string cpu_request, memory_limit;
};

TEST(EffectiveResources, FollowTheOrderOfStarts) {
  const std::string side = "{name: s, restartPolicy: Always, resources: {requests: {cpu: 1}, limits: {memory: 1Gi}}}";
  const std::string init = "{name: i, resources: {requests: {cpu: 3}, limits: {memory: 3Gi}}}";
  const std::string main = with("{requests: {cpu: 2}, limits: {memory: 2Gi}}");
  const std::vector<SumRow> rows{
      {"sum", containers(main + ", " + main), "4", "4Gi"},
      {"largest init", containers(main, "initContainers: [" + init + "]"), "3", "3Gi"},
      {"sidecar after init", containers(main, "initContainers: [" + init + ", " + side + "]"), "3", "3Gi"},
      {"sidecar before init", containers(main, "initContainers: [" + side + ", " + init + "]"), "4", "4Gi"},
      {"pod level wins", containers(main, "resources: {requests: {cpu: 9}, limits: {memory: 9Gi}}"), "9", "9Gi"},
      {"overhead", containers(main, "overhead: {cpu: 250m, memory: 1Gi}"), "2250m", "3Gi"},
      {"overhead without limit", containers("{name: c}", "overhead: {cpu: 250m, memory: 1Gi}"), "250m", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.why);
    const auto pod = make_pod(row.pod);
    EXPECT_EQ(effective_requests(pod).at("cpu").to_string(), row.cpu_request);
    const auto limits = effective_limits(pod);
    EXPECT_EQ(limits.contains("memory") ? limits.at("memory").to_string() : "", row.memory_limit);
  }
}

// The worked values of contract 03 §4.1: pod cgroup, sandbox, and containers of three pods.
TEST(Resources, WorkedExamplesOfTheContract) {
  const NodeInfo node = node_of();
  const auto guaranteed =
      make_pod(containers(with("{requests: {cpu: 250m, memory: 64Mi}, limits: {cpu: 250m, memory: 64Mi}}")));
  const auto limits = pod_cgroup_limits(guaranteed, node, -1, false);
  EXPECT_EQ(limits.cpu_shares, 256);
  EXPECT_EQ(cgroups::weight_from_shares(*limits.cpu_shares), 10);
  EXPECT_EQ(limits.cpu_quota, 25'000);
  EXPECT_EQ(limits.memory, 64 * kMiB);
  EXPECT_FALSE(limits.pids.has_value());

  const auto burstable = make_pod(containers(with("{requests: {cpu: 100m, memory: 32Mi}, limits: {memory: 64Mi}}") +
                                             ", {name: second, resources: {requests: {cpu: 50m}}}"));
  const auto of_two = pod_cgroup_limits(burstable, node, -1, false);
  EXPECT_EQ(of_two.cpu_shares, 153);
  EXPECT_FALSE(of_two.cpu_quota.has_value());
  EXPECT_FALSE(of_two.memory.has_value()) << "one container has no limit";
  const auto sandbox = sandbox_resources(burstable, node, false);
  EXPECT_EQ(sandbox.cpu_shares, 153);
  EXPECT_EQ(sandbox.cpu_quota, 0);
  EXPECT_EQ(sandbox.memory_limit_in_bytes, 64 * kMiB) << "the sandbox gets the plain sum";
  EXPECT_EQ(sandbox.oom_score_adj, 0);
  EXPECT_TRUE(sandbox.hugepage_limits.empty());
  EXPECT_EQ(container_resources(burstable, burstable.spec().containers(0), node, false).cpu_shares, 102);
  EXPECT_EQ(container_resources(burstable, burstable.spec().containers(1), node, false).cpu_shares, 51);
  EXPECT_EQ(container_resources(burstable, burstable.spec().containers(1), node, false).memory_limit_in_bytes, 0);

  const auto pod_level =
      make_pod(containers(with("{requests: {cpu: 100m}}") + ", {name: second}",
                          "resources: {requests: {cpu: 200m, memory: 64Mi}, limits: {cpu: 500m, memory: 128Mi}}"));
  const auto of_pod = pod_cgroup_limits(pod_level, node, -1, false);
  EXPECT_EQ(of_pod.cpu_shares, 204);
  EXPECT_EQ(of_pod.cpu_quota, 50'000);
  EXPECT_EQ(of_pod.memory, 128 * kMiB);
  for (const int index : {0, 1}) {
    const auto resources = container_resources(pod_level, pod_level.spec().containers(index), node, false);
    EXPECT_EQ(resources.cpu_shares, index == 0 ? 102 : 512);
    EXPECT_EQ(resources.cpu_quota, 50'000);
    EXPECT_EQ(resources.memory_limit_in_bytes, 128 * kMiB);
  }

  const auto memory_only = make_pod(containers(with("{requests: {memory: 16Mi}}")));
  EXPECT_EQ(pod_cgroup_limits(memory_only, node, -1, false).cpu_shares, 2);
}

TEST(Resources, AMissingCpuRequestIsTakenFromTheLimitButAZeroIsNot) {
  const NodeInfo node = node_of();
  const auto missing = make_pod(containers(with("{limits: {cpu: 500m}}")));
  EXPECT_EQ(container_resources(missing, missing.spec().containers(0), node, false).cpu_shares, 512);
  const auto zero = make_pod(containers(with("{requests: {cpu: 0}, limits: {cpu: 500m}}")));
  EXPECT_EQ(container_resources(zero, zero.spec().containers(0), node, false).cpu_shares, 2);
}

TEST(Resources, QuotaCanBeSwitchedOffAndIsLiftedForExclusiveCpus) {
  NodeInfo node = node_of();
  const auto pod = make_pod(containers(with("{limits: {cpu: 2, memory: 1Gi}, requests: {cpu: 2, memory: 1Gi}}")));
  const auto exclusive = container_resources(pod, pod.spec().containers(0), node, true);
  EXPECT_EQ(exclusive.cpu_quota, -1);
  EXPECT_EQ(exclusive.cpu_period, 100'000);
  EXPECT_EQ(pod_cgroup_limits(pod, node, -1, true).cpu_quota, -1);
  node.cpu_cfs_quota = false;
  const auto off = container_resources(pod, pod.spec().containers(0), node, false);
  EXPECT_EQ(off.cpu_quota, 0);
  EXPECT_EQ(off.cpu_period, 0);
  EXPECT_EQ(pod_cgroup_limits(pod, node, -1, false).cpu_quota, -1);
}

TEST(Resources, PidsAndHugepagesReachThePodCgroup) {
  const auto pod = make_pod(containers(with("{requests: {cpu: 1, hugepages-2Mi: 4Mi}, limits: {hugepages-2Mi: 4Mi}}")));
  const auto limits = pod_cgroup_limits(pod, node_of(), 1024, false);
  EXPECT_EQ(limits.pids, 1024);
  const std::map<std::string, std::int64_t> expected{{"2MB", 4 * kMiB}, {"1GB", 0}};
  EXPECT_EQ(limits.hugetlb, expected);
  const auto resources = container_resources(pod, pod.spec().containers(0), node_of(), false);
  const std::vector<cri::HugepageLimit> pages{{"2MB", 4 * kMiB}, {"1GB", 0}};
  EXPECT_EQ(resources.hugepage_limits, pages);
}

TEST(Resources, OverheadIsRequestAndLimit) {
  const auto pod = make_pod(containers("{name: c}", "overhead: {cpu: 250m, memory: 64Mi}"));
  const auto overhead = overhead_resources(pod, node_of());
  EXPECT_EQ(overhead.cpu_shares, 256);
  EXPECT_EQ(overhead.cpu_quota, 25'000);
  EXPECT_EQ(overhead.memory_limit_in_bytes, 64 * kMiB);
  EXPECT_EQ(overhead_resources(make_pod(containers("{name: c}")), node_of()), cri::LinuxContainerResources{});
  EXPECT_EQ(sandbox_resources(pod, node_of(), false).cpu_shares, 2);
}

TEST(Resources, CgroupV2GroupsOomKillsUnlessToldOtherwise) {
  NodeInfo node = node_of();
  node.cgroup_v2 = true;
  const auto pod = make_pod(containers("{name: c}"));
  const cri::StringMap grouped{{"memory.oom.group", "1"}};
  EXPECT_EQ(container_resources(pod, pod.spec().containers(0), node, false).unified, grouped);
  EXPECT_EQ(sandbox_resources(pod, node, false).unified, grouped);
  node.single_process_oom_kill = true;
  EXPECT_TRUE(container_resources(pod, pod.spec().containers(0), node, false).unified.empty());
}

struct SwapRow {
  const char* why;
  std::string pod;
  SwapBehavior behavior;
  std::string value;
};

TEST(Swap, LimitedSwapIsSharedOutByMemoryRequest) {
  const std::string burstable = containers(with("{requests: {memory: 1Gi}}"));
  const std::vector<SwapRow> rows{
      {"no swap", burstable, SwapBehavior::no_swap, "0"},
      {"burstable", burstable, SwapBehavior::limited_swap, std::to_string(kGiB / 4)},
      {"best effort", containers("{name: c}"), SwapBehavior::limited_swap, "0"},
      {"request = limit", containers(with("{requests: {memory: 1Gi, cpu: 1}, limits: {memory: 1Gi}}")),
       SwapBehavior::limited_swap, "0"},
      {"critical", containers(with("{requests: {memory: 1Gi}}"), "priority: 2000000000"), SwapBehavior::limited_swap,
       "0"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.why);
    NodeInfo node = node_of(8 * kGiB);
    node.cgroup_v2 = true;
    node.swap_controller = true;
    node.swap_bytes = 2 * kGiB;
    node.swap_behavior = row.behavior;
    const auto pod = make_pod(row.pod);
    EXPECT_EQ(container_resources(pod, pod.spec().containers(0), node, false).unified["memory.swap.max"], row.value);
  }
}

TEST(Swap, CgroupV1ForbidsSwapByTheMemoryLimit) {
  NodeInfo node = node_of();
  const auto pod = make_pod(containers(with("{limits: {memory: 1Gi}}")));
  EXPECT_EQ(container_resources(pod, pod.spec().containers(0), node, false).memory_swap_limit_in_bytes, 0);
  node.swap_controller = true;
  EXPECT_EQ(container_resources(pod, pod.spec().containers(0), node, false).memory_swap_limit_in_bytes, kGiB);
}

struct OomRow {
  const char* why;
  std::string pod;
  int score;
};

TEST(OomScore, FollowsClassAndMemoryRequest) {
  const std::string guaranteed = with("{requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}");
  const std::string source = "metadata: {annotations: {kubernetes.io/config.source: file}}\n";
  const std::vector<OomRow> rows{
      {"best effort", containers("{name: c}"), 1000},
      {"guaranteed", containers(guaranteed), -997},
      {"a quarter of the node", containers(with("{requests: {memory: 1Gi}}")), 750},
      {"tiny", containers(with("{requests: {memory: 1Mi}}")), 999},
      {"no memory request", containers(with("{requests: {cpu: 1}}")), 999},
      {"more than the node", containers(with("{requests: {memory: 8Gi}}")), 3},
      {"critical without class", containers("{name: c}", "priority: 2000000000"), 1000},
      {"node critical", containers("{name: c}", "priority: 2000001000, priorityClassName: system-node-critical"), -997},
      {"static, node critical", source + containers("{name: c}", "priorityClassName: system-node-critical"), -997},
      {"class without priority", containers("{name: c}", "priorityClassName: system-node-critical"), 1000},
      {"pod level, shared out",
       containers(with("{requests: {memory: 1Gi}}") + ", {name: d}", "resources: {requests: {memory: 2Gi}}"), 625},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.why);
    const auto pod = make_pod(row.pod);
    EXPECT_EQ(oom_score_adj(pod, pod.spec().containers(0), 4 * kGiB), row.score);
  }
}

TEST(OomScore, ASidecarIsNotKilledBeforeTheContainersItServes) {
  const auto pod = make_pod(containers(
      "{name: a, resources: {requests: {memory: 2Gi}}}, {name: b, resources: {requests: {memory: 1Gi}}}",
      "initContainers: [{name: s, restartPolicy: Always}, {name: big, restartPolicy: Always, resources: {requests: "
      "{memory: 3Gi}}}, {name: i}]"));
  EXPECT_EQ(oom_score_adj(pod, pod.spec().initcontainers(0), 4 * kGiB), 750) << "that of the smallest container";
  EXPECT_EQ(oom_score_adj(pod, pod.spec().initcontainers(1), 4 * kGiB), 250) << "its own is lower";
  EXPECT_EQ(oom_score_adj(pod, pod.spec().initcontainers(2), 4 * kGiB), 999) << "an ordinary init container";
}

TEST(Hugepages, ResourceNamesBecomeTheKernelsSizes) {
  EXPECT_EQ(hugepage_size("hugepages-2Mi"), "2MB");
  EXPECT_EQ(hugepage_size("hugepages-1Gi"), "1GB");
  EXPECT_EQ(hugepage_size("hugepages-64Ki"), "64KB");
  EXPECT_EQ(hugepage_size("memory"), "");
  EXPECT_EQ(hugepage_size("hugepages-x"), "");
}

}  // namespace
}  // namespace keelson::agent
