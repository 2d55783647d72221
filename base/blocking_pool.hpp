// BlockingPool: where calls that may block the thread go (mount, chown walks, getpwnam, statfs on a dead NFS server).
//
// `co_await pool.run<T>("statfs /x", 10s, []() -> Result<T> {...})` runs the function on a pool thread, values in and
// values out: it must capture by value and touch nothing of the loop. When the deadline passes first the answer is
// deadline_exceeded and the thread is left to finish alone; at most `threads` such calls can be stuck before run()
// answers `exhausted` at once for callers that find no free thread by their deadline. Owner: main() or a test. Thread:
// the loop; `function` runs elsewhere. Stops: the destructor joins threads that are idle and abandons those that are
// stuck in the kernel (they hold only their own values).
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

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

  std::size_t queued() const;
  std::size_t busy() const;

 private:
  struct State;
  // Runs `work` on a pool thread, then `done` on the loop.
  void submit(std::function<void()> work, std::function<void()> done);
  // Waits for `finished` to be set by `bell`, or the deadline; false when the deadline came first.
  Task<bool> wait_for(std::shared_ptr<asio::steady_timer> bell, std::shared_ptr<bool> finished, Duration limit);

  Loop& loop_;
  Clock& clock_;
  std::shared_ptr<State> state_;
};

template <class T>
Task<Result<T>> BlockingPool::run(std::string what, Duration limit, std::function<Result<T>()> function) {
  auto answer = std::make_shared<std::optional<Result<T>>>();
  auto bell = std::make_shared<asio::steady_timer>(loop_.context(), SteadyTime::max());
  auto finished = std::make_shared<bool>(false);
  submit([answer, function] { answer->emplace(function()); },
         [bell, finished] {
           *finished = true;
           bell->cancel();
         });
  const bool in_time = co_await wait_for(bell, finished, limit);
  if (in_time) co_return std::move(**answer);
  co_return Error(ErrorKind::deadline_exceeded, what + ": not finished in time");
}

}  // namespace keelson::base
