// What workers and the execution of their plans count: pure parts as tables, the rest in the life of pods on virtual
// time. Source: contract 05 §12.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/sync_metrics.hpp"
#include "agent/sync/tests/pod_maker.hpp"
#include "agent/sync/tests/world.hpp"
#include "api/json_codec.hpp"

namespace keelson::agent::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// --- Starts of pods ---

struct StartTimes : ::testing::Test {
  StartTimes() {
    pod.mutable_metadata()->mutable_creationtimestamp()->set_seconds(1000);
    pod.mutable_metadata()->set_uid("u1");
    pod.mutable_spec()->add_containers()->set_name("main");
  }
  void see(int at) { starts.seen(pod, base::SystemTime(std::chrono::seconds(at))); }
  void run() {
    pod.mutable_status()->mutable_starttime()->set_seconds(1001);
    if (pod.status().containerstatuses_size() == 0) pod.mutable_status()->add_containerstatuses();
    pod.mutable_status()
        ->mutable_containerstatuses(0)
        ->mutable_state()
        ->mutable_running()
        ->mutable_startedat()
        ->set_seconds(1003);
  }
  static base::SteadyTime steady(int at) { return base::SteadyTime(std::chrono::seconds(at)); }

  api::Pod pod;
  PodStartTimes starts;
};

TEST_F(StartTimes, APodCountsOnceWhenAllItsContainersAreSeenToRun) {
  see(1000);
  pod.mutable_status()->mutable_starttime()->set_seconds(1001);
  see(1001);
  pod.mutable_status()->add_containerstatuses()->mutable_state()->mutable_waiting()->set_reason("ContainerCreating");
  see(1002);
  EXPECT_EQ(starts.total().count, 0u);
  EXPECT_TRUE(starts.awaits("u1"));
  run();
  see(1004);
  see(1005);
  EXPECT_EQ(starts.total().count, 1u);
  EXPECT_EQ(starts.total().sum, 4);
  EXPECT_EQ(starts.sli().sum, 4);
  EXPECT_EQ(starts.first_with_network(), 4);
  EXPECT_FALSE(starts.awaits("u1"));
}

TEST_F(StartTimes, APodThatHadBegunBeforeTheAgentSawItDoesNotCount) {
  run();
  see(1004);
  EXPECT_EQ(starts.total().count, 0u);
}

TEST_F(StartTimes, APodThatGoesBeforeItRunsDoesNotCount) {
  see(1000);
  starts.gone("u1");
  run();
  see(1004);
  EXPECT_EQ(starts.total().count, 0u);
}

TEST_F(StartTimes, PullsAndInitContainersAreTakenOffTheSliOnly) {
  see(1000);
  starts.pulled("u1", steady(0), steady(3));
  starts.pulled("u1", steady(2), steady(4));
  starts.initialised("u1", 1s);
  starts.initialised("u1", 2s);
  starts.pulled("other", steady(0), steady(50));
  run();
  see(1020);
  EXPECT_EQ(starts.total().sum, 20);
  EXPECT_EQ(starts.sli().sum, 14);
}

TEST_F(StartTimes, APodThatNeedsStorageOfOthersHasNoSli) {
  auto& volume = *pod.mutable_spec()->add_volumes();
  volume.mutable_volumesource()->mutable_emptydir();
  pod.mutable_spec()->add_volumes()->mutable_volumesource()->mutable_persistentvolumeclaim()->set_claimname("c");
  see(1000);
  run();
  see(1020);
  EXPECT_EQ(starts.total().count, 1u);
  EXPECT_EQ(starts.sli().count, 0u);
  EXPECT_EQ(starts.first_with_network(), 0);
}

TEST_F(StartTimes, OnTheHostsNetworkItIsNotTheFirstWithOne) {
  pod.mutable_spec()->set_hostnetwork(true);
  see(1000);
  run();
  see(1010);
  EXPECT_EQ(starts.sli().count, 1u);
  EXPECT_EQ(starts.first_with_network(), 0);
}

