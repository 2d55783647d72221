// The CRI configurations as JSON, for golden tests, logs and `keelson explain`.
//
// The form is that of Go's encoding/json on the CRI messages, which recordings of other agents use: the schema's field
// names, enums and 64-bit integers as numbers, bytes as text, zero values left out, present but empty messages as {}.
// Keys are sorted. Pure functions, any thread. Never holds secrets: AuthConfig has no such function.
#pragma once

#include <string>

#include "cri-client/types.hpp"

namespace keelson::cri {

std::string debug_json(const PodSandboxConfig& config);
std::string debug_json(const ContainerConfig& config);

}  // namespace keelson::cri
