// What forces the life of a pod: deadlines, restarts of all containers, a lost cgroup, a network that is away, too many
// dead containers. Pods of an API server, on virtual time. Source: contract 02 §5.1, §6.5, §9, §12, §14.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

struct Lifecycle : ::testing::Test {
  void SetUp() override {
    for (const char* name : {"image:1", "image:2"}) {
      world.cri.images[name].id = std::string("sha256:") + name;
      world.cri.images[name].size = 1;
    }
    boot();
  }
  void TearDown() override { EXPECT_THAT(world.cri.violations(), IsEmpty()); }

  void boot() {
    brain.reset();
    brain = std::make_unique<Brain>(world);
    brain->workers->expect_source("api");
    brain->workers->source_ready("api");
    brain->start();
    brain->set_pods({});
  }
  static api::Pod make(const std::string& policy = "Always", const std::vector<std::string>& containers = {"main"}) {
    api::Pod pod = make_wanted("u1", containers, policy);
    (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
    pod.mutable_metadata()->set_generation(1);
    pod.mutable_status()->set_phase("Pending");
    return pod;
  }
  void set(const api::Pod& pod) { brain->workers->set_pod("api", std::make_shared<api::Pod>(pod)); }
  static void add_debugger(api::Pod& pod) {
    auto& common = *pod.mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon();
    common.set_name("debug");
    common.set_image("image:1");
    common.set_imagepullpolicy("IfNotPresent");
    common.set_terminationmessagepath("/dev/termination-log");
    common.set_terminationmessagepolicy("File");
  }
  PodWorker& worker() { return *brain->worker("u1"); }
  bool running(std::size_t count = 1) {
    return world.until([&] { return world.cri.running("u1") == count && brain->phase("u1") == "Running"; }, 10s);
  }
  bool in(WorkerState state) { return brain->worker("u1") != nullptr && worker().state() == state; }
  bool finished(base::Duration limit = 60s) {
    return world.until([&] { return in(WorkerState::finished); }, limit, 10ms);
  }
  double seconds_since(base::SteadyTime from) {
    return std::chrono::duration<double>(world.clock.steady_now() - from).count();
  }
  std::string condition(const std::string& type) {
    for (const auto& condition : worker().status().conditions()) {
      if (condition.type() == type) return condition.status() + " " + condition.reason();
    }
    return "absent";
  }

  World world;
  std::unique_ptr<Brain> brain;
};

// --- activeDeadlineSeconds ---

TEST_F(Lifecycle, APodIsEndedExactlyAtItsDeadline) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(100);
  set(pod);
  const auto begun = world.clock.steady_now();
  ASSERT_TRUE(running());
  ASSERT_TRUE(world.until([&] { return !in(WorkerState::sync); }, 200s, 10ms));
  EXPECT_NEAR(seconds_since(begun), 100, 0.1);
  ASSERT_TRUE(finished());
  EXPECT_EQ(world.cri.running("u1"), 0u);
  const auto& last = world.sink.all.back();
  EXPECT_TRUE(last.terminated);
  EXPECT_EQ(last.status.phase(), "Failed");
  EXPECT_EQ(last.status.reason(), "DeadlineExceeded");
  EXPECT_EQ(last.status.message(), "Pod was active on the node longer than the specified deadline");
  // Told with every status from then on.
  const auto told = world.events.texts("DeadlineExceeded");
  EXPECT_EQ(told.size(), 4u);
  EXPECT_THAT(told, Each("N DeadlineExceeded: Pod was active on the node longer than the specified deadline"));
  world.clock.advance(10min);
  EXPECT_EQ(world.events.texts("DeadlineExceeded").size(), 4u);
}

TEST_F(Lifecycle, ADeadlineDoesNotWaitForARoundThatHangs) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(30);
  world.cri.images.clear();
  world.cri.pull_time = 1h;
  set(pod);
  const auto begun = world.clock.steady_now();
  ASSERT_TRUE(finished(100s));
  EXPECT_NEAR(seconds_since(begun), 30, 1);
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
}

// A worker that spins would never give the clock back.
TEST_F(Lifecycle, ADeadlineThatPassesWhileTheRuntimeIsAwayCountsWhenItIsBack) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(100);
  set(pod);
  ASSERT_TRUE(running());
  world.cri.go_away();
  world.clock.advance(5min);
  EXPECT_EQ(worker().state(), WorkerState::sync);
  world.cri.come_back();
  ASSERT_TRUE(finished());
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
}

