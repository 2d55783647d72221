// BlockingPool: where calls that may block the thread go (mount, chown walks, getpwnam, statfs on a dead NFS server).
//
// `co_await pool.run<T>("statfs /x", 10s, []() -> Result<T> {...})` runs the function on a pool thread, values in and
// values out: it must capture by value and touch nothing of the loop. When the deadline passes while it runs, the
// answer is deadline_exceeded and the thread is left to finish alone; a call that found no free thread until then is
// taken back, never runs, and answers `exhausted`. So at most `threads` calls can be stuck at a time. Cancelling the
// awaiting task takes an unbegun call back too. An exception of the function becomes an `internal` error. Owner: main()
// or a test; the loop outlives it. Thread: the loop; `function` runs elsewhere. Stops: the destructor drops what has
// not begun, joins threads that end within 200 ms and abandons those that are stuck in the kernel (they hold only their
// own values).
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::base {

class BlockingPool {
 public:
  BlockingPool(Loop& loop, Clock& clock, std::size_t threads);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  template <class T>
  Task<Result<T>> run(std::string what, Duration limit, std::function<Result<T>()> function);

  Clock& clock() const { return clock_; }
  // Calls that wait for a thread, and calls that run (stuck ones included).
  std::size_t queued() const;
  std::size_t busy() const;

 private:
  struct State;  // shared with the threads
  struct Calls;  // the loop's own side: who waits for which call
  // Runs `work` on a pool thread and completes when it is done, or says why not.
  Task<Status> perform(std::string what, Duration limit, std::function<void()> work);

  Loop& loop_;
  Clock& clock_;
  std::shared_ptr<State> state_;
  std::shared_ptr<Calls> calls_;
};

template <class T>
Task<Result<T>> BlockingPool::run(std::string what, Duration limit, std::function<Result<T>()> function) {
  // The thread alone touches the answer until perform() reports success.
  auto answer = std::make_shared<std::optional<Result<T>>>();
  std::function<void()> work = [answer, what, function = std::move(function)] {
    try {
      answer->emplace(function());
    } catch (const std::exception& e) {
      answer->emplace(Error(ErrorKind::internal, what + ": exception: " + e.what()));
    }
  };
  auto done = co_await perform(what, limit, std::move(work));
  if (!done.ok()) co_return std::move(done).error();
  co_return std::move(**answer);
}

}  // namespace keelson::base
