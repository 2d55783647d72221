#include "agent/service/signals.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace keelson::agent {
namespace {

struct Seen {
  int stops = 0;
  int signal = 0;
  int reloads = 0;
};

SignalHooks hooks_into(Seen& seen) {
  return {.on_stop =
              [&seen](int signal) {
                ++seen.stops;
                seen.signal = signal;
              },
          .on_reload = [&seen] { ++seen.reloads; }};
}

TEST(Signals, SigtermStopsOnTheLoop) {
  base::Loop loop;
  Seen seen;
  auto signals = Signals::create(loop, hooks_into(seen));
  ASSERT_TRUE(signals.ok());
  raise(SIGTERM);
  EXPECT_EQ(seen.stops, 0) << "hooks run on the loop, not in the handler";
  while (seen.stops == 0) loop.poll();
  EXPECT_EQ(seen.stops, 1);
  EXPECT_EQ(seen.signal, SIGTERM);
}

TEST(Signals, SighupReloadsAsOftenAsAsked) {
  base::Loop loop;
  Seen seen;
  auto signals = Signals::create(loop, hooks_into(seen));
  ASSERT_TRUE(signals.ok());
  for (int i = 1; i <= 2; ++i) {
    raise(SIGHUP);
    while (seen.reloads < i) loop.poll();
  }
  EXPECT_EQ(seen.reloads, 2);
  EXPECT_EQ(seen.stops, 0);
}

TEST(Signals, OnlyOneInstanceAtATimeAndThenAgain) {
  base::Loop loop;
  Seen seen;
  {
    auto first = Signals::create(loop, hooks_into(seen));
    ASSERT_TRUE(first.ok());
    EXPECT_FALSE(Signals::create(loop, hooks_into(seen)).ok());
  }
  EXPECT_TRUE(Signals::create(loop, hooks_into(seen)).ok());
  loop.poll();
}

TEST(Signals, AnOldStopDoesNotFireAfterDestruction) {
  base::Loop loop;
  Seen seen;
  {
    auto signals = Signals::create(loop, hooks_into(seen), std::chrono::milliseconds(30));
    ASSERT_TRUE(signals.ok());
    raise(SIGINT);
  }
  for (int i = 0; i < 100; ++i) loop.poll();
  EXPECT_EQ(seen.stops, 0);
}

using SignalsDeathTest = testing::Test;

TEST(SignalsDeathTest, ASecondStopSignalExitsAtOnce) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        base::Loop loop;
        Seen seen;
        auto signals = Signals::create(loop, hooks_into(seen));
        raise(SIGTERM);
        raise(SIGINT);
        pause();
      },
      testing::ExitedWithCode(1), "second stop signal");
}

TEST(SignalsDeathTest, AStalledLoopDoesNotHoldUpTheStop) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        base::Loop loop;
        Seen seen;
        auto signals = Signals::create(loop, hooks_into(seen), std::chrono::milliseconds(50));
        raise(SIGTERM);
        while (true) pause();  // the loop never runs
      },
      testing::ExitedWithCode(1), "did not finish in time");
}

TEST(SignalsDeathTest, AClosedPipeDoesNotKill) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        base::Loop loop;
        Seen seen;
        auto signals = Signals::create(loop, hooks_into(seen));
        raise(SIGPIPE);
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace keelson::agent