TEST_F(Lifecycle, ADeadlineIsNotMovedByJumpsOfTheSystemTime) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(100);
  set(pod);
  ASSERT_TRUE(running());
  world.clock.jump_system(1h);
  world.clock.advance(90s);
  EXPECT_EQ(worker().state(), WorkerState::sync);
  world.clock.jump_system(-2h);
  world.clock.advance(15s);
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
}

TEST_F(Lifecycle, ADeadlineThatIsShortenedOrCameWhileTheAgentWasAwayCounts) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(1000);
  set(pod);
  ASSERT_TRUE(running());
  world.clock.advance(50s);
  EXPECT_EQ(worker().state(), WorkerState::sync);
  pod.mutable_spec()->set_activedeadlineseconds(60);
  *pod.mutable_status() = worker().status();
  set(pod);
  brain->stop();
  world.clock.advance(20s);
  EXPECT_EQ(world.cri.running("u1"), 1u);
  boot();
  set(pod);
  ASSERT_TRUE(finished());
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
}

TEST_F(Lifecycle, ADeadlineThatIsEditedWhileARoundHangsCountsAtOnce) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(30);
  world.cri.images.clear();
  world.cri.pull_time = 1h;
  set(pod);
  const auto begun = world.clock.steady_now();
  world.clock.advance(10s);
  pod.mutable_spec()->set_activedeadlineseconds(1000);
  set(pod);
  world.clock.advance(50s);
  EXPECT_EQ(worker().state(), WorkerState::sync);
  EXPECT_EQ(world.cri.count("pull_image"), 1u) << "the round goes on";
  pod.mutable_spec()->set_activedeadlineseconds(70);
  set(pod);
  ASSERT_TRUE(finished(100s));
  EXPECT_NEAR(seconds_since(begun), 70, 1);
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
}

TEST_F(Lifecycle, APodPastItsDeadlineWaitsForTheRuntimeAsAnyOther) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(60);
  set(pod);
  ASSERT_TRUE(running());
  world.cri.inject({"list_pod_sandboxes", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no answer")});
  world.clock.advance(20s);
  world.cri.end_process("u1", "main", 1);
  world.clock.advance(40s);
  const auto told = world.events.texts("FailedSync").size();
  world.clock.advance(60s);
  EXPECT_LE(world.events.texts("FailedSync").size(), told + 7);
  world.cri.go_away();
  world.clock.advance(2min);
  world.cri.come_back();
  world.cri.clear_faults();
  ASSERT_TRUE(finished());
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
}

TEST_F(Lifecycle, APodThatFinishedBeforeItsDeadlineStaysAsItIs) {
  api::Pod pod = make("Never");
  pod.mutable_spec()->set_activedeadlineseconds(20);
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{5s, 0}; };
  set(pod);
  ASSERT_TRUE(finished());
  world.clock.advance(1min);
  EXPECT_EQ(worker().status().phase(), "Succeeded");
  EXPECT_EQ(worker().status().reason(), "");
  EXPECT_THAT(world.events.texts("DeadlineExceeded"), IsEmpty());
}

// --- All containers restart ---

