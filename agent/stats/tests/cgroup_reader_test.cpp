// What is read of a group, on both versions of cgroups.
#include "agent/stats/cgroup_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stats/tests/fake_tree.hpp"
#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

using cgroups::Version;

constexpr Wanted kEverything{true, true, true, true, true, true};

class CgroupReaderTest : public testing::TestWithParam<Version> {
 protected:
  CgroupReader reader() { return {tree.layout(), tree.proc(), node, clock}; }
  std::optional<CgroupReading> read(const std::string& path, const Wanted& wanted = kEverything) {
    return reader().read(path, wanted);
  }
  bool v2() const { return GetParam() == Version::v2; }

  base::Loop loop;
  base::VirtualClock clock{loop};
  FakeTree tree{GetParam()};
  Memory node{8'192'000, 2'048'000, 1'536'000};
};

INSTANTIATE_TEST_SUITE_P(BothVersions, CgroupReaderTest, testing::Values(Version::v1, Version::v2),
                         [](const auto& version) { return version.param == Version::v1 ? "V1" : "V2"; });

TEST_P(CgroupReaderTest, ReadsCpuTimeAndMemory) {
  tree.group("/kubepods/podX", 4'000'000'000, 9000, 2000);
  const auto group = read("/kubepods/podX");
  ASSERT_TRUE(group.has_value());
  EXPECT_EQ(group->cpu_ns, 4'000'000'000u);
  EXPECT_EQ(group->time, clock.now());
  ASSERT_TRUE(group->memory.has_value());
  EXPECT_EQ(group->memory->usage, 9000u);
  EXPECT_EQ(group->memory->working_set, 7000u);
  EXPECT_EQ(group->memory->stat.rss, 7000u);
  EXPECT_EQ(group->memory->stat.cache, 2000u);
  EXPECT_EQ(group->memory->stat.page_faults, 30u);
  EXPECT_GT(group->memory->limit, largest_memory_limit);
  EXPECT_GT(group->memory->swap_limit, largest_memory_limit);
}

TEST_P(CgroupReaderTest, AWorkingSetIsNeverBelowZero) {
  tree.group("/g", 1, 9000, 2000);
  tree.file("memory", "/g", v2() ? "memory.current" : "memory.usage_in_bytes", "1500\n");
  EXPECT_EQ(read("/g")->memory->working_set, 0u);
}

TEST_P(CgroupReaderTest, ReadsLimitsAndSwap) {
  tree.group("/g", 1, 9000, 0);
  tree.memory_limit("/g", 10'000);
  if (v2()) {
    tree.file("memory", "/g", "memory.swap.current", "300\n");
    tree.file("memory", "/g", "memory.swap.max", "0\n");
  } else {
    tree.file("memory", "/g", "memory.stat", "total_swap 300\n");
    tree.file("memory", "/g", "memory.memsw.limit_in_bytes", "0\n");
  }
  const auto memory = read("/g")->memory;
  EXPECT_EQ(memory->limit, 10'000u);
  EXPECT_EQ(memory->swap, 300u);
  EXPECT_EQ(memory->swap_limit, 0u);
}

TEST_P(CgroupReaderTest, TheRootsMemoryIsTheMachines) {
  const auto root = read("/");
  ASSERT_TRUE(root.has_value());
  ASSERT_TRUE(root->memory.has_value());
  EXPECT_EQ(root->cpu_ns, 5'000'000'000u);
  EXPECT_EQ(root->memory->usage, 6'000'000u);  // on v2: anon + file
  EXPECT_EQ(root->memory->working_set, 5'000'000u);
  EXPECT_EQ(root->memory->limit, node.total);
  EXPECT_EQ(root->memory->swap_limit, node.swap_total);
  EXPECT_EQ(root->memory->swap, v2() ? 512'000u : 0u);
}

TEST_P(CgroupReaderTest, AGroupThatIsNotThereIsNone) {
  EXPECT_EQ(read("/kubepods/podGone"), std::nullopt);
  EXPECT_EQ(reader().first_process("/kubepods/podGone"), 0u);
}

TEST_P(CgroupReaderTest, AGroupWithoutAMemoryControllerHasNoMemory) {
  tree.cpu("/g", 77'000);
  const auto group = read("/g");
  ASSERT_TRUE(group.has_value());
  EXPECT_EQ(group->cpu_ns, 77'000u);
  EXPECT_EQ(group->memory, std::nullopt);
}

TEST_P(CgroupReaderTest, ReadsNothingThatIsNotWanted) {
  tree.group("/g", 1000, 9000, 0);
  const auto group = read("/g", Wanted());
  EXPECT_EQ(group->cpu_ns, 1000u);
  EXPECT_FALSE(group->memory || group->pressures || group->details || group->processes || group->made);
}

TEST_P(CgroupReaderTest, PressuresAreThereWhenTheRootHasThem) {
  tree.group("/g", 1, 1, 0);
  for (const char* name : {"cpu", "memory", "io"}) {
    tree.file("memory", "/g", std::string(name) + ".pressure",
              "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=3\n");
  }
  EXPECT_EQ(read("/g")->pressures, std::nullopt);
  tree.file("memory", "/", "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  const auto pressures = read("/g")->pressures;
  if (!v2()) {
    EXPECT_EQ(pressures, std::nullopt);
    return;
  }
  ASSERT_TRUE(pressures.has_value());
  const Pressure expected{{12, 1.5, 0, 0}, {3, 0.25, 0, 0}};
  EXPECT_EQ(*pressures, (Pressures{expected, expected, expected}));
}

TEST_P(CgroupReaderTest, CountsProcessesAndWhatTheyHoldOpen) {
  tree.group("/g", 1, 1, 0);
  tree.processes("/g", "41\n42\n");
  tree.write("proc/41/limits", "Max open files            1024                 524288       files\n");
  std::filesystem::create_directories(tree.proc() + "/41/fd");
  std::filesystem::create_symlink("/dev/null", tree.proc() + "/41/fd/0");
  std::filesystem::create_symlink("socket:[123]", tree.proc() + "/41/fd/1");
  std::filesystem::create_symlink("/s", tree.proc() + "/41/fd/2");
  const auto processes = read("/g")->processes;
  ASSERT_TRUE(processes.has_value());
  EXPECT_EQ(processes->count, 2u);  // 42 has gone meanwhile
  EXPECT_EQ(processes->first, 41u);
  EXPECT_EQ(processes->descriptors, 3u);
  EXPECT_EQ(processes->sockets, 1u);
  EXPECT_EQ(processes->open_files_limit, 1024);
  EXPECT_EQ(reader().first_process("/g"), 41u);
}

TEST_P(CgroupReaderTest, ReadsTheDetails) {
  tree.group("/g", 1, 1, 0);
  tree.file("pids", "/g", "pids.current", "12\n");
  tree.file("pids", "/g", "pids.max", "max\n");
  if (v2()) {
    tree.file("", "/g", "cpu.max", "25000 100000\n");
    tree.file("", "/g", "cpu.weight", "10\n");
    tree.file("", "/g", "memory.peak", "5555\n");
    tree.file("", "/g", "memory.events", "oom 4\noom_kill 3\n");
    tree.file("", "/g", "io.stat", "254:0 rbytes=100 wbytes=200 rios=1 wios=2\n");
  } else {
    tree.file("cpu", "/g", "cpu.shares", "237\n");
    tree.file("cpu", "/g", "cpu.cfs_quota_us", "25000\n");
    tree.file("cpu", "/g", "cpu.cfs_period_us", "100000\n");
    tree.file("memory", "/g", "memory.max_usage_in_bytes", "5555\n");
    tree.file("memory", "/g", "memory.oom_control", "under_oom 0\noom_kill 3\n");
    tree.file("memory", "/g", "memory.failcnt", "8\n");
    tree.file("memory", "/g", "memory.kmem.usage_in_bytes", "99\n");
    tree.file("blkio", "/g", "blkio.throttle.io_service_bytes_recursive", "254:0 Read 100\n254:0 Write 200\n");
    tree.file("blkio", "/g", "blkio.throttle.io_serviced_recursive", "254:0 Read 1\n254:0 Write 2\n");
  }
  const auto group = read("/g");
  ASSERT_TRUE(group->details.has_value());
  const GroupDetails& details = *group->details;
  EXPECT_EQ(details.user_ns, 3'000'000'000u);
  EXPECT_EQ(details.system_ns, 1'000'000'000u);
  EXPECT_EQ(details.throttling, (Throttling{9, 2, 500'000'000, 0, 0}));
  EXPECT_EQ(details.cpu_shares, 237u);
  EXPECT_EQ(details.cpu_quota_us, 25'000u);
  EXPECT_EQ(details.cpu_period_us, 100'000u);
  EXPECT_EQ(details.max_usage, 5555u);
  EXPECT_EQ(details.oom_kills, 3u);
  EXPECT_EQ(details.fail_count, v2() ? 0u : 8u);
  EXPECT_EQ(details.kernel_memory, v2() ? 0u : 99u);
  EXPECT_EQ(details.threads, 12u);
  EXPECT_EQ(details.max_threads, 0u);
  ASSERT_EQ(details.io.bytes.size(), 1u);
  EXPECT_EQ(details.io.bytes[0].of("Write"), 200u);
  EXPECT_EQ(details.io.requests[0].of("Read"), 1u);
}

TEST_P(CgroupReaderTest, NoQuotaIsZero) {
  tree.group("/g", 1, 1, 0);
  if (v2()) {
    tree.file("", "/g", "cpu.max", "max 100000\n");
  } else {
    tree.file("cpu", "/g", "cpu.cfs_quota_us", "-1\n");
  }
  EXPECT_EQ(read("/g")->details->cpu_quota_us, 0u);
}

TEST_P(CgroupReaderTest, FindsAContainersGroupByItsId) {
  tree.group("/kubepods/podX/cri-containerd-abc123.scope", 1, 1, 0);
  tree.group("/kubepods/podX/crio-conmon-def456.scope", 1, 1, 0);
  tree.group("/kubepods/podX/crio-def456.scope", 1, 1, 0);
  tree.group("/kubepods/podX/fff", 1, 1, 0);
  EXPECT_EQ(reader().group_of("/kubepods/podX", "abc123"), "cri-containerd-abc123.scope");
  EXPECT_EQ(reader().group_of("/kubepods/podX", "def456"), "crio-def456.scope");
  EXPECT_EQ(reader().group_of("/kubepods/podX", "fff"), "fff");
  EXPECT_EQ(reader().group_of("/kubepods/podX", "789"), "");
  EXPECT_EQ(reader().group_of("/kubepods/podX", ""), "");
}

// A list can be longer than the buffer that most files fit in.
TEST_P(CgroupReaderTest, ReadsLongListsToTheirEnd) {
  std::string pids;
  for (int pid = 1; pid <= 10'000; ++pid) pids += std::to_string(pid) + "\n";
  tree.group("/g", 1, 1, 0);
  tree.processes("/g", pids);
  Wanted wanted;
  wanted.memory = true;
  wanted.processes = true;
  EXPECT_EQ(read("/g", wanted)->processes->count, 10'000u);
}

}  // namespace
}  // namespace keelson::stats
