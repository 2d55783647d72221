// Loop: the one event loop that owns all mutable state.
//
// Owner: main() or a test. Thread: the one that calls run() (or poll()); assert_on_loop() checks it in debug builds.
// Stops: stop() makes run() return after the handler in progress; bridges (gRPC callbacks, pool threads) may post()
// until the Loop is destroyed, so they must be drained before that (DESIGN "One loop").
#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "base/result.hpp"

namespace keelson::base {

namespace asio = boost::asio;

class Loop {
 public:
  using Executor = asio::io_context::executor_type;

  Loop() : context_(1) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }

  // Runs handlers on the calling thread until stop(); keeps waiting while there is nothing to do. Returns at once when
  // stop() came first.
  void run();
  // Runs the handlers that are ready now and returns how many ran; what simulations and tests pump.
  std::size_t poll();
  // Any thread.
  void stop() {
    stopping_.store(true);
    context_.stop();
  }

  // Runs `function` on the loop soon. Any thread: this is what a bridge calls.
  template <class Function>
  void post(Function function) {
    asio::post(context_, std::move(function));
  }

  bool on_loop() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

 private:
  asio::io_context context_;
  std::atomic<std::thread::id> owner_{std::this_thread::get_id()};
  std::atomic<bool> stopping_{false};
};

// Aborts in debug builds when called off the loop's thread.
#define KEELSON_ASSERT_ON_LOOP(loop) KEELSON_DCHECK((loop).on_loop())

}  // namespace keelson::base