TEST(Covered, CountsWhatSpansShareOnce) {
  const auto at = [](int s) { return base::SteadyTime(std::chrono::seconds(s)); };
  EXPECT_EQ(covered({}), 0s);
  EXPECT_EQ(covered({{at(5), at(9)}, {at(0), at(2)}, {at(1), at(3)}, {at(6), at(7)}}), 7s);
}

// --- Ends of containers ---

api::core::PodStatus status_of(const std::string& json) {
  api::core::PodStatus out;
  EXPECT_TRUE(api::decode(*api::parse_json(json), out, {.type_meta = false}).ok()) << json;
  return out;
}

TEST(Terminated, EachEndCountsOnceWhereverItIsShown) {
  const char* running = R"({"containerStatuses":[{"name":"a","state":{"running":{}}}]})";
  const char* ended =
      R"({"containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":3,"reason":"Error","containerID":"x://1"}}}]})";
  const char* again = R"({"containerStatuses":[{"name":"a","state":{"running":{}},)"
                      R"("lastState":{"terminated":{"exitCode":3,"reason":"Error","containerID":"x://1"}}}]})";
  const char* twice =
      R"({"containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":3,"reason":"Error","containerID":"x://2"}},)"
      R"("lastState":{"terminated":{"exitCode":3,"reason":"Error","containerID":"x://1"}}}]})";
  const char* others =
      R"({"initContainerStatuses":[{"name":"i","state":{"terminated":{"reason":"Completed","containerID":"x://3"}}}],)"
      R"("ephemeralContainerStatuses":[{"name":"e","state":{"terminated":{"exitCode":137,"reason":"OOMKilled"}}}]})";
  struct Row {
    const char* before;
    const char* after;
    base::CountsBy<3> expected;
  };
  const base::CountsBy<3> one{{{"container", "3", "Error"}, 1}};
  const Row rows[] = {
      {running, ended, one},
      {ended, ended, {}},
      {ended, again, {}},
      {running, again, one},
      {again, twice, one},
      {running, twice, {{{"container", "3", "Error"}, 2}}},
      {"{}", others, {{{"init_container", "0", "Completed"}, 1}, {{"ephemeral_container", "137", "OOMKilled"}, 1}}},
  };
  for (const Row& row : rows) {
    base::CountsBy<3> counts;
    count_terminated(status_of(row.before), status_of(row.after), counts);
    EXPECT_EQ(counts, row.expected) << row.before << " -> " << row.after;
  }
}

TEST(InitTime, IsThatOfInitContainersThatHaveEnded) {
  api::Pod pod = make_pod({"main"});
  *pod.mutable_spec()->add_initcontainers() = make_container("first");
  *pod.mutable_spec()->add_initcontainers() = make_sidecar("side");
  ObservedPod observed;
  for (const auto& [name, state, from, to] :
       {std::tuple{"first", cri::ContainerState::exited, 100, 350},
        std::tuple{"first", cri::ContainerState::exited, 400, 450},
        std::tuple{"first", cri::ContainerState::running, 500, 0},
        std::tuple{"side", cri::ContainerState::exited, 1, 90}, std::tuple{"main", cri::ContainerState::exited, 1, 90},
        std::tuple{"first", cri::ContainerState::exited, 0, 90}}) {
    cri::ContainerStatus status;
    status.metadata.name = name;
    status.state = state;
    status.started_at = from;
    status.finished_at = to;
    observed.containers.push_back(status);
  }
  EXPECT_EQ(init_time(pod, observed), 300ns);
}

// --- In the life of pods ---

struct Counted : ::testing::Test {
  Counted() {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.images["image:1"].size = 1;
    world.cri.latency = [](const std::string&) { return base::Duration(10ms); };
    brain.start();
    brain.set_pods({});
  }
  void settle(base::Duration time = 3s) {
    world.until([] { return false; }, time);
  }
  const SyncMetrics& metrics() const { return brain.workers->metrics(); }
  const StartMetrics& starts() const { return brain.engine.runtime().metrics(); }
  std::uint64_t rounds(const std::string& operation) const {
    const auto found = metrics().worker_duration.find({operation});
    return found == metrics().worker_duration.end() ? 0 : found->second.count;
  }

