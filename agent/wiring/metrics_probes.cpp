#include "agent/wiring/metrics_probes.hpp"

#include <numeric>
#include <utility>

#include "agent/metrics/add.hpp"

namespace keelson::agent {
namespace {

using metrics::Labels;
using metrics::Stability;
using metrics::Type;

constexpr char kTotalHelp[] = "Cumulative number of a liveness, readiness or startup probe for a container by result.";

Labels labels_of(const probes::ProbeMetrics& probe) {
  return {{"probe_type", std::string(to_string(probe.key.kind))},
          {"container", probe.key.container},
          {"pod", probe.pod},
          {"namespace", probe.ns}};
}

void add_duration(metrics::Family& family, const probes::ProbeMetrics& probe) {
  const auto& counts = probe.duration.counts();
  const auto count = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (count == 0) return;
  family.add_histogram(labels_of(probe), probes::DurationHistogram::kBounds, counts, probe.duration.sum(), count);
}

}  // namespace

void collect_probes(const std::vector<probes::ProbeMetrics>& probes, metrics::Page& page) {
  auto& total = page.family("prober_probe_total", Type::counter, Stability::beta, kTotalHelp);
  auto& durations = histogram(page, "prober_probe_duration_seconds", "Duration in seconds for a probe response.");
  for (const auto& probe : probes) {
    const std::pair<const char*, std::uint64_t> results[] = {{"successful", probe.successful},
                                                             {"failed", probe.failed}};
    for (const auto& [result, count] : results) {
      if (count == 0) continue;
      Labels labels = labels_of(probe);
      labels.emplace_back("pod_uid", probe.key.pod_uid);
      labels.emplace_back("result", result);
      total.add(std::move(labels), static_cast<double>(count));
    }
    add_duration(durations, probe);
  }
}

}  // namespace keelson::agent
