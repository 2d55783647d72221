// The queue of resizes: when it is looked at, in what order, and what is told and recorded. Source: contract 02 §8.
#include "agent/allocation/resizes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/allocation/tests/resized_pods.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::resources;
using testing::sized_pod;

// A node with `capacity` CPUs, and pods that came with one each.
struct ResizesTest : ::testing::Test {
  testing::World world;
  NodeInfo node;
  std::map<std::string, api::Pod> pods;
  std::int64_t capacity = 4;
  bool ready = true;
  std::vector<std::string> asked;
  std::vector<std::string> changed;
  std::unique_ptr<Allocations> allocations;
  std::unique_ptr<Resizes> resizes;

  ResizesTest() { begin(); }
  ~ResizesTest() override { end(); }

  void begin() {
    allocations = std::make_unique<Allocations>(world.loop, world.clock, world.allocations, true, base::Logger());
    resizes = std::make_unique<Resizes>(world.loop, world.clock, *allocations, world.events, ResizeRules(), node,
                                        base::Logger());
    Resizes::Hooks hooks;
    hooks.ready = [this] { return ready; };
    hooks.wanted = [this](const std::string& uid) {
      const auto found = pods.find(uid);
      return found == pods.end() ? nullptr : std::make_shared<const api::Pod>(found->second);
    };
    hooks.admit = [this](const api::PodPtr& pod) { return admit(*pod); };
    hooks.changed = [this](const std::string& uid) { changed.push_back(uid); };
    resizes->set_hooks(std::move(hooks));
    resizes->start();
  }
  void end() {
    world.run(resizes->stop());
    world.run(allocations->stop());
  }

  static std::int64_t cpus(const api::Pod& pod) {
    return api::Quantity::of(pod.spec().containers(0).resources().requests().at("cpu")).value();
  }
  ResizeVerdict admit(const api::Pod& pod) {
    asked.push_back(pod.metadata().uid());
    std::int64_t used = 0;
    for (const auto& [uid, other] : pods) {
      if (uid == pod.metadata().uid()) continue;
      used += cpus(*allocations->allocated_pod(std::make_shared<const api::Pod>(other)));
    }
    if (used + cpus(pod) <= capacity) return {};
    return {ResizeVerdict::Kind::refused, "OutOfcpu", "used: " + std::to_string(used)};
  }

  void add(const std::string& uid, int cpu = 1, int priority = 0) {
    pods[uid] = sized_pod(uid, {{"cpu", std::to_string(cpu)}});
    pods[uid].mutable_spec()->set_priority(priority);
    resizes->pod_appeared(pods[uid]);
    allocations->admit(pods[uid]);
  }
  void resize(const std::string& uid, int cpu) {
    api::Pod& pod = pods[uid];
    pod.mutable_metadata()->set_generation(pod.metadata().generation() + 1);
    *pod.mutable_spec()->mutable_containers(0)->mutable_resources() = resources({{"cpu", std::to_string(cpu)}}, {});
    resizes->pod_changed(pod);
  }
  void settle(base::Duration time = 1s) {
    world.until([] { return false; }, time);
  }
  std::int64_t allocated(const std::string& uid) const {
    return api::Quantity::of(allocations->allocated(uid)->containers.at("main").requests().at("cpu")).value();
  }
  std::string pending(const std::string& uid) const {
    const auto& condition = resizes->conditions(uid).pending;
    return condition ? condition->reason() + ": " + condition->message() : "";
  }
  std::vector<std::string> event_reasons() const {
    std::vector<std::string> out;
    for (const auto& entry : world.events.all) out.push_back(entry.uid + " " + entry.event.reason);
    return out;
  }
};

TEST_F(ResizesTest, OneThatFitsIsRecordedThenToldThenDone) {
  add("u1");
  settle();
  world.allocations.takes = 10s;
  resize("u1", 3);
  settle(5s);
  EXPECT_FALSE(resizes->conditions("u1").in_progress) << "it is not on the disk yet";
  EXPECT_THAT(changed, IsEmpty());
  settle(10s);
  ASSERT_TRUE(resizes->conditions("u1").in_progress);
  EXPECT_EQ(resizes->conditions("u1").in_progress->observedgeneration(), 2);
  EXPECT_EQ(allocated("u1"), 3);
  EXPECT_THAT(changed, ElementsAre("u1"));
  EXPECT_THAT(world.events.texts(),
              ElementsAre("N ResizeStarted: Pod resize started: {\"containers\":[{\"name\":\"main\",\"resources\":"
                          "{\"requests\":{\"cpu\":\"3\"}}}],\"generation\":2}"));
  const api::PodPtr run = allocations->allocated_pod(std::make_shared<const api::Pod>(pods["u1"]));
  resizes->progress(*run, true);
  EXPECT_TRUE(resizes->conditions("u1").in_progress);
  resizes->progress(*run, false);
  EXPECT_FALSE(resizes->conditions("u1").in_progress);
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeStarted", "u1 ResizeCompleted"));
}

