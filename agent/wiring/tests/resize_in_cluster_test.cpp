// A resize as a user of a cluster makes it: a patch of the sub-resource of a pod in the fake API server, the node's
// admission, and what the API's copy shows in the end. Source: contract 02 §8, §13.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"
#include "agent/wiring/admission_gate.hpp"
#include "agent/wiring/cluster_pods.hpp"
#include "api/tests/pod_fixture.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Of one CPU and one GiB each, on a node of four.
constexpr char kPod[] =
    "spec:\n"
    "  nodeName: node\n"
    "  containers:\n"
    "  - {name: main, image: 'image:1', imagePullPolicy: IfNotPresent,\n"
    "     resources: {requests: {cpu: '1', memory: 1Gi}, limits: {cpu: '2', memory: 1Gi}}}\n";

class ResizeInACluster : public ::testing::Test {
 protected:
  ResizeInACluster() {
    world.cri.images["image:1"].id = "sha256:image:1";
    auto node = std::make_shared<api::core::Node>();
    node->mutable_metadata()->set_name("node");
    for (const auto& [name, amount] :
         std::map<std::string, std::string>{{"cpu", "4"}, {"memory", "8Gi"}, {"pods", "9"}}) {
      (*node->mutable_status()->mutable_allocatable())[name].set_string(amount);
    }
    EXPECT_TRUE(server.create(*node).ok());
    config::Configuration configuration;
    auto made = AdmissionGate::create(world.clock, configuration, brain.facts, "6.1.0", *brain.workers,
                                      brain.engine.allocations(), world.events, [node] { return node; });
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    gate = std::move(*made);
    PodEngine::Hooks hooks;
    hooks.admit = [this](const api::PodPtr& pod) { return gate->ask(pod); };
    hooks.admit_resize = [this](const api::PodPtr& pod) { return gate->ask_resize(pod); };
    brain.engine.set_hooks(std::move(hooks));
    pods.attach(*brain.workers, nullptr);
    brain.start();
    brain.set_pods({});
    pods.start(tasks);
    settle();
  }
  ~ResizeInACluster() override {
    brain.stop();
    world.run(pods.stop());
    world.run(tasks.stop());
    transport.close_all();
    user_transport.close_all();
    settle();
  }

  void settle(base::Duration time = 3s) {
    world.until([] { return false; }, time);
  }
  void create(const std::string& name, std::int32_t priority = 0) {
    api::Pod pod = api::testing::pod_from_yaml("metadata: {name: " + name + ", namespace: default}\n" + kPod);
    pod.mutable_spec()->set_priority(priority);
    auto made = server.create(pod);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    settle();
    ASSERT_EQ(stored(name).status().phase(), "Running");
  }
  // As kubectl patch pod NAME --subresource resize.
  void resize(const std::string& name, const std::string& cpu, const std::string& memory) {
    const std::string patch = R"({"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":")" + cpu +
                              R"(","memory":")" + memory + R"("},"limits":{"memory":")" + memory + R"("}}}]}})";
    auto task = user.patch<api::Pod>("default", name, kube::PatchType::strategic_merge, patch, "resize");
    auto patched = world.run(std::move(task));
    ASSERT_TRUE(patched.ok()) << patched.error().to_string();
    settle();
  }
  api::Pod stored(const std::string& name) { return server.get<api::Pod>("default", name).value_or(api::Pod()); }
  std::string condition(const std::string& name, const std::string& type) {
    const api::Pod pod = stored(name);
    for (const auto& entry : pod.status().conditions()) {
      if (entry.type() == type) {
        return entry.reason() + ": " + entry.message() + " (" + std::to_string(entry.observedgeneration()) + ")";
      }
    }
    return "";
  }
  // CPU request and memory limit that the API shows.
  std::string shown(const std::string& name) {
    const api::Pod pod = stored(name);
    const auto& resources = pod.status().containerstatuses(0).resources();
    return resources.requests().at("cpu").string() + " " + resources.limits().at("memory").string();
  }
  std::vector<std::string> events(const std::string& name) {
    std::vector<std::string> out;
    const std::string uid = stored(name).metadata().uid();
    for (const auto& entry : world.events.all) {
      if (entry.uid == uid && entry.event.reason.starts_with("Resize")) out.push_back(entry.event.reason);
    }
    return out;
  }

  testing::World world;
  fakes::FakeApi server{world.loop, world.clock};
  fakes::FakeApiTransport transport{
      server, world.clock, {"system:node:node", {"system:nodes", "system:authenticated"}}};
  fakes::FakeApiTransport user_transport{server, world.clock, {"admin", {"system:masters", "system:authenticated"}}};
  kube::Client client{world.loop, world.clock, transport, kube::ClientOptions(), base::Logger()};
  kube::Client user{world.loop, world.clock, user_transport, kube::ClientOptions(), base::Logger()};
  ClusterPods pods{world.loop, world.clock, world.random, client, "node", base::Logger()};
  testing::Brain brain{world, 300s, &pods.sink()};
  std::unique_ptr<AdmissionGate> gate;
  base::Gate tasks{world.loop};
};

