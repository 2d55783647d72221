// The order of what is written for a resize, and what becomes of it when one of the writes fails.
// Source: contract 02 §8, contract 03 §6.
#include "agent/sync/resizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/allocation/tests/resized_pods.hpp"
#include "agent/sync/tests/world.hpp"
#include "cgroup-manager/formulas.hpp"

namespace keelson::agent {
namespace {

using testing::Amounts;
using testing::resources;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int64_t kMi = 1 << 20;

// A pod that runs with what `actuated` says and is to have what `pod` says.
class ResizerTest : public ::testing::Test {
 protected:
  testing::World world;
  NodeFacts facts = testing::make_facts();
  Allocations allocations{world.loop, world.clock, world.allocations, true, {}};
  Resizer resizer{world.cri, world.cgroups, allocations, facts};
  api::Pod pod = testing::make_wanted("u1", {});
  ObservedPod observed;
  std::string sandbox_id;
  // Every write in order; "sandbox quota=.. shares=.. memory=..", "main quota=..", "pod cpu.shares=512".
  std::vector<std::string> writes;

  ResizerTest() {
    world.cri.images["image:1"].id = "sha256:image:1";
    world.cri.on_resources = [this](const fakes::FakeResources& update) { writes.push_back(text(update)); };
    world.cgroups.on_set = [this](const std::string& what) { writes.push_back("pod " + what); };
  }
  ~ResizerTest() override { world.run(allocations.stop()); }

  static std::string text(const fakes::FakeResources& update) {
    const std::string who = update.container.empty() ? "sandbox" : update.container;
    return who + " quota=" + std::to_string(update.resources.cpu_quota) +
           " shares=" + std::to_string(update.resources.cpu_shares) +
           " memory=" + std::to_string(update.resources.memory_limit_in_bytes / kMi) + "Mi";
  }

