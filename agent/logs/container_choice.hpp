// Which instance of a container the logs are of: container_with_logs().
//
// Pure, any thread. An error's code is the HTTP status and its message the body. Source: contract 05 §8.
#pragma once

#include <string>

#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::logs {

// Init and ephemeral containers count.
bool has_container(const api::Pod& pod, const std::string& container);

// The id with its runtime, "containerd://4f1c..". `previous`: of the instance before the present one.
Result<std::string> container_with_logs(const api::Pod& pod, const std::string& container, bool previous);

}  // namespace keelson::logs
