#include "agent/wiring/metrics_volumes.hpp"

#include <map>
#include <utility>

#include "agent/metrics/add.hpp"

namespace keelson::agent {
namespace {

using metrics::add;
using metrics::add_histograms;
using metrics::counter;
using metrics::gauge;
using metrics::histogram;
using metrics::Labels;
using metrics::Page;
using volume::VolumeMetrics;

constexpr char kActual[] = "actual_state_of_world";
constexpr char kDesired[] = "desired_state_of_world";

void collect_operations(const VolumeMetrics& volumes, Page& page) {
  add_histograms<4>(histogram(page, "storage_operation_duration_seconds", "Storage operation duration"),
                    {"volume_plugin", "operation_name", "status", "migrated"}, volumes.operations);
  add_histograms<2>(
      histogram(page, "volume_operation_total_seconds", "Storage operation end to end duration in seconds"),
      {"plugin_name", "operation_name"}, volumes.totals);
  add_histograms<4>(histogram(page, "csi_operations_seconds",
                              "Container Storage Interface operation duration with gRPC error code status total"),
                    {"driver_name", "method_name", "grpc_status_code", "migrated"}, volumes.csi_calls);
  add_histograms<1>(histogram(page, "kubelet_volume_metric_collection_duration_seconds",
                              "Duration in seconds to calculate volume stats"),
                    {"metric_source"}, volumes.collections);
}

}  // namespace

void collect_volume_work(const VolumeMetrics& volumes, const volume::VolumeCounts& counts, Page& page) {
  collect_operations(volumes, page);
  auto& total = gauge(page, "volume_manager_total_volumes", "Number of volumes in Volume Manager");
  for (const auto& [plugin, count] : counts.actual) {
    total.add({{"plugin_name", plugin}, {"state", kActual}}, static_cast<double>(count));
  }
  for (const auto& [plugin, count] : counts.desired) {
    total.add({{"plugin_name", plugin}, {"state", kDesired}}, static_cast<double>(count));
  }
  add(counter(page, "reconstruct_volume_operations_total",
              "The number of volumes that were attempted to be reconstructed from the operating system during kubelet "
              "startup. This includes both successful and failed reconstruction."),
      volumes.reconstructed);
  add(counter(page, "reconstruct_volume_operations_errors_total",
              "The number of volumes that failed reconstruction from the operating system during kubelet startup."),
      volumes.reconstruct_errors);
  add(counter(page, "force_cleaned_failed_volume_operations_total",
              "The number of volumes that were force cleaned after their reconstruction failed during kubelet startup. "
              "This includes both successful and failed cleanups."),
      volumes.force_cleaned);
  add(counter(
          page, "force_cleaned_failed_volume_operation_errors_total",
          "The number of volumes that failed force cleanup after their reconstruction failed during kubelet startup."),
      volumes.force_cleaned_errors);
}

void collect_claims(const std::vector<volume::PodUsage>& pods, bool with_health, Page& page) {
  std::map<std::pair<std::string, std::string>, const volume::VolumeUsage*> claims;
  for (const auto& pod : pods) {
    for (const auto& volume : pod.volumes) {
      if (volume.claim) claims.try_emplace({volume.claim->ns, volume.claim->name}, &volume);
    }
  }
  for (const auto& [claim, volume] : claims) {
    const Labels labels{{"namespace", claim.first}, {"persistentvolumeclaim", claim.second}};
    const volume::VolumeFigures& figures = volume->measured.figures;
    const auto put = [&](const char* name, const char* help, std::int64_t value) {
      gauge(page, name, help).add(labels, static_cast<double>(value));
    };
    put("kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume", figures.capacity);
    put("kubelet_volume_stats_available_bytes", "Number of available bytes in the volume", figures.available);
    put("kubelet_volume_stats_used_bytes", "Number of used bytes in the volume", figures.used);
    put("kubelet_volume_stats_inodes", "Maximum number of inodes in the volume", figures.inodes);
    put("kubelet_volume_stats_inodes_free", "Number of free inodes in the volume", figures.inodes_free);
    put("kubelet_volume_stats_inodes_used", "Number of used inodes in the volume", figures.inodes_used);
    if (with_health && volume->measured.abnormal) {
      put("kubelet_volume_stats_health_status_abnormal",
          "Abnormal volume health status. The count is either 1 or 0. 1 indicates the volume is unhealthy, 0 indicates "
          "volume is healthy",
          *volume->measured.abnormal ? 1 : 0);
    }
  }
}

void collect_plugins(const std::vector<PluginRegistrations::View>& plugins, Page& page) {
  auto& total = gauge(page, "plugin_manager_total_plugins", "Number of plugins in Plugin Manager");
  for (const auto& plugin : plugins) {
    if (plugin.plugin) total.add({{"socket_path", plugin.socket}, {"state", kActual}}, 1);
    total.add({{"socket_path", plugin.socket}, {"state", kDesired}}, 1);
  }
}

}  // namespace keelson::agent
