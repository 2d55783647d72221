#include "agent/admission/preemption.hpp"

#include <gtest/gtest.h>

#include "agent/admission/tests/fixture.hpp"

namespace keelson::agent {
namespace {

using testing::Node;
using testing::other_pod;
using testing::pod_of;
using testing::requesting;

api::PodPtr guaranteed(const std::string& name, const std::string& cpu, const std::string& memory) {
  return other_pod("spec: {containers: [{name: c, resources: {requests: {cpu: " + cpu + ", memory: " + memory +
                       "}, limits: {cpu: " + cpu + ", memory: " + memory + "}}}]}",
                   name);
}
api::PodPtr burstable(const std::string& name, const std::string& cpu, const std::string& memory) {
  return other_pod(requesting(cpu, memory), name);
}
api::PodPtr best_effort(const std::string& name) { return other_pod("spec: {containers: [{name: c}]}", name); }
api::Pod critical(const std::string& cpu, const std::string& memory) {
  api::Pod pod = pod_of(requesting(cpu, memory));
  pod.mutable_spec()->set_priority(2'000'000'000);
  return pod;
}

std::string names(const std::vector<api::PodPtr>& pods) {
  std::string text;
  for (const auto& pod : pods) text += (text.empty() ? "" : " ") + pod->metadata().name();
  return text;
}

struct Row {
  const char* what;
  std::vector<api::PodPtr> others;
  std::vector<Shortage> shortages;  // requested is what is missing
  std::string victims;
};

Shortage missing(const std::string& resource, std::int64_t amount) { return {resource, amount, 0, 0}; }

TEST(Preemption, ChoosesTheFewestAndSmallest) {
  const std::vector<Row> rows = {
      {"the lower class though it is bigger",
       {guaranteed("g", "500m", "1Gi"), burstable("b", "1", "1Gi")},
       {missing("cpu", 500)},
       "b"},
      {"the one that comes closest by itself",
       {burstable("a", "200m", "1Gi"), burstable("b", "600m", "1Gi"), burstable("c", "300m", "1Gi")},
       {missing("cpu", 500)},
       "b"},
      {"of several that suffice the one with less memory",
       {burstable("a", "600m", "2Gi"), burstable("b", "900m", "1Gi")},
       {missing("cpu", 500)},
       "b"},
      {"of equal memory the one with less CPU",
       {burstable("a", "900m", "1Gi"), burstable("b", "600m", "1Gi")},
       {missing("cpu", 500)},
       "b"},
      {"as many as it takes",
       {burstable("a", "200m", "1Gi"), burstable("b", "300m", "1Gi"), burstable("c", "100m", "1Gi")},
       {missing("cpu", 500)},
       "b a"},
      {"guaranteed pods only for what the others cannot give",
       {guaranteed("g1", "400m", "1Gi"), guaranteed("g2", "1", "1Gi"), burstable("b", "200m", "1Gi")},
       {missing("cpu", 500)},
       "b g1"},
      {"one best-effort pod for one place", {burstable("b", "1", "1Gi"), best_effort("e")}, {missing("pods", 1)}, "e"},
      {"several resources at once",
       {burstable("a", "500m", "100Mi"), burstable("b", "400m", "1Gi")},
       {missing("cpu", 400), missing("memory", 1 << 30)},
       "b"},
  };
  for (const Row& row : rows) {
    const auto victims = choose_victims(critical("1", "1Gi"), row.others, row.shortages);
    ASSERT_TRUE(victims.ok()) << row.what << ": " << victims.error().to_string();
    EXPECT_EQ(names(*victims), row.victims) << row.what;
  }
}

TEST(Preemption, SparesCriticalPodsOfTheSamePriority) {
  auto equal = std::make_shared<api::Pod>(*burstable("equal", "1", "1Gi"));
  equal->mutable_spec()->set_priority(2'000'000'000);
  auto higher = std::make_shared<api::Pod>(*burstable("higher", "1", "1Gi"));
  higher->mutable_spec()->set_priority(2'000'001'000);
  auto manifest = std::make_shared<api::Pod>(*burstable("static", "1", "1Gi"));
  (*manifest->mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  const auto newcomer = critical("1", "1Gi");
  EXPECT_FALSE(may_preempt(newcomer, *equal));
  EXPECT_FALSE(may_preempt(newcomer, *higher));
  EXPECT_TRUE(may_preempt(*higher, *equal));
  EXPECT_FALSE(may_preempt(newcomer, *manifest)) << "it has no priority to be lower";
  EXPECT_TRUE(may_preempt(newcomer, *burstable("b", "1", "1Gi")));
  EXPECT_FALSE(may_preempt(*burstable("a", "1", "1Gi"), *burstable("b", "1", "1Gi")));
}

TEST(Preemption, MakesRoomForACriticalPod) {
  Node node;
  node.others = {burstable("small", "500m", "1Gi"), burstable("big", "1500m", "1Gi")};
  const AdmissionDecision answer = node.admit(critical("1", "1Gi"));
  EXPECT_TRUE(answer.admitted());
  EXPECT_EQ(names(answer.victims), "big");
  EXPECT_EQ(answer.preemption_signal, "cpu");
  EXPECT_TRUE(node.admit(pod_of(requesting("1", "1Gi"))).victims.empty()) << "not for any pod";
}

TEST(Preemption, SaysWhatCannotBeFreed) {
  Node node;
  node.others = {burstable("b", "500m", "1Gi")};
  EXPECT_EQ(
      node.verdict(critical("3", "5Gi")),
      "UnexpectedAdmissionError: Unexpected error while attempting to recover from admission failure: preemption: "
      "error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: "
      "1000), (res: memory, q: 1073741824), ]");
}

TEST(Preemption, TakesNobodyWhenThePodIsRefusedAnyhow) {
  Node node;
  node.others = {burstable("b", "2", "1Gi")};
  api::Pod pod = critical("1", "1Gi");
  (*pod.mutable_spec()->mutable_nodeselector())["disk"] = "ssd";
  AdmissionDecision answer = node.admit(pod);
  EXPECT_EQ(answer.rejection->reason, "NodeAffinity") << "room could be made, but not for this";
  EXPECT_FALSE(answer.only_affinity_failed);
  pod.mutable_spec()->clear_nodeselector();
  node.facts.shutting_down = true;
  answer = node.admit(pod);
  EXPECT_EQ(answer.rejection->reason, "NodeShutdown");
  EXPECT_TRUE(answer.victims.empty());
}

}  // namespace
}  // namespace keelson::agent
