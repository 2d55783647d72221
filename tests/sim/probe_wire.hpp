// ProbeWire and HookWire: probes and HTTP hooks of one agent, answered by the world's processes.
//
// Which way a probe takes (exec, httpGet, tcpSocket, grpc) makes no difference here: its process answers as the script
// of the world says, or not in time. Owner: an agent's shell. Thread: the simulation's. Source: contract 02 §17.
#pragma once

#include "agent/sync/lifecycle_hooks.hpp"
#include "probes/transport.hpp"
#include "tests/sim/wire.hpp"
#include "tests/sim/world.hpp"

namespace keelson::sim {

class ProbeWire final : public probes::Transport {
 public:
  ProbeWire(Wire& wire, World& world) : wire_(wire), world_(world) {}
  base::Task<probes::Attempt> attempt(std::shared_ptr<const probes::Errand> errand) override;

 private:
  base::Task<probes::Attempt> travel(std::shared_ptr<const probes::Errand> errand);

  Wire& wire_;
  World& world_;
};

class HookWire final : public agent::HookHttp {
 public:
  HookWire(Wire& wire, World& world) : wire_(wire), world_(world) {}
  base::Task<probes::HttpOutcome> get(probes::HttpGet request) override { return wire_.call(travel(request.limit)); }

 private:
  base::Task<probes::HttpOutcome> travel(base::Duration limit);

  Wire& wire_;
  World& world_;
};

}  // namespace keelson::sim
