// NetworkTransport: attempts as they are made on a node: HTTP, TCP and gRPC by ourselves, commands by the runtime.
//
// Owner: agent/wiring; the network and the runner outlive it. Thread, stop, failures: see transport.hpp. Source:
// contract 02 §17, in the words of the kubelet's probers.
#pragma once

#include "probes/transport.hpp"

namespace keelson::probes {

struct CommandOutcome {
  enum class Kind { exited, timed_out, failed };
  Kind kind = Kind::failed;
  int exit_code = 0;
  std::string output;  // stdout, then stderr
  std::string error;   // of the runtime, or that it took too long
};

// Runs a command in a container. Implemented by agent/wiring over the CRI.
class CommandRunner {
 public:
  virtual ~CommandRunner() = default;
  virtual base::Task<CommandOutcome> run(std::string container_id, std::vector<std::string> command,
                                         std::chrono::seconds limit) = 0;
};

class NetworkTransport final : public Transport {
 public:
  NetworkTransport(Network& network, CommandRunner& runner) : network_(network), runner_(runner) {}
  base::Task<Attempt> attempt(std::shared_ptr<const Errand> errand) override;

 private:
  Network& network_;
  CommandRunner& runner_;
};

// Each kind by itself.
base::Task<Attempt> attempt_command(CommandRunner& runner, ExecAction action);
base::Task<Attempt> attempt_http(Network& network, HttpGet request);
base::Task<Attempt> attempt_tcp(Network& network, TcpAction action);

}  // namespace keelson::probes
