// Pods from their manifests to containers and back, through the whole of the agent's inside, on virtual time.
#include "agent/sync/pod_workers.hpp"

#include <gtest/gtest.h>

#include <gmock/gmock.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Workers : public ::testing::Test {
 protected:
  void SetUp() override { world.cri.images["image:1"] = image("image:1"); }
  void TearDown() override { EXPECT_THAT(world.cri.violations(), IsEmpty()); }

  static cri::Image image(const std::string& name) {
    cri::Image out;
    out.id = "sha256:" + name;
    out.size = 1;
    return out;
  }
  Brain& boot(base::Duration backoff_cap = 300s) {
    brain = std::make_unique<Brain>(world, backoff_cap);
    brain->start();
    return *brain;
  }
  bool runs(const std::string& uid, std::size_t count = 1, base::Duration limit = 10s) {
    return world.until([&] { return world.cri.running(uid) == count && brain->phase(uid) == "Running"; }, limit);
  }
  bool gone(const std::string& uid, base::Duration limit = 60s) {
    return world.until([&] { return brain->worker(uid) == nullptr; }, limit);
  }
  // Times of the starts of that container, in seconds after the first.
  std::vector<double> starts(const std::string& about) {
    std::vector<double> out;
    std::optional<base::SteadyTime> first;
    for (const auto& call : world.cri.calls()) {
      if (call.name != "start_container" || call.about != about) continue;
      if (!first) first = call.at;
      out.push_back(std::chrono::duration<double>(call.at - *first).count());
    }
    return out;
  }

  World world;
  std::unique_ptr<Brain> brain;
};

TEST_F(Workers, ANewPodRuns) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  EXPECT_THAT(world.cri.writes(),
              ElementsAre("run_pod_sandbox u1", "create_container u1/main", "start_container u1/main"));
  EXPECT_EQ(world.cgroups.groups.count("u1"), 1u);
  EXPECT_EQ(world.volumes.mounted.count("u1"), 1u);
  EXPECT_THAT(world.events.texts(),
              ElementsAre("N Pulled spec.containers{main}: Container image \"image:1\" already present on machine and "
                          "can be accessed by the pod",
                          "N Created spec.containers{main}: Container created",
                          "N Started spec.containers{main}: Container started"));
  const auto& status = brain->worker("u1")->status();
  EXPECT_EQ(status.podip().rfind("10.88.0.", 0), 0u);
  EXPECT_TRUE(status.containerstatuses(0).ready());
}

TEST_F(Workers, AStartedPodIsLeftInPeace) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.clock.advance(5s);
  world.cri.forget_calls();
  world.clock.advance(10min);
  EXPECT_THAT(world.cri.writes(), IsEmpty());
}

TEST_F(Workers, ACrashedContainerIsRestartedAtOnceThenAfterTenSecondsDoublingToTheCap) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{1s, 3}; };
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(30min);
  const std::vector<double> at = starts("u1/main");
  ASSERT_GE(at.size(), 9u);
  const double expected[] = {0, 10, 20, 40, 80, 160, 300, 300};
  for (std::size_t i = 0; i + 1 < 9; ++i) {
    SCOPED_TRACE("restart " + std::to_string(i + 1));
    const double after_exit = at[i + 1] - at[i] - 1;
    EXPECT_GE(after_exit, expected[i]);
    // The death is seen within a listing's period; back-off counts from the end itself.
    EXPECT_LE(after_exit, expected[i] + 2);
  }
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), static_cast<int>(at.size()) - 1);
}

TEST_F(Workers, AContainerInBackOffSaysSo) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{1s, 3}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return brain->state("u1", "main") == "waiting CrashLoopBackOff"; }, 30s));
  const auto* status = brain->container("u1", "main");
  EXPECT_EQ(status->state().waiting().message(), "back-off 10s restarting failed container=main pod=pod-u1_ns(u1)");
  EXPECT_EQ(status->laststate().terminated().exitcode(), 3);
  EXPECT_EQ(status->restartcount(), 1);
  EXPECT_EQ(brain->phase("u1"), "Running");
  EXPECT_THAT(
      world.events.texts("BackOff"),
      Contains("W BackOff spec.containers{main}: Back-off restarting failed container main in pod pod-u1_ns(u1)"));
}

