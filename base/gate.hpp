// Gate and spawn(): the only way to start background work, and the only way to end it.
//
// A Gate counts the tasks that were spawned through it. stop() refuses new tasks, cancels the running ones (each
// unwinds at its co_await) and completes when the last has left, so that what the tasks refer to may then be destroyed.
// Destroying a Gate with tasks inside is a broken invariant.
// A task begins after the handler that spawned it has returned, never inside spawn(); one that is cancelled before it
// began never runs. Owner: the service whose tasks run in it. Thread: the loop. An exception that leaves a task, other
// than the cancellation's own, is a bug of ours: it is reported with the task's name and aborts.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/clock.hpp"
#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::base {

class Gate {
 public:
  explicit Gate(Loop& loop);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Refuses new tasks, cancels all, waits for the last to leave. May be awaited more than once.
  Task<void> stop();
  // Cancels the tasks of that name now, without waiting.
  void cancel(std::string_view name);

  bool stopping() const { return stopping_; }
  std::size_t tasks() const { return tasks_.size(); }
  Loop& loop() { return loop_; }

 private:
  friend void spawn(Gate& gate, std::string name, Task<void> task);
  struct Entry {
    std::string name;
    asio::cancellation_signal signal;
    bool started = false;
    bool cancelled = false;
    bool left = false;
  };
  using Entries = std::list<std::shared_ptr<Entry>>;
  static Task<void> run(std::shared_ptr<Entry> entry, Task<void> task);
  void cancel(std::shared_ptr<Entry> entry);
  void leave(Entries::iterator entry);

  Loop& loop_;
  bool stopping_ = false;
  Entries tasks_;
  asio::steady_timer empty_;
};

// Starts `task` inside `gate` under `name` (for stall reports). A stopping gate drops it unstarted.
void spawn(Gate& gate, std::string name, Task<void> task);

// Awaits `task` for at most `limit`; when time is up the task is cancelled, its unwinding is awaited, and the answer is
// nullopt (false), unless the task finished after all. What the task throws comes out here. The timer is the clock's,
// so it works on virtual time.
template <class T>
requires(!std::is_void_v<T>) Task<std::optional<T>> with_timeout(Clock& clock, Duration limit, Task<T> task);
Task<bool> with_timeout(Clock& clock, Duration limit, Task<void> task);

// True for the exception by which cancellation unwinds a task.
bool is_cancellation(const std::exception_ptr& error);

}  // namespace keelson::base

#include "base/gate_inl.hpp"
