// The events that tell of resizes.
//
// Pure functions, any thread. "Pod resize started: {"containers":[{"name":"main","resources":{...}}],"generation":2}".
// Source: contract 02 §8, §22.2.
#pragma once

#include <cstdint>
#include <string>

#include "agent/sync/events.hpp"
#include "api/objects.hpp"

namespace keelson::agent {

// `pod` holds the resources that the event speaks of, `generation` is that of the spec that asked for them.
PodEvent resize_started(const api::Pod& pod, std::int64_t generation);
PodEvent resize_completed(const api::Pod& pod, std::int64_t generation);
PodEvent resize_failed(const api::Pod& pod, std::int64_t generation, const std::string& error);
// `reason` as the refusal gives it: "Infeasible", "OutOfcpu" ...
PodEvent resize_refused(const api::Pod& pod, std::int64_t generation, const std::string& reason,
                        const std::string& message);

}  // namespace keelson::agent
