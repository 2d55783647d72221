#include "agent/wiring/lone_node.hpp"

#include "agent/node/node_status.hpp"
#include "agent/wiring/node_facts_builder.hpp"

namespace keelson::agent {

Result<std::shared_ptr<const api::core::Node>> lone_node(const config::Configuration& configuration,
                                                         const std::string& name, const Machine& machine,
                                                         base::SystemTime now, const base::Logger& log) {
  auto capacity = read_capacity(configuration, machine, log);
  if (!capacity.ok()) return capacity.error();
  const NodeSettings settings = node_settings(configuration, name, machine, std::move(*capacity));
  StatusInputs inputs;
  inputs.addresses = gather_address_facts(settings.addresses);
  return std::make_shared<const api::core::Node>(first_node(settings, inputs, now).node);
}

}  // namespace keelson::agent