  World world;
  Brain brain{world};
};

TEST_F(Counted, APodsWayFromItsFirstSightToItsEnd) {
  api::Pod pod = make_wanted("u1", {"a", "b"});
  pod.mutable_status()->set_phase("Pending");
  brain.set_pods({pod});
  settle();
  ASSERT_EQ(brain.phase("u1"), "Running");
  EXPECT_EQ(metrics().containers_per_pod.sum, 2);
  EXPECT_EQ(metrics().worker_start.count, 1u);
  EXPECT_EQ(metrics().pod_start.count, 1u);
  EXPECT_GT(metrics().pod_start.sum, 0.05) << "a sandbox and two containers of 10 ms a call";
  EXPECT_LT(metrics().pod_start.sum, 3);
  EXPECT_EQ(rounds("create"), 1u);
  EXPECT_EQ(starts().pods, 1u);
  EXPECT_EQ(starts().run_sandbox.at({""}).count, 1u);
  EXPECT_NEAR(starts().run_sandbox.at({""}).sum, .01, .005);
  EXPECT_THAT(starts().containers, ElementsAre(Pair(ElementsAre("container"), 2)));
  EXPECT_THAT(starts().container_errors, IsEmpty());

  pod.mutable_spec()->set_activedeadlineseconds(1000);
  brain.set_pods({pod});
  settle(100ms);
  EXPECT_EQ(rounds("update"), 1u);
  brain.worker("u1")->wake();
  settle(100ms);
  EXPECT_GE(rounds("sync"), 1u);

  brain.set_pods({});
  settle(60s);
  EXPECT_EQ(brain.worker("u1"), nullptr);
  EXPECT_GE(rounds("terminated"), 2u) << "one that kills and one that cleans up";
  std::uint64_t ends = 0;
  for (const auto& [labels, count] : metrics().terminated_containers) ends += count;
  EXPECT_EQ(ends, 2u);
}

TEST_F(Counted, FailuresCountByWhatTheyAreCalled) {
  world.cri.inject({"run_pod_sandbox", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no network"), 1});
  world.cri.inject({"create_container", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no room"), 1});
  api::Pod pod = make_wanted("u1");
  *pod.mutable_spec()->add_initcontainers() = pod.spec().containers(0);
  pod.mutable_spec()->mutable_initcontainers(0)->set_name("first");
  brain.set_pods({pod});
  settle(30s);
  EXPECT_EQ(starts().pods, 2u);
  EXPECT_EQ(starts().pod_errors, 1u);
  EXPECT_EQ(starts().run_sandbox.at({""}).count, 2u);
  EXPECT_EQ(starts().run_sandbox_errors.at({""}), 1u);
  EXPECT_EQ(starts().container_errors.at({"init_container", "CreateContainerError"}), 1u);
  EXPECT_GE(starts().containers.at({"init_container"}), 2u);
}

TEST_F(Counted, APodThatComesBackUnderItsUidIsARestart) {
  const api::Pod pod = make_wanted("u1");
  brain.set_pods({pod});
  settle();
  brain.set_pods({});
  brain.set_pods({pod});
  settle(60s);
  EXPECT_EQ(metrics().restarted_static_pods, 1u);
  EXPECT_EQ(metrics().restarted_api_pods, 0u);
  EXPECT_EQ(brain.phase("u1"), "Running");
}

TEST_F(Counted, APodThatOnlyTheRuntimeKnowsIsAnOrphan) {
  brain.set_pods({make_wanted("u1")});
  settle();
  brain.stop();
  Brain next(world);
  next.start();
  next.set_pods({});
  world.until([&] { return next.workers->metrics().orphaned_runtime_pods > 0; }, 60s);
  EXPECT_EQ(next.workers->metrics().orphaned_runtime_pods, 1u);
}

}  // namespace
}  // namespace keelson::agent::testing
