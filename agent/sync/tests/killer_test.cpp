#include "agent/sync/killer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/pod_config/annotations.hpp"
#include "agent/sync/orphan.hpp"
#include "agent/sync/tests/pod_maker.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A pod that runs in the fake runtime; nobody but the killer works on it.
class Kill : public ::testing::Test {
 public:
  Kill() {
    world.cri.latency = [](const std::string&) { return base::Duration(1ms); };
    world.cri.exec = [this](const std::string& about, const std::vector<std::string>& command) {
      return hooks.count(about) > 0 ? hooks.at(about) : hooks[command.at(0)];
    };
  }

  api::core::Container& add_init(const std::string& name, bool sidecar) {
    auto& container = *pod.mutable_spec()->add_initcontainers();
    container = sidecar ? make_sidecar(name) : make_container(name);
    return container;
  }
  void set_pre_stop(api::core::Container& container, const std::string& command = "stop") {
    container.mutable_lifecycle()->mutable_prestop()->mutable_exec()->add_command(command);
  }
  // Starts all that the spec describes.
  void run_pod() {
    cri::PodSandboxConfig sandbox;
    sandbox.metadata = {"pod", "uid", "ns", 0};
    const auto id = world.run(world.cri.run_pod_sandbox(sandbox, ""));
    ASSERT_TRUE(id.ok());
    for_each_container(pod, [&](ContainerRef ref, const std::string& name) {
      cri::ContainerConfig config;
      config.metadata = {name, 0};
      for (const auto& [key, value] : container_annotations(pod, container_of(pod, ref), 0, {})) {
        config.annotations[key] = value;
      }
      const auto made = world.run(world.cri.create_container(*id, config, sandbox));
      ASSERT_TRUE(made.ok());
      ASSERT_TRUE(world.run(world.cri.start_container(*made)).ok());
    });
    world.cri.forget_calls();
    begun = world.clock.steady_now();
  }
  ObservedPtr observe() {
    auto observed = std::make_shared<ObservedPod>();
    observed->uid = "uid";
    observed->name = "pod";
    observed->ns = "ns";
    for (const auto& sandbox : world.cri.sandboxes()) {
      observed->sandboxes.push_back(*world.run(world.cri.pod_sandbox_status(sandbox.id)));
    }
    for (const auto& container : world.cri.containers()) {
      observed->containers.push_back(*world.run(world.cri.container_status(container.id)));
    }
    return observed;
  }
  Status kill(std::optional<std::chrono::seconds> grace) {
    return world.run(killer.kill_pod(std::make_shared<const api::Pod>(pod), observe(), grace));
  }
  // Of the only call of that kind: when it came since the pod ran, in seconds; and its grace period.
  double second_of(const std::string& call, const std::string& about) {
    for (const auto& entry : world.cri.calls()) {
      if (entry.name == call && entry.about == about) {
        return std::chrono::duration<double>(entry.at - begun).count();
      }
    }
    ADD_FAILURE() << "no " << call << " of " << about;
    return 0;
  }
  std::int64_t grace_of(const std::string& about) {
    for (const auto& entry : world.cri.calls()) {
      if (entry.name == "stop_container" && entry.about == about) return entry.grace;
    }
    ADD_FAILURE() << about << " was not stopped";
    return 0;
  }

  World world;
  std::map<std::string, FakeExec> hooks;  // by "uid/NAME", else by command
  api::Pod pod = make_pod({"main"});
  NodeFacts facts = make_facts();
  Killer killer{world.loop, world.clock, world.cri, world.lifecycle, facts, world.events};
  base::SteadyTime begun{};

  ~Kill() override { world.run(killer.stop()); }
};

