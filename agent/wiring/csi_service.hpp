// CsiService: all of CSI on this node, put together: the plugin directory, the registered drivers, what the cluster is
// told of them, and the volumes' plugin.
//
// Owner: the agent's wiring; what it stands on outlives it. Thread: the loop. Stops: with the gate
// given to start(). What fails: nothing here; see the parts. Source: contract 04 §19-§22.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/node/csi_node_drivers.hpp"
#include "agent/plugins/plugin_registrations.hpp"
#include "agent/wiring/csi_cluster_adapter.hpp"
#include "agent/wiring/csi_plugin_handler.hpp"
#include "agent/wiring/grpc_channels.hpp"
#include "volume/csi/plugin.hpp"

namespace keelson::agent {

class CsiService {
 public:
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::Random& random;
    base::BlockingPool& pool;
    kube::Client& client;
    TokenCache& tokens;
    std::shared_ptr<volume::Mounts> mounts;
    std::string root;
    std::string node_name;
    base::Logger log;
    volume::VolumeMetrics* metrics = nullptr;
  };
  explicit CsiService(const Base& base);

  void start(base::Gate& gate);

  // A driver has come or gone. Before start().
  void on_driver(std::function<void()> listener) { drivers_.on_change(std::move(listener)); }

  volume::CsiPlugin& plugin() { return plugin_; }
  volume::CsiCluster& cluster() { return cluster_; }
  const volume::CsiDrivers& drivers() const { return drivers_; }
  // For the handlers of other types, before start().
  PluginRegistrations& registrations() { return registrations_; }

 private:
  GrpcChannels channels_;
  volume::CsiDrivers drivers_;
  CsiClusterAdapter cluster_;
  CsiNodeDrivers node_;
  CsiPluginHandler handler_;
  volume::CsiPlugin plugin_;
  PluginRegistrations registrations_;
};

}  // namespace keelson::agent