TEST_F(Workers, BackOffCountsAnewAfterTenMinutesOfRunning) {
  world.cri.script = [](auto&, auto&, std::uint32_t attempt) {
    return attempt == 3 ? FakeRun{11min, 1} : FakeRun{1s, 1};
  };
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(15min);
  const std::vector<double> at = starts("u1/main");
  ASSERT_GE(at.size(), 6u);
  EXPECT_LE(at[4] - at[3] - 660, 2.0);
  EXPECT_LE(at[5] - at[4] - 1, 12.0);
}

TEST_F(Workers, ABackOffOutlivesJumpsOfTheSystemTime) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{1s, 3}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return brain->state("u1", "main") == "waiting CrashLoopBackOff"; }, 30s));
  world.clock.jump_system(-24h);
  world.clock.advance(20s);
  EXPECT_GE(starts("u1/main").size(), 3u);
}

TEST_F(Workers, APodThatFinishedStaysFinished) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{2s, 0}; };
  boot().set_pods({make_wanted("u1", {"main"}, "Never")});
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Succeeded"; }, 10s));
  ASSERT_TRUE(world.until([&] { return brain->worker("u1")->state() == WorkerState::finished; }, 10s));
  EXPECT_EQ(world.cgroups.groups.count("u1"), 0u);
  EXPECT_EQ(world.volumes.mounted.count("u1"), 0u);
  world.clock.advance(5min);
  EXPECT_EQ(starts("u1/main").size(), 1u);
}

TEST_F(Workers, APodThatFinishedIsNotResurrectedByANewAgent) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{2s, 4}; };
  boot().set_pods({make_wanted("u1", {"main"}, "Never")});
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Failed"; }, 10s));
  world.clock.advance(2min);
  brain.reset();
  world.cri.forget_calls();
  boot().set_pods({make_wanted("u1", {"main"}, "Never")});
  world.clock.advance(5min);
  EXPECT_EQ(brain->phase("u1"), "Failed");
  EXPECT_THAT(world.cri.writes(), IsEmpty());
}

// contract 02 §4.1: terminal phases are never forced on static pods. It was over by its deadline, say.
TEST_F(Workers, AStaticPodBeginsAnewWithItsAgentWhateverItsMirrorShows) {
  world.sink.remembered["pod-u1_ns"].set_phase("Failed");
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Running"; }, 10s));
}

TEST_F(Workers, ANewAgentAdoptsWhatRunsWithoutASingleWrite) {
  boot().set_pods({make_wanted("u1", {"a", "b"}), make_wanted("u2")});
  ASSERT_TRUE(runs("u1", 2));
  ASSERT_TRUE(runs("u2"));
  brain.reset();
  EXPECT_EQ(world.cri.running("u1"), 2u);
  world.clock.advance(1min);
  world.cri.forget_calls();
  boot().set_pods({make_wanted("u1", {"a", "b"}), make_wanted("u2")});
  ASSERT_TRUE(runs("u1", 2));
  ASSERT_TRUE(runs("u2"));
  world.clock.advance(5min);
  EXPECT_THAT(world.cri.writes(), IsEmpty());
  EXPECT_TRUE(brain->container("u1", "a")->ready());
}

TEST_F(Workers, StoppingTheAgentLeavesContainersAsTheyAre) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.cri.forget_calls();
  brain->stop();
  EXPECT_THAT(world.cri.writes(), IsEmpty());
  EXPECT_EQ(world.cri.running("u1"), 1u);
}

TEST_F(Workers, TheAgentStopsAtOnceThoughTheRuntimeHangs) {
  boot().set_pods({make_wanted("u1")});
  world.cri.inject({"create_container", "u1", FakeFault::Kind::hangs});
  world.clock.advance(3s);
  const auto before = world.clock.steady_now();
  brain->stop();
  EXPECT_LE(world.clock.steady_now() - before, 2s);
}

TEST_F(Workers, ARemovedPodEndsAndLeavesNothing) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 3s}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  brain->set_pods({});
  ASSERT_TRUE(gone("u1"));
  EXPECT_EQ(world.cri.count("stop_container", "u1/main"), 1u);
  EXPECT_THAT(world.events.texts("Killing"), ElementsAre("N Killing spec.containers{main}: Stopping container main"));
  EXPECT_EQ(world.cgroups.groups.count("u1"), 0u);
  world.clock.advance(2min);
  EXPECT_FALSE(world.cri.knows("u1"));
  EXPECT_FALSE(world.files.knows("u1"));
}

TEST_F(Workers, APodGetsItsGracePeriod) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", std::nullopt}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  const auto before = world.clock.steady_now();
  brain->set_pods({});
  ASSERT_TRUE(gone("u1"));
  EXPECT_GE(world.clock.steady_now() - before, 30s);
  EXPECT_LE(world.clock.steady_now() - before, 33s);
}

