// Families of /metrics about volumes: what the manager and CSI drivers do, how much claims hold, plugins.
//
// Each function copies one module's counts into a page. Thread: the loop, within a scrape. Nothing fails. Source:
// contract 05 §12.
#pragma once

#include <vector>

#include "agent/metrics/page.hpp"
#include "agent/plugins/plugin_registrations.hpp"
#include "volume/manager/volume_metrics.hpp"
#include "volume/manager/volume_usage.hpp"

namespace keelson::agent {

void collect_volume_work(const volume::VolumeMetrics& volumes, const volume::VolumeCounts& counts, metrics::Page& page);
// Of the volumes of all pods: one of each claim, whoever has it. `with_health`: gate CSIVolumeHealth.
void collect_claims(const std::vector<volume::PodUsage>& pods, bool with_health, metrics::Page& page);
void collect_plugins(const std::vector<PluginRegistrations::View>& plugins, metrics::Page& page);

}  // namespace keelson::agent
