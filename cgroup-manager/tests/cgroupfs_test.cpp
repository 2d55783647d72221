#include "cgroup-manager/cgroupfs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cgroup-manager/tests/fake_kernel.hpp"
#include "cgroup-manager/tiers.hpp"

namespace keelson::cgroups {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const CgroupName kPod = pod({}, QosClass::burstable, "u-1");

Limits pod_limits() {
  Limits limits;
  limits.cpu_shares = 153;
  limits.cpu_quota = 25'000;
  limits.cpu_period = 100'000;
  limits.memory = 67'108'864;
  limits.pids = 100;
  limits.hugetlb = {{"2MB", 0}};
  return limits;
}

std::vector<std::string> text_of(const std::vector<LimitWrite>& writes) {
  std::vector<std::string> lines;
  for (const auto& write : writes) lines.push_back(write.file + "=" + write.value);
  return lines;
}

// Position of an entry in the log, for checks of order.
std::ptrdiff_t at(const FakeKernel& kernel, const std::string& entry) {
  const auto it = std::find(kernel.log.begin(), kernel.log.end(), entry);
  EXPECT_NE(it, kernel.log.end()) << entry;
  return it - kernel.log.begin();
}

// --- What is written

TEST(LimitWrites, Version2FollowsTheOrderOfTheContract) {
  Limits limits = pod_limits();
  limits.cpuset_cpus = "0-1";
  limits.unified = {{"memory.low", "7"}, {"memory.oom.group", "1"}, {"memory.swap.max", "0"}};
  EXPECT_THAT(text_of(limit_writes(limits, Version::v2)),
              ElementsAre("pids.max=100", "memory.swap.max=0", "memory.max=67108864", "memory.low=7", "cpu.weight=6",
                          "cpu.max=25000 100000", "cpuset.cpus=0-1", "hugetlb.2MB.max=0", "hugetlb.2MB.rsvd.max=0",
                          "memory.oom.group=1"));
}

TEST(LimitWrites, Version1FollowsTheOrderOfTheContract) {
  EXPECT_THAT(text_of(limit_writes(pod_limits(), Version::v1)),
              ElementsAre("memory.limit_in_bytes=67108864", "cpu.shares=153", "cpu.cfs_period_us=100000",
                          "cpu.cfs_quota_us=25000", "pids.max=100", "hugetlb.2MB.limit_in_bytes=0",
                          "hugetlb.2MB.rsvd.limit_in_bytes=0"));
}

TEST(LimitWrites, WhatIsAbsentIsNotWritten) {
  EXPECT_THAT(limit_writes({}, Version::v1), IsEmpty());
  EXPECT_THAT(limit_writes({}, Version::v2), IsEmpty());
}

TEST(LimitWrites, NoLimitHasAWordOfItsOwn) {
  Limits limits;
  limits.pids = -1;
  limits.memory = -1;
  limits.cpu_quota = -1;
  EXPECT_THAT(text_of(limit_writes(limits, Version::v2)),
              ElementsAre("pids.max=max", "memory.max=max", "cpu.max=max 100000"));
  EXPECT_THAT(text_of(limit_writes(limits, Version::v1)),
              ElementsAre("memory.limit_in_bytes=-1", "cpu.cfs_quota_us=-1", "pids.max=max"));
  limits.pids = 0;
  EXPECT_EQ(limit_writes(limits, Version::v2).front().value, "1");
}

// --- Version 1

TEST(CgroupfsV1, MakesAPodInEveryHierarchyWithItsLimits) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  EXPECT_FALSE(driver.exists(kPod));
  const auto made = driver.ensure(kPod, pod_limits());
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_TRUE(made.value().created);
  EXPECT_THAT(made.value().warnings, IsEmpty());
  EXPECT_TRUE(driver.exists(kPod));
  for (const char* mount : {"cpu", "cpuset", "memory", "pids", "hugetlb", "systemd"}) {
    EXPECT_TRUE(kernel.is_directory(std::string("/cg/") + mount + "/kubepods/burstable/podu-1")) << mount;
  }
  EXPECT_EQ(kernel.files["/cg/cpu/kubepods/burstable/podu-1/cpu.shares"], "153");
  EXPECT_EQ(kernel.files["/cg/cpu/kubepods/burstable/podu-1/cpu.cfs_quota_us"], "25000");
  EXPECT_EQ(kernel.files["/cg/memory/kubepods/burstable/podu-1/memory.limit_in_bytes"], "67108864");
  EXPECT_EQ(kernel.files["/cg/pids/kubepods/burstable/podu-1/pids.max"], "100");
  EXPECT_EQ(kernel.files["/cg/hugetlb/kubepods/burstable/podu-1/hugetlb.2MB.limit_in_bytes"], "0");
}

