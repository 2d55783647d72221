// Interruption: ends a task from outside, without a race of two tasks.
//
// `co_await interruption.run(task)` awaits the task; request() cancels it at its co_await, and run() answers false when
// it has unwound. A request that comes while nothing runs is not kept. The cancellation of whoever awaits run() reaches
// the task, too, and is an ordinary cancellation; both come in a handler of their own, so that a task may ask for its
// own end; what the task throws comes out of run(). Owner: whoever runs the task; one task at a time; outlives it.
// Thread: the loop.
#pragma once

#include <memory>

#include "base/task.hpp"

namespace keelson::base {

class Interruption {
 public:
  Interruption() = default;
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;

  void request();
  // True: the task has ended by itself, even if it was requested to stop.
  Task<bool> run(Task<void> task);

 private:
  struct Run;
  std::shared_ptr<Run> current_;
};

}  // namespace keelson::base
