// Port mappings of a sandbox: the ports of the regular containers.
//
// Pure, any thread. Source: contract 02 §2 port_mappings.
#pragma once

#include <vector>

#include "api/objects.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

std::vector<cri::PortMapping> make_port_mappings(const api::Pod& pod);

}  // namespace keelson::agent