TEST_F(ResizesTest, OneThatDoesNotFitIsDeferredAndTriedByTimer) {
  add("u1");
  add("u2");
  resize("u1", 9);
  settle();
  EXPECT_EQ(allocated("u1"), 1);
  EXPECT_EQ(pending("u1"), "Deferred: used: 1");
  EXPECT_THAT(changed, ElementsAre("u1"));
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeDeferred"));
  asked.clear();
  settle(28s);
  EXPECT_THAT(asked, IsEmpty());
  settle(3s);
  EXPECT_THAT(asked, ElementsAre("u1")) << "30 s after the first refusal";
  asked.clear();
  settle(170s);
  EXPECT_THAT(asked, IsEmpty());
  settle(15s);
  EXPECT_THAT(asked, ElementsAre("u1")) << "then every three minutes";
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeDeferred")) << "the same answer is told once";
  // Room that nobody told of is found by the timer.
  capacity = 10;
  asked.clear();
  settle(185s);
  EXPECT_EQ(allocated("u1"), 9);
  EXPECT_EQ(pending("u1"), "");
}

TEST_F(ResizesTest, IsLookedAtWhenAPodComesChangesEndsOrGoes) {
  add("u1");
  add("u2");
  resize("u1", 9);
  settle();
  const struct {
    const char* what;
    std::function<void()> happen;
  } rows[] = {
      {"a pod comes", [&] { add("u3"); }},
      {"a pod changes", [&] { resizes->pod_changed(pods["u2"]); }},
      {"a pod goes", [&] { pods.erase("u3"), resizes->pod_gone("u3"); }},
      {"a pod has ended", [&] { resizes->look_again(); }},
  };
  for (const auto& row : rows) {
    asked.clear();
    row.happen();
    settle(100ms);
    EXPECT_THAT(asked, ElementsAre("u1")) << row.what;
  }
}

TEST_F(ResizesTest, OneThatWasDeferredCountsByWhatMadeItLookAgain) {
  const auto accept = [&](const std::string& uid, const std::function<void()>& cause) {
    capacity = 4;
    add(uid);
    resize(uid, 9);
    settle(100ms);
    EXPECT_THAT(pending(uid), ::testing::StartsWith("Deferred"));
    capacity = 100;
    cause();
    settle(200s);
    EXPECT_EQ(pending(uid), "");
    pods.erase(uid);
    resizes->pod_gone(uid);
    settle(100ms);
  };
  accept("u1", [&] { resizes->look_again("pod_terminated"); });
  accept("u2", [&] { resizes->pod_changed(pods["u2"]); });
  accept("u3", [&] { resizes->pod_gone("other"); });
  accept("u4", [&] { resizes->look_again(); });
  accept("u5", [] {});
  EXPECT_EQ(resizes->metrics().deferred_accepted, (base::CountsBy<1>{{{"pod_terminated"}, 1},
                                                                     {{"pod_updated"}, 1},
                                                                     {{"pods_removed"}, 1},
                                                                     {{"pods_added"}, 1},
                                                                     {{"periodic_retry"}, 1}}));
  add("u6");
  resize("u6", 2);
  settle();
  EXPECT_EQ(resizes->metrics().deferred_accepted.size(), 5u) << "one that was never deferred does not count";
}

TEST_F(ResizesTest, OneThatShrinksMakesRoomInTheSamePass) {
  add("u1", 1);
  add("u2", 3);
  settle();
  resize("u1", 3);
  resize("u2", 1);
  settle();
  EXPECT_THAT(asked, ElementsAre("u2", "u1"));
  EXPECT_EQ(allocated("u1"), 3);
  EXPECT_EQ(allocated("u2"), 1);
  EXPECT_THAT(event_reasons(), ElementsAre("u2 ResizeStarted", "u1 ResizeStarted"));
}

TEST_F(ResizesTest, TheMoreImportantOneGetsTheRoom) {
  add("u1", 1, 0);
  add("u2", 1, 100);
  settle();
  resize("u1", 3);
  resize("u2", 3);
  settle();
  EXPECT_EQ(allocated("u2"), 3);
  EXPECT_EQ(pending("u1"), "Deferred: used: 3");
}

TEST_F(ResizesTest, OneThatIsTakenBackIsForgotten) {
  add("u1");
  add("u2");
  resize("u1", 9);
  settle();
  EXPECT_NE(pending("u1"), "");
  changed.clear();
  resize("u1", 1);
  settle();
  EXPECT_EQ(pending("u1"), "");
  EXPECT_THAT(changed, ElementsAre("u1"));
  asked.clear();
  settle(10min);
  EXPECT_THAT(asked, IsEmpty()) << "the queue is empty";
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeDeferred"));
}

