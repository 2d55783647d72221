// The families of /metrics/resource, from the summary of CPU and memory.
//
// Pure; any thread. A value that is missing drops its series alone. Source: contract 05 §13.
#pragma once

#include "agent/metrics/page.hpp"
#include "agent/stats/summary.hpp"

namespace keelson::stats {

// No summary: it could not be had, which is all that the page says then.
void add_resource_metrics(metrics::Page& page, const std::optional<Summary>& summary);

}  // namespace keelson::stats
