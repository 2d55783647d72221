// The small parts around the workers: runtime health, the exit clock, the journal, garbage collection.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/pod_maker.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Health : public ::testing::Test {
 protected:
  ~Health() override { world.run(gate.stop()); }
  void start() {
    health.start(gate, [this] { ++changes; });
  }

  World world;
  base::Gate gate{world.loop};
  RuntimeHealth health{world.clock, world.cri, {}};
  int changes = 0;
};

TEST_F(Health, IsUnknownBeforeTheFirstAnswer) {
  EXPECT_EQ(health.problem(), "container runtime status check may not have completed yet");
  EXPECT_EQ(health.network_problem(), "network state unknown");
}

TEST_F(Health, IsGoodWhenBothConditionsAreTrue) {
  start();
  world.clock.advance(1s);
  EXPECT_EQ(health.problem(), "");
  EXPECT_EQ(health.network_problem(), "");
  EXPECT_EQ(changes, 1);
  world.clock.advance(1min);
  EXPECT_EQ(changes, 1);
  EXPECT_NEAR(static_cast<double>(world.cri.count("status")), 12, 1);
}

TEST_F(Health, SaysWhatTheConditionsSay) {
  start();
  world.cri.runtime_status.conditions = {{"RuntimeReady", false, "Broken", "it is broken"},
                                         {"NetworkReady", false, "NoCni", "no network"}};
  world.clock.advance(1s);
  EXPECT_EQ(health.problem(), "container runtime not ready: RuntimeReady=false reason:Broken message:it is broken");
  EXPECT_EQ(health.network_problem(),
            "container runtime network not ready: NetworkReady=false reason:NoCni message:no network");
}

TEST_F(Health, ConditionsThatAreNotThereAreFalse) {
  start();
  world.cri.runtime_status.conditions = {{"Other", true, "", ""}, {"AndAnother", true, "", ""}};
  world.clock.advance(1s);
  EXPECT_NE(health.problem(), "");
  EXPECT_NE(health.network_problem(), "");
}

TEST_F(Health, HoldsForThirtySecondsAfterTheLastGoodAnswer) {
  start();
  world.clock.advance(1s);
  world.cri.go_away();
  world.clock.advance(28s);
  EXPECT_EQ(health.problem(), "");
  world.clock.advance(4s);
  EXPECT_EQ(health.problem(), "container runtime is down");
  // The network's state is the last one known.
  EXPECT_EQ(health.network_problem(), "");
  world.cri.come_back();
  world.clock.advance(6s);
  EXPECT_EQ(health.problem(), "");
}

TEST_F(Health, ASilentRuntimeIsDownToo) {
  start();
  world.clock.advance(1s);
  world.cri.inject({"status", "", FakeFault::Kind::hangs});
  world.clock.advance(40s);
  EXPECT_EQ(health.problem(), "container runtime is down");
}

TEST_F(Health, TellsWhoeverWaitsThatTheRuntimeIsBack) {
  start();
  world.clock.advance(1s);
  world.cri.go_away();
  world.clock.advance(1min);
  changes = 0;
  world.cri.come_back();
  world.clock.advance(6s);
  EXPECT_EQ(changes, 1);
}

// --- ExitClock ---

class Exits : public ::testing::Test {
 protected:
  static constexpr base::SystemTime kNow{std::chrono::hours(1000)};
  static constexpr base::SteadyTime kSteady{std::chrono::hours(5)};

  ObservedPod pod(cri::ContainerState state, base::SystemTime finished = {}) {
    ObservedPod out;
    out.containers.push_back(make_status("id", make_container("a"), state));
    out.containers[0].finished_at =
        std::chrono::duration_cast<std::chrono::nanoseconds>(finished.time_since_epoch()).count();
    return out;
  }
  ExitClock clock;
};

TEST_F(Exits, AnOldEndIsPlacedByItsSystemTime) {
  clock.observe(pod(cri::ContainerState::exited, kNow - 90s), kNow, kSteady);
  EXPECT_EQ(clock.exits().at("id"), kSteady - 90s);
}

