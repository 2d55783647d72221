#include "agent/wiring/csi_service.hpp"

namespace keelson::agent {

CsiService::CsiService(const Base& base)
    : channels_(base.loop),
      cluster_(base.client, base.random, base.tokens, base.log),
      node_(base.loop, base.clock, base.random, base.client, base.node_name),
      handler_(base.loop, base.clock, channels_, drivers_, cluster_, node_, base.log, base.metrics),
      plugin_(volume::CsiPlugin::Base{base.loop, base.clock, base.pool, channels_, drivers_, cluster_, base.mounts,
                                      base.root, base.node_name, base.log, base.metrics,
                                      [this](std::string driver) { return handler_.count(std::move(driver)); }}),
      registrations_(base.loop, base.clock, base.random, channels_, base.root + "/plugins_registry", base.log) {
  registrations_.add_handler(csi_plugin_type, handler_);
  cluster_.on_driver_change([this] { handler_.look_again(); });
}

void CsiService::start(base::Gate& gate) {
  cluster_.start(gate);
  handler_.start(gate);
  registrations_.start(gate);
}

}  // namespace keelson::agent
