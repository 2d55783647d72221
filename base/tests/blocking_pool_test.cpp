#include "base/blocking_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::drain;
using testing::pump_until;
using testing::stop_now;

template <class T>
Task<void> perform(BlockingPool* pool, Duration limit, std::function<Result<T>()> function,
                   std::optional<Result<T>>* outcome) {
  auto result = co_await pool->run<T>("statfs /data", limit, std::move(function));
  outcome->emplace(std::move(result));
}

// A call that blocks until it is let go, as statfs on a dead server does. Shared, because the call may outlive the
// test.
struct Stuck {
  std::promise<void> let_go;
  std::shared_future<void> released{let_go.get_future()};
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
};

std::function<Result<int>()> call_of(std::shared_ptr<Stuck> stuck) {
  return [stuck]() -> Result<int> {
    ++stuck->begun;
    stuck->released.wait();
    ++stuck->ended;
    return 1;
  };
}

class BlockingPoolTest : public ::testing::Test {
 protected:
  Loop loop;
  VirtualClock clock{loop};
  std::optional<BlockingPool> pool{std::in_place, loop, clock, 2};
  Gate gate{loop};
};

TEST_F(BlockingPoolTest, RunsOnAnotherThreadAndAnswersOnTheLoop) {
  std::optional<Result<std::thread::id>> outcome;
  spawn(gate, "run",
        perform<std::thread::id>(
            &*pool, 1s, [] { return Result(std::this_thread::get_id()); }, &outcome));
  ASSERT_TRUE(pump_until(loop, [&] { return outcome.has_value(); }));
  ASSERT_TRUE(outcome->ok());
  EXPECT_NE(**outcome, std::this_thread::get_id());
}

TEST_F(BlockingPoolTest, PassesErrorsOn) {
  std::optional<Result<int>> outcome;
  spawn(gate, "run",
        perform<int>(
            &*pool, 1s, []() -> Result<int> { return Error(ErrorKind::not_found, "no such mount"); }, &outcome));
  ASSERT_TRUE(pump_until(loop, [&] { return outcome.has_value(); }));
  EXPECT_EQ(outcome->error().to_string(), "no such mount");
}

TEST_F(BlockingPoolTest, TurnsAnExceptionIntoAnError) {
  std::optional<Result<int>> outcome;
  spawn(gate, "run",
        perform<int>(
            &*pool, 1s, []() -> Result<int> { throw std::runtime_error("bad luck"); }, &outcome));
  ASSERT_TRUE(pump_until(loop, [&] { return outcome.has_value(); }));
  EXPECT_EQ(outcome->error().kind(), ErrorKind::internal);
  EXPECT_EQ(outcome->error().to_string(), "statfs /data: exception: bad luck");
}

TEST_F(BlockingPoolTest, ManyCallsAllComeBack) {
  std::vector<std::optional<Result<int>>> outcomes(200);
  for (int i = 0; i < 200; ++i) {
    spawn(gate, "run",
          perform<int>(
              &*pool, 1s, [i] { return Result(i * i); }, &outcomes[i]));
  }
  ASSERT_TRUE(pump_until(loop, [&] { return gate.tasks() == 0; }));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(outcomes[i]->value(), i * i);
  EXPECT_EQ(pool->queued(), 0u);
}

TEST_F(BlockingPoolTest, AStuckCallAnswersAtItsDeadlineAndTheOthersGoOn) {
  auto stuck = std::make_shared<Stuck>();
  std::optional<Result<int>> first;
  spawn(gate, "stuck", perform<int>(&*pool, 10s, call_of(stuck), &first));
  ASSERT_TRUE(pump_until(loop, [&] { return stuck->begun == 1; }));
  clock.advance(10s);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_EQ(first->error().to_string(), "statfs /data: not finished within 10s");
  EXPECT_EQ(pool->busy(), 1u) << "the thread is left to its call";

  std::optional<Result<int>> second;
  spawn(gate, "other",
        perform<int>(
            &*pool, 10s, [] { return Result(5); }, &second));
  ASSERT_TRUE(pump_until(loop, [&] { return second.has_value(); }));
  EXPECT_EQ(second->value(), 5);

  stuck->let_go.set_value();
  ASSERT_TRUE(pump_until(loop, [&] { return pool->busy() == 0; })) << "a late end frees the thread";
}

