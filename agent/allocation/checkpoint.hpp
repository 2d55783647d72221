// The checkpoints allocated_pods_state and actuated_pods_state as text.
//
//   {"data":"<JSON text>","checksum":N}
//   data: {"entries":{UID:{"ContainerResources":{NAME:{"limits":{},"requests":{}}},"PodLevelResources":null}}}
//
// N is the 32-bit FNV-1a, in decimal, of "(string)" followed by data. Byte for byte what the kubelet writes, so that a
// node may change over in either direction. Pure functions, any thread. Source: contract 02 §8, contract 03 §12.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "agent/allocation/pod_allocation.hpp"
#include "base/result.hpp"

namespace keelson::agent {

using AllocationTable = std::map<std::string, PodAllocation>;  // by pod UID

std::uint32_t checkpoint_checksum(std::string_view data);
std::string encode_checkpoint(const AllocationTable& table);
// `invalid` when anything is not as above; keys that are not known are left out.
Result<AllocationTable> decode_checkpoint(std::string_view text);

}  // namespace keelson::agent