TEST_F(Lifecycle, AllContainersRestartInPlaceWhenARuleAsksForIt) {
  api::Pod pod = make("Never", {"main", "other"});
  auto& main = *pod.mutable_spec()->mutable_containers(0);
  main.set_restartpolicy("Never");
  auto& rule = *main.add_restartpolicyrules();
  rule.set_action("RestartAllContainers");
  rule.mutable_exitcodes()->set_operator_("In");
  rule.mutable_exitcodes()->add_values(42);
  pod.mutable_spec()->mutable_containers(1)->mutable_lifecycle()->mutable_prestop()->mutable_exec()->add_command("bye");
  auto& init = *pod.mutable_spec()->add_initcontainers();
  init = pod.spec().containers(1);
  init.set_name("init");
  init.clear_lifecycle();
  world.cri.script = [](auto&, const std::string& name, auto) { return name == "init" ? FakeRun{1s, 0} : FakeRun{}; };
  set(pod);
  ASSERT_TRUE(running(2));
  const std::string sandbox = world.cri.sandboxes().front().id;
  world.sink.all.clear();
  world.events.all.clear();
  world.cri.forget_calls();
  ASSERT_TRUE(world.cri.end_process("u1", "main", 42));
  const auto asked = world.clock.steady_now();
  ASSERT_TRUE(world.until([&] { return world.cri.count("start_container", "u1/main") == 1; }, 10s, 10ms));
  EXPECT_LE(seconds_since(asked), 4)
      << "the second half follows at once, but for the second that the init container takes";
  ASSERT_TRUE(running(2));
  EXPECT_THAT(world.cri.writes(),
              ElementsAre("stop_container u1/other", "remove_container u1/other", "remove_container u1/init",
                          "remove_container u1/main", "create_container u1/init", "start_container u1/init",
                          "create_container u1/main", "start_container u1/main", "create_container u1/other",
                          "start_container u1/other"));
  EXPECT_EQ(world.cri.count("exec_sync"), 0u) << "no grace, no preStop hook";
  EXPECT_EQ(world.cri.sandboxes().front().id, sandbox);
  EXPECT_THAT(world.events.texts("Killing"), ElementsAre("N Killing spec.containers{other}: killing"));
  EXPECT_EQ(world.files.logs.at("/var/log/pods/ns_pod-u1_u1/other").count("0.log"), 1u) << "logs are kept";
  for (const char* name : {"init", "main", "other"}) {
    EXPECT_EQ(brain->container("u1", name)->restartcount(), 1) << name;
    EXPECT_EQ(brain->container("u1", name)->laststate().terminated().reason(), "RestartingAllContainers") << name;
  }
  EXPECT_EQ(condition("AllContainersRestarting"), "False ");
  // Told: that it has begun, then that all is gone.
  std::vector<std::string> story;
  for (const auto& entry : world.sink.all) {
    std::string text = entry.status.containerstatuses(1).state().waiting().reason();
    for (const auto& c : entry.status.conditions()) {
      if (c.type() == "AllContainersRestarting") text = c.status() + " " + text;
    }
    if (story.empty() || story.back() != text) story.push_back(text);
  }
  ASSERT_GE(story.size(), 2u);
  EXPECT_EQ(story[0], "True ");
  EXPECT_EQ(story[1], "False RestartingAllContainers");
  for (const auto& entry : world.sink.all) EXPECT_NE(entry.status.phase(), "Failed");
}

TEST_F(Lifecycle, RestartRulesThatAreSwitchedOffAreAsIfTheyWereNotThere) {
  brain->facts.restart_rules = false;
  brain->facts.restarts_all = false;
  api::Pod pod = make("Never", {"main", "other"});
  auto& main = *pod.mutable_spec()->mutable_containers(0);
  main.set_restartpolicy("Always");
  for (const char* action : {"Restart", "RestartAllContainers"}) {
    auto& rule = *main.add_restartpolicyrules();
    rule.set_action(action);
    rule.mutable_exitcodes()->set_operator_("NotIn");
    rule.mutable_exitcodes()->add_values(0);
  }
  set(pod);
  ASSERT_TRUE(running(2));
  ASSERT_TRUE(world.cri.end_process("u1", "main", 42));
  world.clock.advance(1min);
  EXPECT_EQ(brain->state("u1", "main"), "terminated Error 42");
  EXPECT_EQ(condition("AllContainersRestarting"), "absent");
}

// --- The pod's cgroup ---

TEST_F(Lifecycle, WhatRunsWithoutThePodsCgroupIsEndedAndBroughtBackInIt) {
  set(make());
  ASSERT_TRUE(running());
  brain->stop();
  world.cgroups.groups.clear();
  world.cri.forget_calls();
  boot();
  set(make());
  ASSERT_TRUE(world.until([&] { return world.cri.count("start_container") == 1; }, 20s));
  EXPECT_THAT(world.cri.writes(),
              ElementsAre("stop_container u1/main", "stop_pod_sandbox u1", "stop_pod_sandbox u1", "run_pod_sandbox u1",
                          "create_container u1/main", "start_container u1/main"));
  EXPECT_EQ(world.cgroups.groups.count("u1"), 1u);
}

TEST_F(Lifecycle, APodThatRunsOnceIsOverWhenItsCgroupIsGone) {
  set(make("Never"));
  ASSERT_TRUE(running());
  brain->stop();
  world.cgroups.groups.clear();
  boot();
  set(make("Never"));
  ASSERT_TRUE(finished());
  EXPECT_EQ(worker().status().phase(), "Failed");
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 1u);
  EXPECT_THAT(world.cgroups.groups, IsEmpty());
}

