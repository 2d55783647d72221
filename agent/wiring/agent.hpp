// Agent: everything put together, from a validated configuration to a node that runs its pods.
//
// Construct, then run(): it prepares the host, starts the services in their order, runs the loop and answers the
// process's exit status. Order of start: health endpoint, control socket, manifest sources; then the container runtime,
// waited for as long as it takes; then its health, its pods (PLEG), garbage collection; then READY. SIGTERM stops all
// within 2 s in the opposite order; pods and containers are left as they are. Owner: main(). Thread: the one that calls
// run(). What fails: start errors, one line each, exit status 1. Source: DESIGN "One loop", contract 01 §1, §5; issue
// "Health and service manners".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/logger.hpp"
#include "config/configuration.hpp"
#include "config/load.hpp"

namespace keelson::agent {

struct AgentOptions {
  std::string control_socket;
  // Reads the configuration again, for SIGHUP; what can change while running is taken from it.
  std::function<config::Outcome()> reload;
  std::shared_ptr<base::LogSink> log_sink;
  std::vector<std::string> arguments;  // of the command line, without the program's name
};

class Agent {
 public:
  Agent(config::Configuration configuration, AgentOptions options, base::Logger log);
  ~Agent();

  int run();

 private:
  struct Services;
  std::unique_ptr<Services> services_;
};

}  // namespace keelson::agent