TEST_F(ResizeInACluster, OneThatFitsIsShownByTheApi) {
  create("a");
  EXPECT_EQ(brain.workers->metrics().starts.total().count, 1u) << "the watch has shown that it runs";
  resize("a", "3", "2Gi");
  EXPECT_EQ(shown("a"), "3 2Gi");
  EXPECT_EQ(stored("a").status().containerstatuses(0).allocatedresources().at("cpu").string(), "3");
  EXPECT_EQ(stored("a").status().containerstatuses(0).restartcount(), 0);
  EXPECT_EQ(stored("a").status().observedgeneration(), 2);
  EXPECT_EQ(condition("a", "PodResizeInProgress"), "");
  EXPECT_THAT(events("a"), ElementsAre("ResizeStarted", "ResizeCompleted"));
}

TEST_F(ResizeInACluster, OneThatDoesNotFitWaitsForARoomThatAnotherPodLeaves) {
  create("a");
  create("b");
  resize("a", "3500m", "1Gi");
  EXPECT_EQ(condition("a", "PodResizePending"),
            "Deferred: Node didn't have enough resource: cpu, requested: 3500, used: 1000, capacity: 4000 (2)");
  EXPECT_EQ(shown("a"), "1 1Gi");
  EXPECT_THAT(events("a"), ElementsAre("ResizeDeferred"));
  // Another pod is admitted beside what is allocated, not beside what is asked for.
  create("c");
  ASSERT_TRUE(server.remove<api::Pod>("default", "b", 1).ok());
  ASSERT_TRUE(server.remove<api::Pod>("default", "c", 1).ok());
  settle(10s);
  EXPECT_EQ(condition("a", "PodResizePending"), "");
  EXPECT_EQ(shown("a"), "3500m 1Gi");
  // Deferred once more when b had gone and c not yet: the message says what is used now.
  EXPECT_THAT(events("a"), ElementsAre("ResizeDeferred", "ResizeDeferred", "ResizeStarted", "ResizeCompleted"));
}

TEST_F(ResizeInACluster, APodThatShrinksLetsAnotherGrow) {
  create("a");
  create("b");
  resize("a", "3", "1Gi");
  resize("b", "2", "1Gi");
  EXPECT_EQ(condition("b", "PodResizePending").substr(0, 8), "Deferred");
  resize("a", "500m", "1Gi");
  EXPECT_EQ(shown("a"), "500m 1Gi");
  EXPECT_EQ(condition("b", "PodResizePending"), "");
  EXPECT_EQ(shown("b"), "2 1Gi");
}

TEST_F(ResizeInACluster, ACriticalPodTakesItsRoomFromOthers) {
  create("a", 2'000'000'000);
  create("b");
  resize("a", "3500m", "1Gi");
  settle(1min);
  EXPECT_EQ(stored("b").status().reason(), "Preempting");
  EXPECT_EQ(gate->preemptions(), (base::CountsBy<1>{{{"cpu"}, 1}}));
  EXPECT_EQ(shown("a"), "3500m 1Gi");
  EXPECT_THAT(events("a"), ElementsAre("ResizeStarted", "ResizeCompleted"));
}

TEST_F(ResizeInACluster, OneThatIsTakenBackLeavesNothing) {
  create("a");
  resize("a", "100", "1Gi");
  EXPECT_NE(condition("a", "PodResizePending"), "");
  resize("a", "1", "1Gi");
  EXPECT_EQ(condition("a", "PodResizePending"), "");
  EXPECT_EQ(condition("a", "PodResizeInProgress"), "");
  EXPECT_THAT(world.cri.violations(), IsEmpty());
}

}  // namespace
}  // namespace keelson::agent