TEST_F(Lifecycle, ARuntimeThatCannotEndWhatLostItsCgroupIsNotAskedInATightLoop) {
  set(make());
  ASSERT_TRUE(running());
  brain->stop();
  world.cgroups.groups.clear();
  world.cri.inject({"stop_container", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "stuck")});
  world.cri.inject({"stop_pod_sandbox", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "stuck")});
  boot();
  set(make());
  world.clock.advance(1min);
  EXPECT_GE(world.cri.count("stop_container"), 3u);
  EXPECT_LE(world.cri.count("stop_container"), 8u);
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 1u);
}

// --- Ephemeral containers ---

TEST_F(Lifecycle, AnEphemeralContainerJoinsAPodThatRunsAndEndsForGood) {
  api::Pod pod = make();
  set(pod);
  ASSERT_TRUE(running());
  add_debugger(pod);
  world.cri.script = [](auto&, const std::string& name, auto) { return name == "debug" ? FakeRun{20s, 3} : FakeRun{}; };
  world.cri.forget_calls();
  set(pod);
  ASSERT_TRUE(running(2));
  EXPECT_THAT(world.cri.writes(), ElementsAre("create_container u1/debug", "start_container u1/debug"));
  EXPECT_THAT(world.events.texts("Started"), Contains("N Started spec.ephemeralContainers{debug}: Container started"));
  EXPECT_EQ(condition("Ready"), "True ");
  world.clock.advance(5min);
  for (const auto& entry : world.sink.all) {
    for (const auto& debugger : entry.status.ephemeralcontainerstatuses()) {
      EXPECT_FALSE(debugger.ready());
      EXPECT_FALSE(debugger.has_started()) << "nobody waits for it";
    }
  }
  const auto& shown = worker().status().ephemeralcontainerstatuses(0);
  EXPECT_EQ(shown.state().terminated().exitcode(), 3);
  EXPECT_EQ(shown.restartcount(), 0);
  EXPECT_EQ(world.cri.count("start_container", "u1/debug"), 1u);
  EXPECT_EQ(worker().status().phase(), "Running");
}

TEST_F(Lifecycle, AnEphemeralContainerDoesNotWaitForInitContainers) {
  api::Pod pod = make();
  *pod.mutable_spec()->add_initcontainers() = pod.spec().containers(0);
  pod.mutable_spec()->mutable_initcontainers(0)->set_name("init");
  set(pod);
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1; }, 10s));
  add_debugger(pod);
  set(pod);
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 2; }, 10s));
  EXPECT_EQ(world.cri.count("start_container", "u1/debug"), 1u);
  EXPECT_EQ(world.cri.count("start_container", "u1/main"), 0u);
  EXPECT_EQ(worker().status().phase(), "Pending");
}

// --- The rest ---

TEST_F(Lifecycle, WithoutTheNetworkAPodIsNotTouchedThoughItRuns) {
  set(make());
  ASSERT_TRUE(running());
  world.cri.runtime_status.conditions[1] = {"NetworkReady", false, "NetworkPluginNotReady", "cni config uninitialized"};
  world.clock.advance(10s);
  world.cri.end_process("u1", "main", 1);
  world.clock.advance(20s);
  EXPECT_EQ(world.cri.count("start_container"), 1u);
  EXPECT_EQ(brain->state("u1", "main"), "terminated Error 1");
  EXPECT_THAT(world.events.texts("NetworkNotReady"), Not(IsEmpty()));
  world.cri.runtime_status.conditions[1] = {"NetworkReady", true, "", ""};
  ASSERT_TRUE(running());
}

TEST_F(Lifecycle, OfACrashingContainerOnlyTheNewestDeadInstanceStays) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{100ms, 1}; };
  set(make());
  std::size_t most = 0;
  world.until(
      [&] {
        most = std::max(most, world.cri.containers().size());
        return false;
      },
      8s, 50ms);
  // The third is dead before the second is removed at most for as long as the runtime takes.
  EXPECT_EQ(world.cri.count("start_container"), 2u);
  EXPECT_EQ(world.cri.containers().size(), 1u);
  EXPECT_LE(most, 2u);
  EXPECT_EQ(brain->container("u1", "main")->laststate().terminated().exitcode(), 1);
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 1);
}

