// Which resizes can never be done, and in what order the others are looked at. Source: contract 02 §8, contract 03 §6.
#include "agent/allocation/resize_decision.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "agent/allocation/tests/resized_pods.hpp"

namespace keelson::agent {
namespace {

using testing::resources;
using testing::set_resize_policy;
using testing::sized_pod;

constexpr char kSwap[] = "In-place resize of containers with swap is not supported.";

struct Case {
  api::Pod wanted = sized_pod("u1", {{"cpu", "2"}, {"memory", "2Gi"}}, {});
  api::Pod allocated = sized_pod("u1", {{"cpu", "1"}, {"memory", "1Gi"}}, {});
  ResizeRules rules;
  NodeInfo node;

  void guaranteed(const testing::Amounts& now, const testing::Amounts& before) {
    wanted = sized_pod("u1", now, now);
    allocated = sized_pod("u1", before, before);
  }
  void swap() {
    node.cgroup_v2 = true;
    node.swap_controller = true;
    node.swap_behavior = SwapBehavior::limited_swap;
  }
};

TEST(ResizeDecision, SaysWhatCanNeverBeDone) {
  const struct {
    const char* what;
    std::function<void(Case&)> arrange;
    std::string answer;  // empty: feasible
  } rows[] = {
      {"a plain resize", [](Case&) {}, ""},
      {"gate off", [](Case& c) { c.rules.enabled = false; }, "InPlacePodVerticalScaling is disabled"},
      {"a static pod",
       [](Case& c) { (*c.wanted.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file"; },
       "In-place resize of static-pods is not supported"},
      {"swap in use", [](Case& c) { c.swap(); }, kSwap},
      {"swap on cgroup v1", [](Case& c) { c.swap(), c.node.cgroup_v2 = false; }, ""},
      {"swap without controller", [](Case& c) { c.swap(), c.node.swap_controller = false; }, ""},
      {"swap, CPU alone",
       [](Case& c) {
         c.swap();
         *c.wanted.mutable_spec()->mutable_containers(0)->mutable_resources() =
             resources({{"cpu", "2"}, {"memory", "1Gi"}}, {});
       },
       ""},
      {"swap, but memory restarts the container",
       [](Case& c) {
         c.swap();
         set_resize_policy(*c.allocated.mutable_spec()->mutable_containers(0), "memory", "RestartContainer");
       },
       ""},
      {"swap, policy of CPU only",
       [](Case& c) {
         c.swap();
         set_resize_policy(*c.allocated.mutable_spec()->mutable_containers(0), "cpu", "RestartContainer");
         set_resize_policy(*c.allocated.mutable_spec()->mutable_containers(0), "memory", "NotRequired");
       },
       kSwap},
      {"swap, critical pod",
       [](Case& c) {
         c.swap(), c.wanted.mutable_spec()->set_priority(2'000'000'000),
             c.allocated.mutable_spec()->set_priority(2'000'000'000);
       },
       ""},
      {"swap, Guaranteed",
       [](Case& c) {
         c.swap(), c.guaranteed({{"cpu", "1"}, {"memory", "2Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
       },
       ""},
      {"pod level, gate off",
       [](Case& c) {
         c.rules.pod_level = false;
         *c.wanted.mutable_spec()->mutable_resources() = resources({{"cpu", "2"}}, {});
       },
       "InPlacePodLevelResourcesVerticalScaling is disabled"},
      {"pod level, gate on",
       [](Case& c) {
         *c.wanted.mutable_spec()->mutable_resources() = resources({{"cpu", "2"}}, {});
       },
       ""},
      {"pod level as before, gate off", [](Case& c) { c.rules.pod_level = false; }, ""},
      {"Burstable beside a static CPU manager", [](Case& c) { c.rules.static_cpu_manager = true; }, ""},
      {"Guaranteed CPU beside a static CPU manager",
       [](Case& c) {
         c.rules.static_cpu_manager = true;
         c.guaranteed({{"cpu", "2"}, {"memory", "1Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
       },
       "Resize is infeasible for Guaranteed Pods alongside CPU Manager policy \"static\""},
      {"the same with exclusive CPUs allowed",
       [](Case& c) {
         c.rules.static_cpu_manager = true;
         c.rules.exclusive_cpus = true;
         c.guaranteed({{"cpu", "2"}, {"memory", "1Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
       },
       ""},
      {"Guaranteed memory beside a static CPU manager",
       [](Case& c) {
         c.rules.static_cpu_manager = true;
         c.guaranteed({{"cpu", "1"}, {"memory", "2Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
       },
       ""},
      {"Guaranteed memory beside a static memory manager",
       [](Case& c) {
         c.rules.static_memory_manager = true;
         c.guaranteed({{"cpu", "1"}, {"memory", "2Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
       },
       "Resize is infeasible for Guaranteed Pods alongside Memory Manager policy \"Static\""},
      {"the same with exclusive memory allowed",
       [](Case& c) {
         c.rules.static_memory_manager = true;
         c.rules.exclusive_memory = true;
         c.guaranteed({{"cpu", "1"}, {"memory", "2Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
       },
       ""},
  };
  for (const auto& row : rows) {
    Case c;
    row.arrange(c);
    EXPECT_EQ(infeasible_resize(c.wanted, c.allocated, c.rules, c.node).value_or(""), row.answer) << row.what;
  }
}

TEST(ResizeDecision, RaisesRequestsWhenThePodAsAWholeAsksForMore) {
  const api::Pod before = sized_pod("u1", {{"cpu", "1"}, {"memory", "1Gi"}}, {{"cpu", "2"}});
  EXPECT_FALSE(raises_requests(before, before));
  EXPECT_TRUE(raises_requests(sized_pod("u1", {{"cpu", "1001m"}, {"memory", "1Gi"}}), before));
  EXPECT_TRUE(raises_requests(sized_pod("u1", {{"cpu", "500m"}, {"memory", "2Gi"}}), before));
  EXPECT_FALSE(raises_requests(sized_pod("u1", {{"cpu", "500m"}, {"memory", "512Mi"}}), before));
  EXPECT_FALSE(raises_requests(sized_pod("u1", {{"cpu", "1"}, {"memory", "1Gi"}}, {{"cpu", "4"}}), before));
  api::Pod moved = before;  // what one container gives another takes
  *moved.mutable_spec()->mutable_containers(0)->mutable_resources() =
      resources({{"cpu", "400m"}, {"memory", "1Gi"}}, {});
  testing::add_container(moved, "second", {{"cpu", "600m"}});
  EXPECT_FALSE(raises_requests(moved, before));
}

TEST(ResizeDecision, TheQueueHasItsOrder) {
  const auto at = [](int second) { return base::SystemTime(std::chrono::seconds(second)); };
  // In the order that is wanted.
  const std::vector<PendingResize> wanted = {
      {"shrinks, low priority", false, 0, false, std::nullopt},  {"critical", true, 2'000'000'000, false, std::nullopt},
      {"priority 10, Guaranteed", true, 10, true, at(9)},        {"priority 10, long deferred", true, 10, false, at(5)},
      {"priority 10, shortly deferred", true, 10, false, at(7)}, {"priority 10, new", true, 10, false, std::nullopt},
      {"priority 0, Guaranteed", true, 0, true, at(1)},          {"priority -5", true, -5, true, at(1)},
  };
  std::vector<PendingResize> order = {wanted[5], wanted[7], wanted[3], wanted[0],
                                      wanted[6], wanted[2], wanted[4], wanted[1]};
  sort_pending(order);
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_EQ(order[i].uid, wanted[i].uid) << i;
}

TEST(ResizeDecision, AQueueEntryTellsWhatItsOrderNeeds) {
  api::Pod wanted = sized_pod("u1", {{"cpu", "2"}, {"memory", "1Gi"}}, {{"cpu", "2"}, {"memory", "1Gi"}});
  wanted.mutable_spec()->set_priority(7);
  const api::Pod before = sized_pod("u1", {{"cpu", "1"}, {"memory", "1Gi"}}, {{"cpu", "1"}, {"memory", "1Gi"}});
  const PendingResize entry = pending_resize(wanted, before, std::nullopt);
  EXPECT_EQ(entry.uid, "u1");
  EXPECT_TRUE(entry.raises_requests);
  EXPECT_EQ(entry.priority, 7);
  EXPECT_TRUE(entry.guaranteed);
}

}  // namespace
}  // namespace keelson::agent
