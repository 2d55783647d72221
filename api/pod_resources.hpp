// Arithmetic over the resources of a pod's containers, as defaulting and validation need it.
//
// Pure functions, any thread. "Aggregate" is what the scheduler sees: the larger of (all regular containers + all
// sidecars) and, for each init container, (it + the sidecars started before it).
// Source: contract 02 section 2.4; KEP-753 (sidecars), KEP-2837 (pod-level resources).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "api/objects.hpp"
#include "api/quantity.hpp"

namespace keelson::api {

using ResourceMap = std::map<std::string, Quantity>;
using ResourceMessageMap = google::protobuf::Map<std::string, k8s::resource::Quantity>;

ResourceMap to_resource_map(const ResourceMessageMap& messages);
ResourceMap aggregate_requests(const core::PodSpec& spec);
ResourceMap aggregate_limits(const core::PodSpec& spec);

bool is_hugepages(std::string_view resource);
// cpu, memory and hugepages-*: what may be given for a whole pod.
bool is_pod_level_resource(std::string_view resource);
// Whether the name has no domain, or one of kubernetes.io.
bool is_native_resource(std::string_view resource);
// Whether requests may stay below limits: native resources except hugepages.
bool is_overcommit_allowed(std::string_view resource);
// "vendor.example/thing": outside kubernetes.io and fit to be the name of a quota.
bool is_extended_resource(std::string_view resource);

}  // namespace keelson::api
