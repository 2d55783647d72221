// Probes in the life of a pod, through the whole of the agent's inside, on virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"
#include "api/int_or_string.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using probes::Kind;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

api::core::Probe make_probe(int failures = 3) {
  api::core::Probe probe;
  probe.set_periodseconds(1);
  probe.set_timeoutseconds(1);
  probe.set_successthreshold(1);
  probe.set_failurethreshold(failures);
  return probe;
}

api::core::Probe exec_probe(const std::string& word, int failures = 3) {
  api::core::Probe probe = make_probe(failures);
  probe.mutable_handler()->mutable_exec()->add_command(word);
  return probe;
}

api::core::Probe tcp_probe(int failures = 3) {
  api::core::Probe probe = make_probe(failures);
  *probe.mutable_handler()->mutable_tcpsocket()->mutable_port() = api::make_int(80);
  return probe;
}

class Probes : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"image:1", "image:2"}) {
      cri::Image& image = world.cri.images[name];
      image.id = std::string("sha256:") + name;
      image.size = 1;
    }
    world.cri.exec = [this](const std::string& about, const std::vector<std::string>& command) {
      executed.push_back(about + " " + command.front());
      return failing.count(command.front()) > 0 ? FakeExec{0s, 1, "nope\n", ""} : FakeExec{};
    };
    world.probes.answer = [this](const probes::Errand& errand) {
      asked.push_back({errand.who.container, world.clock.steady_now()});
      const bool fails = failing.count(errand.who.container) > 0;
      return fails ? probes::Attempt(probes::Outcome::failure, "refused")
                   : probes::Attempt(probes::Outcome::success, "");
    };
  }
  void TearDown() override { EXPECT_THAT(world.cri.violations(), IsEmpty()); }

  Brain& boot() {
    brain.reset();
    brain = std::make_unique<Brain>(world);
    brain->start();
    return *brain;
  }
  bool ready(const std::string& uid) const {
    const PodWorker* worker = brain->worker(uid);
    return worker != nullptr && is_ready(worker->status());
  }
  static bool is_ready(const api::core::PodStatus& status) {
    for (const auto& condition : status.conditions()) {
      if (condition.type() == "Ready") return condition.status() == "True";
    }
    return false;
  }
  // The last status that was told of that pod says Ready.
  bool told_ready(const std::string& uid) const {
    bool told = false;
    for (const auto& entry : world.sink.all) {
      if (entry.uid == uid) told = is_ready(entry.status);
    }
    return told;
  }
  std::size_t executed_times(const std::string& what) const {
    return static_cast<std::size_t>(std::count(executed.begin(), executed.end(), what));
  }
  std::vector<std::int64_t> graces(const std::string& about) const {
    std::vector<std::int64_t> out;
    for (const auto& call : world.cri.calls()) {
      if (call.name == "stop_container" && call.about == about) out.push_back(call.grace);
    }
    return out;
  }

  World world;
  std::unique_ptr<Brain> brain;
  std::set<std::string> failing;  // commands that exit 1, and containers that refuse other probes
  std::vector<std::string> executed;
  std::vector<std::pair<std::string, base::SteadyTime>> asked;
};

TEST_F(Probes, ALivenessFailureKillsWithItsGraceAndRestarts) {
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->mutable_containers(0)->mutable_livenessprobe() = exec_probe("alive");
  pod.mutable_spec()->mutable_containers(0)->mutable_livenessprobe()->set_terminationgraceperiodseconds(7);
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return ready("u1") && executed_times("u1/main alive") > 2; }, 10s));
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 0);
  failing = {"alive"};
  ASSERT_TRUE(world.until([&] { return !world.events.texts("Killing").empty(); }, 5s));
  failing.clear();
  ASSERT_TRUE(world.until([&] { return brain->container("u1", "main")->restartcount() == 1 && ready("u1"); }, 10s));
  EXPECT_THAT(world.events.texts("Killing"),
              ElementsAre("N Killing spec.containers{main}: Container main failed liveness probe, will be restarted"));
  EXPECT_EQ(world.events.texts("Unhealthy"),
            std::vector<std::string>(3, "W Unhealthy spec.containers{main}: Liveness probe failed: nope\n"));
  EXPECT_THAT(graces("u1/main"), ElementsAre(7));
  world.clock.advance(30s);
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 1);
  EXPECT_THAT(world.events.texts("Killing"), ::testing::SizeIs(1));
}

