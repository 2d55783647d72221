#include "agent/wiring/csi_plugin_handler.hpp"

#include "api/proto/storage_v1.pb.h"
#include "volume/csi/volume.hpp"

namespace keelson::agent {

using base::Task;

CsiPluginHandler::CsiPluginHandler(base::Loop& loop, base::Clock& clock, base::RpcChannels& channels,
                                   volume::CsiDrivers& drivers, volume::CsiCluster& cluster, CsiNodeDrivers& node,
                                   base::Logger log, volume::VolumeMetrics* metrics)
    : clock_(clock),
      channels_(channels),
      drivers_(drivers),
      cluster_(cluster),
      node_(node),
      log_(std::move(log)),
      metrics_(metrics),
      bell_(loop) {}

volume::CsiClient CsiPluginHandler::client_of(const volume::CsiDriver& driver) {
  return volume::CsiClient(channels_, clock_, driver.endpoint, {metrics_, driver.name, false});
}

Status CsiPluginHandler::validate(const PluginInfo& plugin) {
  return drivers_.validate(plugin.name, plugin.endpoint, plugin.versions);
}

Task<Status> CsiPluginHandler::register_plugin(PluginInfo plugin) {
  const std::string name = plugin.name;
  const Status added = drivers_.add(name, plugin.endpoint, plugin.versions);
  if (!added.ok()) co_return added;
  const auto driver = drivers_.find(name);
  volume::CsiClient client = client_of(*driver);
  const auto info = co_await client.node_info();
  if (!info.ok()) {
    co_await undo(name);
    co_return info.error().error;
  }
  const Status installed = co_await node_.install(name, *info);
  if (!installed.ok()) {
    co_await undo(name);
    co_return installed.error();
  }
  counted_[name] = clock_.steady_now();
  bell_.notify();
  co_return Status();
}

// The driver is unknown at once; the API server may take its time.
Task<void> CsiPluginHandler::undo(std::string driver) {
  drivers_.remove(driver);
  counted_.erase(driver);
  const Status gone = co_await node_.uninstall(driver);
  if (!gone.ok())
    log_.warning("A CSI driver stays entered in the cluster", {{"driver", driver}, {"err", gone.error()}});
}

Task<void> CsiPluginHandler::deregister_plugin(PluginInfo plugin) { return undo(plugin.name); }

Task<void> CsiPluginHandler::keep_counts() {
  while (true) {
    base::SteadyTime next = base::SteadyTime::max();
    const std::vector<std::string> names = drivers_.names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const base::SteadyTime due = co_await count_if_due(names[i]);
      next = std::min(next, due);
    }
    if (next == base::SteadyTime::max()) {
      co_await bell_.wait();
    } else {
      co_await base::with_timeout(clock_, next - clock_.steady_now(), bell_.wait());
    }
  }
}

Task<base::SteadyTime> CsiPluginHandler::count_if_due(std::string driver) {
  const auto object = co_await cluster_.driver(driver);
  if (!object.ok()) co_return clock_.steady_now() + std::chrono::seconds(10);
  const volume::CsiTraits traits = volume::csi_traits(object->get());
  const std::int64_t seconds = traits.allocatable_update_seconds.value_or(0);
  const auto counted = counted_.find(driver);
  if (seconds <= 0 || counted == counted_.end()) co_return base::SteadyTime::max();
  const base::Duration period = std::chrono::seconds(seconds);
  if (counted->second + period <= clock_.steady_now()) {
    counted->second = clock_.steady_now();
    co_await count(driver);
  }
  const auto again = counted_.find(driver);
  if (again == counted_.end()) co_return base::SteadyTime::max();
  co_return again->second + period;
}

Task<void> CsiPluginHandler::count(std::string driver) {
  const auto known = drivers_.find(driver);
  if (!known) co_return;
  volume::CsiClient client = client_of(*known);
  const auto info = co_await client.node_info();
  // It may have gone meanwhile: then its entry must not come back.
  if (!info.ok() || !drivers_.find(driver)) {
    if (!info.ok())
      log_.warning("A CSI driver does not tell its limits", {{"driver", driver}, {"err", info.error().error}});
    co_return;
  }
  const Status updated = co_await node_.update(driver, *info);
  if (!updated.ok())
    log_.warning("A CSI driver's limits cannot be told", {{"driver", driver}, {"err", updated.error()}});
}

}  // namespace keelson::agent
