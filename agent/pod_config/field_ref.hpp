// Values of fieldRef and resourceFieldRef: what a pod tells its containers of itself.
//
// Pure functions, any thread. Shared by environment variables and downwardAPI volumes. Source: contract 02 §3.2.
#pragma once

#include <string>
#include <string_view>

#include "agent/pod_config/environment.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::agent {

Result<std::string> field_value(const api::Pod& pod, const api::core::ObjectFieldSelector& selector,
                                const EnvironmentInputs& inputs);

// `container` is meant when the selector names none. Missing limits of cpu, memory and ephemeral-storage are the node's
// allocatable, capped by the pod's own limits.
Result<std::string> resource_value(const api::Pod& pod, const api::core::Container& container,
                                   const api::core::ResourceFieldSelector& selector, const ResourceList& allocatable);

// Labels or annotations as lines `key="quoted value"`, sorted by key, without a newline at the end.
std::string format_map(const google::protobuf::Map<std::string, std::string>& map);

}  // namespace keelson::agent
