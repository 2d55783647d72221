// The two tables and their checkpoints: coalescing, failures, crashes, recovery. Source: contract 02 §8, §10.
#include "agent/allocation/allocations.hpp"

#include <gtest/gtest.h>

#include "agent/allocation/tests/fake_allocation_files.hpp"
#include "agent/allocation/tests/resized_pods.hpp"
#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using testing::resources;
using testing::sized_pod;

constexpr char kAllocated[] = "allocated_pods_state";
constexpr char kActuated[] = "actuated_pods_state";

struct AllocationsTest : ::testing::Test {
  testing::World world;
  std::unique_ptr<Allocations> agent = begin();

  std::unique_ptr<Allocations> begin() {
    return std::make_unique<Allocations>(world.loop, world.clock, world.allocations, true, base::Logger());
  }
  // As kill -9 does it: what is under way is gone.
  void crash() {
    world.run(agent->stop());
    agent = begin();
  }
  Status saved() { return world.run(agent->saved()); }
  std::size_t on_disk(const char* name) {
    const auto found = world.allocations.files.find(name);
    return found == world.allocations.files.end() ? 0 : decode_checkpoint(found->second)->size();
  }
  void TearDown() override { world.run(agent->stop()); }
};

TEST_F(AllocationsTest, TheFirstAdmissionAllocatesWhatThePodAsksFor) {
  const api::Pod pod = sized_pod("u1", {{"cpu", "1"}});
  agent->admit(pod);
  ASSERT_NE(agent->allocated("u1"), nullptr);
  EXPECT_TRUE(same_allocation(*agent->allocated("u1"), allocation_of(pod)));
  EXPECT_EQ(agent->actuated("u1"), nullptr);
  EXPECT_TRUE(saved().ok());
  crash();
  // What was granted holds, whatever the pod asks for by now.
  const api::Pod grown = sized_pod("u1", {{"cpu", "8"}});
  agent->admit(grown);
  EXPECT_TRUE(same_allocation(*agent->allocated("u1"), allocation_of(pod)));
  EXPECT_TRUE(
      same_allocation(allocation_of(*agent->allocated_pod(std::make_shared<api::Pod>(grown))), allocation_of(pod)));
}

TEST_F(AllocationsTest, ManyChangesAreFewWrites) {
  for (int i = 0; i < 100; ++i) agent->admit(sized_pod("u" + std::to_string(i), {{"cpu", "1m"}}));
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(on_disk(kAllocated), 100u);
  EXPECT_EQ(world.allocations.saves, 1);
  for (int i = 0; i < 100; ++i) agent->admit(sized_pod("u" + std::to_string(i), {{"cpu", "1m"}}));
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(world.allocations.saves, 1) << "nothing changed";
}

TEST_F(AllocationsTest, WhatIsNotedDuringAWriteComesWithTheNextOne) {
  world.allocations.takes = 1s;
  agent->admit(sized_pod("u1", {{"cpu", "1"}}));
  world.until([] { return false; }, 500ms);
  agent->admit(sized_pod("u2", {{"cpu", "1"}}));
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(world.allocations.saves, 2);
  EXPECT_EQ(on_disk(kAllocated), 2u);
}

TEST_F(AllocationsTest, ACrashBeforeTheEndOfAWriteLeavesTheOldFile) {
  agent->admit(sized_pod("u1", {{"cpu", "1"}}));
  EXPECT_TRUE(saved().ok());
  world.allocations.takes = 1s;
  agent->set_allocated("u1", allocation_of(sized_pod("u1", {{"cpu", "2"}})));
  world.until([] { return false; }, 500ms);
  crash();
  EXPECT_TRUE(same_allocation(*agent->allocated("u1"), allocation_of(sized_pod("u1", {{"cpu", "1"}}))));
}

TEST_F(AllocationsTest, ADiskThatTakesNothingIsToldAndTriedAgain) {
  world.allocations.save_fails = Error(ErrorKind::exhausted, "no space left on device");
  agent->admit(sized_pod("u1", {{"cpu", "1"}}));
  const Status full = saved();
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().to_string(), "while recording the resources of pods: no space left on device");
  EXPECT_FALSE(saved().ok());
  world.allocations.save_fails = {};
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(on_disk(kAllocated), 1u);
}

TEST_F(AllocationsTest, WhatADiskDidNotTakeIsWrittenBeforeAnybodyNeedsIt) {
  agent->admit(sized_pod("u1", {{"cpu", "1"}}));
  EXPECT_TRUE(saved().ok());
  world.allocations.save_fails = Error(ErrorKind::exhausted, "no space left on device");
  agent->keep_only({});
  ASSERT_TRUE(world.until([&] { return agent->allocated("u1") == nullptr; }, 5s));
  world.until([] { return false; }, 5s);
  EXPECT_EQ(on_disk(kAllocated), 1u);
  world.allocations.save_fails = {};
  agent->keep_only({});
  EXPECT_TRUE(world.until([&] { return on_disk(kAllocated) == 0; }, 5s));
}

