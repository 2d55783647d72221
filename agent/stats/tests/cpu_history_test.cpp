// Which of the samples of earlier questions a rate is made of.
#include "agent/stats/cpu_history.hpp"

#include <gtest/gtest.h>

#include <map>

namespace keelson::stats {
namespace {

using namespace std::chrono_literals;

class CpuHistoryTest : public testing::Test {
 protected:
  // At a time since the start, with a CPU time in milliseconds.
  std::optional<std::uint64_t> add(base::Duration at, std::uint64_t milliseconds) {
    return history.add("/group", {at, milliseconds * 1'000'000}, base::SteadyTime(at));
  }
  CpuHistory history;
};

TEST_F(CpuHistoryTest, OneSampleGivesNoRate) { EXPECT_EQ(add(10s, 500), std::nullopt); }

TEST_F(CpuHistoryTest, TwoSamplesGiveTheMeanBetweenThem) {
  add(10s, 500);
  EXPECT_EQ(add(14s, 1500), 250'000'000u);  // a second in four
}

TEST_F(CpuHistoryTest, WhoAsksOftenGetsTheMeanOfTenToTwentySeconds) {
  // It uses nothing for 25 s, and then one core.
  const auto used = [](int second) { return static_cast<std::uint64_t>(second <= 25 ? 0 : (second - 25) * 1000); };
  std::map<int, std::optional<std::uint64_t>> rates;
  for (int second = 0; second <= 60; ++second) rates[second] = add(std::chrono::seconds(second), used(second));
  EXPECT_EQ(rates[25], 0u);
  EXPECT_EQ(rates[29], 210'526'315u);  // four of the nineteen seconds since the tenth
  EXPECT_EQ(rates[30], 500'000'000u);  // five of the ten since the twentieth
  EXPECT_EQ(rates[31], 545'454'545u);  // six of eleven
  EXPECT_EQ(rates[60], 1'000'000'000u);
}

TEST_F(CpuHistoryTest, WhoAsksSeldomGetsTheMeanSinceTheLastQuestion) {
  add(0s, 0);
  EXPECT_EQ(add(60s, 6000), 100'000'000u);
  EXPECT_EQ(add(120s, 36000), 500'000'000u);
}

TEST_F(CpuHistoryTest, TwoQuestionsAtOnceHaveTheSameAnswer) {
  add(0s, 0);
  add(60s, 6000);
  EXPECT_EQ(add(60s + 1ms, 6000), 6'000'000'000u * 1000 / 60001);
}

TEST_F(CpuHistoryTest, WhatIsOlderThanTwoMinutesSaysNothing) {
  add(0s, 0);
  EXPECT_EQ(add(121s, 6000), std::nullopt);
  EXPECT_EQ(add(131s, 7000), 100'000'000u);
}

TEST_F(CpuHistoryTest, AnOldSampleDoesNotHideANewOne) {
  add(0s, 0);
  add(115s, 0);
  EXPECT_EQ(add(123s, 800), 100'000'000u);
}

TEST_F(CpuHistoryTest, ACounterThatGoesBackIsAnotherGroups) {
  add(0s, 5000);
  EXPECT_EQ(add(10s, 100), std::nullopt);
  EXPECT_EQ(add(20s, 1100), 100'000'000u);
}

TEST_F(CpuHistoryTest, IsWarmForTwoMinutesAndThenForgets) {
  EXPECT_FALSE(history.warm(base::SteadyTime(0s)));
  add(0s, 1);
  EXPECT_TRUE(history.warm(base::SteadyTime(120s)));
  EXPECT_FALSE(history.warm(base::SteadyTime(121s)));
  history.prune(base::SteadyTime(120s));
  EXPECT_EQ(history.size(), 1u);
  history.prune(base::SteadyTime(121s));
  EXPECT_EQ(history.size(), 0u);
}

}  // namespace
}  // namespace keelson::stats
