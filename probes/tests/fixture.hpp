// NetworkTest: real sockets on loopback, limits on virtual time.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "base/tests/tasks.hpp"
#include "probes/network.hpp"
#include "probes/tests/small_server.hpp"

namespace keelson::probes::testing {

using namespace std::chrono_literals;

struct NetworkTest : ::testing::Test {
  ~NetworkTest() override {
    base::Gate gate(loop);
    base::spawn(gate, "stop", stop());
    EXPECT_TRUE(base::testing::pump_until(loop, [&] { return gate.tasks() == 0; }));
  }

  // The outcome of a task that needs no time to pass.
  template <class T>
  T run(base::Task<T> task) {
    return base::testing::run_real(loop, std::move(task));
  }
  // The outcome of a task during which `pass` goes by once `ready` holds.
  template <class T>
  T run_late(base::Task<T> task, const std::function<bool()>& ready, base::Duration pass) {
    auto place = std::make_shared<std::optional<T>>();
    base::Gate gate(loop);
    base::spawn(gate, "task of a test", base::internal::keep_result<T>(std::move(task), place));
    EXPECT_TRUE(base::testing::pump_until(loop, ready));
    EXPECT_FALSE(place->has_value());
    clock.advance(pass);
    EXPECT_TRUE(base::testing::pump_until(loop, [&] { return gate.tasks() == 0; }));
    return std::move(place->value());
  }
  SmallServer& serve(const std::string& address = "127.0.0.1", bool tls = false) {
    servers.push_back(std::make_unique<SmallServer>(loop, address, tls));
    return *servers.back();
  }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::BlockingPool pool{loop, clock, 4};
  std::map<std::string, Result<Addresses>> hosts;  // what names mean
  Network network{loop, clock, pool, [this](const std::string& name) { return look_up(name); }};
  std::vector<std::unique_ptr<SmallServer>> servers;

 private:
  Result<Addresses> look_up(const std::string& name) {
    const auto found = hosts.find(name);
    return found == hosts.end() ? Error(ErrorKind::not_found, "no such host") : found->second;
  }
  base::Task<void> stop() {
    for (const auto& server : servers) co_await server->stop();
    co_await network.stop();
  }
};

}  // namespace keelson::probes::testing
