#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube-client/rate_limit.hpp"
#include "kube-client/tests/fake_transport.hpp"

namespace keelson::kube {
namespace {

using testing::Bench;
using namespace std::chrono_literals;

base::Task<void> pass(RateLimit* limit, base::Clock* clock, std::vector<int>* milliseconds, int* order, int number) {
  co_await limit->acquire();
  const auto since = clock->steady_now() - base::SteadyTime(std::chrono::hours(1));
  milliseconds->push_back(static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count()));
  if (order != nullptr) *order = *order * 10 + number;
}

TEST(RateLimit, LetsABurstPassAndThenSoManyASecond) {
  Bench bench;
  RateLimit limit(bench.loop, bench.clock, 50, 5);
  std::vector<int> times;
  for (int i = 0; i < 10; ++i) base::spawn(bench.gate, "pass", pass(&limit, &bench.clock, &times, nullptr, 0));
  bench.advance(1s);
  EXPECT_EQ(times, (std::vector<int>{0, 0, 0, 0, 0, 20, 40, 60, 80, 100}));
}

TEST(RateLimit, FillsUpToTheBurstAndNoFurther) {
  Bench bench;
  RateLimit limit(bench.loop, bench.clock, 10, 2);
  std::vector<int> times;
  for (int i = 0; i < 2; ++i) base::spawn(bench.gate, "pass", pass(&limit, &bench.clock, &times, nullptr, 0));
  bench.advance(1h);
  for (int i = 0; i < 4; ++i) base::spawn(bench.gate, "pass", pass(&limit, &bench.clock, &times, nullptr, 0));
  bench.advance(1s);
  EXPECT_EQ(times, (std::vector<int>{0, 0, 3'600'000, 3'600'000, 3'600'100, 3'600'200}));
}

TEST(RateLimit, IsFirstComeFirstServedAndACancelledWaiterTakesNothing) {
  Bench bench;
  RateLimit limit(bench.loop, bench.clock, 1, 1);
  std::vector<int> times;
  int order = 0;
  const char* names[] = {"a", "b", "c", "d"};
  for (int i = 0; i < 4; ++i) {
    base::spawn(bench.gate, names[i], pass(&limit, &bench.clock, &times, &order, i + 1));
  }
  bench.pump();
  bench.gate.cancel("b");
  bench.advance(10s);
  EXPECT_EQ(order, 134);
  EXPECT_EQ(times, (std::vector<int>{0, 1000, 2000}));
}

TEST(RateLimit, OfZeroIsNone) {
  Bench bench;
  RateLimit limit(bench.loop, bench.clock, 0, 0);
  std::vector<int> times;
  for (int i = 0; i < 1000; ++i) base::spawn(bench.gate, "pass", pass(&limit, &bench.clock, &times, nullptr, 0));
  bench.pump();
  EXPECT_EQ(times.size(), 1000U);
}

TEST(RateLimit, WithoutABurstStillLetsOneAtATimePass) {
  Bench bench;
  RateLimit limit(bench.loop, bench.clock, 10, 0);
  std::vector<int> times;
  for (int i = 0; i < 3; ++i) base::spawn(bench.gate, "pass", pass(&limit, &bench.clock, &times, nullptr, 0));
  bench.advance(1s);
  EXPECT_EQ(times, (std::vector<int>{0, 100, 200}));
}

}  // namespace
}  // namespace keelson::kube
