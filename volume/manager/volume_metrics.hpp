// VolumeMetrics: what the metrics page tells of volumes, counted as plain values.
//
// How often and how long: operations of the volume manager, calls to CSI drivers, measuring; what was found after a
// restart, and what dead pods left. How many volumes there are is asked of the manager (VolumeManager::counts()).
// Owner: the agent's wiring; outlives those who count. Thread: the loop. Nothing fails. Source: contract 05 §12.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/counters.hpp"

namespace keelson::volume {

// Set V: operations on volumes, in seconds.
inline constexpr std::array<double, 13> volume_buckets{.1, .25, .5, 1, 2.5, 5, 10, 15, 25, 50, 120, 300, 600};

struct VolumeMetrics {
  using Durations = base::Histogram<volume_buckets>;

  // storage_operation_duration_seconds: volume_plugin ("kubernetes.io/csi:DRIVER" for those of drivers),
  // operation_name, status ("success", "fail-unknown"), migrated ("true", "false").
  base::ByLabels<4, Durations> operations;
  // volume_operation_total_seconds: plugin_name, operation_name ("overall_volume_mount").
  base::ByLabels<2, Durations> totals;
  // csi_operations_seconds: driver_name, method_name ("/csi.v1.Node/NodeStageVolume"), grpc_status_code ("OK"),
  // migrated.
  base::ByLabels<4, Durations> csi_calls;
  // kubelet_volume_metric_collection_duration_seconds: metric_source ("du", "statfs", "block", a CSI driver's name).
  base::ByLabels<1, base::Histogram<base::buckets::kDurations>> collections;

  std::uint64_t reconstructed = 0;         // reconstruct_volume_operations_total
  std::uint64_t reconstruct_errors = 0;    // reconstruct_volume_operations_errors_total
  std::uint64_t force_cleaned = 0;         // force_cleaned_failed_volume_operations_total
  std::uint64_t force_cleaned_errors = 0;  // force_cleaned_failed_volume_operation_errors_total
};

inline const char* operation_status(bool failed) { return failed ? "fail-unknown" : "success"; }
inline const char* migrated_label(bool migrated) { return migrated ? "true" : "false"; }

// volume_manager_total_volumes: volumes of pods, by plugin_name as above.
struct VolumeCounts {
  std::map<std::string, std::uint64_t> actual;   // state="actual_state_of_world"
  std::map<std::string, std::uint64_t> desired;  // state="desired_state_of_world"
};

}  // namespace keelson::volume
