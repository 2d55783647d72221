// Which objects a node may read because a pod bound to it names them.
//
// Pure over the store; any thread. Mirror pods grant nothing. Source: contract 01 §9.
#pragma once

#include <string>

#include "tests/support/api/fake_api_store.hpp"

namespace keelson::fakes {

bool node_uses_secret(const ApiStore& store, const std::string& node, const std::string& ns, const std::string& name);
bool node_uses_config_map(const ApiStore& store, const std::string& node, const std::string& ns,
                          const std::string& name);
bool node_uses_claim(const ApiStore& store, const std::string& node, const std::string& ns, const std::string& name);
bool node_uses_volume(const ApiStore& store, const std::string& node, const std::string& name);
bool node_uses_resource_claim(const ApiStore& store, const std::string& node, const std::string& ns,
                              const std::string& name);
bool node_uses_service_account(const ApiStore& store, const std::string& node, const std::string& ns,
                               const std::string& name);
bool node_has_pod(const ApiStore& store, const std::string& node, const std::string& ns, const std::string& name);

}  // namespace keelson::fakes
