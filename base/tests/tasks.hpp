// Small tasks and a real-time pump that the tests of base share.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"
#include "base/task.hpp"

namespace keelson::base::testing {

// Runs the loop until `done` holds; false after ten seconds of real time. For what other threads cause.
inline bool pump_until(Loop& loop, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  auto keep_waiting = asio::make_work_guard(loop.context());
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.context().restart();
    loop.context().run_one_for(std::chrono::milliseconds(20));
  }
  return true;
}

// Runs a task to its end in real time; aborts when it takes more than ten seconds.
template <class T>
T run_real(Loop& loop, Task<T> task) {
  auto place = std::make_shared<std::optional<T>>();
  Gate gate(loop);
  spawn(gate, "task of a test", internal::keep_result<T>(std::move(task), place));
  KEELSON_CHECK(pump_until(loop, [&] { return gate.tasks() == 0; }));
  return std::move(place->value());
}

inline void drain(Loop& loop) {
  while (loop.poll() > 0) {
  }
}

inline Task<void> await_stop(Gate* gate, bool* stopped) {
  co_await gate->stop();
  *stopped = true;
}

// Stops `gate` from outside and says whether that came to an end without time passing.
inline bool stop_now(Loop& loop, Gate& gate) {
  bool stopped = false;
  Gate own(loop);
  spawn(own, "stop", await_stop(&gate, &stopped));
  drain(loop);
  if (own.tasks() != 0) {
    std::fprintf(stderr, "a gate did not stop: %zu tasks are left in it\n", gate.tasks());
    std::abort();
  }
  return stopped;
}

}  // namespace keelson::base::testing