TEST(CgroupfsV1, CopiesTheCpusetDownSoThatProcessesCanEnter) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  EXPECT_EQ(kernel.files["/cg/cpuset/kubepods/burstable/podu-1/cpuset.cpus"], "0-1");
  EXPECT_EQ(kernel.files["/cg/cpuset/kubepods/burstable/podu-1/cpuset.mems"], "0");
  EXPECT_LT(at(kernel, "mkdir /cg/cpuset/kubepods"), at(kernel, "mkdir /cg/memory/kubepods"));
  EXPECT_LT(at(kernel, "mkdir /cg/memory/kubepods"), at(kernel, "mkdir /cg/cpu/kubepods"));
}

TEST(CgroupfsV1, LeavesAnExistingPodAlone) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, pod_limits()).ok());
  kernel.log.clear();
  const auto again = driver.ensure(kPod, {});
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again.value().created);
  EXPECT_THAT(kernel.log, IsEmpty());
}

TEST(CgroupfsV1, APodMissingFromOneHierarchyDoesNotExistAndIsCompleted) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  ASSERT_TRUE(kernel.remove_directory("/cg/pids/kubepods/burstable/podu-1").ok());
  EXPECT_FALSE(driver.exists(kPod));
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  EXPECT_TRUE(driver.exists(kPod));
}

TEST(CgroupfsV1, ARefusedPeriodIsWrittenAgainAfterTheQuota) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  const std::string period = "/cg/cpu/kubepods/burstable/podu-1/cpu.cfs_period_us";
  kernel.refusals.push_back({period, "100000", EINVAL, 1});
  const auto made = driver.ensure(kPod, pod_limits());
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(made.value().warnings, IsEmpty());
  EXPECT_LT(at(kernel, "25000 > /cg/cpu/kubepods/burstable/podu-1/cpu.cfs_quota_us"), at(kernel, "100000 > " + period));
}

TEST(CgroupfsV1, ALimitThatCannotBeWrittenIsAWarningAtCreationAndAnErrorLater) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  const std::string file = "/cg/memory/kubepods/burstable/podu-1/memory.limit_in_bytes";
  kernel.refusals.push_back({file, "67108864", EBUSY});
  const auto made = driver.ensure(kPod, pod_limits());
  ASSERT_TRUE(made.ok());
  ASSERT_EQ(made.value().warnings.size(), 1u);
  EXPECT_THAT(made.value().warnings[0].to_string(), HasSubstr(file));
  EXPECT_EQ(kernel.files["/cg/pids/kubepods/burstable/podu-1/pids.max"], "100") << "the limits after it are written";

  const Status updated = driver.update(kPod, pod_limits());
  ASSERT_FALSE(updated.ok());
  EXPECT_THAT(updated.error().to_string(), HasSubstr("while updating cgroup /kubepods/burstable/podu-1"));
}

