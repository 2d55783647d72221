// The rule that a static pod may not depend on objects of the API: it must be able to run before there is one.
//
// Pure function, any thread. Source: contract 02 section 4.1, 01 section 5; gate PreventStaticPodAPIReferences.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"

namespace keelson::static_pods {

struct ApiReference {
  std::string path;  // of the field that refers to it
  std::string what;  // "secrets (via secret volumes)", as in `static pods may not reference X`
};

// The first forbidden reference of the pod, none when it needs no API server.
std::optional<ApiReference> find_api_reference(const api::Pod& pod);

}  // namespace keelson::static_pods
