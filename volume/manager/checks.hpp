// What must hold before a volume is mounted for a pod on this node.
//
// Pure, any thread. Source: contract 04 §3 (mount options), §17 (node affinity, ReadWriteOncePod).
#pragma once

#include "volume/manager/volume_spec.hpp"

namespace keelson::volume {

// Null node: nothing is known of it yet, and nothing is refused.
Status check_node_affinity(const VolumeSpec& spec, const api::core::Node* node);
bool is_for_one_pod(const VolumeSpec& spec);

}  // namespace keelson::volume