TEST_F(Workers, APodRemovedWhileItIsStartingEndsAtOnce) {
  world.cri.images.clear();
  world.cri.pull_time = 10min;
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return world.cri.count("pull_image") == 1; }, 10s));
  brain->set_pods({});
  ASSERT_TRUE(gone("u1", 5s));
  world.clock.advance(2min);
  EXPECT_FALSE(world.cri.knows("u1"));
  EXPECT_EQ(world.cri.count("create_container"), 0u);
}

TEST_F(Workers, APodRemovedWhileTheRuntimeHangsOnItEndsWhenItAnswersAgain) {
  world.cri.inject({"create_container", "u1", FakeFault::Kind::hangs});
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(5s);
  brain->set_pods({});
  world.cri.clear_faults();
  ASSERT_TRUE(gone("u1"));
  world.clock.advance(2min);
  EXPECT_FALSE(world.cri.knows("u1"));
}

TEST_F(Workers, APodThatComesBackWhileItTerminatesIsStartedAnewAfterwards) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 5s}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  brain->set_pods({});
  world.clock.advance(1s);
  brain->set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return world.cri.count("run_pod_sandbox", "u1") == 2; }, 60s));
  ASSERT_TRUE(world.until([&] { return brain->state("u1", "main") == "running"; }, 10s));
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 1);
  EXPECT_EQ(world.cri.sandboxes().back().config.metadata.attempt, 1u);
}

TEST_F(Workers, AManifestThatIsPutBackDoesNotShortenABackOff) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{1s, 3}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return brain->state("u1", "main") == "waiting CrashLoopBackOff"; }, 30s));
  brain->set_pods({});
  ASSERT_TRUE(world.until([&] { return brain->worker("u1") == nullptr; }, 5s));
  brain->set_pods({make_wanted("u1")});
  ASSERT_TRUE(world.until([&] { return starts("u1/main").size() == 3; }, 30s));
  const std::vector<double> at = starts("u1/main");
  EXPECT_GE(at[2] - at[1] - 1, 10);
}

TEST_F(Workers, AnEditedManifestWaitsForItsNamesake) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 5s}; };
  api::Pod edited = make_wanted("u2");
  edited.mutable_metadata()->set_name("pod-u1");
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  brain->set_pods({edited});
  world.clock.advance(2s);
  EXPECT_EQ(brain->worker("u2"), nullptr);
  EXPECT_EQ(brain->workers->waits_for_namesake("u2"), "u1");
  EXPECT_EQ(world.cri.count("run_pod_sandbox", "u2"), 0u);
  ASSERT_TRUE(runs("u2", 1, 30s));
  EXPECT_EQ(world.cri.running("u1"), 0u);
}

TEST_F(Workers, AManifestEditedWhileTheAgentWasAwayWaitsForItsNamesakeToo) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 5s}; };
  boot().set_pods({make_wanted("u2")});
  ASSERT_TRUE(runs("u2"));
  brain.reset();
  api::Pod edited = make_wanted("u1");
  edited.mutable_metadata()->set_name("pod-u2");
  boot().set_pods({edited});
  ASSERT_TRUE(world.until([&] { return world.cri.count("run_pod_sandbox", "u1") == 1; }, 30s));
  EXPECT_EQ(world.cri.running("u2"), 0u);
  ASSERT_TRUE(runs("u1"));
}

TEST_F(Workers, AContainerThatRunsOnThoughItWasStoppedIsNotStoppedInATightLoop) {
  world.cri.script = [](auto&, auto&, auto) {
    FakeRun run;
    run.immortal = true;
    return run;
  };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  brain->set_pods({});
  world.clock.advance(5min);
  EXPECT_GE(world.cri.count("stop_container"), 3u);
  EXPECT_LE(world.cri.count("stop_container"), 30u);  // every 10 to 15 s
  ASSERT_NE(brain->worker("u1"), nullptr);
  ASSERT_TRUE(world.cri.end_process("u1", "main", 0));
  ASSERT_TRUE(gone("u1"));
}

TEST_F(Workers, AnotherImageUnderTheSameUidRestartsTheContainer) {
  world.cri.images["image:2"] = image("image:2");
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  api::Pod edited = make_wanted("u1");
  edited.mutable_spec()->mutable_containers(0)->set_image("image:2");
  brain->set_pods({edited});
  ASSERT_TRUE(world.until([&] { return starts("u1/main").size() == 2; }, 10s));
  EXPECT_THAT(world.events.texts("Killing"),
              ElementsAre("N Killing spec.containers{main}: Container main definition changed, will be restarted"));
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 1u);
}