TEST_F(BlockingPoolTest, ACallThatFoundNoThreadByItsDeadlineNeverRuns) {
  auto stuck = std::make_shared<Stuck>();
  std::optional<Result<int>> first;
  std::optional<Result<int>> second;
  std::optional<Result<int>> third;
  spawn(gate, "stuck-1", perform<int>(&*pool, 1h, call_of(stuck), &first));
  spawn(gate, "stuck-2", perform<int>(&*pool, 1h, call_of(stuck), &second));
  ASSERT_TRUE(pump_until(loop, [&] { return stuck->begun == 2; }));
  auto ran = std::make_shared<std::atomic<bool>>(false);
  spawn(gate, "late",
        perform<int>(
            &*pool, 3s,
            [ran] {
              *ran = true;
              return Result(1);
            },
            &third));
  clock.advance(3s);
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->error().kind(), ErrorKind::exhausted);
  EXPECT_EQ(third->error().to_string(),
            "statfs /data: no free thread within 3s, earlier blocking calls are still stuck");
  EXPECT_EQ(pool->queued(), 0u);
  stuck->let_go.set_value();
  ASSERT_TRUE(pump_until(loop, [&] { return first.has_value() && second.has_value(); }));
  EXPECT_FALSE(*ran) << "its caller was told that it did not happen";
}

TEST_F(BlockingPoolTest, CancellingTheCallerTakesTheUnbegunCallBack) {
  auto stuck = std::make_shared<Stuck>();
  std::optional<Result<int>> first;
  std::optional<Result<int>> second;
  std::optional<Result<int>> third;
  spawn(gate, "stuck", perform<int>(&*pool, 1h, call_of(stuck), &first));
  spawn(gate, "stuck", perform<int>(&*pool, 1h, call_of(stuck), &second));
  ASSERT_TRUE(pump_until(loop, [&] { return stuck->begun == 2; }));
  spawn(gate, "waiting",
        perform<int>(
            &*pool, 1h, [] { return Result(1); }, &third));
  drain(loop);
  EXPECT_EQ(pool->queued(), 1u);
  gate.cancel("waiting");
  drain(loop);
  EXPECT_EQ(pool->queued(), 0u);
  EXPECT_FALSE(third.has_value());
  // The stuck ones unwind too, without waiting for their threads.
  EXPECT_TRUE(stop_now(loop, gate));
  stuck->let_go.set_value();
  ASSERT_TRUE(pump_until(loop, [&] { return pool->busy() == 0; }));
}

TEST_F(BlockingPoolTest, DestructionDoesNotWaitForAStuckCall) {
  auto stuck = std::make_shared<Stuck>();
  std::optional<Result<int>> outcome;
  spawn(gate, "stuck", perform<int>(&*pool, 1s, call_of(stuck), &outcome));
  ASSERT_TRUE(pump_until(loop, [&] { return stuck->begun == 1; }));
  EXPECT_TRUE(stop_now(loop, gate));
  pool.reset();
  stuck->let_go.set_value();
  ASSERT_TRUE(pump_until(loop, [&] { return stuck->ended == 1; }));
}

TEST(BlockingPool, AStuckCallMayEndWhenTheLoopIsGone) {
  auto stuck = std::make_shared<Stuck>();
  // The thread keeps the function until it has ended with everything; what it holds tells us of that moment.
  auto function = call_of(stuck);
  {
    Loop loop;
    VirtualClock clock(loop);
    BlockingPool pool(loop, clock, 1);
    Gate gate(loop);
    std::optional<Result<int>> outcome;
    spawn(gate, "stuck", perform<int>(&pool, 1s, std::move(function), &outcome));
    ASSERT_TRUE(pump_until(loop, [&] { return stuck->begun == 1; }));
    EXPECT_TRUE(stop_now(loop, gate));
  }
  stuck->let_go.set_value();
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (stuck.use_count() > 1 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(stuck.use_count(), 1);
}

}  // namespace
}  // namespace keelson::base