TEST_F(Probes, AnAnswerOfANewContainerDoesNotMakeTheOldOneReady) {
  api::Pod pod = make_wanted("u1");
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  *container.mutable_readinessprobe() = tcp_probe(1);
  container.mutable_lifecycle()->mutable_poststart()->mutable_exec()->add_command("begin");
  failing = {"main"};
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 1 && asked.size() > 2; }, 10s));
  // The round that replaces the container lasts as long as its hook does.
  world.cri.inject({"exec_sync", "u1/main", FakeFault::Kind::hangs});
  container.set_image("image:2");
  brain->set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.count("start_container", "u1/main") == 2; }, 1min));
  failing.clear();
  world.clock.advance(10s);
  EXPECT_FALSE(told_ready("u1"));
  world.cri.clear_faults();
  ASSERT_TRUE(world.until([&] { return told_ready("u1"); }, 5min));
  EXPECT_EQ(world.sink.all.back().status.containerstatuses(0).imageid().find("image:1"), std::string::npos);
}

TEST_F(Probes, ALivenessFailureIsHeededAtOnce) {
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->mutable_containers(0)->mutable_livenessprobe() = tcp_probe(1);
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return asked.size() > 2; }, 10s));
  failing = {"main"};
  ASSERT_TRUE(world.until([&] { return !graces("u1/main").empty(); }, 5s));
  for (const auto& call : world.cri.calls()) {
    if (call.name == "stop_container") EXPECT_LE(call.at - asked.back().second, 10ms);
  }
}

TEST_F(Probes, ALivenessFailureEndsAContainerThatIsNotToRestart) {
  api::Pod pod = make_wanted("u1", {"main", "other"}, "Never");
  *pod.mutable_spec()->mutable_containers(0)->mutable_livenessprobe() = tcp_probe(1);
  world.cri.script = [](auto&, const std::string& name, auto) { return name == "other" ? FakeRun{20s, 0} : FakeRun{}; };
  failing = {"main"};
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Failed"; }, 60s));
  EXPECT_THAT(world.events.texts("Killing"),
              ElementsAre("N Killing spec.containers{main}: Container main failed liveness probe"));
  ASSERT_TRUE(world.until([&] { return brain->worker("u1")->state() == WorkerState::finished; }, 30s));
  EXPECT_THAT(brain->engine.probes().metrics(), IsEmpty());
  EXPECT_EQ(asked.size(), 1u);
}

TEST_F(Probes, AStartupProbeGatesAllOthers) {
  api::Pod pod = make_wanted("u1");
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  *container.mutable_startupprobe() = exec_probe("started", 30);
  *container.mutable_livenessprobe() = exec_probe("alive", 1);
  *container.mutable_readinessprobe() = exec_probe("ready", 1);
  failing = {"started"};
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return executed_times("u1/main started") == 5; }, 20s));
  EXPECT_EQ(executed_times("u1/main alive") + executed_times("u1/main ready"), 0u);
  EXPECT_FALSE(brain->container("u1", "main")->started());
  failing.clear();
  ASSERT_TRUE(world.until([&] { return brain->container("u1", "main")->started(); }, 5s));
  const base::SteadyTime started = world.clock.steady_now();
  ASSERT_TRUE(world.until([&] { return ready("u1"); }, 5s));
  EXPECT_LE(world.clock.steady_now() - started, 100ms);
  world.clock.advance(10s);
  EXPECT_EQ(executed_times("u1/main started"), 6u);
  EXPECT_GT(executed_times("u1/main alive"), 5u);
}

