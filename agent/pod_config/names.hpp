// Names by which people and the API call a pod.
//
// Pure functions, any thread. Source: contract 02, head.
#pragma once

#include <string>

#include "api/objects.hpp"

namespace keelson::agent::pod_config {

// "NAME_NAMESPACE(UID)"
inline std::string describe(const api::Pod& pod) {
  const auto& meta = pod.metadata();
  return meta.name() + "_" + meta.namespace_() + "(" + meta.uid() + ")";
}

}  // namespace keelson::agent::pod_config
