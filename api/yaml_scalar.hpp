// YAML scalars as Kubernetes' YAML reader (go-yaml v2 under sigs.k8s.io/yaml) resolves them; internal to api.
//
// Pure function. Words (yes, on, ~), whole numbers in bases 2, 8, 10, 16 with underscores, and floats get their JSON
// meaning; timestamps stay strings; there are no base-60 numbers.
#pragma once

#include <string>
#include <string_view>

#include "api/document.hpp"
#include "base/result.hpp"

namespace keelson::api::internal {

// `tag`: "?" for a plain scalar without tag, "!" for a quoted one, else the full tag ("tag:yaml.org,2002:int").
// The node's position is left alone.
Status resolve_scalar(std::string_view tag, std::string_view text, Node& node);

// A plain scalar that resolves to anything but itself as a string: what a YAML writer must quote.
bool resolves_to_other_than_string(std::string_view text);

}  // namespace keelson::api::internal
