// The page /metrics/probes: what the probes of each container came to. Source: contract 05 §15.
//
// A function of values; the loop's thread, within a scrape. Nothing fails.
#pragma once

#include <vector>

#include "agent/metrics/page.hpp"
#include "probes/metrics.hpp"

namespace keelson::agent {

void collect_probes(const std::vector<probes::ProbeMetrics>& probes, metrics::Page& page);

}  // namespace keelson::agent
