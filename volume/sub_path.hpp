// Sub-paths: a directory or file inside a volume, made where it is missing and bound to a place of its own, from which
// the container mounts it.
//
// The volume's content belongs to the containers, who may change it at any moment: the path is therefore walked by the
// kernel, which refuses whatever would lead out of the volume, and what was found is held by a descriptor until it is
// bound. Blocking; on the pool, never two calls for one pod at a time. Values only. What fails: with the text that the
// user is shown, which says nothing about the host, and the reason, which does. Source: contract 02 §3.4; contract 04
// §14.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

struct SubPath {
  std::string volume_path;
  std::string path;    // relative, without ".."
  std::string target;  // ROOT/pods/UID/volume-subpaths/VOLUME/CONTAINER/INDEX
  std::string volume;  // as the volumeMount names it
  std::string container;
};

struct SubPathFailure {
  std::string shown;
  Error reason;
};

// Missing directories get the volume's mode. A target that is bound to the right place already stays as it is.
std::optional<SubPathFailure> prepare_sub_path(const SubPath& wanted, Mounts& mounts);

// Unmounts and removes all sub-paths of the pod; nothing inside them is touched.
Status clear_sub_paths(const std::string& root, const std::string& uid, Mounts& mounts);

}  // namespace keelson::volume
