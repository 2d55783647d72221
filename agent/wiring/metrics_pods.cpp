#include "agent/wiring/metrics_pods.hpp"

#include <array>
#include <map>
#include <string>

#include "agent/metrics/add.hpp"
#include "agent/pod_config/qos.hpp"

namespace keelson::agent {
namespace {

using metrics::add;
using metrics::add_counts;
using metrics::add_histogram;
using metrics::add_histograms;
using metrics::counter;
using metrics::Family;
using metrics::gauge;
using metrics::histogram;
using metrics::Page;
using metrics::Stability;
using metrics::Type;

constexpr char kFirstHelp[] =
    "Duration in seconds to start the first network pod, excluding time to pull images and run init containers, "
    "measured from pod creation timestamp to when all its containers are reported as started and observed via watch";

// The label `static`.
const char* static_label(const api::Pod& pod) { return is_static(pod) ? "true" : ""; }

const char* lifecycle_label(WorkerState state) {
  switch (state) {
    case WorkerState::sync: return "sync";
    case WorkerState::terminating: return "terminating";
    case WorkerState::terminated:
    case WorkerState::finished: break;
  }
  return "terminated";
}

using ByStatic = std::map<std::string, double>;

void add_by_static(Family& family, const ByStatic& counts) {
  for (const auto& [label, count] : counts) family.add({{"static", label}}, count);
}

// Every combination that there can be, also those of which there is none.
std::map<std::array<std::string, 3>, double> no_working_pods() {
  std::map<std::array<std::string, 3>, double> out;
  for (const char* lifecycle : {"sync", "terminating", "terminated"}) {
    for (const char* config : {"desired", "orphan"}) {
      for (const char* is_static : {"", "true"}) out[{lifecycle, config, is_static}] = 0;
    }
    out[{lifecycle, "runtime_only", "unknown"}] = 0;
  }
  return out;
}

bool known_to_runtime_only(const PodWorker& worker) { return worker.termination() && worker.termination()->unknown; }

void add_working_pods(const PodWorkers& workers, Page& page) {
  auto counts = no_working_pods();
  for (const auto& [uid, worker] : workers.workers()) {
    const char* lifecycle = lifecycle_label(worker->state());
    if (known_to_runtime_only(*worker)) {
      ++counts[{lifecycle, "runtime_only", "unknown"}];
    } else {
      const char* config = workers.wanted().count(uid) > 0 ? "desired" : "orphan";
      ++counts[{lifecycle, config, static_label(*worker->pod())}];
    }
  }
  auto& family = gauge(
      page, "kubelet_working_pods",
      "Number of pods the kubelet is actually running, broken down by lifecycle phase, whether the pod is desired, "
      "orphaned, or runtime only (also orphaned), and whether the pod is static. An orphaned pod has been removed from "
      "local configuration or force deleted in the API and consumes resources that are not otherwise visible.");
  for (const auto& [labels, count] : counts) {
    family.add(metrics::labels_of<3>({"lifecycle", "config", "static"}, labels), count);
  }
}

bool is_active(const PodWorkers::Wanted& wanted, const PodWorker* worker) {
  if (wanted.refused || worker == nullptr) return false;
  return worker->state() == WorkerState::sync || worker->state() == WorkerState::terminating;
}

const char* state_name(std::size_t state) {
  switch (static_cast<pleg::State>(state)) {
    case pleg::State::created: return "created";
    case pleg::State::running: return "running";
    case pleg::State::exited: return "exited";
    case pleg::State::unknown: break;
  }
  return "unknown";
}

}  // namespace

void collect_pod_counts(const PodWorkers& workers, std::size_t mirrors, Page& page) {
  ByStatic desired{{"", 0}, {"true", 0}};
  ByStatic active = desired;
  double ephemeral = 0;
  for (const auto& [uid, wanted] : workers.wanted()) {
    ++desired[static_label(*wanted.pod)];
    ephemeral += wanted.pod->spec().ephemeralcontainers_size();
    if (is_active(wanted, workers.worker(uid))) ++active[static_label(*wanted.pod)];
  }
  add_by_static(gauge(page, "kubelet_desired_pods",
                      "The number of pods the kubelet is being instructed to run. static is true if the pod is not "
                      "from the apiserver."),
                desired);
  add_by_static(gauge(page, "kubelet_active_pods",
                      "The number of pods the kubelet considers active and which are being considered when admitting "
                      "new pods. static is true if the pod is not from the apiserver."),
                active);
  add(gauge(page, "kubelet_mirror_pods",
            "The number of mirror pods the kubelet will try to create (one per admitted static pod)"),
      mirrors);
  add(gauge(page, "kubelet_managed_ephemeral_containers",
            "Current number of ephemeral containers in pods managed by this kubelet."),
      ephemeral);
  add_working_pods(workers, page);
}

void collect_workers(const SyncMetrics& metrics, Page& page) {
  add(counter(page, "kubelet_orphaned_runtime_pods_total",
              "Number of pods that have been detected in the container runtime without being already known to the pod "
              "worker. This typically indicates the kubelet was restarted while a pod was force deleted in the API or "
              "in the local configuration, which is unusual."),
      metrics.orphaned_runtime_pods);
  auto& restarted =
      counter(page, "kubelet_restarted_pods_total",
              "Number of pods that have been restarted because they were deleted and recreated with the same UID while "
              "the kubelet was watching them (common for static pods, extremely uncommon for API pods)");
  restarted.add({{"static", ""}}, static_cast<double>(metrics.restarted_api_pods));
  restarted.add({{"static", "true"}}, static_cast<double>(metrics.restarted_static_pods));
  add_histogram(histogram(page, "kubelet_containers_per_pod_count", "The number of containers per pod."), {},
                metrics.containers_per_pod);
  add_histogram(
      histogram(page, "kubelet_pod_start_duration_seconds",
                "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run"),
      {}, metrics.pod_start);
  add_histogram(histogram(page, "kubelet_pod_worker_start_duration_seconds",
                          "Duration in seconds from kubelet seeing a pod to starting a worker."),
                {}, metrics.worker_start);
  add_histograms<1>(
      histogram(page, "kubelet_pod_worker_duration_seconds",
                "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync"),
      {"operation_type"}, metrics.worker_duration);
  add_counts<3>(counter(page, "kubelet_terminated_containers_total", "Cumulative number of container terminations."),
                {"container_type", "exit_code", "reason"}, metrics.terminated_containers);
  const PodStartTimes& starts = metrics.starts;
  add_histogram(
      histogram(
          page, "kubelet_pod_start_sli_duration_seconds",
          "Duration in seconds to start a pod, excluding time to pull images and run init containers, measured from "
          "pod creation timestamp to when all its containers are reported as started and observed via watch"),
      {}, starts.sli());
  add_histogram(histogram(page, "kubelet_pod_start_total_duration_seconds",
                          "Duration in seconds to start a pod since creation, including time to pull images and run "
                          "init containers, measured from pod creation timestamp to when all its containers are "
                          "reported as started and observed via watch"),
                {}, starts.total());
  add(page.family("kubelet_first_network_pod_start_sli_duration_seconds", Type::gauge, Stability::internal, kFirstHelp),
      starts.first_with_network());
}

void collect_starts(const StartMetrics& metrics, Page& page) {
  add(counter(page, "kubelet_started_pods_total", "Cumulative number of pods started"), metrics.pods);
  add(counter(page, "kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods"),
      metrics.pod_errors);
  add(counter(page, "kubelet_started_user_namespaced_pods_total",
              "Cumulative number of pods with user namespaces started. This metric will only be collected on Linux."),
      metrics.user_namespaced_pods);
  add(counter(page, "kubelet_started_user_namespaced_pods_errors_total",
              "Cumulative number of errors when starting pods with user namespaces. This metric will only be collected "
              "on Linux."),
      metrics.user_namespaced_pod_errors);
  add_counts<1>(counter(page, "kubelet_started_containers_total", "Cumulative number of containers started"),
                {"container_type"}, metrics.containers);
  add_counts<2>(
      counter(page, "kubelet_started_containers_errors_total", "Cumulative number of errors when starting containers"),
      {"container_type", "code"}, metrics.container_errors);
  add_histograms<1>(
      histogram(page, "kubelet_run_podsandbox_duration_seconds",
                "Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler."),
      {"runtime_handler"}, metrics.run_sandbox);
  add_counts<1>(counter(page, "kubelet_run_podsandbox_errors_total",
                        "Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler."),
                {"runtime_handler"}, metrics.run_sandbox_errors);
}

void collect_hooks(const RuntimeHooks& hooks, Page& page) {
  add(counter(page, "kubelet_lifecycle_handler_http_fallbacks_total",
              "The number of times lifecycle handlers successfully fell back to http from https."),
      hooks.http_fallbacks());
  add(counter(page, "kubelet_sleep_action_terminated_early_total",
              "The number of times lifecycle sleep handler got terminated before it finishes"),
      hooks.short_sleeps());
}

void collect_pleg(const pleg::Metrics& metrics, const pleg::Counts& counts, Page& page) {
  add(gauge(page, "kubelet_running_pods", "Number of pods that have a running pod sandbox"), counts.running_pods);
  auto& containers = gauge(page, "kubelet_running_containers", "Number of containers currently running");
  for (std::size_t state = 0; state < counts.containers.size(); ++state) {
    containers.add({{"container_state", state_name(state)}}, static_cast<double>(counts.containers[state]));
  }
  add_histogram(
      histogram(page, "kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG."), {},
      metrics.relist_duration);
  add_histogram(
      histogram(page, "kubelet_pleg_relist_interval_seconds", "Interval in seconds between relisting in PLEG."), {},
      metrics.relist_interval);
  add_histogram(histogram(page, "kubelet_pleg_pod_relist_duration_seconds",
                          "Duration in seconds for relisting a single pod in PLEG."),
                {}, metrics.pod_relist_duration);
  const auto last_seen = std::chrono::duration_cast<std::chrono::seconds>(metrics.last_seen.time_since_epoch());
  add(gauge(page, "kubelet_pleg_last_seen_seconds", "Timestamp in seconds when PLEG was last seen active."),
      last_seen.count());
  add(counter(page, "kubelet_pleg_discard_events", "The number of discard events in PLEG."), metrics.discard_events);
  add(counter(
          page, "kubelet_evented_pleg_connection_error_count",
          "The number of errors encountered during the establishment of streaming connection with the CRI runtime."),
      metrics.connection_errors);
  add(counter(page, "kubelet_evented_pleg_connection_success_count",
              "The number of times a streaming client was obtained to receive CRI Events."),
      metrics.connection_success);
  add_histogram(histogram(page, "kubelet_evented_pleg_connection_latency_seconds",
                          "The latency of streaming connection with the CRI runtime, measured in seconds."),
                {}, metrics.event_latency);
}

void collect_resizes(const Resizes& resizes, const StartMetrics& metrics, Page& page) {
  const ResizeMetrics& counts = resizes.metrics();
  add_counts<3>(counter(page, "kubelet_container_requested_resizes_total",
                        "Number of requested resizes, counted at the container level. Different resources on the same "
                        "container are counted separately. The 'requirement' label refers to 'memory' or 'limits'; the "
                        "'operation' label can be one of 'add', 'remove', 'increase' or 'decrease'."),
                {"resource", "requirement", "operation"}, counts.requested);
  add_counts<1>(counter(page, "kubelet_pod_infeasible_resizes_total", "Number of infeasible resizes for pods."),
                {"reason_detail"}, counts.infeasible);
  add_counts<1>(counter(page, "kubelet_pod_deferred_accepted_resizes_total",
                        "Cumulative number of resizes that were accepted after being deferred."),
                {"retry_trigger"}, counts.deferred_accepted);
  add_histograms<1>(
      histogram(page, "kubelet_pod_resize_duration_milliseconds", "Duration in milliseconds to actuate a pod resize"),
      {"success"}, metrics.resizes);
  std::map<std::string, double> pending;
  double in_progress = 0;
  for (const auto& [uid, conditions] : resizes.all_conditions()) {
    if (conditions.pending) ++pending[conditions.is_deferred() ? "deferred" : "infeasible"];
    if (conditions.in_progress) ++in_progress;
  }
  auto& family = gauge(page, "kubelet_pod_pending_resizes", "Number of pending resizes for pods.");
  for (const auto& [reason, count] : pending) family.add({{"reason", reason}}, count);
  add(gauge(page, "kubelet_pod_in_progress_resizes", "Number of in-progress resizes for pods."), in_progress);
}

void collect_log_use(const std::vector<stats::LogUse>& logs, Page& page) {
  auto& used = gauge(page, "kubelet_container_log_filesystem_used_bytes",
                     "Bytes used by the container's logs on the filesystem.");
  for (const auto& one : logs) {
    used.add({{"uid", one.uid}, {"namespace", one.ns}, {"pod", one.pod}, {"container", one.container}},
             static_cast<double>(one.bytes));
  }
}

}  // namespace keelson::agent
