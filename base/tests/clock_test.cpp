#include "base/clock.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::drain;
using testing::stop_now;

using Diary = std::vector<std::string>;

Task<void> sleep_then_note(Clock* clock, Duration duration, std::string note, Diary* diary) {
  co_await clock->sleep_for(duration);
  diary->push_back(note);
}

Task<void> note_every(Clock* clock, Duration period, int times, std::string note, Diary* diary) {
  for (int i = 0; i < times; ++i) {
    co_await clock->sleep_for(period);
    diary->push_back(note + std::to_string((clock->steady_now().time_since_epoch() - 1h) / 1s));
  }
}

Task<void> note_cancellation(Clock* clock, Duration duration, Diary* diary) {
  try {
    co_await clock->sleep_for(duration);
    diary->push_back("slept");
  } catch (const boost::system::system_error& e) {
    diary->push_back(e.code() == asio::error::operation_aborted ? "aborted" : "other");
    throw;
  }
}

class VirtualClockTest : public ::testing::Test {
 protected:
  Loop loop;
  VirtualClock clock{loop};
  Gate gate{loop};
  Diary diary;
};

TEST_F(VirtualClockTest, StandsStillUntilItIsAdvanced) {
  const SteadyTime steady = clock.steady_now();
  const SystemTime system = clock.now();
  spawn(gate, "sleeper", sleep_then_note(&clock, 1ns, "woke", &diary));
  drain(loop);
  EXPECT_TRUE(diary.empty());
  EXPECT_EQ(clock.steady_now(), steady);
  clock.advance(5s);
  EXPECT_EQ(clock.steady_now(), steady + 5s);
  EXPECT_EQ(clock.now(), system + 5s);
  EXPECT_EQ(diary, Diary{"woke"});
}

TEST_F(VirtualClockTest, WakesSleepersInOrderOfTheirDeadlines) {
  spawn(gate, "c", sleep_then_note(&clock, 3s, "c", &diary));
  spawn(gate, "a", sleep_then_note(&clock, 1s, "a", &diary));
  spawn(gate, "b", sleep_then_note(&clock, 2s, "b", &diary));
  clock.advance(10s);
  EXPECT_EQ(diary, (Diary{"a", "b", "c"}));
}

TEST_F(VirtualClockTest, WakesSleepersOfOneDeadlineInOrderOfTheirComing) {
  for (const char* note : {"first", "second", "third"}) spawn(gate, note, sleep_then_note(&clock, 1s, note, &diary));
  clock.advance(1s);
  EXPECT_EQ(diary, (Diary{"first", "second", "third"}));
}

TEST_F(VirtualClockTest, WhatAWakeUpCausesHappensAtItsOwnTime) {
  spawn(gate, "every-2", note_every(&clock, 2s, 3, "x", &diary));
  spawn(gate, "every-3", note_every(&clock, 3s, 2, "y", &diary));
  clock.advance(100s);
  // At second 6 the sleeper that went to bed first (at 3) wakes first.
  EXPECT_EQ(diary, (Diary{"x2", "y3", "x4", "y6", "x6"}));
}

TEST_F(VirtualClockTest, ADeadlineInThePastPassesWithoutTime) {
  spawn(gate, "past", sleep_then_note(&clock, -5s, "past", &diary));
  spawn(gate, "now", sleep_then_note(&clock, 0s, "now", &diary));
  drain(loop);
  EXPECT_EQ(diary, (Diary{"past", "now"}));
}

TEST_F(VirtualClockTest, CancellationEndsASleepAndForgetsIt) {
  spawn(gate, "sleeper", note_cancellation(&clock, 1h, &diary));
  drain(loop);
  EXPECT_EQ(clock.sleepers(), 1u);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, Diary{"aborted"});
  EXPECT_EQ(clock.sleepers(), 0u);
  EXPECT_EQ(clock.next_deadline(), SteadyTime::max());
}

TEST_F(VirtualClockTest, ASleepForeverEndsOnlyByCancellation) {
  spawn(gate, "sleeper", note_cancellation(&clock, Duration::max(), &diary));
  clock.advance(24h * 365);
  EXPECT_TRUE(diary.empty());
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, Diary{"aborted"});
}

TEST_F(VirtualClockTest, KnowsTheNextDeadline) {
  EXPECT_EQ(clock.next_deadline(), SteadyTime::max());
  spawn(gate, "late", sleep_then_note(&clock, 9s, "late", &diary));
  spawn(gate, "soon", sleep_then_note(&clock, 4s, "soon", &diary));
  drain(loop);
  EXPECT_EQ(clock.next_deadline(), clock.steady_now() + 4s);
  clock.advance(5s);
  EXPECT_EQ(clock.next_deadline(), clock.steady_now() + 4s);
  clock.advance(4s);
}

TEST_F(VirtualClockTest, AJumpOfTheSystemTimeWakesNobody) {
  const SteadyTime steady = clock.steady_now();
  const SystemTime system = clock.now();
  spawn(gate, "sleeper", sleep_then_note(&clock, 1s, "woke", &diary));
  clock.jump_system(-24h);
  clock.advance(500ms);
  EXPECT_TRUE(diary.empty());
  EXPECT_EQ(clock.now(), system - 24h + 500ms);
  EXPECT_EQ(clock.steady_now(), steady + 500ms);
  clock.advance(500ms);
  EXPECT_EQ(diary, Diary{"woke"});
}

TEST_F(VirtualClockTest, BothTimesMayBeReadFromAnotherThread) {
  SystemTime seen;
  std::thread reader([&] { seen = clock.now(); });
  reader.join();
  EXPECT_EQ(seen, clock.now());
}

TEST(RealClock, SleepsAndIsCancelled) {
  Loop loop;
  RealClock clock(loop);
  Gate gate(loop);
  Diary diary;
  spawn(gate, "short", sleep_then_note(&clock, 1ms, "short", &diary));
  spawn(gate, "long", note_cancellation(&clock, 1h, &diary));
  ASSERT_TRUE(testing::pump_until(loop, [&] { return !diary.empty(); }));
  EXPECT_EQ(diary, Diary{"short"});
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, (Diary{"short", "aborted"}));
}

TEST(RealClock, ASleepForeverDoesNotOverflow) {
  Loop loop;
  RealClock clock(loop);
  Gate gate(loop);
  Diary diary;
  spawn(gate, "forever", note_cancellation(&clock, Duration::max(), &diary));
  drain(loop);
  EXPECT_TRUE(diary.empty());
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, Diary{"aborted"});
}

TEST(Loop, StopBeforeRunIsNotLost) {
  Loop loop;
  loop.stop();
  loop.run();  // would never return
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran) << "a loop that was stopped may run again";
}

TEST(Loop, RunsWhatOtherThreadsPost) {
  Loop loop;
  std::thread::id ran_on;
  std::thread bridge([&] {
    loop.post([&] {
      ran_on = std::this_thread::get_id();
      loop.stop();
    });
  });
  loop.run();
  bridge.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

#ifdef KEELSON_DEBUG_CHECKS
TEST(LoopDeathTest, UseFromAnotherThreadAbortsInDebugBuilds) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  Loop loop;
  Gate gate(loop);
  EXPECT_DEATH(std::thread([&] { spawn(gate, "stray", []() -> Task<void> { co_return; }()); }).join(),
               "broken invariant: .*on_loop");
}
#endif

}  // namespace
}  // namespace keelson::base
