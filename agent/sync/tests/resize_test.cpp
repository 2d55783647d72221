// A resize from the patch of the spec to the conditions, events and values that follow, over new starts of the agent.
// Source: contract 02 §8, §15.2, §15.3.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/allocation/tests/resized_pods.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using testing::Amounts;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::resources;

struct ResizeOfAPod : ::testing::Test {
  testing::World world;
  std::unique_ptr<testing::Brain> brain;
  api::Pod pod;
  ResizeVerdict verdict;

  void SetUp() override {
    world.cri.images["image:1"].id = "sha256:image:1";
    pod = testing::make_wanted("u1");
    (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
    pod.mutable_metadata()->set_generation(1);
    pod.mutable_status()->set_phase("Pending");
    *main().mutable_resources() =
        resources({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
    begin();
    set();
    ASSERT_TRUE(world.until([&] { return brain->state("u1", "main") == "running"; }, 10s));
    world.cgroups.usage.containers[world.cri.newest("u1", "main")->id] = 1 << 20;
    settle();
  }
  void TearDown() override {
    brain.reset();
    EXPECT_THAT(world.cri.violations(), IsEmpty());
  }

  void begin() {
    brain = std::make_unique<testing::Brain>(world);
    PodEngine::Hooks hooks;
    hooks.admit_resize = [this](const api::PodPtr&) { return verdict; };
    brain->engine.set_hooks(std::move(hooks));
    brain->workers->expect_source("api");
    brain->start();
    brain->set_pods({});
  }
  // A new start of the agent: the API has the last status that was told.
  void begin_anew() {
    brain.reset();
    world.events.all.clear();
    begin();
    set();
  }
  void settle(base::Duration time = 2s) {
    world.until([] { return false; }, time);
    if (brain->worker("u1") != nullptr) {
      *pod.mutable_status() = brain->worker("u1")->status();
    }
  }
  api::core::Container& main() { return *pod.mutable_spec()->mutable_containers(0); }
  void set() {
    brain->workers->set_pod("api", std::make_shared<api::Pod>(pod));
    brain->workers->source_ready("api");
  }
  void resize(const Amounts& requests, const Amounts& limits) {
    *main().mutable_resources() = resources(requests, limits);
    pod.mutable_metadata()->set_generation(pod.metadata().generation() + 1);
    set();
  }
  void grow() { resize({{"cpu", "500m"}, {"memory", "128Mi"}}, {{"cpu", "1"}, {"memory", "256Mi"}}); }

  const api::core::PodCondition* condition(const std::string& type) const {
    for (const auto& entry : brain->worker("u1")->status().conditions()) {
      if (entry.type() == type) return &entry;
    }
    return nullptr;
  }
  // "Reason: message (generation)", "" when it is absent.
  std::string text(const std::string& type) const {
    const auto* entry = condition(type);
    if (entry == nullptr) return "";
    return entry->reason() + ": " + entry->message() + " (" + std::to_string(entry->observedgeneration()) + ")";
  }
  std::string shown_limit(const std::string& resource) const {
    return brain->container("u1", "main")->resources().limits().at(resource).string();
  }
  std::vector<std::string> resize_events() const {
    std::vector<std::string> out;
    for (const auto& entry : world.events.all) {
      if (entry.event.reason.starts_with("Resize")) out.push_back(entry.event.reason);
    }
    return out;
  }
  std::size_t starts() const { return world.cri.count("start_container"); }
};

TEST_F(ResizeOfAPod, IsAcceptedPutInForceToldAndOver) {
  std::vector<std::string> seen;
  const auto note = [&] {
    const std::string now = text("PodResizeInProgress");
    if (seen.empty() || seen.back() != now) seen.push_back(now);
    return false;
  };
  grow();
  world.until(note, 5s, 1ms);
  EXPECT_THAT(seen, ElementsAre("", ":  (2)", ""));
  EXPECT_THAT(resize_events(), ElementsAre("ResizeStarted", "ResizeCompleted"));
  EXPECT_EQ(world.events.texts("ResizeCompleted").front(),
            "N ResizeCompleted: Pod resize completed: {\"containers\":[{\"name\":\"main\",\"resources\":{\"limits\":"
            "{\"cpu\":\"1\",\"memory\":\"256Mi\"},\"requests\":{\"cpu\":\"500m\",\"memory\":\"128Mi\"}}}],"
            "\"generation\":2}");
  EXPECT_EQ(starts(), 1u) << "no restart";
  EXPECT_EQ(shown_limit("cpu"), "1");
  EXPECT_EQ(shown_limit("memory"), "256Mi");
  EXPECT_EQ(brain->container("u1", "main")->allocatedresources().at("cpu").string(), "500m");
  EXPECT_EQ(world.cri.newest("u1", "main")->resources->cpu_quota, 100'000);
  EXPECT_EQ(world.cgroups.in_force["u1"].memory_limit_bytes, 256 << 20);
  EXPECT_EQ(world.cgroups.in_force["u1"].cpu_shares, 512);
}

TEST_F(ResizeOfAPod, WhileItIsDeferredEverythingStaysAsItWas) {
  verdict = {ResizeVerdict::Kind::refused, "OutOfcpu", "too little"};
  grow();
  settle();
  EXPECT_EQ(text("PodResizePending"), "Deferred: too little (2)");
  EXPECT_EQ(text("PodResizeInProgress"), "");
  EXPECT_EQ(shown_limit("cpu"), "500m");
  EXPECT_EQ(brain->container("u1", "main")->allocatedresources().at("cpu").string(), "250m");
  EXPECT_EQ(brain->worker("u1")->status().allocatedresources().at("memory").string(), "64Mi");
  EXPECT_EQ(brain->worker("u1")->pod()->spec().containers(0).resources().limits().at("cpu").string(), "500m");
  EXPECT_EQ(brain->worker("u1")->status().observedgeneration(), 2);
  // A container that is restarted meanwhile gets what is allocated.
  ASSERT_TRUE(world.cri.end_process("u1", "main", 1));
  ASSERT_TRUE(world.until([&] { return starts() == 2; }, 10s));
  EXPECT_EQ(world.cri.newest("u1", "main")->resources->cpu_quota, 50'000);
  EXPECT_THAT(resize_events(), ElementsAre("ResizeDeferred"));

  verdict = {};
  settle(4min);
  EXPECT_EQ(text("PodResizePending"), "");
  EXPECT_EQ(shown_limit("cpu"), "1");
  EXPECT_THAT(resize_events(), ElementsAre("ResizeDeferred", "ResizeStarted", "ResizeCompleted"));
}

TEST_F(ResizeOfAPod, ConditionsStandInTheKubeletsOrder) {
  verdict = {ResizeVerdict::Kind::refused, "OutOfcpu", "too little"};
  grow();
  settle();
  auto& foreign = *pod.mutable_status()->add_conditions();
  foreign.set_type("example.com/up");
  foreign.set_status("True");
  set();
  ASSERT_TRUE(world.cri.end_process("u1", "main", 1));
  settle();
  std::vector<std::string> types;
  for (const auto& entry : brain->worker("u1")->status().conditions()) types.push_back(entry.type());
  EXPECT_THAT(types, ElementsAre("example.com/up", "PodResizePending", "PodReadyToStartContainers", "Initialized",
                                 "Ready", "ContainersReady", "PodScheduled"));
}

TEST_F(ResizeOfAPod, APolicyThatAsksForItRestartsTheContainerWithTheNewResources) {
  testing::set_resize_policy(main(), "memory", "RestartContainer");
  set();
  settle();
  resize({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "256Mi"}});
  settle(5s);
  EXPECT_EQ(starts(), 2u);
  EXPECT_THAT(world.events.texts("Killing"),
              ElementsAre("N Killing spec.containers{main}: Container main resize requires restart"));
  EXPECT_EQ(world.cri.newest("u1", "main")->resources->memory_limit_in_bytes, 256 << 20);
  EXPECT_EQ(world.cgroups.in_force["u1"].memory_limit_bytes, 256 << 20);
  EXPECT_EQ(world.cri.count("update_container_resources"), 0u);
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 1);
  EXPECT_THAT(resize_events(), ElementsAre("ResizeStarted", "ResizeCompleted"));
  EXPECT_EQ(text("PodResizeInProgress"), "");
}

TEST_F(ResizeOfAPod, AnErrorIsToldAndTriedUntilItWorks) {
  world.cri.inject({"update_container_resources", "", fakes::FakeFault::Kind::fails, Error(ErrorKind::internal, "no")});
  grow();
  settle();
  EXPECT_EQ(text("PodResizeInProgress"), "Error: while updating the resources of container main: no (2)");
  EXPECT_THAT(resize_events(), ElementsAre("ResizeStarted", "ResizeError"));
  settle(1min);
  EXPECT_THAT(resize_events(), ElementsAre("ResizeStarted", "ResizeError")) << "the same error is no news";
  EXPECT_EQ(shown_limit("cpu"), "500m");
  world.cri.clear_faults();
  settle(20s);
  EXPECT_EQ(text("PodResizeInProgress"), "");
  EXPECT_THAT(resize_events(), ElementsAre("ResizeStarted", "ResizeError", "ResizeCompleted"));
  EXPECT_EQ(shown_limit("cpu"), "1");
}

TEST_F(ResizeOfAPod, AMemoryLimitBelowUseWaitsUntilThereIsLess) {
  world.cgroups.usage.pod = 100 << 20;
  world.cgroups.usage.containers[world.cri.newest("u1", "main")->id] = 100 << 20;
  resize({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "64Mi"}});
  settle();
  EXPECT_EQ(
      text("PodResizeInProgress"),
      "Error: cannot decrease memory limits: [attempting to set pod memory limit (67108864) below current usage "
      "(104857600), attempting to set container \"main\" memory limit (67108864) below current usage (104857600)] "
      "(2)");
  EXPECT_EQ(world.cri.count("update_container_resources"), 0u);
  world.cgroups.usage.pod = 10 << 20;
  world.cgroups.usage.containers[world.cri.newest("u1", "main")->id] = 10 << 20;
  settle(20s);
  EXPECT_EQ(text("PodResizeInProgress"), "");
  EXPECT_EQ(shown_limit("memory"), "64Mi");
}

TEST_F(ResizeOfAPod, ANewStartOfTheAgentChangesNothing) {
  begin_anew();
  world.cri.forget_calls();
  settle(5s);
  EXPECT_EQ(starts(), 0u);
  EXPECT_EQ(world.cri.count("update_container_resources"), 0u);
  EXPECT_EQ(text("PodResizeInProgress"), "");
  EXPECT_THAT(resize_events(), IsEmpty());
}

TEST_F(ResizeOfAPod, ASpecThatChangedWhileTheAgentWasAwayIsAResizeNotANewPod) {
  verdict = {ResizeVerdict::Kind::refused, "OutOfcpu", "too little"};
  brain.reset();
  *main().mutable_resources() = resources({{"cpu", "2"}}, {{"cpu", "2"}});
  pod.mutable_metadata()->set_generation(2);
  begin();
  set();
  settle(5s);
  EXPECT_EQ(text("PodResizePending"), "Deferred: too little (2)");
  EXPECT_EQ(brain->worker("u1")->pod()->spec().containers(0).resources().limits().at("cpu").string(), "500m");
  verdict = {};
  settle(1min);
  EXPECT_EQ(world.cri.newest("u1", "main")->resources->cpu_quota, 200'000);
}

// The agent dies at every moment of a resize, and the next one sees it through.
TEST_F(ResizeOfAPod, ACrashAtAnyMomentIsGoneOnFrom) {
  for (int moment = 0; moment < 40; ++moment) {
    SCOPED_TRACE("after " + std::to_string(moment) + " ms");
    const bool up = moment % 2 == 0;
    const std::string cpu = up ? "1" : "500m";
    const std::string memory = up ? "256Mi" : "128Mi";
    resize({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", cpu}, {"memory", memory}});
    world.until([] { return false; }, std::chrono::milliseconds(moment), 1ms);
    if (brain->worker("u1") != nullptr) *pod.mutable_status() = brain->worker("u1")->status();
    begin_anew();
    ASSERT_TRUE(world.until(
        [&] { return brain->worker("u1") && text("PodResizeInProgress").empty() && text("PodResizePending").empty(); },
        60s));
    settle(5s);
    EXPECT_EQ(text("PodResizeInProgress"), "");
    EXPECT_EQ(shown_limit("cpu"), cpu);
    EXPECT_EQ(shown_limit("memory"), memory);
    EXPECT_EQ(world.cri.newest("u1", "main")->resources->memory_limit_in_bytes, up ? 256 << 20 : 128 << 20);
    EXPECT_EQ(world.cri.newest("u1", "main")->resources->cpu_quota, up ? 100'000 : 50'000);
    EXPECT_EQ(world.cgroups.in_force["u1"].cpu_quota_us, up ? 100'000 : 50'000);
    EXPECT_EQ(world.cgroups.in_force["u1"].memory_limit_bytes, up ? 256 << 20 : 128 << 20);
    const auto events = resize_events();
    EXPECT_LE(std::count(events.begin(), events.end(), "ResizeStarted"), 1);
    EXPECT_LE(std::count(events.begin(), events.end(), "ResizeCompleted"), 1);
  }
  EXPECT_EQ(starts(), 1u) << "nothing was restarted on the way";
}

TEST_F(ResizeOfAPod, ACrashOnTheWayOfARestartLeavesOneRestart) {
  testing::set_resize_policy(main(), "memory", "RestartContainer");
  set();
  settle();
  for (int moment = 0; moment < 60; moment += 3) {
    SCOPED_TRACE("after " + std::to_string(moment) + " ms");
    const std::size_t before = starts();
    const std::string memory = moment % 2 == 0 ? "256Mi" : "128Mi";
    resize({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", memory}});
    world.until([] { return false; }, std::chrono::milliseconds(moment), 1ms);
    if (brain->worker("u1") != nullptr) *pod.mutable_status() = brain->worker("u1")->status();
    begin_anew();
    settle(15s);
    EXPECT_EQ(brain->state("u1", "main"), "running");
    EXPECT_EQ(starts(), before + 1);
    EXPECT_EQ(world.cri.newest("u1", "main")->resources->memory_limit_in_bytes,
              moment % 2 == 0 ? 256 << 20 : 128 << 20);
    EXPECT_EQ(text("PodResizeInProgress"), "");
    world.until([] { return false; }, 20min, 30s);  // the back-off of the restarts is over
  }
}

TEST_F(ResizeOfAPod, CheckpointsThatAreLostAreRebuiltFromWhatRuns) {
  world.allocations.files["allocated_pods_state"] = "{";
  world.allocations.files["actuated_pods_state"] = "no checkpoint";
  brain.reset();
  world.cri.forget_calls();
  verdict = {ResizeVerdict::Kind::refused, "OutOfcpu", "too little"};
  *main().mutable_resources() = resources({{"cpu", "2"}, {"memory", "64Mi"}}, {{"cpu", "2"}, {"memory", "128Mi"}});
  pod.mutable_metadata()->set_generation(2);
  begin();
  set();
  settle(5s);
  EXPECT_EQ(text("PodResizePending"), "Deferred: too little (2)") << "what runs was found again, so this is a resize";
  EXPECT_EQ(shown_limit("cpu"), "500m");
  EXPECT_EQ(starts(), 0u);
  EXPECT_EQ(world.cri.count("update_container_resources"), 0u);
  const auto allocated = decode_checkpoint(world.allocations.files["allocated_pods_state"]);
  const auto actuated = decode_checkpoint(world.allocations.files["actuated_pods_state"]);
  ASSERT_TRUE(allocated.ok() && actuated.ok());
  EXPECT_TRUE(same_allocation(allocated->at("u1"), actuated->at("u1")));
}

TEST_F(ResizeOfAPod, AFullDiskKeepsAContainerFromBeingCreatedAndSaysSo) {
  world.allocations.save_fails = Error(ErrorKind::exhausted, "no space left on device");
  api::Pod second = testing::make_wanted("u2");
  (*second.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
  brain->workers->set_pod("api", std::make_shared<api::Pod>(second));
  settle();
  EXPECT_EQ(brain->state("u2", "main"), "waiting CreateContainerConfigError");
  EXPECT_EQ(world.cri.count("create_container", "u2/main"), 0u);
  world.allocations.save_fails = {};
  EXPECT_TRUE(world.until([&] { return brain->state("u2", "main") == "running"; }, 20s));
}

TEST_F(ResizeOfAPod, ItsEntriesGoWithIt) {
  EXPECT_EQ(decode_checkpoint(world.allocations.files["allocated_pods_state"])->count("u1"), 1u);
  EXPECT_EQ(decode_checkpoint(world.allocations.files["actuated_pods_state"])->count("u1"), 1u);
  brain->workers->remove_pod("u1");
  EXPECT_TRUE(world.until(
      [&] {
        return decode_checkpoint(world.allocations.files["allocated_pods_state"])->empty() &&
               decode_checkpoint(world.allocations.files["actuated_pods_state"])->empty();
      },
      60s));
}

TEST_F(ResizeOfAPod, ThePodsOwnResourcesFollow) {
  *pod.mutable_spec()->mutable_resources() = resources({{"cpu", "1"}}, {{"cpu", "2"}, {"memory", "512Mi"}});
  pod.mutable_metadata()->set_generation(2);
  pod.mutable_status()->set_phase("Running");
  set();
  settle(5s);
  EXPECT_THAT(resize_events(), ElementsAre("ResizeStarted", "ResizeCompleted"));
  EXPECT_EQ(world.cgroups.in_force["u1"].cpu_quota_us, 200'000);
  EXPECT_EQ(world.cgroups.in_force["u1"].memory_limit_bytes, 512 << 20);
  const auto& shown = brain->worker("u1")->status().resources();
  EXPECT_EQ(shown.limits().at("cpu").string(), "2");
  EXPECT_EQ(shown.limits().at("memory").string(), "512Mi");
  EXPECT_EQ(shown.requests().at("cpu").string(), "1");
  EXPECT_EQ(world.cri.count("update_container_resources"), 0u) << "the container has limits of its own";
}

TEST_F(ResizeOfAPod, AnEndedPodShowsNoResize) {
  world.cri.inject({"update_container_resources", "", fakes::FakeFault::Kind::fails, Error(ErrorKind::internal, "no")});
  grow();
  settle();
  EXPECT_NE(text("PodResizeInProgress"), "");
  pod.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(2'000'000'000);
  pod.mutable_metadata()->set_deletiongraceperiodseconds(1);
  set();
  ASSERT_TRUE(world.until([&] { return brain->worker("u1")->state() == WorkerState::finished; }, 60s));
  EXPECT_EQ(text("PodResizeInProgress"), "");
}

}  // namespace
}  // namespace keelson::agent
