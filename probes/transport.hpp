// Transport: how an attempt reaches its container.
//
// NetworkTransport is the agent's; a simulation has one of its own, which needs no network. Owner: whoever owns the
// ProbeManager; outlives it. Thread: the loop. Stops: with the awaiting task. What fails is the attempt's outcome.
// Source: contract 02 §17.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "api/objects.hpp"
#include "base/task.hpp"
#include "probes/http_get.hpp"
#include "probes/outcome.hpp"

namespace keelson::probes {

struct ExecAction {
  std::string container_id;
  std::vector<std::string> command;
  std::chrono::seconds limit{1};
};

struct TcpAction {
  std::string host;
  int port = 0;
  std::chrono::seconds limit{1};
};

struct GrpcAction {
  std::string host;
  int port = 0;
  std::string service;
  std::chrono::seconds limit{1};
};

using Action = std::variant<ExecAction, HttpGet, TcpAction, GrpcAction>;

// What `probe` asks of this container. Fails with the kubelet's words, for a port that the container does not have.
Result<Action> make_action(const api::core::Probe& probe, const api::core::Container& container,
                           const std::string& container_id, const std::string& pod_ip);

struct Errand {
  ProbeKey who;
  Action action;
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual base::Task<Attempt> attempt(std::shared_ptr<const Errand> errand) = 0;
};

}  // namespace keelson::probes
