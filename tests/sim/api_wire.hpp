// ApiWire: the way of one agent to the fake API server of the world: agent::ApiAccess over a Wire.
//
// The clients are the real ones; only their transport is replaced. Owner: an agent's shell (transport) and the agent
// (access). Thread: the simulation's.
#pragma once

#include <memory>
#include <string>

#include "agent/wiring/api_access.hpp"
#include "tests/sim/wire.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::sim {

class TransportWire final : public kube::Transport {
 public:
  TransportWire(Wire& wire, Outside& outside, fakes::FakeApiTransport& transport)
      : wire_(wire), outside_(outside), transport_(transport) {}

  base::Task<Result<kube::HttpResponse>> send(kube::HttpRequest request, base::Duration limit) override;
  base::Task<Result<std::unique_ptr<kube::HttpStream>>> open(kube::HttpRequest request, base::Duration limit) override;
  void close_idle() override {}
  void close_all() override { transport_.close_all(); }

 private:
  base::Task<Result<kube::HttpResponse>> travel(kube::HttpRequest request, base::Duration limit);

  Wire& wire_;
  Outside& outside_;
  fakes::FakeApiTransport& transport_;
};

class ApiWire final : public agent::ApiAccess {
 public:
  ApiWire(base::Loop& loop, base::Clock& clock, kube::Transport& transport, base::Logger log);

  void start(base::Gate&) override {}
  base::Task<Status> join() override { co_return Status(); }
  base::Task<void> stop() override;
  kube::Client& main() override { return main_; }
  kube::Client& events() override { return events_; }
  kube::Client& heartbeat() override { return heartbeat_; }
  kube::Client& lease() override { return lease_; }
  const std::string& server() const override { return server_; }
  void close_idle() override {}

 private:
  kube::Transport& transport_;
  kube::Client main_;
  kube::Client events_;
  kube::Client heartbeat_;
  kube::Client lease_;
  std::string server_ = "https://192.0.2.1:6443";
};

}  // namespace keelson::sim
