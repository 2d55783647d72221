// Fills NodeFacts from the machine and the configuration. Blocks on /proc, /sys and name resolution; before the loop
// runs.
#pragma once

#include <string>

#include "agent/node/capacity.hpp"
#include "agent/node/machine.hpp"
#include "agent/sync/node_facts.hpp"
#include "base/logger.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

// Capacity and reservations, with the size of the filesystem that holds --root-dir.
Result<NodeCapacity> read_capacity(const config::Configuration& configuration, const Machine& machine,
                                   const base::Logger& log);

Result<NodeFacts> build_node_facts(const config::Configuration& configuration, const Machine& machine,
                                   const std::string& node, base::SystemTime now, const base::Logger& log);

}  // namespace keelson::agent
