// One entry of containerStatuses, decided purely. Part of status() (agent/status/status.hpp).
//
// Source: contract 02 §15.3, §3.5 (length of termination messages).
#pragma once

#include "agent/status/status.hpp"
#include "agent/sync/containers.hpp"

namespace keelson::agent {

// The status of the container that `ref` names.
api::core::ContainerStatus container_status(const StatusInput& input, ContainerRef ref);

// The entry shown for that container before, or nullptr.
const api::core::ContainerStatus* find_before(const api::core::PodStatus& before, ContainerType type,
                                              std::string_view name);

api::meta::Time to_api_time(base::SystemTime time);
// CRI nanoseconds; 0 stays 1970-01-01T00:00:00Z as the kubelet shows a container that never started.
api::meta::Time to_api_time(std::int64_t cri_nanoseconds);

}  // namespace keelson::agent