TEST_F(Kill, TheGracePeriodIsTheDeletionsOrTheProbesOrThePods) {
  struct Row {
    const char* what;
    std::optional<int> deletion, startup, liveness, own;
    bool startup_failed, liveness_failed;
    int expected;
  };
  const Row rows[] = {
      {"nothing is said", {}, {}, {}, {}, false, false, 2},
      {"the pod's own", {}, 7, 8, 30, false, false, 30},
      {"the startup probe's", {}, 7, 8, 30, true, false, 7},
      {"the liveness probe's", {}, 7, 8, 30, false, true, 8},
      {"a probe without one", {}, {}, {}, 30, false, true, 30},
      {"the deletion's goes before all", 5, 7, 8, 30, true, false, 5},
      {"a deletion without any", 0, {}, {}, 30, false, false, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    api::Pod given = make_pod({"main"});
    auto& container = *given.mutable_spec()->mutable_containers(0);
    if (row.deletion) given.mutable_metadata()->set_deletiongraceperiodseconds(*row.deletion);
    if (row.startup) container.mutable_startupprobe()->set_terminationgraceperiodseconds(*row.startup);
    if (row.liveness) container.mutable_livenessprobe()->set_terminationgraceperiodseconds(*row.liveness);
    if (row.own) given.mutable_spec()->set_terminationgraceperiodseconds(*row.own);
    KillContainer step;
    step.startup_probe_failed = row.startup_failed;
    step.liveness_probe_failed = row.liveness_failed;
    EXPECT_EQ(grace_period(given, container, step).count(), row.expected);
  }
}

TEST_F(Kill, WhatThePreStopHookTakesIsSubtractedInWholeSeconds) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  hooks["stop"] = {3900ms};
  run_pod();
  EXPECT_TRUE(kill(10s).ok());
  EXPECT_NEAR(second_of("exec_sync", "uid/main"), 0, 0.1);
  EXPECT_NEAR(second_of("stop_container", "uid/main"), 3.9, 0.1);
  EXPECT_EQ(grace_of("uid/main"), 7);
  EXPECT_THAT(world.events.texts(), ElementsAre("N Killing spec.containers{main}: Stopping container main"));
}

TEST_F(Kill, AHookLongerThanTheGracePeriodIsWaitedForNoMoreButNotCancelled) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  hooks["stop"] = {60s};
  run_pod();
  EXPECT_TRUE(kill(5s).ok());
  EXPECT_NEAR(second_of("stop_container", "uid/main"), 5, 0.1);
  EXPECT_EQ(grace_of("uid/main"), 2);
  EXPECT_THAT(world.events.texts("FailedPreStopHook"), IsEmpty());
  // It ended with its container, which it notices by itself.
  world.clock.advance(60s);
  EXPECT_THAT(world.events.texts("FailedPreStopHook"),
              ElementsAre("W FailedPreStopHook spec.containers{main}: PreStopHook failed"));
}

TEST_F(Kill, AFailingHookIsToldAndTheContainerIsStopped) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  hooks["stop"] = {0s, 1, "", "secret"};
  run_pod();
  EXPECT_TRUE(kill(10s).ok());
  EXPECT_EQ(grace_of("uid/main"), 10);
  EXPECT_THAT(world.events.texts(), ElementsAre("N Killing spec.containers{main}: Stopping container main",
                                                "W FailedPreStopHook spec.containers{main}: PreStopHook failed"));
}

TEST_F(Kill, WithoutGraceThereIsNoHookAndTheRuntimeStillGetsTwoSeconds) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  run_pod();
  EXPECT_TRUE(kill(0s).ok());
  EXPECT_EQ(world.cri.count("exec_sync"), 0u);
  EXPECT_EQ(grace_of("uid/main"), 2);
}

TEST_F(Kill, RegularContainersGoSideBySideThenSidecarsInReverseThenTheSandbox) {
  pod = make_pod({"a", "b"});
  add_init("first", true);
  add_init("second", true);
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 3s}; };
  run_pod();
  EXPECT_TRUE(kill(30s).ok());
  EXPECT_NEAR(second_of("stop_container", "uid/a"), 0, 0.1);
  EXPECT_NEAR(second_of("stop_container", "uid/b"), 0, 0.1);
  EXPECT_NEAR(second_of("stop_container", "uid/second"), 3, 0.1);
  EXPECT_NEAR(second_of("stop_container", "uid/first"), 6, 0.1);
  EXPECT_NEAR(second_of("stop_pod_sandbox", "uid"), 9, 0.1);
  // A sidecar gets what the others left of the grace period.
  EXPECT_EQ(grace_of("uid/second"), 27);
  EXPECT_EQ(grace_of("uid/first"), 24);
}