TEST_F(Probes, AStartupFailureKillsWithThatProbesGrace) {
  api::Pod pod = make_wanted("u1");
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  *container.mutable_startupprobe() = exec_probe("started", 2);
  container.mutable_startupprobe()->set_terminationgraceperiodseconds(3);
  *container.mutable_livenessprobe() = exec_probe("alive", 1);
  container.mutable_livenessprobe()->set_terminationgraceperiodseconds(9);
  failing = {"started"};
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return !world.events.texts("Killing").empty(); }, 20s));
  failing.clear();
  ASSERT_TRUE(world.until([&] { return ready("u1"); }, 20s));
  EXPECT_THAT(world.events.texts("Killing"),
              ElementsAre("N Killing spec.containers{main}: Container main failed startup probe, will be restarted"));
  EXPECT_THAT(graces("u1/main"), ElementsAre(3));
}

TEST_F(Probes, AStartupProbeGatesTheOrderOfSidecars) {
  api::Pod pod = make_wanted("u1");
  for (const char* name : {"proxy", "setup"}) {
    auto& init = *pod.mutable_spec()->add_initcontainers();
    init = pod.spec().containers(0);
    init.set_name(name);
  }
  auto& proxy = *pod.mutable_spec()->mutable_initcontainers(0);
  proxy.set_restartpolicy("Always");
  *proxy.mutable_startupprobe() = tcp_probe(100);
  *proxy.mutable_readinessprobe() = exec_probe("ready");
  world.cri.script = [](auto&, const std::string& name, auto) { return name == "setup" ? FakeRun{1s, 0} : FakeRun{}; };
  failing = {"proxy"};
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return asked.size() == 10; }, 30s));
  EXPECT_EQ(world.cri.count("create_container", "u1/setup"), 0u);
  EXPECT_FALSE(brain->container("u1", "proxy")->started());
  failing.clear();
  ASSERT_TRUE(world.until([&] { return world.cri.count("create_container", "u1/setup") == 1; }, 5s));
  EXPECT_LE(world.clock.steady_now() - asked.back().second, 100ms);
  ASSERT_TRUE(world.until([&] { return ready("u1"); }, 10s));
  EXPECT_EQ(brain->container("u1", "proxy")->restartcount(), 0);
  EXPECT_TRUE(brain->container("u1", "proxy")->ready());
}

TEST_F(Probes, ASidecarIsRestartedByItsProbesAndThePodIsNotReadyMeanwhile) {
  api::Pod pod = make_wanted("u1", {"main"}, "Never");
  auto& proxy = *pod.mutable_spec()->add_initcontainers();
  proxy = pod.spec().containers(0);
  proxy.set_name("proxy");
  proxy.set_restartpolicy("Always");
  *proxy.mutable_livenessprobe() = exec_probe("alive");
  *proxy.mutable_readinessprobe() = tcp_probe(1);
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return ready("u1"); }, 10s));
  failing = {"proxy"};
  ASSERT_TRUE(world.until([&] { return !told_ready("u1"); }, 5s));
  failing = {"alive"};
  ASSERT_TRUE(world.until([&] { return !world.events.texts("Killing").empty(); }, 10s));
  failing.clear();
  const auto restarted = [&] { return brain->container("u1", "proxy")->restartcount() == 1; };
  ASSERT_TRUE(world.until([&] { return restarted() && ready("u1"); }, 20s));
  EXPECT_THAT(world.events.texts("Killing"),
              ElementsAre("N Killing spec.initContainers{proxy}: Init container proxy failed liveness probe"));
}

TEST_F(Probes, ReadinessIsToldWithinOneStep) {
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = tcp_probe(2);
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return told_ready("u1"); }, 10s));
  EXPECT_EQ(world.clock.steady_now(), asked.back().second);
  failing = {"main"};
  ASSERT_TRUE(world.until([&] { return !told_ready("u1"); }, 10s));
  EXPECT_EQ(world.clock.steady_now(), asked.back().second);
  EXPECT_EQ(brain->phase("u1"), "Running");
  failing.clear();
  ASSERT_TRUE(world.until([&] { return told_ready("u1"); }, 10s));
  EXPECT_EQ(world.clock.steady_now(), asked.back().second);
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 0);
}

