// Capacity and allocatable: how much the node has of each resource, and how much of that pods may have.
//
// Pure functions. make_capacity() is called once at start and fails with `invalid` when a reservation is above the
// capacity; allocatable_of() is applied again to each capacity that other writers (device plugins, administrators) have
// added to. Source: contract 01 §7.2, contract 03 §5.
#pragma once

#include <cstdint>

#include "agent/node/machine.hpp"
#include "api/pod_resources.hpp"
#include "config/configuration.hpp"

namespace keelson::agent {

using ResourceMap = api::ResourceMap;

struct NodeCapacity {
  ResourceMap capacity;     // what the machine and the configuration say: without devices
  ResourceMap reservation;  // held back of each: systemReserved + kubeReserved + hard eviction
};

// `root_bytes`: size of the filesystem that holds --root-dir. A fact that is 0 gives no entry.
Result<NodeCapacity> make_capacity(const config::Configuration& configuration, const Machine& machine,
                                   std::uint64_t root_bytes);

// capacity - reservation, not below 0; memory further lowered by all huge pages.
ResourceMap allocatable_of(const ResourceMap& capacity, const ResourceMap& reservation);

}  // namespace keelson::agent
