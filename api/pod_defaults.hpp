// Pod defaulting: fills in what the API server fills in before it stores a v1.36 pod.
//
// Manifests never pass an API server, so the node applies the same defaults. What admission adds (service account and
// its volume, tolerations for not-ready nodes, priority, preemption policy) is not defaulting and is left alone.
// Applying it twice changes nothing. Pure functions, any thread.
// Source: contract 02 sections 4.1, 16.1, 17; golden/pods (`pod` becomes the spec of `live`).
#pragma once

#include <string>
#include <string_view>

#include "api/objects.hpp"

namespace keelson::api {

void set_pod_defaults(core::Pod& pod);

// The parts of "registry:5000/path/name:tag@digest"; all empty when the reference cannot be parsed. Without tag and
// digest the tag is "latest".
struct ImageReference {
  std::string repository;
  std::string tag;
  std::string digest;
};
ImageReference parse_image_reference(std::string_view image);

// Always for the tag "latest", else IfNotPresent.
std::string default_pull_policy(std::string_view image);

}  // namespace keelson::api
