// NodeServer: the node's HTTPS API put together: listeners, who may ask, and a handler for each endpoint.
//
// The port of `port` with TLS, authentication and authorization; that of `readOnlyPort` without. Also rotates the
// containers' logs, whoever reads them. Owner: Agent; all it is given outlives it. Thread: the loop. Stops: stop(),
// while what it asks (runtime, API server) still answers. What fails: create() and listen(), one line each. Source:
// contract 05 §1 to §7; contract 02 (log rotation).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/node/machine.hpp"
#include "agent/wiring/admission_gate.hpp"
#include "agent/wiring/cgroups_adapter.hpp"
#include "agent/wiring/cluster.hpp"
#include "agent/wiring/node_volumes.hpp"
#include "agent/wiring/pod_engine.hpp"
#include "config/configuration.hpp"
#include "cri-client/grpc_runtime.hpp"

namespace keelson::agent {

class NodeServer {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    const config::Configuration& configuration;
    const NodeFacts& facts;
    const Machine& machine;
    PodEngine& engine;
    cri::GrpcRuntime& runtime;
    const CgroupsAdapter& cgroups;
    NodeVolumes& volumes;
    const AdmissionGate& admission;
    const RuntimeHooks& hooks;
    Cluster* cluster;  // null: standalone
    std::vector<std::string> arguments;
    std::shared_ptr<base::LogSink> log_sink;
    base::Logger log;
  };
  struct Hooks {
    std::function<Status()> syncloop;              // whether the loop moves
    std::function<std::string()> cgroup_driver;    // in force
    std::function<bool()> runtime_config_missing;  // the runtime does not know that call
    std::function<void(std::string)> fatal;
  };
  static Result<std::unique_ptr<NodeServer>> create(Base base, Hooks hooks);
  ~NodeServer();

  Status listen();
  // Log rotation, once the runtime has been spoken to.
  void start();
  base::Task<void> stop();
  // Its log may grow fast.
  void container_started(const std::string& id);

  int port() const;  // 0: the server is off

 private:
  struct Parts;
  explicit NodeServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson::agent
