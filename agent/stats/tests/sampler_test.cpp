// What is read for which question, and what is kept for the next.
#include "agent/stats/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stats/tests/sampler_fixture.hpp"
#include "base/when_all.hpp"

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;
using cgroups::Version;
using testing::SizeIs;

class SamplerTest : public testing::TestWithParam<Version>, protected SamplerFixture {
 protected:
  SamplerTest() : SamplerFixture(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(BothVersions, SamplerTest, testing::Values(Version::v1, Version::v2),
                         [](const auto& version) { return version.param == Version::v1 ? "V1" : "V2"; });

cri::ContainerStats runtime_stats(const std::string& id, std::uint64_t cpu_ns, base::SystemTime time) {
  cri::ContainerStats stats;
  stats.id = id;
  stats.cpu.emplace();
  stats.cpu->timestamp = time.time_since_epoch().count();
  stats.cpu->usage_core_nano_seconds = cpu_ns;
  return stats;
}

TEST_P(SamplerTest, ReadsPodsAndContainersByTheirIds) {
  make_groups(source.add("a", {"main", "side"}));
  const auto snapshot = take(Depth::resources);
  ASSERT_THAT(snapshot->pods, SizeIs(1));
  const PodSnapshot& pod = snapshot->pods[0];
  EXPECT_EQ(pod.reading.group->cpu_ns, 1'000'000'000u);
  ASSERT_THAT(pod.reading.containers, SizeIs(2));
  EXPECT_EQ(pod.reading.containers[1].group_name, "a-side");
  EXPECT_EQ(pod.reading.containers[1].group->memory->usage, 1000u);
  EXPECT_EQ(snapshot->root.cpu_ns, 5'000'000'000u);
}

TEST_P(SamplerTest, ResourcesAskNeitherTheRuntimeNorForRates) {
  make_groups(source.add("a", {"main"}));
  take(Depth::resources);
  EXPECT_EQ(source.asked_containers, 0);
  EXPECT_EQ(source.asked_images, 0);
  EXPECT_EQ(naps, 0);
}

TEST_P(SamplerTest, TheFirstSummaryWaitsForASecondSample) {
  const PodFacts& pod = source.add("a", {"main"});
  make_groups(pod);
  between = [&] { tree.cpu(pod.cgroup + "/a-main", 200'000'000); };
  const auto snapshot = take(Depth::summary);
  EXPECT_EQ(naps, 1);
  EXPECT_EQ(snapshot->pods[0].reading.containers[0].group->nano_cores, 200'000'000u);  // 100 ms in half a second
  EXPECT_EQ(snapshot->pods[0].reading.group->nano_cores, 0u);
}

TEST_P(SamplerTest, LaterSummariesHaveTheMeanSinceTheLast) {
  const PodFacts& pod = source.add("a", {"main"});
  make_groups(pod);
  take(Depth::resources);
  clock.advance(30s);
  tree.cpu(pod.cgroup + "/a-main", 3'100'000'000);
  EXPECT_EQ(take(Depth::summary)->pods[0].reading.containers[0].group->nano_cores, 100'000'000u);
  clock.advance(30s);
  const auto snapshot = take(Depth::cpu_and_memory);
  EXPECT_EQ(snapshot->pods[0].reading.containers[0].group->nano_cores, 0u);
  EXPECT_EQ(naps, 0);
}

TEST_P(SamplerTest, QuestionsForResourcesCountAsSamplesToo) {
  make_groups(source.add("a", {"main"}));
  take(Depth::resources);
  clock.advance(15s);
  take(Depth::summary);
  EXPECT_EQ(naps, 0);
}

TEST_P(SamplerTest, AfterALongSilenceARateIsTakenAnew) {
  make_groups(source.add("a", {"main"}));
  take(Depth::summary);
  clock.advance(3min);
  take(Depth::summary);
  EXPECT_EQ(naps, 2);
}

TEST_P(SamplerTest, AContainerThatVanishedHasNoReading) {
  const PodFacts& pod = source.add("a", {"main", "gone"});
  make_groups(pod);
  take(Depth::resources);
  tree.remove_group(pod.cgroup + "/a-gone");
  const auto snapshot = take(Depth::resources);
  EXPECT_TRUE(snapshot->pods[0].reading.containers[0].group.has_value());
  EXPECT_FALSE(snapshot->pods[0].reading.containers[1].group.has_value());
}

TEST_P(SamplerTest, APodWithoutRunningContainersIsLeftOut) {
  make_groups(source.add("a", {}));
  EXPECT_THAT(take(Depth::resources)->pods, SizeIs(0));
}

TEST_P(SamplerTest, AsksTheRuntimeForContainersWithoutAGroup) {
  source.add("a", {"main"}).cgroup.clear();
  source.runtime.push_back(runtime_stats("a-main", 1'000'000'000, clock.now()));
  const auto first = take(Depth::resources);
  EXPECT_EQ(source.asked_containers, 1);
  EXPECT_EQ(first->runtime.at("a-main").cpu->usage_nano_cores, std::nullopt);
  clock.advance(10s);
  source.runtime[0] = runtime_stats("a-main", 2'000'000'000, clock.now());
  EXPECT_EQ(take(Depth::resources)->runtime.at("a-main").cpu->usage_nano_cores, 100'000'000u);
}

TEST_P(SamplerTest, ARuntimeThatDoesNotAnswerTakesOnlyItsOwnAway) {
  make_groups(source.add("a", {"main"}));
  source.runtime_error.emplace(ErrorKind::unavailable, "no runtime");
  const auto snapshot = take(Depth::summary);
  EXPECT_TRUE(snapshot->pods[0].reading.containers[0].group.has_value());
  EXPECT_TRUE(snapshot->runtime.empty());
  EXPECT_FALSE(snapshot->image_fs.has_value());
}

TEST_P(SamplerTest, AMachineWithoutARootGroupIsAnError) {
  tree.remove_group("");
  const auto snapshot = run(sampler->take(Depth::resources));
  ASSERT_FALSE(snapshot.ok());
  EXPECT_EQ(snapshot.error().to_string(), "failed to get root cgroup stats: the root cgroup cannot be read");
}

TEST_P(SamplerTest, ReadsTheNetworkOfTheSandbox) {
  const PodFacts& pod = source.add("a", {"main"});
  make_groups(pod);
  tree.processes(pod.cgroup + "/a-sandbox", "41\n");
  tree.processes(pod.cgroup + "/a-main", "42\n43\n");
  tree.write("proc/41/net/dev", FakeTree::net_dev("eth0", 500));
  tree.write("proc/42/net/dev", FakeTree::net_dev("eth0", 999));
  const auto snapshot = take(Depth::summary);
  ASSERT_TRUE(snapshot->pods[0].reading.network.has_value());
  EXPECT_EQ(snapshot->pods[0].reading.network->at(0).received.bytes, 500u);
  EXPECT_EQ(snapshot->pods[0].reading.containers[0].group->processes->count, 2u);
  EXPECT_EQ(snapshot->node.network->at(0).received.bytes, 1000u);
}

TEST_P(SamplerTest, AContainersNetworkIsThePodsWhereSandboxesHaveNoProcess) {
  const PodFacts& pod = source.add("a", {"main"});
  make_groups(pod);
  tree.processes(pod.cgroup + "/a-main", "42\n");
  tree.write("proc/42/net/dev", FakeTree::net_dev("eth0", 999));
  EXPECT_EQ(take(Depth::summary)->pods[0].reading.network->at(0).received.bytes, 999u);
}

TEST_P(SamplerTest, TellsTheMachinesFacts) {
  const auto snapshot = take(Depth::summary);
  EXPECT_EQ(snapshot->node.started, base::SystemTime(1'700'000'000s));
  EXPECT_EQ(snapshot->node.tasks, 222u);
  EXPECT_EQ(snapshot->node.max_pid, 32768u);
  EXPECT_GT(snapshot->file_systems.at(tree.top()).capacity, 0u);
  tree.write("proc/stat", "");  // is not read again
  EXPECT_EQ(take(Depth::summary)->node.started, base::SystemTime(1'700'000'000s));
}

TEST_P(SamplerTest, MeasuresLogsOnceAMinute) {
  PodFacts& pod = source.add("a", {"main"});
  make_groups(pod);
  pod.log_directory = tree.top() + "/logs/a";
  tree.write("logs/a/main/0.log", "x");
  EXPECT_EQ(take(Depth::summary)->pods[0].reading.logs->containers.at("main").inodes, 1u);
  tree.write("logs/a/main/1.log", "x");
  clock.advance(50s);
  EXPECT_EQ(take(Depth::summary)->pods[0].reading.logs->containers.at("main").inodes, 1u);
  clock.advance(10s);
  EXPECT_EQ(take(Depth::summary)->pods[0].reading.logs->containers.at("main").inodes, 2u);
}

TEST_P(SamplerTest, MeasuresLogsAtOnceWhenAContainerIsNew) {
  PodFacts& pod = source.add("a", {"main"});
  make_groups(pod);
  pod.log_directory = tree.top() + "/logs/a";
  tree.write("logs/a/main/0.log", "x");
  take(Depth::summary);
  tree.write("logs/a/late/0.log", "x");
  pod.containers.push_back(FakeSource::facts("late", "a-late", "image"));
  EXPECT_EQ(take(Depth::summary)->pods[0].reading.logs->containers.count("late"), 1u);
}

TEST_P(SamplerTest, TellsWhatLogsUseToWhoAsksForThemAlone) {
  source.add("idle", {});
  PodFacts& pod = source.add("a", {"main", "silent"});
  pod.log_directory = tree.top() + "/logs/a";
  tree.write("logs/a/main/0.log", std::string(10'000, 'x'));
  auto use = run(sampler->log_use());
  ASSERT_TRUE(use.ok());
  ASSERT_THAT(*use, SizeIs(1)) << "of a container that has logs";
  EXPECT_EQ(use->front().uid, pod.uid);
  EXPECT_EQ(use->front().container, "main");
  EXPECT_GE(use->front().bytes, 10'000u);
  tree.write("logs/a/main/1.log", std::string(100'000, 'x'));
  EXPECT_LT(run(sampler->log_use())->front().bytes, 100'000u) << "once a minute";
  clock.advance(1min);
  EXPECT_GE(run(sampler->log_use())->front().bytes, 110'000u);
  EXPECT_EQ(source.asked_containers, 0);
  // Nothing is kept of a pod that has gone.
  const std::vector<PodFacts> pods = std::exchange(source.all_pods, {});
  EXPECT_THAT(*run(sampler->log_use()), SizeIs(0));
  source.all_pods = pods;
  tree.write("logs/a/main/2.log", std::string(500'000, 'x'));
  EXPECT_GE(run(sampler->log_use())->front().bytes, 600'000u) << "measured anew";
}

TEST_P(SamplerTest, HealthOfVolumesIsShownOnlyWithItsGate) {
  make_groups(source.add("a", {"main"}));
  volume::VolumeUsage usage;
  usage.name = "data";
  usage.measured.abnormal = true;
  source.usage["a"].volumes.push_back(usage);
  EXPECT_EQ(take(Depth::summary)->pods[0].volumes->volumes[0].measured.abnormal, std::nullopt);
}

TEST_P(SamplerTest, QuestionsTakeTurns) {
  make_groups(source.add("a", {"main"}));
  std::vector<base::Task<Result<SnapshotPtr>>> questions;
  questions.reserve(3);
  for (int i = 0; i < 3; ++i) questions.push_back(sampler->take(Depth::resources));
  const auto answers = run(base::when_all(std::move(questions)));
  ASSERT_THAT(answers, SizeIs(3));
  for (const auto& one : answers) EXPECT_TRUE(one.ok());
}

}  // namespace
}  // namespace keelson::stats