TEST_F(Workers, RemainsWhoseVolumesStayKeepTheirCgroupAndNoOther) {
  boot().set_pods({});
  world.cgroups.groups = {"gone-1", "gone-2"};
  world.volumes.unmount_fails.emplace("gone-1", Error(ErrorKind::deadline_exceeded, "it hangs"));
  world.run(brain->workers->housekeep());
  ASSERT_TRUE(world.until([&] { return world.cgroups.groups.count("gone-2") == 0; }, 10s));
  EXPECT_THAT(world.cgroups.groups, ElementsAre("gone-1"));
  EXPECT_THAT(world.cgroups.lowered, ElementsAre("gone-1"));
  world.volumes.unmount_fails.clear();
  world.run(brain->workers->housekeep());
  ASSERT_TRUE(world.until([&] { return world.cgroups.groups.empty(); }, 10s));
}

TEST_F(Workers, WhatAnEarlierAgentLeftOfAPodThatIsRefusedNowGoes) {
  world.cgroups.groups = {"u1"};
  world.volumes.mounted = {"u1"};
  boot();
  PodWorkers::Knowledge knowledge;
  knowledge.admit = [](const api::PodPtr&) {
    PodAdmission admission;
    admission.verdict = PodAdmission::Verdict::refused;
    admission.refusal.set_phase("Failed");
    return admission;
  };
  brain->workers->set_knowledge(std::move(knowledge));
  brain->set_pods({make_wanted("u1")});
  world.run(brain->workers->housekeep());
  EXPECT_TRUE(world.until([&] { return world.cgroups.groups.empty() && world.volumes.mounted.empty(); }, 10s));
  EXPECT_THAT(brain->workers->workers(), IsEmpty());
}

TEST_F(Workers, APodOfTheRuntimeThatNobodyWantsEndsOnlyWhenAllSourcesHaveSpoken) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  brain.reset();
  world.cri.forget_calls();
  boot();
  brain->workers->expect_source("http");
  brain->set_pods({});
  world.clock.advance(1min);
  EXPECT_EQ(world.cri.running("u1"), 1u);
  brain->set_pods({}, "http");
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 0; }, 10s));
  for (const auto& call : world.cri.calls()) {
    if (call.name == "stop_container") {
      EXPECT_EQ(call.grace, 2);  // a grace period of 1 s, and never less than 2 s at the CRI
    }
  }
  world.clock.advance(2min);
  EXPECT_FALSE(world.cri.knows("u1"));
  EXPECT_FALSE(world.files.knows("u1"));
  EXPECT_THAT(brain->workers->workers(), IsEmpty());
}

TEST_F(Workers, AHungCallForOnePodDelaysNoOther) {
  world.cri.inject({"run_pod_sandbox", "u1", FakeFault::Kind::hangs});
  world.cri.inject({"container_status", "u2", FakeFault::Kind::hangs});
  boot().set_pods({make_wanted("u1"), make_wanted("u2"), make_wanted("u3")});
  ASSERT_TRUE(runs("u3", 1, 3s));
  ASSERT_TRUE(world.cri.end_process("u3", "main", 1));
  ASSERT_TRUE(world.until([&] { return starts("u3/main").size() == 2; }, 3s));
  world.cri.clear_faults();
  ASSERT_TRUE(runs("u1", 1, 40s));
  ASSERT_TRUE(runs("u2", 1, 40s));
}

TEST_F(Workers, AFailedSandboxIsTriedAgainAfterTenToFifteenSeconds) {
  world.cri.inject({"run_pod_sandbox", "u1", FakeFault::Kind::fails, Error(ErrorKind::internal, "no CNI"), 2});
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1", 1, 60s));
  EXPECT_THAT(world.events.texts("FailedCreatePodSandBox"),
              ElementsAre("W FailedCreatePodSandBox: Failed to create pod sandbox: no CNI",
                          "W FailedCreatePodSandBox: Failed to create pod sandbox: no CNI"));
  std::vector<base::SteadyTime> tries;
  for (const auto& call : world.cri.calls()) {
    if (call.name == "run_pod_sandbox") tries.push_back(call.at);
  }
  ASSERT_EQ(tries.size(), 3u);
  for (std::size_t i = 1; i < 3; ++i) {
    EXPECT_GE(tries[i] - tries[i - 1], 10s);
    EXPECT_LE(tries[i] - tries[i - 1], 16s);
  }
}