TEST(CgroupfsV1, UpdateChangesOnlyWhatIsGiven) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, pod_limits()).ok());
  kernel.log.clear();
  Limits orphan;
  orphan.cpu_shares = 2;
  ASSERT_TRUE(driver.update(kPod, orphan).ok());
  EXPECT_THAT(kernel.log, ElementsAre("2 > /cg/cpu/kubepods/burstable/podu-1/cpu.shares"));
}

TEST(CgroupfsV1, UpdateOfWhatIsNotThereIsNotFound) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  const Status updated = driver.update(kPod, {});
  ASSERT_FALSE(updated.ok());
  EXPECT_EQ(updated.error().kind(), ErrorKind::not_found);
}

// --- Removal

TEST(Cgroupfs, DestroyRemovesContainersFirstAndWaitsForDyingProcesses) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  const std::string pod = "/cg/memory/kubepods/burstable/podu-1";
  ASSERT_TRUE(kernel.make_directory(pod + "/container").ok());
  kernel.busy[pod] = 3;
  const Status gone = driver.destroy(kPod);
  ASSERT_TRUE(gone.ok()) << gone.error().to_string();
  EXPECT_FALSE(kernel.is_directory(pod));
  EXPECT_FALSE(kernel.is_directory("/cg/systemd/kubepods/burstable/podu-1"));
  EXPECT_LT(at(kernel, "rmdir " + pod + "/container"), at(kernel, "rmdir " + pod));
  // Three tries in vain, each followed by a longer wait: 1, 2 and 4 ms.
  EXPECT_EQ(kernel.paused, std::chrono::milliseconds(7));
  EXPECT_TRUE(kernel.is_directory("/cg/memory/kubepods/burstable"));
}

TEST(Cgroupfs, DestroyGivesUpAfterTenTriesButRemovesTheOtherHierarchies) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  kernel.files["/cg/cpuset/kubepods/burstable/podu-1/cgroup.procs"] = "77\n";
  const Status gone = driver.destroy(kPod);
  ASSERT_FALSE(gone.ok());
  EXPECT_THAT(gone.error().to_string(), HasSubstr("while removing cgroup /kubepods/burstable/podu-1"));
  EXPECT_EQ(kernel.paused, std::chrono::milliseconds(511));
  EXPECT_FALSE(kernel.is_directory("/cg/memory/kubepods/burstable/podu-1"));
}

TEST(Cgroupfs, DestroyRemovesWhatRuncMadeInTheOtherTreeOfAHybridMachine) {
  FakeKernel kernel = FakeKernel::v1();
  kernel.layout.unified = "/cg/unified";
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  std::string directory = "/cg/unified";
  for (const char* part : {"", "/kubepods", "/burstable", "/podu-1", "/container"}) {
    kernel.groups.insert(directory += part);
  }
  const Status gone = driver.destroy(kPod);
  ASSERT_TRUE(gone.ok()) << gone.error().to_string();
  EXPECT_FALSE(kernel.is_directory("/cg/unified/kubepods/burstable/podu-1"));
  EXPECT_TRUE(kernel.is_directory("/cg/unified/kubepods/burstable"));
}

TEST(Cgroupfs, DestroyOfWhatIsGoneSucceeds) {
  FakeKernel kernel = FakeKernel::v2();
  CgroupfsDriver driver(kernel, kernel.layout);
  EXPECT_TRUE(driver.destroy(kPod).ok());
  EXPECT_THAT(kernel.log, IsEmpty());
}

TEST(Cgroupfs, KillReachesProcessesOfAllHierarchiesAndBelow) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  ASSERT_TRUE(kernel.make_directory("/cg/cpu/kubepods/burstable/podu-1/c").ok());
  kernel.files["/cg/cpu/kubepods/burstable/podu-1/c/cgroup.procs"] = "11\n12\n";
  kernel.files["/cg/memory/kubepods/burstable/podu-1/cgroup.procs"] = "13\n0\n";
  kernel.log.clear();
  EXPECT_TRUE(driver.kill(kPod).ok());
  EXPECT_THAT(kernel.log, ElementsAre("kill 11", "kill 12", "kill 13")) << "0 is a process of another PID namespace";
}