TEST_F(Lifecycle, AnEvictionThatTakesTooLongIsTold) {
  set(make());
  ASSERT_TRUE(running());
  Termination termination{"somebody needs its room", 20s,
                          ForcedEnd{"Failed", "Preempting", "pushed out", "pushed out"}};
  termination.evicts = true;
  world.cri.inject({"stop_container", "", FakeFault::Kind::hangs});
  worker().terminate(termination);
  world.clock.advance(29s);
  EXPECT_THAT(world.events.texts("ExceededGracePeriod"), IsEmpty());
  world.clock.advance(2s);
  EXPECT_THAT(world.events.texts("ExceededGracePeriod"),
              ElementsAre("W ExceededGracePeriod: Container runtime did not kill the pod within specified grace "
                          "period."));
  world.cri.clear_faults();
  ASSERT_TRUE(finished());
  EXPECT_EQ(condition("DisruptionTarget"), "True TerminationByKubelet");
}

TEST_F(Lifecycle, AnEvictionInTimeIsNotComplainedAbout) {
  set(make());
  ASSERT_TRUE(running());
  Termination termination{"somebody needs its room", std::nullopt, ForcedEnd{"Failed", "Preempting", "pushed out", ""}};
  termination.evicts = true;
  worker().terminate(termination);
  ASSERT_TRUE(finished());
  world.clock.advance(10min);
  EXPECT_THAT(world.events.texts("ExceededGracePeriod"), IsEmpty());
}

TEST_F(Lifecycle, AGracePeriodOfZeroCountsAsNotGiven) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", std::nullopt}; };
  set(make());
  ASSERT_TRUE(running());
  worker().terminate({"just so", 0s, std::nullopt});
  ASSERT_TRUE(finished());
  for (const auto& call : world.cri.calls()) {
    if (call.name != "stop_container") continue;
    EXPECT_EQ(call.grace, 30);
  }
}

TEST_F(Lifecycle, AGracePeriodBeyondAllTimeIsNoReasonToFail) {
  api::Pod pod = make();
  pod.mutable_spec()->set_terminationgraceperiodseconds(std::numeric_limits<std::int64_t>::max());
  pod.mutable_spec()->set_activedeadlineseconds(std::numeric_limits<std::int64_t>::max());
  auto& hooks = *pod.mutable_spec()->mutable_containers(0)->mutable_lifecycle();
  hooks.mutable_prestop()->mutable_sleep()->set_seconds(3);
  set(pod);
  ASSERT_TRUE(running());
  Termination termination{"somebody needs its room", std::nullopt, ForcedEnd{"Failed", "Preempting", "out", ""}};
  termination.evicts = true;
  worker().terminate(termination);
  ASSERT_TRUE(finished());
}

TEST_F(Lifecycle, ASandboxThatShowsItselfAfterTheEndIsStoppedAndTheEndStaysAsItIs) {
  api::Pod pod = make();
  pod.mutable_spec()->set_activedeadlineseconds(20);
  set(pod);
  ASSERT_TRUE(finished());
  // A call that was cancelled takes effect all the same.
  cri::PodSandboxConfig config = world.cri.sandboxes().front().config;
  ++config.metadata.attempt;
  ASSERT_TRUE(world.run(world.cri.run_pod_sandbox(config, "")).ok());
  world.clock.advance(10s);
  ASSERT_TRUE(finished());
  for (const auto& sandbox : world.cri.sandboxes()) EXPECT_EQ(sandbox.state, cri::SandboxState::not_ready);
  EXPECT_EQ(worker().status().reason(), "DeadlineExceeded");
  EXPECT_EQ(world.sink.all.back().status.phase(), "Failed");
  EXPECT_TRUE(world.sink.all.back().terminated);
}

TEST_F(Lifecycle, APodThatIsOverInTheApiIsNotEvenKilledByANewAgent) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{1s, 0}; };
  set(make("Never"));
  ASSERT_TRUE(finished());
  api::Pod pod = make("Never");
  *pod.mutable_status() = worker().status();
  brain->stop();
  world.cri.forget_calls();
  world.sink.all.clear();
  world.events.all.clear();
  boot();
  set(pod);
  ASSERT_TRUE(finished());
  EXPECT_THAT(world.cri.writes(), IsEmpty());
  EXPECT_THAT(world.events.texts(), IsEmpty());
  for (const auto& entry : world.sink.all) {
    EXPECT_EQ(entry.status.SerializeAsString(), pod.status().SerializeAsString());
  }
}

}  // namespace
}  // namespace keelson::agent::testing