TEST_F(Kill, HooksOfSidecarsRunAtTheStartNotWhenTheirTurnComes) {
  set_pre_stop(add_init("side", true));
  hooks["stop"] = {1500ms};
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 4s}; };
  run_pod();
  EXPECT_TRUE(kill(30s).ok());
  EXPECT_NEAR(second_of("exec_sync", "uid/side"), 0, 0.1);
  EXPECT_NEAR(second_of("stop_container", "uid/side"), 4, 0.1);
  // 1 s of the hook and 2 s of waiting are whole seconds.
  EXPECT_EQ(grace_of("uid/side"), 27);
}

TEST_F(Kill, SidecarsGetAtLeastTwoSecondsWhenTheGracePeriodIsUsedUp) {
  add_init("side", true);
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", std::nullopt}; };
  run_pod();
  EXPECT_TRUE(kill(5s).ok());
  EXPECT_EQ(grace_of("uid/main"), 5);
  EXPECT_EQ(grace_of("uid/side"), 2);
}

TEST_F(Kill, ASidecarDoesNotWaitForContainersThatDoNotRun) {
  add_init("side", true);
  run_pod();
  world.cri.end_process("uid", "main", 0);
  EXPECT_TRUE(kill(30s).ok());
  EXPECT_NEAR(second_of("stop_container", "uid/side"), 0, 0.1);
  EXPECT_EQ(world.cri.count("stop_container", "uid/main"), 0u);
}

base::Task<void> start(World* world, std::string id) {
  const Status started = co_await world->cri.start_container(std::move(id));
  EXPECT_TRUE(started.ok());
}

// Its start was given up, and takes effect while the others end.
TEST_F(Kill, AContainerThatStartsMeanwhileIsStoppedBeforeItsSandbox) {
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{std::nullopt, 0, "", 3s}; };
  run_pod();
  cri::ContainerConfig config;
  config.metadata = {"late", 0};
  const auto made = world.run(world.cri.create_container(world.cri.sandboxes().front().id, config, {}));
  ASSERT_TRUE(made.ok());
  base::Gate gate(world.loop);
  world.cri.on_happening([&](const FakeCri::Happening& happening) {
    if (happening.kind != FakeCri::Happening::Kind::stop_asked || happening.container->id == *made) return;
    base::spawn(gate, "late start", start(&world, *made));
  });
  world.cri.forget_calls();
  ASSERT_TRUE(kill(10s).ok());
  EXPECT_EQ(grace_of("uid/late"), 7) << "what is left of the pod's";
  EXPECT_EQ(world.cri.writes().back(), "stop_pod_sandbox uid");
  EXPECT_THAT(world.cri.violations(), IsEmpty());
}

TEST_F(Kill, AFailedKillIsToldAndTheRestIsKilledAllTheSame) {
  pod = make_pod({"a", "b"});
  add_init("side", true);
  run_pod();
  world.cri.inject({"stop_container", "uid/a", FakeFault::Kind::fails, Error(ErrorKind::internal, "stuck"), 1});
  const Status killed = kill(5s);
  ASSERT_FALSE(killed.ok());
  EXPECT_EQ(killed.error().to_string(), "while killing container a: stuck");
  // What could not be stopped may run on: the sidecar serves it as long as it may.
  EXPECT_NEAR(second_of("stop_container", "uid/side"), 5, 0.1);
  EXPECT_EQ(world.cri.running("uid"), 0u);
}

TEST_F(Kill, AKillThatIsBegunAnewWaitsForTheHookThatRunsAlready) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  hooks["stop"] = {8s};
  run_pod();
  base::Gate gate(world.loop);
  auto first = std::make_shared<std::optional<Status>>();
  base::spawn(gate, "kill",
              internal::keep<Status>(killer.kill_pod(std::make_shared<const api::Pod>(pod), observe(), 30s), first));
  world.until([] { return false; }, 4s);
  world.run(gate.stop());
  EXPECT_FALSE(first->has_value());
  EXPECT_TRUE(kill(6s).ok());
  EXPECT_EQ(world.cri.count("exec_sync"), 1u);
  // Nearly 4 s of the hook were left; the whole ones are taken off the second grace period.
  EXPECT_NEAR(second_of("stop_container", "uid/main"), 8, 0.1);
  EXPECT_EQ(grace_of("uid/main"), 3);
}

