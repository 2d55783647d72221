// Families of /metrics about pods: how many there are, how their workers fare, how they start.
//
// Each function copies one module's counts into a page. Thread: the loop, within a scrape. Nothing fails. Source:
// contract 05 §12.
#pragma once

#include <cstddef>
#include <vector>

#include "agent/allocation/resizes.hpp"
#include "agent/metrics/page.hpp"
#include "agent/stats/sampler.hpp"
#include "agent/sync/lifecycle_hooks.hpp"
#include "agent/sync/pod_workers.hpp"
#include "pleg/pleg.hpp"

namespace keelson::agent {

// `mirrors`: mirror pods that the API has.
void collect_pod_counts(const PodWorkers& workers, std::size_t mirrors, metrics::Page& page);
void collect_workers(const SyncMetrics& metrics, metrics::Page& page);
void collect_starts(const StartMetrics& metrics, metrics::Page& page);
void collect_hooks(const RuntimeHooks& hooks, metrics::Page& page);
void collect_pleg(const pleg::Metrics& metrics, const pleg::Counts& counts, metrics::Page& page);
void collect_log_use(const std::vector<stats::LogUse>& logs, metrics::Page& page);
void collect_resizes(const Resizes& resizes, const StartMetrics& metrics, metrics::Page& page);

}  // namespace keelson::agent
