#include "cgroup-manager/formulas.hpp"

#include <gtest/gtest.h>

#include "cgroup-manager/tiers.hpp"

namespace keelson::cgroups {
namespace {

struct Row {
  std::int64_t in, out;
};

TEST(CgroupFormulas, SharesFollowTheCpuRequestWithinTheKernelsLimits) {
  for (const Row row :
       {Row{0, 2}, Row{-5, 2}, Row{1, 2}, Row{2, 2}, Row{3, 3}, Row{100, 102}, Row{150, 153}, Row{250, 256},
        Row{350, 358}, Row{1000, 1024}, Row{256'000, 262'144}, Row{1'000'000, 262'144}, Row{INT64_MAX, 262'144}}) {
    EXPECT_EQ(shares_from_milli(row.in), row.out) << row.in;
  }
}

TEST(CgroupFormulas, QuotaIsThePartOfThePeriodButNeverBelowAMillisecond) {
  for (const Row row : {Row{0, 0}, Row{1, 1000}, Row{10, 1000}, Row{11, 1100}, Row{250, 25'000}, Row{1500, 150'000}}) {
    EXPECT_EQ(quota_from_milli(row.in, 100'000), row.out) << row.in;
  }
  EXPECT_EQ(quota_from_milli(500, 10'000), 5'000);
  EXPECT_EQ(quota_from_milli(INT64_MAX, 100'000), INT64_MAX);
}

TEST(CgroupFormulas, WeightIsLinearInTheShares) {
  for (const Row row : {Row{0, 0}, Row{1, 1}, Row{2, 1}, Row{153, 6}, Row{204, 8}, Row{256, 10}, Row{358, 14},
                        Row{1024, 39}, Row{2048, 79}, Row{262'144, 10'000}, Row{999'999, 10'000}}) {
    EXPECT_EQ(weight_from_shares(row.in), row.out) << row.in;
  }
}

TEST(CgroupFormulas, ReadBackTurnsTheFormulasAround) {
  EXPECT_EQ(shares_from_weight(1), 2);
  EXPECT_EQ(shares_from_weight(79), 78 * 262'142 / 9'999 + 2);
  EXPECT_EQ(shares_from_weight(10'000), 262'144);
  EXPECT_EQ(shares_from_weight(0), 0);
  EXPECT_EQ(milli_from_shares(102), 100);
  EXPECT_EQ(milli_from_shares(2), 2);
  EXPECT_EQ(milli_from_quota(25'000, 100'000), 250);
  EXPECT_EQ(milli_from_quota(-1, 100'000), 0);
  EXPECT_EQ(milli_from_quota(25'000, 0), 0);
}

TEST(CgroupTiers, TheRootHoldsAllThatPodsMayUse) {
  const Limits root = root_limits({2000, 25'276'510'208, 32'768, {"2MB"}, "0-1"});
  EXPECT_EQ(root.cpu_shares, 2048);
  EXPECT_EQ(root.memory, 25'276'510'208);
  EXPECT_EQ(root.pids, 32'768);
  EXPECT_EQ(root.cpuset_cpus, "0-1");
  EXPECT_EQ(root.hugetlb.at("2MB"), 4'611'686'018'427'387'904);
  EXPECT_FALSE(root.cpu_quota.has_value());
}

TEST(CgroupTiers, TiersHaveSharesOnly) {
  const Limits burstable = burstable_limits(350, {"2MB"});
  EXPECT_EQ(burstable.cpu_shares, 358);
  EXPECT_FALSE(burstable.memory.has_value());
  EXPECT_EQ(best_effort_limits({}).cpu_shares, 2);
  EXPECT_EQ(burstable_limits(0, {}).cpu_shares, 2);
}

}  // namespace
}  // namespace keelson::cgroups