TEST_F(Exits, AnEndInTheFutureIsNow) {
  clock.observe(pod(cri::ContainerState::exited, kNow + 90s), kNow, kSteady);
  EXPECT_EQ(clock.exits().at("id"), kSteady);
}

TEST_F(Exits, AnEndThatWeSawIsNotMovedByAJumpOfTheSystemTime) {
  clock.observe(pod(cri::ContainerState::running), kNow, kSteady);
  clock.observe(pod(cri::ContainerState::exited, kNow + 1s), kNow + 24h, kSteady + 2s);
  EXPECT_GE(clock.exits().at("id"), kSteady - 5s);
  EXPECT_LE(clock.exits().at("id"), kSteady + 2s);
}

TEST_F(Exits, IsDecidedOnce) {
  clock.observe(pod(cri::ContainerState::exited, kNow - 90s), kNow, kSteady);
  clock.observe(pod(cri::ContainerState::exited, kNow - 90s), kNow + 24h, kSteady + 10s);
  EXPECT_EQ(clock.exits().at("id"), kSteady - 90s);
}

TEST_F(Exits, ForgetsWhatTheRuntimeForgot) {
  clock.observe(pod(cri::ContainerState::exited, kNow), kNow, kSteady);
  clock.observe(ObservedPod(), kNow, kSteady);
  EXPECT_THAT(clock.exits(), IsEmpty());
}

// --- Journal ---

class JournalTest : public ::testing::Test {
 protected:
  World world;
  Journal journal{world.clock, {}};
};

TEST_F(JournalTest, KeepsTheLastTwentyOfEach) {
  for (int i = 0; i < 50; ++i) {
    journal.decided("decision " + std::to_string(i));
    journal.failed("error " + std::to_string(i));
    journal.event({false, "Reason", "event " + std::to_string(i), ""});
  }
  ASSERT_EQ(journal.decisions().size(), 20u);
  ASSERT_EQ(journal.errors().size(), 20u);
  ASSERT_EQ(journal.events().size(), 20u);
  EXPECT_EQ(journal.decisions().front().text, "decision 30");
  EXPECT_EQ(journal.errors().back().text, "error 49");
}

TEST_F(JournalTest, CountsWhatRepeats) {
  journal.failed("no");
  const auto first = world.clock.now();
  world.clock.advance(1min);
  journal.failed("no");
  journal.event({true, "BackOff", "again", "spec.containers{web}"});
  journal.event({true, "BackOff", "again", "spec.containers{web}"});
  ASSERT_EQ(journal.errors().size(), 1u);
  EXPECT_EQ(journal.errors()[0].count, 2);
  EXPECT_EQ(journal.errors()[0].first, first);
  EXPECT_EQ(journal.errors()[0].last, first + 1min);
  ASSERT_EQ(journal.events().size(), 1u);
  EXPECT_EQ(journal.events()[0].count, 2);
  EXPECT_EQ(journal.events()[0].message, "container web: again");
}

TEST_F(JournalTest, SaysSinceWhenItWaits) {
  const auto begun = world.clock.now();
  journal.waits_for("an image", world.clock.steady_now() + 10s);
  world.clock.advance(3s);
  journal.waits_for("an image", world.clock.steady_now() + 7s);
  EXPECT_EQ(journal.waiting().since, begun);
  EXPECT_EQ(journal.waiting().next_try_at, begun + 10s);
  journal.waits_for("");
  EXPECT_FALSE(journal.waiting().since);
  EXPECT_FALSE(journal.waiting().next_try_at);
}

// --- Logs ---

