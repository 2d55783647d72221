// Projection: volumes whose files the agent writes itself (configMap, secret, downwardAPI, projected).
//
// A payload is written so that a reader sees all of the old or all of the new files, never a mix: files go into a new
// dated directory, `..data` is renamed to point at it, and each top-level name is a link through `..data`. Blocking;
// call on the pool, never twice at once for one volume. Values only. What fails: `invalid` for a path that would leave
// the volume; errors of the disk name the path. A failure before the rename leaves the old content in place.
// Source: contract 04 §2 (modes), §4 (tmpfs), §8 (layout, order), §11 (fsGroup).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "volume/local.hpp"
#include "volume/mounts.hpp"

namespace keelson::volume {

struct ProjectedFile {
  std::string content;
  std::uint32_t mode = 0644;
  std::optional<std::int64_t> owner;  // the file's own user
  bool operator==(const ProjectedFile&) const = default;
};
using Payload = std::map<std::string, ProjectedFile>;  // by path below the volume

struct Projection {
  std::string plugin;  // "kubernetes.io/configmap" ...
  std::string name;    // of the volume
  Payload payload;
  std::optional<std::int64_t> fs_group;
  bool in_memory = true;  // all but configMap
  // Directories in it that other volumes of a container are mounted on, relative: containers see it read-only, so that
  // nobody could make them later.
  std::vector<std::string> nested;
};

// Those of the pod's volume `name` (contract 04 §8).
std::vector<std::string> nested_mount_points(const api::core::PodSpec& spec, const std::string& name);

// Sets the volume up where it is not, and brings its files up to date.
Result<HostVolume> set_up_projection(const std::string& uid, const Projection& projection,
                                     const LocalVolumeOptions& options, Mounts& mounts);

// The files of `directory` become those of `payload`; whether anything was written.
Result<bool> write_payload(const std::string& directory, const Payload& payload, std::optional<std::int64_t> fs_group);

// Not empty, relative, no `..` element, the first not beginning with `..`, 255 bytes an element and 4096 in all.
Status check_payload_path(std::string_view path);

}  // namespace keelson::volume
