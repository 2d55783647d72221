// Security contexts of sandboxes and containers.
//
// Pure functions, any thread. The texts of errors are those that the container's waiting state or the event shows.
// Source: contract 02 §2, §3.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/container_config.hpp"
#include "agent/pod_config/sandbox_config.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

Result<cri::LinuxSandboxSecurityContext> make_sandbox_security_context(const api::Pod& pod,
                                                                       const SandboxInputs& inputs);
Result<cri::LinuxContainerSecurityContext> make_container_security_context(const api::Pod& pod,
                                                                           const api::core::Container& container,
                                                                           const ContainerInputs& inputs);
// Refuses a container that would run as root although runAsNonRoot is set, or whose user cannot be told.
Status check_run_as_non_root(const api::Pod& pod, const api::core::Container& container, const ImageUser& image_user);

// Paths hidden from and read-only to containers with the default procMount.
std::vector<std::string> default_masked_paths(const std::vector<std::string>& thermal_throttle_paths);
std::vector<std::string> default_readonly_paths();

}  // namespace keelson::agent