TEST_F(Workers, ALostAnswerMakesNoSecondSandboxNorContainer) {
  const Error lost(ErrorKind::deadline_exceeded, "no answer in time");
  for (const char* call : {"run_pod_sandbox", "create_container", "start_container"}) {
    world.cri.inject({call, "", FakeFault::Kind::loses_answer, lost, 1});
  }
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1", 1, 2min));
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 1u);
  world.clock.advance(2min);
  EXPECT_EQ(world.cri.running("u1"), 1u);
}

TEST_F(Workers, ARuntimeThatGoesAwayTakesNoPodWithIt) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.cri.go_away();
  world.clock.advance(2min);
  EXPECT_EQ(brain->phase("u1"), "Running");
  EXPECT_EQ(brain->worker("u1")->journal().waiting().what, "container runtime is down");
  world.cri.come_back();
  world.cri.forget_calls();
  ASSERT_TRUE(world.cri.end_process("u1", "main", 1));
  ASSERT_TRUE(world.until([&] { return starts("u1/main").size() == 1; }, 20s));
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 0u);
}

TEST_F(Workers, APodRemovedWhileTheRuntimeIsAwayEndsWhenItComesBack) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.cri.go_away();
  world.clock.advance(5s);
  brain->set_pods({});
  world.clock.advance(2min);
  EXPECT_NE(brain->worker("u1"), nullptr);
  world.cri.come_back();
  ASSERT_TRUE(gone("u1"));
  EXPECT_EQ(world.cri.running("u1"), 0u);
}

TEST_F(Workers, ADeadSandboxIsReplaced) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.cri.break_sandbox("u1");
  ASSERT_TRUE(world.until([&] { return world.cri.count("run_pod_sandbox") == 2; }, 10s));
  ASSERT_TRUE(runs("u1"));
  EXPECT_THAT(world.events.texts("SandboxChanged"),
              ElementsAre("N SandboxChanged: Pod sandbox changed, it will be killed and re-created."));
  EXPECT_EQ(world.cri.sandboxes().back().config.metadata.attempt, 1u);
}

TEST_F(Workers, AContainerThatTheRuntimeForgotIsStartedAnewAndCountsOn) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.cri.forget_container("u1", "main");
  ASSERT_TRUE(world.until([&] { return starts("u1/main").size() == 2; }, 10s));
  ASSERT_TRUE(runs("u1"));
  EXPECT_EQ(world.cri.newest("u1", "main")->config.metadata.attempt, 1u);
}

TEST_F(Workers, PodNetworkPodsWaitForTheNetworkHostNetworkPodsDoNot) {
  world.cri.runtime_status.conditions[1] = {"NetworkReady", false, "NetworkPluginNotReady",
                                            "cni plugin not initialized"};
  api::Pod host = make_wanted("u2");
  host.mutable_spec()->set_hostnetwork(true);
  boot().set_pods({make_wanted("u1"), host});
  ASSERT_TRUE(runs("u2"));
  world.clock.advance(10s);
  EXPECT_EQ(world.cri.count("run_pod_sandbox", "u1"), 0u);
  EXPECT_THAT(world.events.texts("NetworkNotReady"),
              Contains("W NetworkNotReady: network is not ready: container runtime network not ready: "
                       "NetworkReady=false reason:NetworkPluginNotReady message:cni plugin not initialized"));
  // 1 s x (1 .. 1.5)
  EXPECT_GE(world.events.texts("NetworkNotReady").size(), 6u);
  EXPECT_LE(world.events.texts("NetworkNotReady").size(), 13u);
  world.cri.runtime_status.conditions[1] = {"NetworkReady", true, "", ""};
  ASSERT_TRUE(runs("u1", 1, 8s));
}

TEST_F(Workers, AVolumeThatCannotBeMountedHoldsThePodAndIsTriedAgain) {
  world.volumes.mount_fails.emplace("u1",
                                    Error(ErrorKind::not_found, "MountVolume.SetUp failed for volume \"v\" : no"));
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(5s);
  EXPECT_THAT(
      world.events.texts(),
      ElementsAre("W FailedMount: Unable to attach or mount volumes: MountVolume.SetUp failed for volume \"v\" : "
                  "no"));
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 0u);
  EXPECT_EQ(brain->phase("u1"), "Pending");
  world.volumes.mount_fails.clear();
  ASSERT_TRUE(runs("u1", 1, 16s));
}

