// What the API server does to pods: defaults of admission, quality of service, which changes it allows, grace periods.
//
// Pure functions, any thread. Source: contract 02 §4.2, §11; contract 01 §9; golden/pods (`pod` becomes `live`).
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"
#include "base/clock.hpp"
#include "tests/support/api/fake_api_failure.hpp"

namespace keelson::fakes {

bool is_mirror(const api::Pod& pod);
bool is_terminal(const api::Pod& pod);  // Failed or Succeeded
std::string qos_class_of(const api::Pod& pod);

// Defaulting and the mutating admission plug-ins; a status of its own: Pending with its class.
void prepare_new_pod(api::Pod& pod);
// The projected volume of the service account's token and its mounts, `suffix` in its name.
void mount_service_account(api::Pod& pod, const std::string& suffix);

// Only images, deadline, tolerations (more) and the like may change.
Refusal check_pod_update(const api::Pod& before, const api::Pod& after);

// How long a deletion waits; 0: the pod goes at once.
std::int64_t deletion_grace(const api::Pod& pod, std::optional<std::int64_t> asked);
// Whether deleting again with `grace` changes the pod: only earlier ends count.
bool shortens(const api::Pod& pod, std::int64_t grace);
void mark_deleted(api::Pod& pod, std::int64_t grace, base::SystemTime now);

// A condition of that type, made when it is not there.
api::core::PodCondition& pod_condition(api::Pod& pod, const std::string& type);

}  // namespace keelson::fakes
