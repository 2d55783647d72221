// Pods of an API server as the workers handle them: what is told, when, and how a deletion goes.
// Source: contract 02 §5, §11, §13, §15.5.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent::testing {
namespace {

struct ApiPods : ::testing::Test {
  World world;
  Brain brain{world};

  void SetUp() override {
    world.cri.images["image:1"].id = "sha256:image:1";
    brain.workers->expect_source("api");
    brain.workers->source_ready("api");
    brain.start();
    brain.set_pods({});
  }

  static api::Pod make(const std::string& uid, std::int64_t grace = 30) {
    api::Pod pod = make_wanted(uid);
    pod.mutable_metadata()->mutable_annotations()->erase("kubernetes.io/config.source");
    (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
    pod.mutable_metadata()->set_generation(1);
    pod.mutable_spec()->set_terminationgraceperiodseconds(grace);
    pod.mutable_status()->set_phase("Pending");
    return pod;
  }
  void set(const api::Pod& pod) { brain.workers->set_pod("api", std::make_shared<api::Pod>(pod)); }
  bool running(const std::string& uid) {
    return world.until([&] { return brain.state(uid, "main") == "running"; }, 10s);
  }
  std::vector<std::string> phases(const std::string& uid) const {
    std::vector<std::string> out;
    for (const auto& entry : world.sink.all) {
      if (entry.uid != uid) continue;
      std::string text = entry.status.phase() + (entry.terminated ? " final" : entry.containers_may_run ? "" : " over");
      if (out.empty() || out.back() != text) out.push_back(text);
    }
    return out;
  }
  static api::Pod deleted(api::Pod pod, std::int64_t grace) {
    pod.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(2'000'000'000);
    pod.mutable_metadata()->set_deletiongraceperiodseconds(grace);
    pod.mutable_metadata()->set_generation(2);
    return pod;
  }
};

TEST_F(ApiPods, AStatusIsToldAtFirstSightOnTheSandboxAndWhenItRuns) {
  set(make("u1"));
  ASSERT_TRUE(running("u1"));
  ASSERT_GE(world.sink.all.size(), 3u);
  const auto ready_to_start = [](const auto& entry) {
    for (const auto& condition : entry.status.conditions()) {
      if (condition.type() == "PodReadyToStartContainers") return condition.status();
    }
    return std::string("absent");
  };
  EXPECT_EQ(world.sink.all[0].status.containerstatuses(0).state().waiting().reason(), "ContainerCreating");
  EXPECT_EQ(ready_to_start(world.sink.all[0]), "False");
  EXPECT_EQ(ready_to_start(world.sink.all[1]), "True");
  EXPECT_EQ(world.sink.all[1].status.phase(), "Pending");
  EXPECT_EQ(world.sink.all.back().status.phase(), "Running");
  EXPECT_EQ(world.sink.all.back().status.observedgeneration(), 1);
}

TEST_F(ApiPods, ADeletionIsToldThenTheContainersStopThenItIsFinal) {
  const api::Pod pod = make("u1");
  set(pod);
  ASSERT_TRUE(running("u1"));
  world.sink.all.clear();
  set(deleted(pod, 30));
  ASSERT_TRUE(world.until([&] { return brain.worker("u1")->state() == WorkerState::finished; }, 60s));
  const auto seen = phases("u1");
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front(), "Running");
  EXPECT_EQ(seen.back().substr(seen.back().find(' ')), " final");
  EXPECT_TRUE(is_terminal(world.sink.all.back().status)) << seen.back();
  EXPECT_EQ(world.sink.all.front().status.observedgeneration(), 2);
  // The object is still there: the finished worker stays until the API has let go of it.
  EXPECT_NE(brain.worker("u1"), nullptr);
  EXPECT_FALSE(world.cri.knows("u1") && brain.state("u1", "main") == "running");
  brain.workers->remove_pod("u1");
  EXPECT_TRUE(world.until([&] { return brain.worker("u1") == nullptr; }, 5s));
}

TEST_F(ApiPods, TheDeletionsGracePeriodCountsEvenWhenItIsLongerThanThePods) {
  const api::Pod pod = make("u1", 5);
  set(pod);
  ASSERT_TRUE(running("u1"));
  set(deleted(pod, 60));
  const auto& termination = brain.worker("u1")->termination();
  ASSERT_TRUE(termination && termination->grace);
  EXPECT_EQ(*termination->grace, 60s);
  set(deleted(pod, 2));
  EXPECT_EQ(*brain.worker("u1")->termination()->grace, 2s);
  set(deleted(pod, 90));
  EXPECT_EQ(*brain.worker("u1")->termination()->grace, 2s) << "a grace period can only become shorter";
}

TEST_F(ApiPods, ASecondDeletionWithLessGraceTakesEffectWhileAHookRuns) {
  api::Pod pod = make("u1", 100);
  pod.mutable_spec()->mutable_containers(0)->mutable_lifecycle()->mutable_prestop()->mutable_exec()->add_command("bye");
  world.cri.exec = [](auto&, auto&) { return fakes::FakeExec{60s}; };
  set(pod);
  ASSERT_TRUE(running("u1"));
  set(deleted(pod, 100));
  world.clock.advance(10s);
  EXPECT_EQ(world.cri.running("u1"), 1u);
  const auto asked = world.clock.steady_now();
  set(deleted(pod, 5));
  ASSERT_TRUE(world.until([&] { return world.cri.running("u1") == 0; }, 60s));
  EXPECT_NEAR(std::chrono::duration<double>(world.clock.steady_now() - asked).count(), 5, 0.5);
  EXPECT_EQ(world.cri.count("exec_sync", "u1/main"), 1u) << "the hook that runs already is waited for, not run again";
}

TEST_F(ApiPods, APodThatWasDeletedWhileNobodyLookedIsEndedWithoutBeingStarted) {
  set(deleted(make("u1"), 30));
  ASSERT_TRUE(
      world.until([&] { return brain.worker("u1") && brain.worker("u1")->state() == WorkerState::finished; }, 10s));
  EXPECT_FALSE(world.cri.knows("u1"));
  ASSERT_FALSE(world.sink.all.empty());
  EXPECT_TRUE(world.sink.all.back().terminated);
  EXPECT_EQ(world.sink.all.back().status.phase(), "Failed");
}

TEST_F(ApiPods, ATerminalPodOfTheApiIsNeverStartedAgain) {
  api::Pod pod = make("u1");
  pod.mutable_status()->set_phase("Succeeded");
  auto& status = *pod.mutable_status()->add_containerstatuses();
  status.set_name("main");
  status.mutable_state()->mutable_terminated()->set_reason("Completed");
  set(pod);
  ASSERT_TRUE(
      world.until([&] { return brain.worker("u1") && brain.worker("u1")->state() == WorkerState::finished; }, 10s));
  EXPECT_FALSE(world.cri.knows("u1"));
  EXPECT_EQ(world.sink.all.back().status.phase(), "Succeeded");
  EXPECT_EQ(world.sink.all.back().status.containerstatuses(0).state().terminated().reason(), "Completed");
}

TEST_F(ApiPods, AnOwnStatusThatComesBackCausesNoRound) {
  api::Pod pod = make("u1");
  set(pod);
  ASSERT_TRUE(running("u1"));
  world.until([] { return false; }, 1s);
  world.sink.all.clear();
  *pod.mutable_status() = brain.worker("u1")->status();
  set(pod);
  world.until([] { return false; }, 1s);
  EXPECT_TRUE(world.sink.all.empty());
  EXPECT_EQ(brain.worker("u1")->pod()->status().phase(), "Running");
}

TEST_F(ApiPods, AReadinessGateThatTurnsTrueIsToldAtOnce) {
  api::Pod pod = make("u1");
  pod.mutable_spec()->add_readinessgates()->set_conditiontype("example.com/up");
  set(pod);
  ASSERT_TRUE(running("u1"));
  world.until([] { return false; }, 1s);
  *pod.mutable_status() = brain.worker("u1")->status();
  auto& gate = *pod.mutable_status()->add_conditions();
  gate.set_type("example.com/up");
  gate.set_status("True");
  set(pod);
  const auto ready = [&] {
    for (const auto& condition : brain.worker("u1")->status().conditions()) {
      if (condition.type() == "Ready") return condition.status() == "True";
    }
    return false;
  };
  EXPECT_TRUE(world.until(ready, 1s));
}

TEST_F(ApiPods, ARefusedPodGetsItsFinalStatusAndNoWorker) {
  PodWorkers::Knowledge knowledge;
  knowledge.admit = [](const api::PodPtr& pod) {
    PodAdmission admission;
    if (pod->metadata().uid() != "u2") return admission;
    admission.verdict = PodAdmission::Verdict::refused;
    admission.refusal.set_phase("Failed");
    admission.refusal.set_reason("NodeAffinity");
    return admission;
  };
  brain.workers->set_knowledge(knowledge);
  set(make("u1"));
  set(make("u2"));
  ASSERT_TRUE(running("u1"));
  EXPECT_EQ(brain.worker("u2"), nullptr);
  EXPECT_EQ(phases("u2"), std::vector<std::string>{"Failed final"});
  world.sink.all.clear();
  set(deleted(make("u2"), 30));
  EXPECT_EQ(phases("u2"), std::vector<std::string>{"Failed final"}) << "its deletion must be answered";
}

// Keeps how many containers ran when the API may have been told of the pod's end.
class WatchfulSink final : public StatusSink {
 public:
  explicit WatchfulSink(World& world) : world_(world) {}
  void publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) override {
    if (status.phase() == "Failed" && !containers_may_run) ran_at_end.push_back(world_.cri.running("u1"));
    world_.sink.publish(pod, status, containers_may_run);
  }
  void terminated(const api::PodPtr& pod, const api::core::PodStatus& status) override {
    ran_at_end.push_back(world_.cri.running("u1"));
    world_.sink.terminated(pod, status);
  }
  void forget(const std::string& uid) override { world_.sink.forget(uid); }
  std::optional<api::core::PodStatus> known(const api::Pod& pod) const override { return world_.sink.known(pod); }

