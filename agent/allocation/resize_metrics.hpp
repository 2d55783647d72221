// What in-place resizes come to, for the metrics page.
//
// Plain values and pure functions; Resizes counts, on the loop. Source: contract 05 §12 (in-place resize).
#pragma once

#include <string>
#include <string_view>

#include "api/objects.hpp"
#include "base/counters.hpp"

namespace keelson::agent {

struct ResizeMetrics {
  base::CountsBy<3> requested;          // resource, requirement, operation; one for each container that asks
  base::CountsBy<1> infeasible;         // reason_detail
  base::CountsBy<1> deferred_accepted;  // retry_trigger
};

// Counts what `after` asks for otherwise than `before`: CPU and memory, requests and limits, of each container.
void count_requested(const api::Pod& before, const api::Pod& after, base::CountsBy<3>& counts);

// The label of a text of infeasible_resize().
std::string infeasible_label(std::string_view text);

}  // namespace keelson::agent
