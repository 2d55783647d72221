#include "base/interruption.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::drain;
using testing::stop_now;

using Diary = std::vector<std::string>;

Task<void> nap(Clock* clock, Duration duration, Diary* diary) {
  struct Leaving {
    Diary* diary;
    ~Leaving() { diary->push_back("left"); }
  } leaving{diary};
  co_await clock->sleep_for(duration);
  diary->push_back("slept");
}

Task<void> finish_despite(Clock* clock, Diary* diary) {
  try {
    co_await clock->sleep_for(1h);
  } catch (const boost::system::system_error&) {
    diary->push_back("finished");
  }
}

Task<void> interrupt_itself(Clock* clock, Interruption* interruption, Diary* diary) {
  interruption->request();
  diary->push_back("went on");
  co_await clock->sleep_for(1s);
  diary->push_back("slept");
}

Task<void> run_in(Interruption* interruption, Task<void> task, Diary* diary) {
  const bool whole = co_await interruption->run(std::move(task));
  diary->push_back(whole ? "whole" : "interrupted");
}

class InterruptionTest : public ::testing::Test {
 protected:
  Loop loop;
  VirtualClock clock{loop};
  Diary diary;
  Interruption interruption;
  Gate gate{loop};
};

TEST_F(InterruptionTest, ATaskThatIsLeftAloneEndsByItself) {
  spawn(gate, "a", run_in(&interruption, nap(&clock, 1s, &diary), &diary));
  clock.advance(1s);
  EXPECT_EQ(diary, (Diary{"slept", "left", "whole"}));
}

TEST_F(InterruptionTest, ARequestCancelsTheTaskAndItsUnwindingIsAwaited) {
  spawn(gate, "a", run_in(&interruption, nap(&clock, 1s, &diary), &diary));
  drain(loop);
  interruption.request();
  interruption.request();
  drain(loop);
  EXPECT_EQ(diary, (Diary{"left", "interrupted"}));
  EXPECT_EQ(clock.sleepers(), 0u);
}

TEST_F(InterruptionTest, ARequestWhileNothingRunsIsNotKept) {
  interruption.request();
  spawn(gate, "a", run_in(&interruption, nap(&clock, 1s, &diary), &diary));
  clock.advance(1s);
  EXPECT_EQ(diary.back(), "whole");
}

TEST_F(InterruptionTest, ServesOneTaskAfterAnother) {
  for (const char* end : {"interrupted", "interrupted"}) {
    spawn(gate, "a", run_in(&interruption, nap(&clock, 1s, &diary), &diary));
    drain(loop);
    interruption.request();
    drain(loop);
    EXPECT_EQ(diary.back(), end);
  }
  spawn(gate, "a", run_in(&interruption, nap(&clock, 1s, &diary), &diary));
  clock.advance(1s);
  EXPECT_EQ(diary.back(), "whole");
}

TEST_F(InterruptionTest, ATaskThatFinishesAfterAllIsWhole) {
  spawn(gate, "a", run_in(&interruption, finish_despite(&clock, &diary), &diary));
  drain(loop);
  interruption.request();
  drain(loop);
  EXPECT_EQ(diary, (Diary{"finished", "whole"}));
}

TEST_F(InterruptionTest, ATaskThatInterruptsItselfEndsAtItsNextAwait) {
  spawn(gate, "a", run_in(&interruption, interrupt_itself(&clock, &interruption, &diary), &diary));
  clock.advance(1s);
  EXPECT_EQ(diary, (Diary{"went on", "interrupted"}));
}

TEST_F(InterruptionTest, ServesATaskThatNobodyCanCancel) {
  asio::co_spawn(loop.context(), run_in(&interruption, nap(&clock, 1s, &diary), &diary),
                 [](const std::exception_ptr& error) { EXPECT_EQ(error, nullptr); });
  drain(loop);
  interruption.request();
  drain(loop);
  EXPECT_EQ(diary, (Diary{"left", "interrupted"}));
}

TEST_F(InterruptionTest, StoppingWhoAwaitsItIsAnOrdinaryCancellation) {
  spawn(gate, "a", run_in(&interruption, nap(&clock, 1s, &diary), &diary));
  drain(loop);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(diary, Diary{"left"});
}

}  // namespace
}  // namespace keelson::base