TEST(Cgroupfs, KillGivesUpAfterFiveRounds) {
  FakeKernel kernel = FakeKernel::v2();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  kernel.files["/cg/kubepods/burstable/podu-1/cgroup.procs"] = "9\n";
  kernel.immortal = {9};
  kernel.log.clear();
  const Status killed = driver.kill(kPod);
  ASSERT_FALSE(killed.ok());
  EXPECT_EQ(kernel.log, std::vector<std::string>(5, "kill 9"));
}

// --- Version 2

TEST(CgroupfsV2, DelegatesAllControllersDownToTheParentAndWritesLimits) {
  FakeKernel kernel = FakeKernel::v2();
  CgroupfsDriver driver(kernel, kernel.layout);
  const auto made = driver.ensure(kPod, pod_limits());
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_THAT(made.value().warnings, IsEmpty());
  EXPECT_TRUE(driver.exists(kPod));
  const std::string all = "cpuset cpu io memory hugetlb pids";
  for (const char* level : {"/cg", "/cg/kubepods", "/cg/kubepods/burstable"}) {
    EXPECT_EQ(kernel.files[std::string(level) + "/cgroup.subtree_control"], all) << level;
  }
  const std::string pod = "/cg/kubepods/burstable/podu-1";
  EXPECT_EQ(kernel.files[pod + "/cgroup.subtree_control"], "") << "the pod's own is the runtime's business";
  EXPECT_EQ(kernel.files[pod + "/cpu.weight"], "6");
  EXPECT_EQ(kernel.files[pod + "/cpu.max"], "25000 100000");
  EXPECT_EQ(kernel.files[pod + "/memory.max"], "67108864");
  EXPECT_EQ(kernel.files[pod + "/pids.max"], "100");
  EXPECT_EQ(kernel.files[pod + "/hugetlb.2MB.rsvd.max"], "0");
  EXPECT_EQ(kernel.log.front(), "+cpuset +cpu +io +memory +hugetlb +pids > /cg/cgroup.subtree_control");
}

TEST(CgroupfsV2, DelegatesOneByOneWhenAllAtOnceIsRefused) {
  FakeKernel kernel = FakeKernel::v2("cpu io memory");
  kernel.refusals.push_back({"/cg/cgroup.subtree_control", "+cpu +io +memory", EINVAL});
  kernel.refusals.push_back({"/cg/cgroup.subtree_control", "+io", EINVAL});
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(pods_root({}), {}).ok());
  EXPECT_EQ(kernel.files["/cg/cgroup.subtree_control"], "cpu memory");
  EXPECT_TRUE(driver.exists(pods_root({}))) << "io is not among the controllers that must be there";
}

TEST(CgroupfsV2, AGroupWithoutAControllerOfTheRootDoesNotExist) {
  FakeKernel kernel = FakeKernel::v2();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(pods_root({}), {}).ok());
  kernel.files["/cg/kubepods/cgroup.controllers"] = "cpuset cpu io memory hugetlb";
  EXPECT_FALSE(driver.exists(pods_root({})));
}

TEST(CgroupfsV2, RefusesAThreadedGroup) {
  FakeKernel kernel = FakeKernel::v2();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(pods_root({}), {}).ok());
  kernel.files["/cg/kubepods/cgroup.type"] = "threaded";
  kernel.files["/cg/kubepods/cgroup.controllers"] = "";
  const auto made = driver.ensure(pods_root({}), {});
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(made.error().to_string(), HasSubstr("\"threaded\", expected \"domain\""));
}

TEST(CgroupfsV2, MissingHugetlbFilesAreNoComplaint) {
  FakeKernel kernel = FakeKernel::v2("cpu cpuset memory pids");
  CgroupfsDriver driver(kernel, kernel.layout);
  const auto made = driver.ensure(kPod, pod_limits());
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(made.value().warnings, IsEmpty());
}