TEST_F(Probes, ReadinessIsToldWhileARoundGoesOn) {
  api::Pod pod = make_wanted("u1", {"main", "other"});
  *pod.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = tcp_probe();
  world.cri.images.erase("image:2");
  world.cri.pull_time = 10min;
  boot().set_pods({pod});
  failing = {"main"};
  ASSERT_TRUE(world.until([&] { return asked.size() > 3; }, 10s));
  // A second container of another image is to be restarted, whose pull keeps the worker for long.
  pod.mutable_spec()->mutable_containers(1)->set_image("image:2");
  brain->set_pods({pod});
  ASSERT_TRUE(world.until([&] { return world.cri.count("pull_image") == 1; }, 10s));
  failing.clear();
  const auto main_ready = [&] { return brain->container("u1", "main")->ready(); };
  ASSERT_TRUE(world.until(main_ready, 5s));
  EXPECT_EQ(world.clock.steady_now(), asked.back().second);
  EXPECT_TRUE(world.sink.all.back().status.containerstatuses(0).ready());
}

TEST_F(Probes, ReadinessGoesOnDuringTerminationAndLivenessDoesNot) {
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = tcp_probe(1);
  *pod.mutable_spec()->mutable_containers(0)->mutable_livenessprobe() = exec_probe("alive", 1);
  world.cri.script = [](auto&, auto&, auto) {
    FakeRun run;
    run.stops_in = 20s;
    return run;
  };
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return told_ready("u1"); }, 10s));
  brain->set_pods({});
  ASSERT_TRUE(world.until([&] { return world.cri.count("stop_container") == 1; }, 5s));
  const std::size_t executions = executed.size();
  const std::size_t attempts = asked.size();
  EXPECT_TRUE(told_ready("u1"));
  failing = {"main", "alive"};
  ASSERT_TRUE(world.until([&] { return !told_ready("u1"); }, 5s));
  world.clock.advance(5s);
  EXPECT_EQ(executed.size(), executions);
  EXPECT_GT(asked.size(), attempts + 4);
  ASSERT_TRUE(world.until([&] { return brain->worker("u1") == nullptr; }, 60s));
  const std::size_t total = asked.size();
  world.clock.advance(10s);
  EXPECT_EQ(asked.size(), total);
  EXPECT_THAT(brain->engine.probes().metrics(), IsEmpty());
  EXPECT_EQ(world.cri.count("stop_container"), 1u);
}

TEST_F(Probes, ProbesOfSidecarsGoOnDuringTermination) {
  api::Pod pod = make_wanted("u1");
  auto& proxy = *pod.mutable_spec()->add_initcontainers();
  proxy = pod.spec().containers(0);
  proxy.set_name("proxy");
  proxy.set_restartpolicy("Always");
  *proxy.mutable_livenessprobe() = exec_probe("alive");
  world.cri.script = [](auto&, auto&, auto) {
    FakeRun run;
    run.stops_in = 10s;
    return run;
  };
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return ready("u1"); }, 10s));
  brain->set_pods({});
  ASSERT_TRUE(world.until([&] { return world.cri.count("stop_container") == 1; }, 5s));
  const std::size_t executions = executed.size();
  world.clock.advance(5s);
  EXPECT_GE(executed.size(), executions + 4);
}

