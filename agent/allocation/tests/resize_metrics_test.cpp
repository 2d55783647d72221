#include "agent/allocation/resize_metrics.hpp"

#include <gtest/gtest.h>

#include "agent/allocation/resize_decision.hpp"
#include "agent/allocation/tests/resized_pods.hpp"

namespace keelson::agent {
namespace {

using testing::Amounts;
using testing::sized_pod;

TEST(RequestedResizes, CountEachResourceThatIsAskedForOtherwise) {
  struct Row {
    Amounts requests_before, limits_before, requests, limits;
    base::CountsBy<3> expected;
  };
  const Row rows[] = {
      {{{"cpu", "1"}}, {}, {{"cpu", "1000m"}}, {}, {}},
      {{{"cpu", "1"}}, {}, {{"cpu", "2"}}, {}, {{{"cpu", "requests", "increase"}, 1}}},
      {{{"cpu", "1"}, {"memory", "64Mi"}},
       {{"memory", "128Mi"}},
       {{"cpu", "500m"}},
       {{"memory", "64Mi"}, {"cpu", "1"}},
       {{{"cpu", "requests", "decrease"}, 1},
        {{"memory", "requests", "remove"}, 1},
        {{"memory", "limits", "decrease"}, 1},
        {{"cpu", "limits", "add"}, 1}}},
      {{{"ephemeral-storage", "1Gi"}}, {}, {{"ephemeral-storage", "2Gi"}}, {}, {}},
  };
  for (const Row& row : rows) {
    base::CountsBy<3> counts;
    count_requested(sized_pod("u", row.requests_before, row.limits_before), sized_pod("u", row.requests, row.limits),
                    counts);
    EXPECT_EQ(counts, row.expected) << "row " << &row - rows;
  }
}

TEST(RequestedResizes, CountEachContainerAndNoneThatIsNew) {
  api::Pod before = sized_pod("u", {{"cpu", "1"}});
  testing::add_container(before, "two", {{"cpu", "1"}});
  api::Pod after = sized_pod("u", {{"cpu", "2"}});
  testing::add_container(after, "two", {{"cpu", "3"}});
  testing::add_container(after, "three", {{"cpu", "3"}});
  base::CountsBy<3> counts;
  count_requested(before, after, counts);
  EXPECT_EQ(counts, (base::CountsBy<3>{{{"cpu", "requests", "increase"}, 2}}));
}

TEST(InfeasibleResizes, EveryTextHasItsLabel) {
  NodeInfo node;
  const api::Pod small = sized_pod("u", {{"cpu", "1"}, {"memory", "1Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
  const api::Pod more_cpu = sized_pod("u", {{"cpu", "2"}, {"memory", "1Gi"}}, {{"cpu", "2"}, {"memory", "1Gi"}});
  const api::Pod more_memory = sized_pod("u", {{"cpu", "1"}, {"memory", "2Gi"}}, {{"cpu", "1"}, {"memory", "2Gi"}});
  const auto label = [&](const api::Pod& wanted, const api::Pod& allocated, const ResizeRules& rules) {
    const auto text = infeasible_resize(wanted, allocated, rules, node);
    return text ? infeasible_label(*text) : "feasible";
  };
  ResizeRules rules;
  EXPECT_EQ(label(more_cpu, small, rules), "feasible");
  rules.static_cpu_manager = true;
  rules.static_memory_manager = true;
  EXPECT_EQ(label(more_cpu, small, rules), "guaranteed_pod_cpu_manager_static_policy");
  EXPECT_EQ(label(more_memory, small, rules), "guaranteed_pod_memory_manager_static_policy");
  rules.enabled = false;
  EXPECT_EQ(label(more_cpu, small, rules), "feature_gate_off");
  rules.enabled = true;
  api::Pod static_pod = more_cpu;
  (*static_pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  EXPECT_EQ(label(static_pod, small, rules), "static_pod");
  node.swap_controller = true;
  node.cgroup_v2 = true;
  node.swap_behavior = SwapBehavior::limited_swap;
  const api::Pod burstable = sized_pod("u", {{"memory", "1Gi"}}, {{"memory", "4Gi"}});
  EXPECT_EQ(label(sized_pod("u", {{"memory", "2Gi"}}, {{"memory", "4Gi"}}), burstable, rules), "swap_limitation");
}

}  // namespace
}  // namespace keelson::agent