  std::vector<std::size_t> ran_at_end;

 private:
  World& world_;
};

TEST_F(ApiPods, ARefusedPodThatRunsAlreadyIsEndedBeforeItsEndIsTold) {
  set(make("u1"));
  ASSERT_TRUE(running("u1"));
  api::Pod pod = make("u1");
  *pod.mutable_status() = brain.worker("u1")->status();
  brain.stop();
  world.sink.all.clear();
  WatchfulSink sink(world);
  Brain next{world, 5min, &sink};
  next.workers->expect_source("api");
  PodWorkers::Knowledge knowledge;
  knowledge.runs = [this](const std::string& uid) { return world.cri.running(uid) > 0; };
  knowledge.admit = [](const api::PodPtr&) {
    PodAdmission admission;
    admission.verdict = PodAdmission::Verdict::refused;
    admission.refusal.set_phase("Failed");
    admission.refusal.set_reason("OutOfcpu");
    return admission;
  };
  next.workers->set_knowledge(std::move(knowledge));
  next.start();
  next.workers->set_pod("api", std::make_shared<api::Pod>(pod));
  next.workers->source_ready("api");
  next.set_pods({});
  ASSERT_TRUE(world.until([&] { return !world.sink.all.empty() && world.sink.all.back().terminated; }, 60s));
  EXPECT_EQ(world.cri.running("u1"), 0u);
  EXPECT_EQ(world.sink.all.back().status.reason(), "OutOfcpu");
  EXPECT_GE(sink.ran_at_end.size(), 1u);
  EXPECT_THAT(sink.ran_at_end, ::testing::Each(0u));
  next.stop();
}

TEST_F(ApiPods, OneOfANameDoesNotWaitForItsNamesake) {
  api::Pod old = make("u1");
  old.mutable_metadata()->set_name("same");
  api::Pod fresh = make("u2");
  fresh.mutable_metadata()->set_name("same");
  world.cri.script = [](const std::string&, const std::string&, std::uint32_t) {
    fakes::FakeRun run;
    run.stops_in = std::nullopt;  // it does not heed SIGTERM
    return run;
  };
  set(old);
  ASSERT_TRUE(running("u1"));
  brain.workers->remove_pod("u1");  // as a forced deletion shows
  set(fresh);
  EXPECT_TRUE(world.until([&] { return brain.state("u2", "main") == "running"; }, 5s));
}

TEST_F(ApiPods, AStaticPodIsReplacedThoughTheApiHasNotSpoken) {
  brain.stop();
  Brain next{world};
  next.workers->expect_source("api");
  next.start();
  api::Pod old = make_wanted("s1");
  old.mutable_metadata()->set_name("apiserver-node");
  next.set_pods({old});
  ASSERT_TRUE(world.until([&] { return next.state("s1", "main") == "running"; }, 10s));
  api::Pod repaired = make_wanted("s2");
  repaired.mutable_metadata()->set_name("apiserver-node");
  next.set_pods({repaired});
  EXPECT_TRUE(world.until([&] { return next.state("s2", "main") == "running"; }, 60s));
  EXPECT_EQ(world.cri.running("s1"), 0u);
  next.stop();
}

TEST_F(ApiPods, AWorkerGoesOnFromTheStatusThatTheApiHas) {
  set(make("u1"));
  ASSERT_TRUE(running("u1"));
  const api::core::PodStatus told = brain.worker("u1")->status();
  brain.stop();
  world.clock.advance(1h);
  world.sink.all.clear();
  Brain next{world};
  next.workers->expect_source("api");
  next.start();
  api::Pod pod = make("u1");
  *pod.mutable_status() = told;
  next.workers->set_pod("api", std::make_shared<api::Pod>(pod));
  next.workers->source_ready("api");
  next.set_pods({});
  ASSERT_TRUE(world.until([&] { return !world.sink.all.empty(); }, 10s));
  EXPECT_EQ(world.sink.all.front().status.SerializeAsString(), told.SerializeAsString());
  next.stop();
}

TEST_F(ApiPods, NothingIsToldOfAPodThatNoSourceKnows) {
  set(make("u1"));
  ASSERT_TRUE(running("u1"));
  brain.stop();
  world.sink.all.clear();
  Brain next{world};
  next.start();
  next.set_pods({});
  ASSERT_TRUE(world.until([&] { return next.worker("u1") == nullptr && !world.cri.knows("u1"); }, 120s));
  EXPECT_TRUE(world.sink.all.empty());
  next.stop();
}

}  // namespace
}  // namespace keelson::agent::testing
