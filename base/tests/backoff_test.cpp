#include "base/backoff.hpp"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

TEST(Backoff, DoublesUpToItsCapAndStartsAnew) {
  Random random(1);
  Backoff backoff(10s, 300s);
  std::vector<Duration> delays;
  for (int i = 0; i < 7; ++i) delays.push_back(backoff.next(random));
  EXPECT_EQ(delays, (std::vector<Duration>{10s, 20s, 40s, 80s, 160s, 300s, 300s}));
  backoff.reset();
  EXPECT_EQ(backoff.next(random), Duration(10s));
}

TEST(Backoff, AFirstDelayOverTheCapIsCut) {
  Random random(1);
  Backoff backoff(10s, 1s);
  EXPECT_EQ(backoff.next(random), Duration(1s));
}

TEST(Backoff, DoesNotOverflow) {
  Random random(1);
  Backoff backoff(1h, Duration::max(), 1000.0);
  for (int i = 0; i < 20; ++i) EXPECT_GT(backoff.next(random), Duration::zero());
}

TEST(Backoff, JitterStaysWithinItsPartAndReplaysFromItsSeed) {
  Random first(7);
  Random second(7);
  for (int i = 0; i < 1000; ++i) {
    const Duration delay = Backoff::jittered(10s, 0.5, first);
    ASSERT_GE(delay, 10s);
    ASSERT_LE(delay, 15s);
    ASSERT_EQ(delay, Backoff::jittered(10s, 0.5, second));
  }
  EXPECT_EQ(Backoff::jittered(10s, 0.0, first), Duration(10s));
}

}  // namespace
}  // namespace keelson::base
