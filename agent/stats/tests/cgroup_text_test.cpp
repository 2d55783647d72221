// What the files of cgroups say, line by line.
#include "agent/stats/cgroup_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

using cgroups::Version;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Values, AreANumberOrNoLimit) {
  const std::vector<std::pair<std::string_view, std::optional<std::uint64_t>>> rows{
      {"123\n", 123},
      {"0", 0},
      {"max\n", unlimited},
      {"9223372036854771712\n", 9223372036854771712u},
      {"", {}},
      {"\n", {}},
      {"-1\n", {}},
      {"12x", {}},
      {"maximum", {}},
      {"18446744073709551616", {}}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(parse_value(text), expected) << text;
}

TEST(CpuStatOfV2, IsInMicroseconds) {
  const CpuStat stat = parse_cpu_stat(
      "usage_usec 1951433936\nuser_usec 1645698653\nsystem_usec 305735282\nnice_usec 0\nnr_periods 7\nnr_throttled 3\n"
      "throttled_usec 21\nnr_bursts 2\nburst_usec 5\n",
      Version::v2);
  EXPECT_EQ(stat, (CpuStat{1951433936000, 1645698653000, 305735282000, {7, 3, 21000, 2, 5000}}));
}

TEST(CpuStatOfV1, HasTheThrottlingAloneInNanoseconds) {
  const CpuStat stat = parse_cpu_stat(
      "nr_periods 7\nnr_throttled 3\nthrottled_time 21\nnr_bursts 2\nburst_time 5\nusage_usec 9\n", Version::v1);
  EXPECT_EQ(stat, (CpuStat{0, 0, 0, {7, 3, 21, 2, 5}}));
}

TEST(CpuStat, OfAnEmptyOrBrokenTextIsZero) {
  EXPECT_EQ(parse_cpu_stat("", Version::v2), CpuStat());
  EXPECT_EQ(parse_cpu_stat("usage_usec\nuser_usec many\nnr_periods -1", Version::v2), CpuStat());
}

TEST(CpuacctStat, IsInTicksOfTenMilliseconds) {
  EXPECT_EQ(parse_cpuacct_stat("user 250\nsystem 3\n"), (CpuTimes{2'500'000'000, 30'000'000}));
}

TEST(CpuMaxOfV2, IsAQuotaAndAPeriod) {
  EXPECT_EQ(parse_cpu_max("25000 100000\n"), (CpuMax{25000, 100000}));
  EXPECT_EQ(parse_cpu_max("max 100000\n"), (CpuMax{0, 100000}));
  EXPECT_EQ(parse_cpu_max(""), CpuMax());
}

TEST(MemoryStatOfV1, IsThatOfTheHierarchyButForFaults) {
  const MemoryStat stat = parse_memory_stat(
      "cache 1\nrss 2\nmapped_file 3\nswap 4\npgfault 50438\npgmajfault 6\ninactive_file 7\nactive_file 8\n"
      "hierarchical_memory_limit 9223372036854771712\ntotal_cache 10\ntotal_rss 20\ntotal_mapped_file 30\n"
      "total_swap 40\ntotal_pgfault 106953784\ntotal_pgmajfault 60\ntotal_inactive_file 70\ntotal_active_file 80\n",
      Version::v1);
  EXPECT_EQ(stat, (MemoryStat{10, 20, 40, 30, 80, 70, 50438, 6}));
}

TEST(MemoryStatOfV1, IsTheGroupsOwnWhereTheKernelSumsNothingUp) {
  const MemoryStat stat = parse_memory_stat("cache 1\nrss 2\nmapped_file 3\nswap 4\ninactive_file 7\n", Version::v1);
  EXPECT_EQ(stat, (MemoryStat{1, 2, 4, 3, 0, 7, 0, 0}));
}

TEST(MemoryStatOfV2, HasItsOwnNames) {
  const MemoryStat stat = parse_memory_stat(
      "anon 100\nfile 200\nkernel 5\nfile_mapped 30\ninactive_anon 1\nactive_file 40\ninactive_file 50\npgfault 6\n"
      "pgmajfault 7\ntotal_rss 99\n",
      Version::v2);
  EXPECT_EQ(stat, (MemoryStat{200, 100, 0, 30, 40, 50, 6, 7}));
}

TEST(PressureText, HasALineForSomeAndOneForFull) {
  const Pressure pressure = parse_pressure(
      "some avg10=4.20 avg60=33.15 avg300=44.81 total=482717067\nfull avg10=0.00 avg60=0.50 avg300=1.00 total=12\n");
  EXPECT_EQ(pressure.some, (Pressure::Line{482717067, 4.20, 33.15, 44.81}));
  EXPECT_EQ(pressure.full, (Pressure::Line{12, 0, 0.5, 1}));
  // Older kernels have no "full" of the CPU.
  EXPECT_EQ(parse_pressure("some avg10=1.00 avg60=0.00 avg300=0.00 total=3\n").full, Pressure::Line());
  EXPECT_EQ(parse_pressure("nonsense\nsome avg10=x total=\n"), Pressure());
}

TEST(IoStatOfV2, HasALineForEachDevice) {
  const IoStat io = parse_io_stat(
      "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n8:0 rbytes=90430464 wbytes=1 rios=2\n"
      "253:0 \nbroken\n");
  ASSERT_EQ(io.bytes.size(), 2u);
  EXPECT_EQ(io.bytes[0].major, 8u);
  EXPECT_EQ(io.bytes[0].minor, 16u);
  EXPECT_EQ(io.bytes[0].of("Read"), 1459200u);
  EXPECT_EQ(io.bytes[0].of("Write"), 314773504u);
  ASSERT_EQ(io.requests.size(), 2u);
  EXPECT_EQ(io.requests[1].of("Read"), 2u);
  EXPECT_EQ(io.requests[1].of("Write"), 0u);
}

TEST(BlkioOfV1, HasALineForEachDeviceAndOperation) {
  const auto devices = parse_blkio("8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n254:1 Read 1\n254:1 Sync x\nTotal 31\n");
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_THAT(devices[0].by_operation,
              ElementsAre(testing::Pair("Read", 10u), testing::Pair("Write", 20u), testing::Pair("Total", 30u)));
  EXPECT_EQ(devices[1].major, 254u);
  EXPECT_EQ(devices[1].minor, 1u);
  EXPECT_THAT(devices[1].by_operation, ElementsAre(testing::Pair("Read", 1u)));
}

TEST(Procs, AreThoseThatCanBeAskedFor) {
  EXPECT_THAT(parse_procs("22\n1223\n0\n"), ElementsAre(22u, 1223u));
  EXPECT_THAT(parse_procs(""), IsEmpty());
}

TEST(OomKills, StandInMemoryEventsAndInOomControl) {
  EXPECT_EQ(parse_oom_kills("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n"), 2u);
  EXPECT_EQ(parse_oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"), 5u);
  EXPECT_EQ(parse_oom_kills(""), 0u);
}

}  // namespace
}  // namespace keelson::stats