TEST_F(Probes, ReadyDoesNotFlipWhenTheAgentIsStartedAgain) {
  api::Pod pod = make_wanted("u1");
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  *container.mutable_startupprobe() = exec_probe("started");
  *container.mutable_readinessprobe() = tcp_probe();
  *container.mutable_livenessprobe() = exec_probe("alive");
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return told_ready("u1"); }, 10s));
  world.clock.advance(30s);
  world.sink.remembered["pod-u1_ns"] = world.sink.all.back().status;
  brain.reset();
  world.clock.advance(5s);
  world.sink.all.clear();
  executed.clear();
  asked.clear();
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return asked.size() > 3; }, 10s));
  ASSERT_THAT(world.sink.all, Not(IsEmpty()));
  for (const auto& entry : world.sink.all) {
    EXPECT_TRUE(is_ready(entry.status));
    EXPECT_TRUE(entry.status.containerstatuses(0).started());
  }
  EXPECT_EQ(executed_times("u1/main started"), 0u);  // it has started for good
  EXPECT_GT(executed_times("u1/main alive"), 1u);
  EXPECT_EQ(brain->container("u1", "main")->restartcount(), 0);
  // And what the probes say counts again.
  failing = {"main"};
  EXPECT_TRUE(world.until([&] { return !told_ready("u1"); }, 5s));
}

TEST_F(Probes, AnUnreadyPodStaysUnreadyWhenTheAgentIsStartedAgain) {
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = tcp_probe();
  failing = {"main"};
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return asked.size() > 20; }, 60s));
  world.sink.remembered["pod-u1_ns"] = world.sink.all.back().status;
  brain.reset();
  world.sink.all.clear();
  asked.clear();
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return asked.size() > 3; }, 10s));
  for (const auto& entry : world.sink.all) EXPECT_FALSE(is_ready(entry.status));
  failing.clear();
  EXPECT_TRUE(world.until([&] { return told_ready("u1"); }, 5s));
}

TEST_F(Probes, CommandsKnowTheLiteralVariables) {
  api::Pod pod = make_wanted("u1");
  auto& container = *pod.mutable_spec()->mutable_containers(0);
  auto& env = *container.add_env();
  env.set_name("CHECK");
  env.set_value("health-check");
  *container.mutable_readinessprobe() = exec_probe("$(CHECK)");
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return ready("u1"); }, 10s));
  EXPECT_THAT(executed, Each("u1/main health-check"));
}

TEST_F(Probes, CommandsThatTakeTooLongFail) {
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = exec_probe("slow");
  world.cri.exec = [](auto&, auto&) { return FakeExec{30s, 0, "", ""}; };
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return !world.events.texts("Unhealthy").empty(); }, 60s));
  EXPECT_THAT(world.events.texts("Unhealthy"),
              Each("W Unhealthy spec.containers{main}: Readiness probe failed: command \"slow\" timed out"));
  EXPECT_FALSE(ready("u1"));
}

TEST_F(Probes, OthersAreProbedWhileACommandHangs) {
  api::Pod stuck = make_wanted("u1");
  *stuck.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = exec_probe("hang");
  api::Pod other = make_wanted("u2");
  *other.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = tcp_probe();
  FakeFault hangs;
  hangs.call = "exec_sync";
  hangs.kind = FakeFault::Kind::hangs;
  world.cri.inject(hangs);
  boot().set_pods({stuck, other});
  ASSERT_TRUE(world.until([&] { return told_ready("u2"); }, 10s));
  EXPECT_FALSE(told_ready("u1"));
  const std::size_t before = asked.size();
  world.clock.advance(10s);
  EXPECT_GE(asked.size(), before + 9);
}

TEST_F(Probes, EndWithTheirPod) {
  api::Pod pod = make_wanted("u1", {"main"}, "OnFailure");
  *pod.mutable_spec()->mutable_containers(0)->mutable_readinessprobe() = tcp_probe();
  world.cri.script = [](auto&, auto&, auto) { return FakeRun{5s, 0}; };
  boot().set_pods({pod});
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Succeeded"; }, 30s));
  const std::size_t total = asked.size();
  EXPECT_GE(total, 4u);
  world.clock.advance(10s);
  EXPECT_EQ(asked.size(), total);
  EXPECT_THAT(world.events.texts("Unhealthy"), IsEmpty());
}

}  // namespace
}  // namespace keelson::agent