// --- Orphans

TEST(Cgroupfs, ListsThePodsOfAllTiers) {
  for (FakeKernel kernel : {FakeKernel::v1(), FakeKernel::v2()}) {
    CgroupfsDriver driver(kernel, kernel.layout);
    ASSERT_TRUE(driver.list_pods({}).ok());
    EXPECT_THAT(driver.list_pods({}).value(), IsEmpty());
    ASSERT_TRUE(driver.ensure(pod({}, QosClass::best_effort, "b"), {}).ok());
    ASSERT_TRUE(driver.ensure(pod({}, QosClass::guaranteed, "g"), {}).ok());
    ASSERT_TRUE(driver.ensure(pod({}, QosClass::burstable, "a"), {}).ok());
    const auto pods = driver.list_pods({});
    ASSERT_TRUE(pods.ok());
    EXPECT_THAT(pods.value(), ElementsAre(FoundPod{"a", QosClass::burstable}, FoundPod{"b", QosClass::best_effort},
                                          FoundPod{"g", QosClass::guaranteed}));
  }
}

TEST(Cgroupfs, FindsAPodThatIsLeftInOneHierarchyOnly) {
  FakeKernel kernel = FakeKernel::v1();
  CgroupfsDriver driver(kernel, kernel.layout);
  ASSERT_TRUE(driver.ensure(kPod, {}).ok());
  for (const char* mount : {"cpu", "cpuset", "memory", "hugetlb", "systemd"}) {
    ASSERT_TRUE(kernel.remove_directory(std::string("/cg/") + mount + "/kubepods/burstable/podu-1").ok());
  }
  EXPECT_THAT(driver.list_pods({}).value(), ElementsAre(FoundPod{"u-1", QosClass::burstable}));
}

// --- The real kernel

TEST(CgroupfsOnThisMachine, MakesLimitsListsAndRemovesARealCgroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  auto layout = find_layout();
  if (!layout.ok()) GTEST_SKIP() << layout.error().to_string();
  RealCgroupFiles files;
  CgroupfsDriver driver(files, layout.value());
  const CgroupName root{"keelson-test-" + std::to_string(::getpid())};
  const CgroupName name = pod(root, QosClass::burstable, "1-2");
  Limits limits;
  limits.cpu_shares = 153;
  limits.cpu_quota = 25'000;
  limits.cpu_period = 100'000;
  limits.memory = 67'108'864;
  limits.pids = 100;

  const auto made = driver.ensure(name, limits);
  if (!made.ok() && made.error().kind() == ErrorKind::permission_denied) {
    GTEST_SKIP() << "cgroups are read-only here: " << made.error().to_string();
  }
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  for (const auto& warning : made.value().warnings) ADD_FAILURE() << warning.to_string();
  EXPECT_TRUE(driver.exists(name));
  const bool v2 = layout.value().version == Version::v2;
  const std::string memory_mount = v2 ? layout.value().unified : layout.value().controllers["memory"];
  const std::string memory = memory_mount + cgroupfs_path(name) + (v2 ? "/memory.max" : "/memory.limit_in_bytes");
  EXPECT_EQ(files.read(memory).value_or("unreadable"), "67108864");
  limits.memory = 33'554'432;
  EXPECT_TRUE(driver.update(name, limits).ok());
  EXPECT_EQ(files.read(memory).value_or("unreadable"), "33554432");
  EXPECT_THAT(driver.list_pods(root).value(), ElementsAre(FoundPod{"1-2", QosClass::burstable}));
  EXPECT_TRUE(driver.kill(name).ok()) << "nothing to kill";
  EXPECT_TRUE(driver.destroy(root).ok());
  EXPECT_FALSE(driver.exists(name));
  EXPECT_FALSE(files.is_directory(memory_mount + cgroupfs_path(root)));
}

}  // namespace
}  // namespace keelson::cgroups