TEST(LogTail, IsWhatTheLastLinesSay) {
  struct Row {
    const char* what;
    std::string log, expected;
  };
  const auto repeat = [](const std::string& line, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += line;
    return out;
  };
  const std::vector<Row> rows{
      {"nothing", "", ""},
      {"both streams", "t stdout F a\nt stderr F b c\n", "a\nb c\n"},
      {"an empty line", "t stdout F \nt stdout F a\n", "\na\n"},
      {"a line in parts", "t stdout P a\nt stdout P b\nt stdout F c\n", "abc\n"},
      {"parts of two streams", "t stdout P a\nt stderr F b\nt stdout F c\n", "ab\nc\n"},
      {"no newline at the end of what was said", "t stdout F a\nt stderr P fatal: b\n", "a\nfatal: b"},
      {"more tags", "t stdout P:x a\nt stdout F:P b\n", "ab\n"},
      {"a record that is being written", "t stdout F a\nt stdout F b", "a\nb\n"},
      {"no log of ours", "what is this?\nt stdout\nt stdout F a\n", "a\n"},
      {"80 lines", "t stdout F first\n" + repeat("t stdout F x\n", 80), repeat("x\n", 80)},
      {"2048 bytes", "t stdout F " + repeat("a", 3000) + "\n", repeat("a", 2047) + "\n"},
  };
  for (const Row& row : rows) EXPECT_EQ(tail_of_cri_log(row.log), row.expected) << row.what;
}

// --- Garbage collection against a runtime ---

class Collection : public ::testing::Test {
 protected:
  void SetUp() override {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
    brain.start();
  }
  World world;
  Brain brain{world};
};

TEST_F(Collection, KeepsOneDeadInstanceOfAContainerThatCrashes) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{100ms, 1}; };
  brain.set_pods({make_wanted("u1")});
  world.clock.advance(10min);
  EXPECT_LE(world.cri.containers().size(), 3u);
  EXPECT_EQ(world.files.links.size(), world.cri.containers().size());
  EXPECT_THAT(world.cri.violations(), IsEmpty());
}

TEST_F(Collection, ContainersSandboxesAndLogsOfAGonePodGoSoonButNotAtOnce) {
  brain.set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1; }, 10s));
  brain.set_pods({});
  ASSERT_TRUE(world.until([&] { return brain.worker("u1") == nullptr; }, 10s));
  world.clock.advance(8s);
  EXPECT_TRUE(world.cri.knows("u1"));
  world.clock.advance(10s);
  EXPECT_FALSE(world.cri.knows("u1"));
  EXPECT_THAT(world.files.links, IsEmpty());
  EXPECT_FALSE(world.files.knows("u1"));
}

TEST_F(Collection, AContainerOfUnknownStateIsKilledBeforeItIsRemoved) {
  api::Pod pod = make_wanted("u1");
  pod.mutable_spec()->set_terminationgraceperiodseconds(7);
  pod.mutable_spec()->mutable_containers(0)->mutable_lifecycle()->mutable_prestop()->mutable_exec()->add_command("bye");
  brain.set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1; }, 10s));
  brain.set_pods({});
  ASSERT_TRUE(world.until([&] { return brain.worker("u1") == nullptr; }, 10s));
  world.cri.lose_track("u1", "main");
  world.cri.forget_calls();
  world.events.all.clear();
  world.clock.advance(1min);
  EXPECT_FALSE(world.cri.knows("u1"));
  EXPECT_THAT(world.cri.violations(), IsEmpty());
  EXPECT_THAT(world.events.texts(),
              ElementsAre("N Killing spec.containers{main}: Container is in \"unknown\" state, try killing it before "
                          "removal",
                          "W FailedPreStopHook spec.containers{main}: PreStopHook failed"));
  const auto stop = std::find_if(world.cri.calls().begin(), world.cri.calls().end(),
                                 [](const auto& call) { return call.name == "stop_container"; });
  ASSERT_NE(stop, world.cri.calls().end());
  EXPECT_EQ(stop->grace, 7);
}

TEST_F(Collection, AFailedRemovalIsTriedAgain) {
  brain.set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1; }, 10s));
  world.cri.inject({"remove_container", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "busy"), 1});
  brain.set_pods({});
  world.clock.advance(3min);
  EXPECT_FALSE(world.cri.knows("u1"));
}

TEST_F(Collection, TakesNothingBeforeAllSourcesHaveSpoken) {
  brain.set_pods({make_wanted("u1", {"main"}, "Never")});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1; }, 10s));
  brain.stop();
  world.cri.end_process("u1", "main", 0);
  Brain next(world);
  next.start();
  world.clock.advance(5min);
  EXPECT_TRUE(world.cri.knows("u1"));
}

}  // namespace
}  // namespace keelson::agent
