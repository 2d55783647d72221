// NodeFacts: what the sync code must know of the node and of the configuration, as one plain struct.
//
// Filled once at start (agent/wiring), then changed only on the loop when the runtime tells something new. Owner:
// main(). Source: contract 01 §2, §7.2; contract 02 §2.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/pod_config/node_info.hpp"
#include "agent/sync/id_pool.hpp"
#include "agent/sync/paths.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

struct NodeFacts {
  std::string node_name;
  NodeInfo info;  // machine and configuration as the mapping to CRI requests needs them; node_ips are there
  Paths paths;
  std::string resolv_conf = "/etc/resolv.conf";  // "" = no file
  base::Duration sync_frequency = std::chrono::minutes(1);
  base::Duration restart_backoff_first = std::chrono::seconds(10);
  base::Duration restart_backoff_cap = std::chrono::seconds(300);
  base::SystemTime agent_started{};
  bool standalone = true;
  bool restart_rules = true;  // gate ContainerRestartRules
  bool restarts_all = true;   // gate RestartAllContainersOnContainerExits
  IdPool id_pool;             // of pods with user namespaces

  // Of the runtime, known after the handshake.
  std::string runtime_name;
  std::string runtime_version;
  std::vector<cri::RuntimeHandler> handlers;

  // The handler of a RuntimeClass by name; unset where no API server is.
  std::function<Result<std::string>(const std::string& runtime_class)> runtime_class;
  // The handler's name, "" for the default one and for a class that is not known.
  std::string handler_of(const api::Pod& pod) const {
    if (pod.spec().runtimeclassname().empty() || !runtime_class) return "";
    return runtime_class(pod.spec().runtimeclassname()).value_or("");
  }
};

}  // namespace keelson::agent
