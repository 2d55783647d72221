// The families of /metrics/cadvisor.
//
// A hundred pods have some 25 000 series, so a family is made at a time, and let go before the next: a page of all
// would take tens of MiB. Pure; any thread, better not the loop's. Source: contract 05 §14.
#pragma once

#include <functional>
#include <vector>

#include "agent/metrics/page.hpp"
#include "agent/stats/container_rows.hpp"
#include "agent/stats/machine_facts.hpp"

namespace keelson::stats {

// Calls `see` with pages of one or a few families each, in the order of the names. No snapshot: it could not be taken,
// which is what container_scrape_error says then.
void each_cadvisor_page(const Snapshot* snapshot, const MachineFacts& machine,
                        const std::function<void(const metrics::Page&)>& see);

}  // namespace keelson::stats