TEST_F(Workers, APodWhoseVolumeFindsNoRoomOnTheNodeIsRejected) {
  world.volumes.mount_fails.emplace("u1", Error(ErrorKind::exhausted, "Node has reached its volume attachment limit"));
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(5s);
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W VolumeAttachmentLimitExceeded: Node has reached its volume attachment limit"));
  EXPECT_EQ(world.cri.count("run_pod_sandbox"), 0u);
  const PodWorker* worker = brain->worker("u1");
  ASSERT_NE(worker, nullptr);
  EXPECT_EQ(worker->state(), WorkerState::finished);
  EXPECT_EQ(worker->status().phase(), "Failed");
  EXPECT_EQ(worker->status().reason(), "VolumeAttachmentLimitExceeded");
  EXPECT_EQ(worker->status().message(), "Pod was rejected: Node has reached its volume attachment limit");
  EXPECT_EQ(brain->workers->metrics().rejected[{"VolumeAttachmentLimitExceeded"}], 1u);
}

TEST_F(Workers, ACgroupThatCannotBeMadeHoldsThePodAndIsTriedAgain) {
  world.cgroups.ensure_fails.emplace("u1", Error(ErrorKind::permission_denied, "mkdir: read-only file system"));
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(5s);
  EXPECT_THAT(world.events.texts(), ElementsAre("W FailedCreatePodContainer: unable to ensure pod container exists: "
                                                "mkdir: read-only file system"));
  world.cgroups.ensure_fails.clear();
  ASSERT_TRUE(runs("u1", 1, 16s));
}

TEST_F(Workers, DirectoriesThatCannotBeMadeHoldThePodAndAreTriedAgain) {
  world.files.pod_directories_fail = Error(ErrorKind::exhausted, "no space left on device");
  boot().set_pods({make_wanted("u1")});
  world.clock.advance(5s);
  EXPECT_THAT(world.events.texts(),
              ElementsAre("W Failed: error making pod data directories: no space left on device"));
  world.files.pod_directories_fail = {};
  ASSERT_TRUE(runs("u1", 1, 16s));
}

TEST_F(Workers, ARemovedPodWaitsUntilItsVolumesAreUnmountedAndItsCgroupIsGone) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.volumes.unmount_fails.emplace("u1", Error(ErrorKind::internal, "busy"));
  world.cgroups.remove_fails.emplace("u1", Error(ErrorKind::internal, "busy"));
  brain->set_pods({});
  world.clock.advance(20s);
  ASSERT_NE(brain->worker("u1"), nullptr);
  EXPECT_EQ(brain->worker("u1")->state(), WorkerState::terminated);
  EXPECT_EQ(world.cgroups.groups.count("u1"), 1u);
  world.volumes.unmount_fails.clear();
  world.clock.advance(5s);
  ASSERT_NE(brain->worker("u1"), nullptr);
  world.cgroups.remove_fails.clear();
  ASSERT_TRUE(gone("u1", 5s));
}

TEST_F(Workers, AContainerThatCannotBeStoppedIsTriedAgain) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.cri.inject({"stop_container", "u1", FakeFault::Kind::fails, Error(ErrorKind::internal, "shim is gone"), 1});
  brain->set_pods({});
  ASSERT_TRUE(gone("u1"));
  EXPECT_THAT(world.events.texts("FailedKillPod"), ElementsAre(HasSubstr("W FailedKillPod: error killing pod: ")));
}

TEST_F(Workers, AShorterGracePeriodCutsALongerOneShort) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", std::nullopt}; };
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  brain->set_pods({});
  world.clock.advance(1s);
  brain->worker("u1")->terminate({"hurry", 1s, std::nullopt, true});
  ASSERT_TRUE(gone("u1", 5s));
}

TEST_F(Workers, ResyncsComeAfterOneToOneAndAHalfMinutes) {
  boot().set_pods({make_wanted("u1")});
  ASSERT_TRUE(runs("u1"));
  world.clock.advance(5s);
  // A volume source that changed without an event is picked up by the resync alone.
  world.volumes.mounted.clear();
  const auto before = world.clock.steady_now();
  ASSERT_TRUE(world.until([&] { return world.volumes.mounted.count("u1") == 1; }, 3min));
  EXPECT_GE(world.clock.steady_now() - before, 50s);
  EXPECT_LE(world.clock.steady_now() - before, 90s);
}

}  // namespace
}  // namespace keelson::agent
