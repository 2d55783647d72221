// Runs tasks of the client on a loop of the test, in real time, each within a limit.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"
#include "cri-client/grpc_runtime.hpp"

namespace keelson::cri {

// Not a capturing lambda: everything comes in as a parameter.
template <class T>
base::Task<void> keep_answer(base::Task<T> task, std::shared_ptr<std::optional<T>> answer) {
  T value = co_await std::move(task);
  answer->emplace(std::move(value));
}

class RealLoop {
 public:
  RealLoop() : clock(loop), gate(loop) {}
  ~RealLoop() { stop_gate(); }

  bool pump_until(const std::function<bool()>& done, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    loop.poll();
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop.context().restart();
      loop.context().run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  template <class T>
  std::shared_ptr<std::optional<T>> start(base::Task<T> task, std::string name = "call") {
    auto answer = std::make_shared<std::optional<T>>();
    base::spawn(gate, std::move(name), keep_answer(std::move(task), answer));
    return answer;
  }

  template <class T>
  T run(base::Task<T> task) {
    auto answer = start(std::move(task));
    if (!pump_until([&] { return answer->has_value(); })) {
      ADD_FAILURE() << "the task did not end in time";
      std::abort();
    }
    return std::move(**answer);
  }

  void run_void(base::Task<void> task) {
    base::Gate own(loop);
    base::spawn(own, "void", std::move(task));
    EXPECT_TRUE(pump_until([&] { return own.tasks() == 0; }));
  }

  void stop_gate() { run_void(gate.stop()); }

  base::Loop loop;
  base::RealClock clock;
  base::Gate gate;
};

inline std::unique_ptr<GrpcRuntime> connect_to(RealLoop& real, const std::string& endpoint,
                                               GrpcRuntimeOptions options = {}) {
  options.endpoint = endpoint;
  auto runtime = GrpcRuntime::create(real.loop, real.clock, std::move(options));
  if (!runtime.ok()) {
    ADD_FAILURE() << runtime.error().to_string();
    std::abort();
  }
  return std::move(*runtime);
}

}  // namespace keelson::cri