  void run_container(const std::string& name, const Amounts& requests, const Amounts& limits) {
    testing::add_container(pod, name, requests, limits);
    for (auto& container : *pod.mutable_spec()->mutable_containers()) container.set_imagepullpolicy("IfNotPresent");
  }
  // Makes the pod's cgroup, its sandbox and its containers as they are described so far.
  void start() {
    const auto wanted = std::make_shared<const api::Pod>(pod);
    ASSERT_TRUE(world.run(world.cgroups.ensure(wanted)).ok());
    cri::PodSandboxConfig config;
    config.metadata = {"pod-u1", "u1", "ns", 0};
    auto id = world.run(world.cri.run_pod_sandbox(config, ""));
    ASSERT_TRUE(id.ok());
    sandbox_id = *id;
    for (const auto& container : pod.spec().containers()) {
      cri::ContainerConfig made;
      made.metadata = {container.name(), 0};
      made.image.image = "sha256:image:1";
      auto container_id = world.run(world.cri.create_container(sandbox_id, made, config));
      ASSERT_TRUE(container_id.ok());
      ASSERT_TRUE(world.run(world.cri.start_container(*container_id)).ok());
      cri::ContainerStatus status;
      status.id = *container_id;
      status.metadata = made.metadata;
      status.state = cri::ContainerState::running;
      observed.containers.push_back(status);
      allocations.set_actuated(pod, container.name(), container.resources());
      world.cgroups.usage.containers[*container_id] = kMi;
    }
    world.cgroups.usage.pod = 2 * kMi;
    sort_newest_first(observed);
  }
  api::core::ResourceRequirements& of(int index) {
    return *pod.mutable_spec()->mutable_containers(index)->mutable_resources();
  }
  Status resize() {
    writes.clear();
    const auto wanted = std::make_shared<const api::Pod>(pod);
    const PodAllocation* actuated = allocations.actuated("u1");
    ResizePod step = resize_step(pod, observed, *actuated, {});
    return world.run(resizer.resize(wanted, sandbox_id, std::move(step)));
  }
  bool done() { return !resize_unfinished(pod, observed, allocations.actuated("u1")); }
};

TEST_F(ResizerTest, GrowingRaisesThePodFirstMemoryBeforeCpuLimitBeforeRequest) {
  run_container("main", {{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
  start();
  of(0) = resources({{"cpu", "500m"}, {"memory", "128Mi"}}, {{"cpu", "1"}, {"memory", "256Mi"}});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes,
              ElementsAre("sandbox quota=50000 shares=256 memory=256Mi", "pod memory.limit=268435456",
                          "main quota=50000 shares=256 memory=256Mi", "sandbox quota=100000 shares=256 memory=256Mi",
                          "pod cpu.quota=100000/100000", "sandbox quota=100000 shares=512 memory=256Mi",
                          "pod cpu.shares=512", "main quota=100000 shares=512 memory=256Mi"));
  EXPECT_TRUE(done());
}

TEST_F(ResizerTest, ShrinkingLowersThePodLastRequestBeforeLimit) {
  run_container("main", {{"cpu", "500m"}, {"memory", "128Mi"}}, {{"cpu", "1"}, {"memory", "256Mi"}});
  start();
  of(0) = resources({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes,
              ElementsAre("main quota=100000 shares=512 memory=128Mi", "sandbox quota=100000 shares=512 memory=128Mi",
                          "pod memory.limit=134217728", "main quota=50000 shares=256 memory=128Mi",
                          "sandbox quota=100000 shares=256 memory=128Mi", "pod cpu.shares=256",
                          "sandbox quota=50000 shares=256 memory=128Mi", "pod cpu.quota=50000/100000"));
  EXPECT_TRUE(done());
}

TEST_F(ResizerTest, MemoryAndCpuGoTheirOwnWays) {
  run_container("main", {{"cpu", "500m"}, {"memory", "64Mi"}}, {{"cpu", "1"}, {"memory", "128Mi"}});
  start();
  of(0) = resources({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "256Mi"}});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes,
              ElementsAre("sandbox quota=100000 shares=512 memory=256Mi", "pod memory.limit=268435456",
                          "main quota=100000 shares=512 memory=256Mi", "main quota=50000 shares=256 memory=256Mi",
                          "sandbox quota=100000 shares=256 memory=256Mi", "pod cpu.shares=256",
                          "sandbox quota=50000 shares=256 memory=256Mi", "pod cpu.quota=50000/100000"));
}

TEST_F(ResizerTest, OfSeveralContainersThoseThatShrinkComeFirst) {
  run_container("grows", {{"cpu", "100m"}}, {{"cpu", "200m"}, {"memory", "64Mi"}});
  run_container("shrinks", {{"cpu", "100m"}}, {{"cpu", "400m"}, {"memory", "64Mi"}});
  run_container("stays", {{"cpu", "100m"}}, {{"cpu", "100m"}, {"memory", "64Mi"}});
  start();
  of(0) = resources({{"cpu", "100m"}}, {{"cpu", "300m"}, {"memory", "64Mi"}});
  of(1) = resources({{"cpu", "100m"}}, {{"cpu", "300m"}, {"memory", "64Mi"}});
  EXPECT_TRUE(resize().ok());
  // Together they have what they had: the pod's cgroup is left alone.
  EXPECT_THAT(writes,
              ElementsAre("shrinks quota=30000 shares=102 memory=64Mi", "grows quota=30000 shares=102 memory=64Mi"));
}

TEST_F(ResizerTest, ARequestAloneChangesSharesOnly) {
  run_container("main", {{"cpu", "250m"}}, {});
  start();
  of(0) = resources({{"cpu", "500m"}}, {});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("sandbox quota=0 shares=512 memory=0Mi", "pod cpu.shares=512",
                                  "main quota=0 shares=512 memory=0Mi"));
}

TEST_F(ResizerTest, AMemoryRequestAloneIsInNoCgroupButToldToTheRuntime) {
  run_container("main", {{"memory", "64Mi"}}, {{"memory", "128Mi"}});
  start();
  of(0) = resources({{"memory", "96Mi"}}, {{"memory", "128Mi"}});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("main quota=0 shares=2 memory=128Mi"));
  EXPECT_TRUE(done());
}

TEST_F(ResizerTest, AFirstLimitLowersWhatWasUnlimited) {
  run_container("main", {{"cpu", "250m"}, {"memory", "64Mi"}}, {});
  start();
  of(0) = resources({{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("main quota=0 shares=256 memory=128Mi", "sandbox quota=0 shares=256 memory=128Mi",
                                  "pod memory.limit=134217728", "main quota=50000 shares=256 memory=128Mi",
                                  "sandbox quota=50000 shares=256 memory=128Mi", "pod cpu.quota=50000/100000"));
}

TEST_F(ResizerTest, ALimitThatIsNoLongerAskedForStays) {
  run_container("main", {{"cpu", "250m"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
  start();
  of(0) = resources({{"cpu", "250m"}}, {});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("main quota=50000 shares=256 memory=0Mi", "main quota=0 shares=256 memory=0Mi"));
  EXPECT_EQ(world.cgroups.in_force["u1"].memory_limit_bytes, 128 * kMi);
  EXPECT_EQ(world.cgroups.in_force["u1"].cpu_quota_us, 50'000);
  EXPECT_TRUE(done());
}

TEST_F(ResizerTest, PodLevelLimitsReachTheContainersThatHaveNone) {
  *pod.mutable_spec()->mutable_resources() = resources({{"cpu", "200m"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
  run_container("own", {{"cpu", "100m"}}, {{"cpu", "300m"}, {"memory", "64Mi"}});
  run_container("inherits", {}, {});
  start();
  *pod.mutable_spec()->mutable_resources() = resources({{"cpu", "400m"}}, {{"cpu", "1"}, {"memory", "256Mi"}});
  EXPECT_TRUE(resize_unfinished(pod, observed, allocations.actuated("u1")));
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("sandbox quota=50000 shares=204 memory=256Mi", "pod memory.limit=268435456",
                                  "inherits quota=50000 shares=512 memory=256Mi",
                                  "sandbox quota=100000 shares=204 memory=256Mi", "pod cpu.quota=100000/100000",
                                  "sandbox quota=100000 shares=409 memory=256Mi", "pod cpu.shares=409",
                                  "inherits quota=100000 shares=1024 memory=256Mi"));
  EXPECT_TRUE(done());
  EXPECT_TRUE(same_resources(*allocations.actuated("u1")->pod, pod.spec().resources()));
}

TEST_F(ResizerTest, OverheadIsToldApartFromThePodsResources) {
  (*pod.mutable_spec()->mutable_overhead())["cpu"].set_string("100m");
  run_container("main", {{"cpu", "250m"}}, {{"cpu", "500m"}, {"memory", "64Mi"}});
  start();
  of(0) = resources({{"cpu", "250m"}}, {{"cpu", "1"}, {"memory", "64Mi"}});
  std::vector<std::optional<cri::LinuxContainerResources>> overheads;
  world.cri.on_resources = [&](const fakes::FakeResources& update) {
    writes.push_back(text(update));
    if (update.container.empty()) overheads.push_back(update.overhead);
  };
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("sandbox quota=100000 shares=256 memory=64Mi", "pod cpu.quota=110000/100000",
                                  "main quota=100000 shares=256 memory=64Mi"));
  ASSERT_EQ(overheads.size(), 1u);
  EXPECT_EQ(overheads[0]->cpu_shares, 102);
}

struct Failure {
  const char* what;
  std::function<void(testing::World&)> arrange;
  std::string error;
  std::vector<std::string> written;  // until then
  std::vector<std::string> next;     // when the cause is gone
};

// What a resize of both resources upwards writes, in order.
const std::vector<std::string>& whole() {
  static const std::vector<std::string> kAll = {"sandbox quota=50000 shares=256 memory=256Mi",
                                                "pod memory.limit=268435456",
                                                "main quota=50000 shares=256 memory=256Mi",
                                                "sandbox quota=100000 shares=256 memory=256Mi",
                                                "pod cpu.quota=100000/100000",
                                                "sandbox quota=100000 shares=512 memory=256Mi",
                                                "pod cpu.shares=512",
                                                "main quota=100000 shares=512 memory=256Mi"};
  return kAll;
}

std::vector<std::string> part(std::size_t from, std::size_t to, std::vector<std::string> more = {}) {
  std::vector<std::string> out(whole().begin() + static_cast<std::ptrdiff_t>(from),
                               whole().begin() + static_cast<std::ptrdiff_t>(to));
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

// The n-th call of that name fails.
void fail(testing::World& world, const std::string& call, int after) {
  const Error no(ErrorKind::internal, "no");
  world.cri.inject({call, "", fakes::FakeFault::Kind::fails, no, 1, after});
}

class ResizerFailures : public ResizerTest, public ::testing::WithParamInterface<Failure> {};

TEST_P(ResizerFailures, EndItAndTheNextTryGoesOnFromThere) {
  const Failure& row = GetParam();
  run_container("main", {{"cpu", "250m"}, {"memory", "64Mi"}}, {{"cpu", "500m"}, {"memory", "128Mi"}});
  start();
  of(0) = resources({{"cpu", "500m"}, {"memory", "128Mi"}}, {{"cpu", "1"}, {"memory", "256Mi"}});
  row.arrange(world);
  const Status failed = resize();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().to_string(), row.error);
  EXPECT_EQ(writes, row.written);
  EXPECT_FALSE(done());
  world.cri.clear_faults();
  world.cgroups.set_fails.clear();
  EXPECT_TRUE(resize().ok());
  EXPECT_EQ(writes, row.next);
  EXPECT_TRUE(done());
}

constexpr char kSandboxRefused[] = "the runtime refused the new resources of the pod's sandbox: no";
constexpr char kCgroupFailed[] = "failed to set the cgroup values of the pod: no";
constexpr char kContainerFailed[] = "while updating the resources of container main: no";

INSTANTIATE_TEST_SUITE_P(
    AtEachStep, ResizerFailures,
    ::testing::Values(
        Failure{"sandbox, memory", [](auto& w) { fail(w, "update_pod_sandbox_resources", 0); }, kSandboxRefused,
                part(0, 0), part(0, 8)},
        Failure{"pod, memory",
                [](auto& w) { w.cgroups.set_fails.emplace("memory.limit", Error(ErrorKind::internal, "no")); },
                kCgroupFailed, part(0, 2, {"sandbox quota=50000 shares=256 memory=128Mi"}), part(0, 8)},
        Failure{"container, memory", [](auto& w) { fail(w, "update_container_resources", 0); }, kContainerFailed,
                part(0, 2), part(2, 8)},
        Failure{"sandbox, quota", [](auto& w) { fail(w, "update_pod_sandbox_resources", 1); }, kSandboxRefused,
                part(0, 3), part(3, 8)},
        Failure{"pod, quota",
                [](auto& w) { w.cgroups.set_fails.emplace("cpu.quota", Error(ErrorKind::internal, "no")); },
                kCgroupFailed, part(0, 5, {"sandbox quota=50000 shares=256 memory=256Mi"}), part(3, 8)},
        Failure{"sandbox, shares", [](auto& w) { fail(w, "update_pod_sandbox_resources", 2); }, kSandboxRefused,
                part(0, 5), part(5, 8)},
        Failure{"pod, shares",
                [](auto& w) { w.cgroups.set_fails.emplace("cpu.shares", Error(ErrorKind::internal, "no")); },
                kCgroupFailed, part(0, 7, {"sandbox quota=100000 shares=256 memory=256Mi"}), part(5, 8)},
        Failure{"container, cpu", [](auto& w) { fail(w, "update_container_resources", 1); }, kContainerFailed,
                part(0, 7), part(7, 8)}),
    [](const auto& info) {
      std::string name = info.param.what;
      std::erase_if(name, [](char c) { return c == ' ' || c == ','; });
      return name;
    });

TEST_F(ResizerTest, ARuntimeWithoutTheSandboxCallIsNoObstacle) {
  run_container("main", {{"cpu", "250m"}}, {{"cpu", "500m"}, {"memory", "64Mi"}});
  start();
  of(0) = resources({{"cpu", "250m"}}, {{"cpu", "1"}, {"memory", "64Mi"}});
  const Error unknown(ErrorKind::unimplemented, "unknown method UpdatePodSandboxResources");
  world.cri.inject({"update_pod_sandbox_resources", "", fakes::FakeFault::Kind::fails, unknown, 1, 0});
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("pod cpu.quota=100000/100000", "main quota=100000 shares=256 memory=64Mi"));
  of(0) = resources({{"cpu", "250m"}}, {{"cpu", "2"}, {"memory", "64Mi"}});
  const Error says_so(ErrorKind::internal, "method not implemented");
  world.cri.inject({"update_pod_sandbox_resources", "", fakes::FakeFault::Kind::fails, says_so, 1, 0});
  EXPECT_TRUE(resize().ok());
}

TEST_F(ResizerTest, ALimitBelowWhatIsInUseIsRefusedBeforeAnythingIsWritten) {
  run_container("main", {}, {{"memory", "128Mi"}});
  run_container("second", {}, {{"memory", "128Mi"}});
  start();
  of(0) = resources({}, {{"cpu", "1"}, {"memory", "64Mi"}});
  of(1) = resources({}, {{"cpu", "1"}, {"memory", "64Mi"}});
  const std::string main_id = observed.newest("main")->id;
  const struct {
    const char* what;
    std::int64_t pod;
    std::optional<std::int64_t> main;
    std::string error;
  } rows[] = {
      {"the pod", 130 * kMi, 10 * kMi,
       "cannot decrease memory limits: attempting to set pod memory limit (134217728) below current usage (136314880)"},
      {"a container, by nothing", 100 * kMi, 64 * kMi,
       "cannot decrease memory limits: attempting to set container \"main\" memory limit (67108864) below current "
       "usage "
       "(67108864)"},
      {"both", 200 * kMi, 65 * kMi,
       "cannot decrease memory limits: [attempting to set pod memory limit (134217728) below current usage "
       "(209715200), "
       "attempting to set container \"main\" memory limit (67108864) below current usage (68157440)]"},
      {"a container that cannot be seen", 10 * kMi, std::nullopt,
       "cannot decrease memory limits: missing container \"main\" memory usage"},
  };
  for (const auto& row : rows) {
    world.cgroups.usage.pod = row.pod;
    world.cgroups.usage.containers.erase(main_id);
    if (row.main) world.cgroups.usage.containers[main_id] = *row.main;
    const Status refused = resize();
    ASSERT_FALSE(refused.ok()) << row.what;
    EXPECT_EQ(refused.error().to_string(), row.error);
    EXPECT_THAT(writes, IsEmpty()) << row.what;
  }
  world.cgroups.usage.pod = 10 * kMi;
  world.cgroups.usage.containers[main_id] = kMi;
  EXPECT_TRUE(resize().ok());
  EXPECT_TRUE(done());
}

TEST_F(ResizerTest, GrowingAsksNobodyWhatIsInUse) {
  run_container("main", {}, {{"memory", "64Mi"}});
  start();
  world.cgroups.usage.pod = 100 * kMi;
  of(0) = resources({}, {{"memory", "96Mi"}});
  EXPECT_TRUE(resize().ok());
}

TEST_F(ResizerTest, WithoutKnowingWhatThePodsCgroupHoldsNothingIsWritten) {
  run_container("main", {{"cpu", "250m"}}, {{"cpu", "500m"}});
  start();
  of(0) = resources({{"cpu", "500m"}}, {{"cpu", "1"}});
  world.cgroups.groups.clear();
  const Status failed = resize();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().to_string(), "the values of the pod's cgroup cannot be read");
  EXPECT_THAT(writes, IsEmpty());
  EXPECT_FALSE(done());
  world.cgroups.groups.insert("u1");
  EXPECT_TRUE(resize().ok());
  EXPECT_EQ(world.cgroups.in_force["u1"].cpu_quota_us, 100'000);
  EXPECT_TRUE(done());
}

TEST_F(ResizerTest, WhatTheDiskDoesNotTakeIsNotPutInForce) {
  run_container("main", {{"cpu", "250m"}}, {});
  start();
  of(0) = resources({{"cpu", "500m"}}, {});
  allocations.set_allocated("u1", allocation_of(pod));
  world.allocations.save_fails = Error(ErrorKind::exhausted, "no space left on device");
  const Status failed = resize();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().to_string(), "while recording the resources of pods: no space left on device");
  EXPECT_THAT(writes, IsEmpty());
}

TEST_F(ResizerTest, WhatAResizeDidIsOnTheDiskWhenItHasSucceeded) {
  run_container("main", {{"cpu", "250m"}}, {});
  start();
  of(0) = resources({{"cpu", "500m"}}, {});
  EXPECT_TRUE(resize().ok());
  const auto on_disk = decode_checkpoint(world.allocations.files["actuated_pods_state"]);
  ASSERT_TRUE(on_disk.ok());
  EXPECT_TRUE(same_allocation(on_disk->at("u1"), allocation_of(pod)));
}

TEST_F(ResizerTest, WithoutContainersToUpdateThePodsCgroupIsBroughtInOrder) {
  run_container("main", {{"cpu", "250m"}}, {{"cpu", "500m"}, {"memory", "64Mi"}});
  start();
  world.cgroups.in_force["u1"].cpu_quota_us = 200'000;
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, ElementsAre("sandbox quota=50000 shares=256 memory=64Mi", "pod cpu.quota=50000/100000"));
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, IsEmpty());
}

TEST_F(ResizerTest, TheWeightOfV2HasTheLastWord) {
  facts.info.cgroup_v2 = true;
  run_container("main", {{"cpu", "250m"}}, {});
  start();
  // What the kernel shows of 256 shares after they were made a weight.
  world.cgroups.in_force["u1"].cpu_shares = cgroups::shares_from_weight(cgroups::weight_from_shares(256));
  EXPECT_TRUE(resize().ok());
  EXPECT_THAT(writes, IsEmpty());
}

}  // namespace
}  // namespace keelson::agent
