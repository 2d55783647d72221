#include "base/gate.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/sync.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::drain;
using testing::stop_now;

using Diary = std::vector<std::string>;

// Notes in a diary how its scope was left.
struct Note {
  Diary* diary;
  std::string text;
  ~Note() { diary->push_back(text); }
};

Task<void> note(std::string text, Diary* diary) {
  diary->push_back(text);
  co_return;
}

Task<void> sleep_with_note(Clock* clock, Duration duration, std::string text, Diary* diary) {
  Note leaving{diary, text + " left"};
  diary->push_back(text + " began");
  co_await clock->sleep_for(duration);
  diary->push_back(text + " slept");
}

Task<void> stubborn(Clock* clock, Diary* diary) {
  try {
    co_await clock->sleep_for(1h);
  } catch (const boost::system::system_error&) {
    diary->push_back("cancelled");
  }
  try {
    co_await clock->sleep_for(1h);
  } catch (const boost::system::system_error&) {
    diary->push_back("cancelled again");
  }
}

Task<void> throw_logic_error() {
  throw std::logic_error("a mistake of ours");
  co_return;
}

Task<void> spawn_within(Gate* gate, Diary* diary) {
  spawn(*gate, "child", note("child", diary));
  diary->push_back("parent");
  co_return;
}

class GateTest : public ::testing::Test {
 protected:
  Loop loop;
  VirtualClock clock{loop};
  Diary diary;
  Gate gate{loop};
};

TEST_F(GateTest, RunsATaskAndForgetsIt) {
  spawn(gate, "note", note("ran", &diary));
  EXPECT_EQ(gate.tasks(), 1u);
  EXPECT_TRUE(diary.empty()) << "a task does not begin inside spawn()";
  drain(loop);
  EXPECT_EQ(diary, Diary{"ran"});
  EXPECT_EQ(gate.tasks(), 0u);
}

TEST_F(GateTest, ATaskSpawnedByATaskBeginsAfterIt) {
  spawn(gate, "parent", spawn_within(&gate, &diary));
  drain(loop);
  EXPECT_EQ(diary, (Diary{"parent", "child"}));
}

TEST_F(GateTest, StopCancelsAndWaitsForTheUnwinding) {
  spawn(gate, "a", sleep_with_note(&clock, 1h, "a", &diary));
  spawn(gate, "b", sleep_with_note(&clock, 2h, "b", &diary));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, (Diary{"a began", "b began", "a left", "b left"}));
  EXPECT_EQ(gate.tasks(), 0u);
}

TEST_F(GateTest, StopEndsTasksThatHaveNotBegun) {
  bool stopped = false;
  Gate stopper(loop);
  spawn(stopper, "stop", testing::await_stop(&gate, &stopped));
  spawn(gate, "never", note("never", &diary));
  drain(loop);
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(diary.empty());
}

TEST_F(GateTest, AStoppingGateTakesNoNewTasks) {
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_TRUE(gate.stopping());
  spawn(gate, "late", note("late", &diary));
  drain(loop);
  EXPECT_TRUE(diary.empty());
  EXPECT_EQ(gate.tasks(), 0u);
}

TEST_F(GateTest, StopMayBeAwaitedMoreThanOnce) {
  spawn(gate, "sleeper", sleep_with_note(&clock, 1h, "s", &diary));
  drain(loop);
  bool first = false;
  bool second = false;
  Gate stoppers(loop);
  spawn(stoppers, "first", testing::await_stop(&gate, &first));
  spawn(stoppers, "second", testing::await_stop(&gate, &second));
  drain(loop);
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_TRUE(stop_now(loop, gate));
}

TEST_F(GateTest, ATaskThatCatchesItsCancellationIsCutOffAtItsNextAwait) {
  spawn(gate, "stubborn", stubborn(&clock, &diary));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, (Diary{"cancelled", "cancelled again"}));
}

TEST_F(GateTest, CancelEndsOnlyTheTasksOfThatName) {
  spawn(gate, "a", sleep_with_note(&clock, 1s, "a", &diary));
  spawn(gate, "b", sleep_with_note(&clock, 1s, "b", &diary));
  drain(loop);
  gate.cancel("a");
  drain(loop);
  EXPECT_EQ(gate.tasks(), 1u);
  clock.advance(1s);
  EXPECT_EQ(diary, (Diary{"a began", "b began", "a left", "b slept", "b left"}));
}

TEST_F(GateTest, CancelEndsATaskThatHasNotBegunAndItsNameMayBeUsedAgain) {
  spawn(gate, "a", note("first", &diary));
  gate.cancel("a");
  spawn(gate, "a", note("second", &diary));
  drain(loop);
  EXPECT_EQ(diary, Diary{"second"});
  EXPECT_EQ(gate.tasks(), 0u);
}

Task<void> cancel_own_gate(Gate* gate, Diary* diary) {
  gate->cancel("self");
  diary->push_back("went on");
  co_return;
}

TEST_F(GateTest, ATaskThatCancelsItselfStillLeaves) {
  spawn(gate, "self", cancel_own_gate(&gate, &diary));
  drain(loop);
  EXPECT_EQ(diary, Diary{"went on"});
  EXPECT_EQ(gate.tasks(), 0u);
}