TEST_F(Kill, AHookIsNotRepeatedWhenTheRuntimeFailsToStopTheContainer) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  hooks["stop"] = {1s};
  run_pod();
  world.cri.inject({"stop_container", "", FakeFault::Kind::fails, Error(ErrorKind::unavailable, "away"), 1});
  EXPECT_FALSE(kill(10s).ok());
  EXPECT_TRUE(kill(10s).ok());
  EXPECT_EQ(world.cri.count("exec_sync"), 1u);
  EXPECT_EQ(world.cri.running("uid"), 0u);
}

TEST_F(Kill, SelectedContainersDieByThePodsGraceWithTheirOwnText) {
  pod = make_pod({"a", "b"});
  pod.mutable_spec()->set_terminationgraceperiodseconds(9);
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  run_pod();
  ContainerKills kills;
  kills.pod = std::make_shared<const api::Pod>(pod);
  kills.observed = observe();
  kills.which.push_back({world.cri.newest("uid", "a")->id, "a", "Container a failed liveness probe"});
  EXPECT_TRUE(world.run(killer.kill_containers(kills)).ok());
  EXPECT_EQ(grace_of("uid/a"), 9);
  EXPECT_EQ(world.cri.running("uid"), 1u);
  EXPECT_EQ(world.cri.count("exec_sync", "uid/a"), 1u);
  EXPECT_EQ(world.cri.count("stop_pod_sandbox"), 0u);
  EXPECT_THAT(world.events.texts(), ElementsAre("N Killing spec.containers{a}: Container a failed liveness probe"));
}

TEST_F(Kill, APodThatNobodyDescribesDiesByWhatIsWrittenOnIt) {
  pod.mutable_spec()->set_terminationgraceperiodseconds(40);
  pod.mutable_metadata()->set_deletiongraceperiodseconds(11);
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  set_pre_stop(container, "from-annotation");
  container.add_ports()->set_containerport(80);
  run_pod();
  const api::PodPtr orphan = pod_from_runtime(*observe());
  EXPECT_EQ(orphan->spec().terminationgraceperiodseconds(), 40);
  EXPECT_EQ(orphan->metadata().deletiongraceperiodseconds(), 11);
  EXPECT_EQ(orphan->spec().containers(0).ports(0).containerport(), 80);
  hooks["from-annotation"] = {2s};
  EXPECT_TRUE(world.run(killer.kill_pod(orphan, observe(), std::nullopt)).ok());
  EXPECT_EQ(world.cri.count("exec_sync", "uid/main"), 1u);
  EXPECT_EQ(grace_of("uid/main"), 9);
}

TEST_F(Kill, AContainerThatTheSpecHasNoMoreDiesByItsAnnotations) {
  set_pre_stop(*pod.mutable_spec()->mutable_containers(0));
  run_pod();
  pod.mutable_spec()->mutable_containers(0)->set_name("other");
  EXPECT_TRUE(kill(10s).ok());
  EXPECT_EQ(world.cri.count("exec_sync", "uid/main"), 1u);
  EXPECT_EQ(world.cri.running("uid"), 0u);
}

TEST(FromRuntime, WhatCannotBeReadCountsAsAbsent) {
  auto status = make_status("c1", make_container("main"), cri::ContainerState::running);
  status.annotations[std::string(annotation::pre_stop)] = "{\"exec\":{\"command\":\"not a list\"}}";
  status.annotations[std::string(annotation::ports)] = "][";
  const auto container = container_from_runtime(status);
  EXPECT_EQ(container.name(), "main");
  EXPECT_EQ(container.image(), "image:1");
  EXPECT_FALSE(container.has_lifecycle());
  EXPECT_EQ(container.ports_size(), 0);
}

}  // namespace
}  // namespace keelson::agent