TEST_F(ResizesTest, OneThatCanNeverBeDoneIsNotTriedAgainBeforeItChanges) {
  add("u1");
  (*pods["u1"].mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  resize("u1", 2);
  settle(10min);
  EXPECT_EQ(pending("u1"), "Infeasible: In-place resize of static-pods is not supported");
  EXPECT_THAT(asked, IsEmpty());
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeInfeasible"));
  EXPECT_EQ(resizes->metrics().infeasible, (base::CountsBy<1>{{{"static_pod"}, 1}}));
  (*pods["u1"].mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
  resize("u1", 3);
  settle();
  EXPECT_EQ(pending("u1"), "");
  EXPECT_EQ(allocated("u1"), 3);
}

TEST_F(ResizesTest, NothingHappensBeforeEverySourceHasSpoken) {
  ready = false;
  add("u1");
  resize("u1", 2);
  settle(10min);
  EXPECT_THAT(asked, IsEmpty());
  ready = true;
  resizes->look_again();
  settle();
  EXPECT_EQ(allocated("u1"), 2);
}

TEST_F(ResizesTest, AFullDiskLeavesItInTheQueueWithTheOldResources) {
  add("u1");
  settle();
  world.allocations.save_fails = Error(ErrorKind::exhausted, "no space left on device");
  resize("u1", 2);
  settle();
  EXPECT_EQ(allocated("u1"), 1);
  EXPECT_FALSE(resizes->conditions("u1").in_progress);
  EXPECT_THAT(event_reasons(), IsEmpty());
  world.allocations.save_fails = {};
  settle(40s);
  EXPECT_EQ(allocated("u1"), 2);
  EXPECT_TRUE(resizes->conditions("u1").in_progress);
}

TEST_F(ResizesTest, ACrashBeforeItWasRecordedLeavesItToBeDecidedAnew) {
  add("u1");
  settle();
  world.allocations.takes = 10s;
  resize("u1", 2);
  settle();
  end();
  begin();
  EXPECT_EQ(allocated("u1"), 1);
  resizes->pod_appeared(pods["u1"]);
  allocations->admit(pods["u1"]);
  settle(30s);
  EXPECT_EQ(allocated("u1"), 2);
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeStarted"));
}

TEST_F(ResizesTest, WhatTheApiWasToldGoesOnAfterANewStart) {
  add("u1");
  add("u2");
  resize("u1", 9);
  settle();
  auto& status = *pods["u1"].mutable_status();
  *status.add_conditions() = *resizes->conditions("u1").pending;
  end();
  world.events.all.clear();
  begin();
  for (auto& [uid, pod] : pods) resizes->pod_appeared(pod);
  EXPECT_EQ(pending("u1"), "Deferred: used: 1");
  settle();
  EXPECT_THAT(event_reasons(), IsEmpty()) << "it was told already";
  capacity = 10;
  resizes->look_again();
  settle();
  EXPECT_EQ(allocated("u1"), 9);
}

TEST_F(ResizesTest, AnErrorIsToldOncePerTextAndClearedWhenItIsOver) {
  add("u1");
  resize("u1", 2);
  settle();
  world.events.all.clear();
  const api::Pod& run = pods["u1"];
  resizes->failed(run, "no");
  resizes->failed(run, "no");
  resizes->failed(run, "still no");
  EXPECT_EQ(resizes->conditions("u1").in_progress->message(), "still no");
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeError", "u1 ResizeError"));
  resizes->recovered(run);
  EXPECT_FALSE(resizes->conditions("u1").in_progress->has_message());
  resizes->progress(run, false);
  EXPECT_FALSE(resizes->conditions("u1").in_progress);
}

TEST_F(ResizesTest, ThingsToPutInForceWithoutAnAcceptedResizeAreToldWithoutAnEvent) {
  add("u1");
  resizes->progress(pods["u1"], true);
  ASSERT_TRUE(resizes->conditions("u1").in_progress);
  EXPECT_THAT(world.events.all, IsEmpty());
  resizes->progress(pods["u1"], false);
  EXPECT_THAT(event_reasons(), ElementsAre("u1 ResizeCompleted"));
}

TEST_F(ResizesTest, WhoGoesTakesItsConditionsAlong) {
  add("u1");
  add("u2");
  resize("u1", 9);
  settle();
  pods.erase("u1");
  resizes->pod_gone("u1");
  EXPECT_EQ(pending("u1"), "");
  asked.clear();
  settle(10min);
  EXPECT_THAT(asked, IsEmpty());
}

TEST_F(ResizesTest, OneThatWaitsForOthersToGoIsNeitherAcceptedNorToldOf) {
  add("u1");
  settle();
  bool gone = false;
  Resizes::Hooks hooks;
  hooks.wanted = [this](const std::string& uid) { return std::make_shared<const api::Pod>(pods.at(uid)); };
  hooks.admit = [&](const api::PodPtr&) {
    ResizeVerdict verdict;
    if (!gone) verdict.kind = ResizeVerdict::Kind::wait;
    return verdict;
  };
  resizes->set_hooks(std::move(hooks));
  resize("u1", 2);
  settle();
  EXPECT_EQ(allocated("u1"), 1);
  EXPECT_THAT(world.events.all, IsEmpty());
  gone = true;
  resizes->look_again();
  settle();
  EXPECT_EQ(allocated("u1"), 2);
}

}  // namespace
}  // namespace keelson::agent
