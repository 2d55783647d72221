// Preemption: which pods must go so that a critical pod fits.
//
// Pure functions, any thread. As few requests as possible are taken from Guaranteed pods, then from Burstable, then
// from BestEffort ones. Source: contract 02 §14.1, contract 03 (critical-pod preemption at admission).
#pragma once

#include <vector>

#include "agent/admission/predicates.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"

namespace keelson::agent {

// A critical pod may take the place of one that is not critical, or whose priority is lower.
bool may_preempt(const api::Pod& newcomer, const api::Pod& other);

// BestEffort first, then Burstable, then Guaranteed. `exhausted` when even all of them are too few.
Result<std::vector<api::PodPtr>> choose_victims(const api::Pod& newcomer, const std::vector<api::PodPtr>& others,
                                                const std::vector<Shortage>& shortages);

}  // namespace keelson::agent
