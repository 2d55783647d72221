// Pod references: which ConfigMaps and Secrets a pod names.
//
// Pure functions, any thread. All are in the pod's namespace. Source: contract 02 §3.2 (env, envFrom), contract 04 §3
// (volumes), §8 (projected), contract 02 §16.2 (pull secrets).
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"

namespace keelson::agent {

enum class ObjectKind { config_map, secret };
// "configmap", "secret": as errors call them.
std::string_view to_string(ObjectKind kind);

struct PodReference {
  ObjectKind kind = ObjectKind::config_map;
  std::string name;
  bool in_volume = false;  // a change of the object changes files of the pod
  auto operator<=>(const PodReference&) const = default;
};

// Each object once, sorted.
std::vector<PodReference> pod_references(const api::Pod& pod);
// Those that make the container's variables.
std::vector<PodReference> environment_references(const api::core::Container& container);

}  // namespace keelson::agent
