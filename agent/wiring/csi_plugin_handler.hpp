// CsiPluginHandler: what happens when a CSI driver registers on this node, and when it goes.
//
// Registering: the driver becomes known, is asked who the node is for it, and is entered in the Node and the CSINode; a
// failure takes all of that back. start() also asks those drivers again, at the period that their CSIDriver object
// gives, how many volumes fit. Owner: the agent's wiring. Thread: the loop. Stops: with the gate it was started in, and
// the tasks that await it. What fails: with the text that the plugin is told. Source: contract 04 §19, §20.
#pragma once

#include <map>
#include <string>

#include "agent/node/csi_node_drivers.hpp"
#include "agent/plugins/plugin_handler.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/rpc.hpp"
#include "base/sync.hpp"
#include "volume/csi/client.hpp"
#include "volume/csi/cluster.hpp"
#include "volume/csi/drivers.hpp"

namespace keelson::agent {

class CsiPluginHandler final : public PluginHandler {
 public:
  CsiPluginHandler(base::Loop& loop, base::Clock& clock, base::RpcChannels& channels, volume::CsiDrivers& drivers,
                   volume::CsiCluster& cluster, CsiNodeDrivers& node, base::Logger log,
                   volume::VolumeMetrics* metrics = nullptr);

  void start(base::Gate& gate) { base::spawn(gate, "csi volume counts", keep_counts()); }
  // A CSIDriver object is another: its period may be.
  void look_again() { bell_.notify(); }
  // Asks the driver how many volumes fit, and tells the cluster when that is another number.
  base::Task<void> count(std::string driver);

  Status validate(const PluginInfo& plugin) override;
  base::Task<Status> register_plugin(PluginInfo plugin) override;
  base::Task<void> deregister_plugin(PluginInfo plugin) override;

 private:
  base::Task<void> undo(std::string driver);
  base::Task<void> keep_counts();
  // When the driver is due again; never for one without a period.
  base::Task<base::SteadyTime> count_if_due(std::string driver);
  volume::CsiClient client_of(const volume::CsiDriver& driver);

  base::Clock& clock_;
  base::RpcChannels& channels_;
  volume::CsiDrivers& drivers_;
  volume::CsiCluster& cluster_;
  CsiNodeDrivers& node_;
  base::Logger log_;
  volume::VolumeMetrics* metrics_;
  base::Notification bell_;
  std::map<std::string, base::SteadyTime> counted_;  // when, by driver
};

}  // namespace keelson::agent
