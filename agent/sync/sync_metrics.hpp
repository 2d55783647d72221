// What pod workers and the execution of their plans count, for the metrics page.
//
// Plain values, the loop's thread. SyncMetrics is PodWorkers', StartMetrics PodRuntime's. Source: contract 05 §12.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "agent/sync/containers.hpp"
#include "agent/sync/observed.hpp"
#include "agent/sync/pod_start_times.hpp"
#include "api/objects.hpp"
#include "base/counters.hpp"

namespace keelson::agent {

inline constexpr std::array<double, 5> kContainersPerPod{1, 2, 4, 8, 16};
// Milliseconds.
inline constexpr std::array<double, 14> kResizeBounds{10,    50,    100,   500,   1000,   2000,   5000,
                                                      10000, 20000, 30000, 60000, 120000, 300000, 600000};

struct SyncMetrics {
  using Durations = base::Histogram<base::buckets::kDurations>;

  std::uint64_t restarted_api_pods = 0;  // the same UID came back
  std::uint64_t restarted_static_pods = 0;
  std::uint64_t orphaned_runtime_pods = 0;
  base::Histogram<kContainersPerPod> containers_per_pod;
  base::Histogram<base::buckets::kPodStarts> pod_start;  // first seen to Running
  Durations worker_start;                                // first seen to the first round
  base::ByLabels<1, Durations> worker_duration;          // operation_type: create, update, sync, terminated
  base::CountsBy<3> terminated_containers;               // container_type, exit_code, reason
  base::CountsBy<1> rejected;                            // after their admission, by reason
  PodStartTimes starts;
};

struct StartMetrics {
  std::uint64_t pods = 0;
  std::uint64_t pod_errors = 0;
  std::uint64_t user_namespaced_pods = 0;
  std::uint64_t user_namespaced_pod_errors = 0;
  base::CountsBy<1> containers;                                               // container_type
  base::CountsBy<2> container_errors;                                         // container_type, code
  base::ByLabels<1, base::Histogram<base::buckets::kDurations>> run_sandbox;  // runtime_handler
  base::CountsBy<1> run_sandbox_errors;                                       // runtime_handler
  base::ByLabels<1, base::Histogram<kResizeBounds>> resizes;                  // success: true, false
};

// "container", "init_container", "ephemeral_container".
std::string metric_label(ContainerType type);

// So long the init containers of the pod have run that have ended; sidecars do not count.
base::Duration init_time(const api::Pod& pod, const ObservedPod& observed);

// Counts the ends of containers that `after` shows and `before` did not, by container_type, exit_code and reason.
void count_terminated(const api::core::PodStatus& before, const api::core::PodStatus& after, base::CountsBy<3>& counts);

}  // namespace keelson::agent