TEST(GateDeathTest, AnEscapedExceptionAbortsWithTheTasksName) {
  Loop loop;
  Gate gate(loop);
  EXPECT_DEATH(
      {
        spawn(gate, "faulty-task", throw_logic_error());
        drain(loop);
      },
      "task faulty-task ended by an exception: a mistake of ours");
}

TEST(GateDeathTest, DestructionWithTasksInsideAborts) {
  EXPECT_DEATH(
      {
        Loop loop;
        VirtualClock clock(loop);
        Diary diary;
        Gate gate(loop);
        spawn(gate, "sleeper", sleep_with_note(&clock, 1h, "s", &diary));
        drain(loop);
      },
      "a Gate is destroyed while tasks run in it");
}

// with_timeout

Task<int> answer_after(Clock* clock, Duration duration, int answer) {
  co_await clock->sleep_for(duration);
  co_return answer;
}

Task<int> answer_despite_cancellation(Clock* clock, int answer) {
  try {
    co_await clock->sleep_for(1h);
  } catch (const boost::system::system_error&) {
  }
  co_return answer;
}

// Neither copyable nor default constructible, as a Result of something owned is.
struct Owned {
  explicit Owned(int n) : number(std::make_unique<int>(n)) {}
  std::unique_ptr<int> number;
};

Task<Owned> owned_after(Clock* clock, Duration duration) {
  co_await clock->sleep_for(duration);
  co_return Owned(9);
}

Task<int> throw_from_task() {
  throw std::runtime_error("thrown inside");
  co_return 0;
}

Task<void> try_for(Clock* clock, Duration limit, Task<int> task, std::string* outcome) {
  try {
    auto answer = co_await with_timeout(*clock, limit, std::move(task));
    *outcome = answer ? std::to_string(*answer) : "timeout";
  } catch (const boost::system::system_error& e) {
    *outcome = "cancelled";
    throw;
  } catch (const std::exception& e) {
    *outcome = e.what();
  }
}

Task<void> try_owned(Clock* clock, int* number) {
  auto owned = co_await with_timeout(*clock, 1s, owned_after(clock, 1ms));
  *number = *owned->number;
}

Task<void> try_void(Clock* clock, Duration limit, std::vector<bool>* answers) {
  const bool in_time = co_await with_timeout(*clock, limit, clock->sleep_for(5s));
  answers->push_back(in_time);
}

TEST_F(GateTest, WithTimeoutGivesTheAnswerThatCameInTime) {
  std::string outcome;
  spawn(gate, "try", try_for(&clock, 10s, answer_after(&clock, 9s, 42), &outcome));
  clock.advance(9s);
  EXPECT_EQ(outcome, "42");
  EXPECT_EQ(clock.sleepers(), 0u) << "the timer must not outlive the task";
}

TEST_F(GateTest, WithTimeoutCancelsTheTaskWhenTimeIsUp) {
  std::string outcome;
  spawn(gate, "try", try_for(&clock, 10s, answer_after(&clock, 11s, 42), &outcome));
  clock.advance(10s);
  EXPECT_EQ(outcome, "timeout");
  EXPECT_EQ(clock.sleepers(), 0u);
}

TEST_F(GateTest, WithTimeoutKeepsAnAnswerThatTheTaskGaveAfterAll) {
  std::string outcome;
  spawn(gate, "try", try_for(&clock, 10s, answer_despite_cancellation(&clock, 7), &outcome));
  clock.advance(10s);
  EXPECT_EQ(outcome, "7");
}

TEST_F(GateTest, WithTimeoutPassesExceptionsOnAtOnce) {
  std::string outcome;
  spawn(gate, "try", try_for(&clock, 10s, throw_from_task(), &outcome));
  drain(loop);
  EXPECT_EQ(outcome, "thrown inside");
}

TEST_F(GateTest, StoppingATaskInsideWithTimeoutIsAnOrdinaryCancellation) {
  std::string outcome;
  spawn(gate, "try", try_for(&clock, 10s, answer_after(&clock, 9s, 42), &outcome));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(outcome, "cancelled");
  EXPECT_EQ(clock.sleepers(), 0u);
}

TEST_F(GateTest, WithTimeoutTakesTypesThatCannotBeCopied) {
  int number = 0;
  spawn(gate, "try", try_owned(&clock, &number));
  clock.advance(1s);
  EXPECT_EQ(number, 9);
}

TEST_F(GateTest, WithTimeoutOfATaskWithoutResultSaysWhetherItFinished) {
  std::vector<bool> answers;
  spawn(gate, "long", try_void(&clock, 6s, &answers));
  clock.advance(6s);
  spawn(gate, "short", try_void(&clock, 4s, &answers));
  clock.advance(6s);
  EXPECT_EQ(answers, (std::vector<bool>{true, false}));
}

TEST(IsCancellation, KnowsOnlyTheAbortedOperation) {
  EXPECT_FALSE(is_cancellation(nullptr));
  EXPECT_TRUE(is_cancellation(std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted))));
  EXPECT_FALSE(is_cancellation(std::make_exception_ptr(boost::system::system_error(asio::error::connection_reset))));
  EXPECT_FALSE(is_cancellation(std::make_exception_ptr(std::runtime_error("x"))));
}

}  // namespace
}  // namespace keelson::base
