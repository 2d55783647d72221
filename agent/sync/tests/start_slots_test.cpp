// How many pods start at once: the slots alone, and a batch of pods on a runtime that has so much work for its CPUs.
#include "agent/sync/start_slots.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Slots : ::testing::Test {
  // Takes a slot, writes its name down, holds the slot for so long.
  static base::Task<void> work(Slots* test, std::string name, bool goes_on, base::Duration time) {
    auto slot = co_await test->slots.take(goes_on);
    test->began.push_back(name);
    co_await test->world.clock.sleep_for(time);
    slot.release();
    test->ended.push_back(name);
  }
  void start(const std::string& name, base::Duration time, bool goes_on = false) {
    base::spawn(gate, name, work(this, name, goes_on, time));
    world.loop.poll();
  }
  ~Slots() override { world.run(gate.stop()); }

  World world;
  StartSlots slots{world.loop, world.clock, {2, 10s}};
  base::Gate gate{world.loop};
  std::vector<std::string> began, ended;
};

TEST_F(Slots, AreGivenInOrderAsManyAsThereAre) {
  for (const char* name : {"a", "b", "c", "d"}) start(name, name[0] == 'a' ? 1s : 2s);
  EXPECT_THAT(began, ElementsAre("a", "b"));
  world.clock.advance(1500ms);
  EXPECT_THAT(began, ElementsAre("a", "b", "c"));
  world.clock.advance(1s);
  EXPECT_THAT(began, ElementsAre("a", "b", "c", "d"));
  world.clock.advance(10s);
  EXPECT_EQ(ended.size(), 4u);
}

TEST_F(Slots, WhoGoesOnGoesBeforeWhoHasNotBegun) {
  start("a", 1s);
  start("b", 2s);
  start("new", 5s);
  start("on", 5s, true);
  start("on too", 5s, true);
  world.clock.advance(3s);
  EXPECT_THAT(began, ElementsAre("a", "b", "on", "on too"));
}

TEST_F(Slots, WhoIsCancelledLeavesTheQueueAndGivesBackWhatItHas) {
  start("a", 100s);
  start("b", 5s);
  start("c", 5s);
  start("d", 5s);
  gate.cancel("c");
  gate.cancel("a");
  world.loop.poll();
  EXPECT_THAT(began, ElementsAre("a", "b", "d"));
  EXPECT_EQ(slots.waiting(), 0u);
}

TEST_F(Slots, OneThatIsHeldForLongDoesNotCountAnyMore) {
  start("hangs", 1h);
  start("hangs too", 1h);
  start("c", 1s);
  start("d", 1s);
  start("e", 1s);
  world.clock.advance(9s);
  EXPECT_THAT(began, ElementsAre("hangs", "hangs too"));
  world.clock.advance(1100ms);
  EXPECT_THAT(began, ElementsAre("hangs", "hangs too", "c", "d"));
  world.clock.advance(2s);
  EXPECT_THAT(ended, ElementsAre("c", "d", "e"));
}

TEST_F(Slots, TheWatchForLapsesGoesOnWhenWhoWatchedIsCancelled) {
  start("hangs", 1h);
  start("hangs too", 1h);
  start("c", 1s);
  start("d", 1s);
  gate.cancel("c");
  world.clock.advance(11s);
  EXPECT_THAT(began, ElementsAre("hangs", "hangs too", "d"));
}

TEST(StartsAtOnce, FollowsTheCpus) {
  EXPECT_EQ(starts_at_once(0), 4u) << "a count that is not known";
  EXPECT_EQ(starts_at_once(1), 4u);
  EXPECT_EQ(starts_at_once(2), 6u);
  EXPECT_EQ(starts_at_once(16), 34u);
}

// --- A batch ---

