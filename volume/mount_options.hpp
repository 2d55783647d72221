// Mount options of persistent volumes.
//
// Pure functions, any thread. Source: contract 04 §3 (last paragraph).
#pragma once

#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::volume {

// Of a type of ours: those of the annotation volume.beta.kubernetes.io/mount-options, else those of the spec, with
// `more` added; where the PV has any, all sorted and each once. CSI takes spec.mountOptions as they are.
std::vector<std::string> mount_options(const api::core::PersistentVolume& pv, const std::vector<std::string>& more);
// Both lists, sorted, each once.
std::vector<std::string> join_mount_options(const std::vector<std::string>& a, const std::vector<std::string>& b);

// `invalid` when the PV has mount options and its type takes none: only csi, nfs, iscsi, fc and local do.
Status check_mount_options(const api::core::PersistentVolume& pv);

}  // namespace keelson::volume
