#include "base/when_all.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::drain;
using testing::stop_now;

Task<Result<int>> answer_after(Clock* clock, Duration duration, int answer) {
  co_await clock->sleep_for(duration);
  if (answer < 0) co_return Error(ErrorKind::invalid, "negative");
  co_return answer;
}

Task<Result<int>> fail_after(Clock* clock, Duration duration) {
  co_await clock->sleep_for(duration);
  throw std::logic_error("a mistake of ours");
}

Task<void> gather(std::vector<Task<Result<int>>> tasks, std::string* outcome) {
  try {
    auto answers = co_await when_all(std::move(tasks));
    for (const auto& answer : answers) *outcome += answer.ok() ? std::to_string(*answer) + " " : "error ";
    *outcome += "done";
  } catch (const std::logic_error& e) {
    *outcome = e.what();
  } catch (const boost::system::system_error&) {
    *outcome = "cancelled";
    throw;
  }
}

class WhenAllTest : public ::testing::Test {
 protected:
  Loop loop;
  VirtualClock clock{loop};
  Gate gate{loop};
  std::vector<Task<Result<int>>> tasks;
  std::string outcome;
};

TEST_F(WhenAllTest, AnswersInTheOrderOfTheTasksWhenTheLastHasEnded) {
  tasks.push_back(answer_after(&clock, 3s, 1));
  tasks.push_back(answer_after(&clock, 1s, -1));
  tasks.push_back(answer_after(&clock, 2s, 3));
  spawn(gate, "gather", gather(std::move(tasks), &outcome));
  clock.advance(2s);
  EXPECT_EQ(outcome, "");
  clock.advance(1s);
  EXPECT_EQ(outcome, "1 error 3 done");
}

TEST_F(WhenAllTest, OfNothingIsDoneAtOnce) {
  spawn(gate, "gather", gather(std::move(tasks), &outcome));
  drain(loop);
  EXPECT_EQ(outcome, "done");
}

TEST_F(WhenAllTest, CancellationReachesEveryTask) {
  for (int i = 0; i < 20; ++i) tasks.push_back(answer_after(&clock, 1h, i));
  spawn(gate, "gather", gather(std::move(tasks), &outcome));
  drain(loop);
  EXPECT_EQ(clock.sleepers(), 20u);
  EXPECT_TRUE(stop_now(loop, gate));
  EXPECT_EQ(outcome, "cancelled");
  EXPECT_EQ(clock.sleepers(), 0u);
}

TEST_F(WhenAllTest, AnExceptionIsThrownAfterAllHaveEnded) {
  tasks.push_back(answer_after(&clock, 2s, 1));
  tasks.push_back(fail_after(&clock, 1s));
  spawn(gate, "gather", gather(std::move(tasks), &outcome));
  clock.advance(1s);
  EXPECT_EQ(outcome, "");
  clock.advance(1s);
  EXPECT_EQ(outcome, "a mistake of ours");
}

}  // namespace
}  // namespace keelson::base