TEST_F(AllocationsTest, ActuatedIsRecordedByContainerAndForThePod) {
  api::Pod pod = sized_pod("u1", {{"cpu", "1"}});
  *pod.mutable_spec()->mutable_resources() = resources({}, {{"memory", "1Gi"}});
  agent->set_actuated(pod, "main", pod.spec().containers(0).resources());
  EXPECT_TRUE(agent->is_actuated("u1", "main"));
  EXPECT_FALSE(agent->is_actuated("u1", "other"));
  EXPECT_TRUE(same_allocation(*agent->actuated("u1"), allocation_of(pod)));
  EXPECT_TRUE(saved().ok());
  const int saves = world.allocations.saves;
  agent->set_actuated(pod, "main", pod.spec().containers(0).resources());
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(world.allocations.saves, saves) << "a restart with the same resources writes nothing";
  crash();
  EXPECT_TRUE(same_allocation(*agent->actuated("u1"), allocation_of(pod)));
}

TEST_F(AllocationsTest, APodOfWhichNothingRunsIsRecordedAsAWhole) {
  api::Pod pod = sized_pod("u1", {{"cpu", "1"}});
  testing::add_container(pod, "second", {{"cpu", "2"}});
  agent->set_actuated(pod);
  EXPECT_TRUE(same_allocation(*agent->actuated("u1"), allocation_of(pod)));
  EXPECT_TRUE(saved().ok());
  const int saves = world.allocations.saves;
  for (const auto& container : pod.spec().containers()) {
    agent->set_actuated(pod, container.name(), container.resources());
  }
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(world.allocations.saves, saves);
}

TEST_F(AllocationsTest, EntriesOfPodsThatAreGoneLeaveTheDiskToo) {
  for (const char* uid : {"u1", "u2"}) {
    const api::Pod pod = sized_pod(uid, {{"cpu", "1"}});
    agent->admit(pod);
    agent->set_actuated(pod, "main", pod.spec().containers(0).resources());
  }
  EXPECT_TRUE(saved().ok());
  agent->keep_only({"u2"});
  EXPECT_EQ(agent->allocated("u1"), nullptr);
  EXPECT_EQ(agent->actuated("u1"), nullptr);
  EXPECT_TRUE(world.until([&] { return on_disk(kAllocated) == 1 && on_disk(kActuated) == 1; }, 5s));
  const int saves = world.allocations.saves;
  agent->keep_only({"u2"});
  world.until([] { return false; }, 5s);
  EXPECT_EQ(world.allocations.saves, saves);
}

TEST_F(AllocationsTest, AFileThatCannotBeReadIsPutAsideAndTheNodeGoesOn) {
  const api::Pod pod = sized_pod("u1", {{"cpu", "1"}});
  agent->admit(pod);
  agent->set_actuated(pod, "main", pod.spec().containers(0).resources());
  EXPECT_TRUE(saved().ok());
  std::string& file = world.allocations.files[kAllocated];
  file[file.find("cpu")] = 'g';
  const std::string broken = file;
  crash();
  EXPECT_EQ(agent->allocated("u1"), nullptr);
  EXPECT_EQ(world.allocations.aside[kAllocated], broken);
  // The other one is whole: what runs is what was granted, not what is asked for now.
  agent->admit(sized_pod("u1", {{"cpu", "8"}}));
  EXPECT_TRUE(same_allocation(*agent->allocated("u1"), allocation_of(pod)));
  EXPECT_TRUE(saved().ok());
  EXPECT_EQ(on_disk(kAllocated), 1u);
}

TEST_F(AllocationsTest, WithoutBothFilesTheApisCopyAndTheRuntimeSayWhatRuns) {
  api::Pod pod = sized_pod("u1", {{"cpu", "8"}, {"memory", "64Mi"}}, {{"cpu", "8"}, {"memory", "64Mi"}});
  auto& shown = *pod.mutable_status()->add_containerstatuses();
  shown.set_name("main");
  shown.mutable_state()->mutable_running();
  *shown.mutable_resources() = resources({{"cpu", "1"}, {"memory", "64Mi"}}, {{"cpu", "1"}, {"memory", "64Mi"}});
  agent->admit(pod);
  const auto run = agent->allocated_pod(std::make_shared<api::Pod>(pod));
  EXPECT_TRUE(same_resources(run->spec().containers(0).resources(), shown.resources()));

  cri::ContainerStatus status;
  status.state = cri::ContainerState::running;
  status.resources.emplace();
  status.resources->cpu_period = 100'000;
  status.resources->cpu_quota = 50'000;
  status.resources->cpu_shares = 1024;
  status.resources->memory_limit_in_bytes = (64 << 20) - 4096;  // rounded by the kernel: no other limit
  agent->adopt(*run, run->spec().containers(0), status);
  EXPECT_TRUE(same_resources(agent->actuated("u1")->containers.at("main"),
                             resources({{"cpu", "1"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "64Mi"}})));
}

TEST_F(AllocationsTest, AContainerThatTheRuntimeSaysNothingOfHasWhatWasAllocated) {
  const api::Pod pod = sized_pod("u1", {{"cpu", "1"}}, {{"memory", "1Gi"}});
  cri::ContainerStatus status;
  status.state = cri::ContainerState::running;
  agent->adopt(pod, pod.spec().containers(0), status);
  EXPECT_TRUE(same_allocation(*agent->actuated("u1"), allocation_of(pod)));
}

}  // namespace
}  // namespace keelson::agent