struct Batch : ::testing::Test {
  // A runtime whose work the CPUs do one piece after another, in the order of the calls.
  void make_work() {
    world.cri.latency = [this](const std::string& call) {
      const base::Duration cost = call == "run_pod_sandbox"    ? base::Duration(60ms)
                                  : call == "create_container" ? base::Duration(20ms)
                                  : call == "start_container"  ? base::Duration(30ms)
                                                               : base::Duration(0);
      if (cost.count() == 0) return base::Duration(1ms);
      const auto now = world.clock.steady_now();
      busy_until = std::max(busy_until, now) + cost;
      return busy_until - now;
    };
  }
  // The seconds after which each of 100 pods runs, sorted.
  std::vector<double> start_hundred() {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
    Brain brain(world);
    brain.start();
    make_work();
    std::vector<api::Pod> pods;
    for (int i = 0; i < 100; ++i) pods.push_back(make_wanted("u" + std::to_string(i)));
    const auto begun = world.clock.steady_now();
    brain.set_pods(pods);
    std::map<std::string, double> times;
    EXPECT_TRUE(world.until(
        [&] {
          for (const auto& pod : pods) {
            const std::string& uid = pod.metadata().uid();
            if (times.count(uid) == 0 && brain.phase(uid) == "Running") {
              times[uid] = std::chrono::duration<double>(world.clock.steady_now() - begun).count();
            }
          }
          return times.size() == pods.size();
        },
        120s));
    EXPECT_THAT(world.cri.violations(), IsEmpty());
    std::vector<double> out;
    for (const auto& [uid, time] : times) out.push_back(time);
    std::sort(out.begin(), out.end());
    brain.stop();
    return out;
  }

  World world;
  base::SteadyTime busy_until{};
};

TEST_F(Batch, IsDonePodByPodInTheSameTime) {
  const auto times = start_hundred();
  ASSERT_EQ(times.size(), 100u);
  EXPECT_LE(times.front(), 1.5);
  EXPECT_NEAR(times.back(), 11, 1);
  EXPECT_LE(times[50], 0.55 * times.back()) << "median";
}

// What it would be without slots, so that the test above is known to tell the difference.
TEST_F(Batch, WithoutSlotsEveryPodWaitsForAlmostAllOthers) {
  world.starts.at_once = 1000;
  const auto times = start_hundred();
  ASSERT_EQ(times.size(), 100u);
  EXPECT_NEAR(times.back(), 11, 1);
  EXPECT_GE(times[50], 0.75 * times.back()) << "median";
}

struct Others : Batch {
  void SetUp() override {
    world.starts = {1, 1s};
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
  }
  // How long the other pod took to run.
  base::Duration other(Brain& brain) {
    const auto begun = world.clock.steady_now();
    EXPECT_TRUE(world.until([&] { return brain.phase("other") == "Running"; }, 60s, 10ms));
    return world.clock.steady_now() - begun;
  }
};

TEST_F(Others, ACallThatHangsHoldsNobodyUpForLong) {
  for (const char* call : {"run_pod_sandbox", "create_container", "start_container"}) {
    SCOPED_TRACE(call);
    Brain brain(world);
    brain.start();
    world.cri.inject({call, "hangs", FakeFault::Kind::hangs});
    brain.set_pods({make_wanted("hangs"), make_wanted("other")});
    EXPECT_LE(other(brain), 1500ms);
    world.cri.clear_faults();
    brain.set_pods({});
    EXPECT_TRUE(world.until([&] { return brain.worker("other") == nullptr && brain.worker("hangs") == nullptr; }, 60s));
    EXPECT_TRUE(world.until([&] { return !world.cri.knows("other") && !world.cri.knows("hangs"); }, 60s));
    brain.stop();
  }
}

TEST_F(Others, PullsAndHooksHoldNobodyUp) {
  world.starts.patience = 1h;
  api::Pod pulls = make_wanted("pulls");
  pulls.mutable_spec()->mutable_containers(0)->set_image("far:1");
  world.cri.pull_time = 50s;
  api::Pod greets = make_wanted("greets");
  greets.mutable_spec()->mutable_containers(0)->mutable_lifecycle()->mutable_poststart()->mutable_sleep()->set_seconds(
      50);
  Brain brain(world);
  brain.start();
  brain.set_pods({pulls, greets, make_wanted("other")});
  EXPECT_LE(other(brain), 1s);
  brain.stop();
}

}  // namespace
}  // namespace keelson::agent::testing
