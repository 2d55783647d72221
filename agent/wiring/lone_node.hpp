// lone_node(): the Node that a node without a cluster would register, for admission.
//
// Blocks on the machine's files and on name resolution; before the loop runs. Source: contract 01 §5.
#pragma once

#include <memory>
#include <string>

#include "agent/node/machine.hpp"
#include "api/objects.hpp"
#include "base/clock.hpp"
#include "base/logger.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

Result<std::shared_ptr<const api::core::Node>> lone_node(const config::Configuration& configuration,
                                                         const std::string& name, const Machine& machine,
                                                         base::SystemTime now, const base::Logger& log);

}  // namespace keelson::agent
