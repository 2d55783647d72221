#include "agent/wiring/metrics_node.hpp"

#include <sys/utsname.h>

#include "agent/metrics/add.hpp"
#include "agent/node/machine.hpp"
#include "config/version.hpp"

namespace keelson::agent {
namespace {

using metrics::add;
using metrics::add_counts;
using metrics::add_histograms;
using metrics::counter;
using metrics::gauge;
using metrics::histogram;
using metrics::Page;
using metrics::Stability;
using metrics::Type;

constexpr char kBuildHelp[] =
    "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, "
    "Go version, and compiler from which Kubernetes was built, and platform on which it is running.";
constexpr char kGatesHelp[] = "This metric records the data about the stage and enablement of a k8s feature.";
// The first version that needs what this runtime does not have.
constexpr char kNeedsRuntimeConfig[] = "1.37.0";

std::string platform() {
  utsname name{};
  uname(&name);
  return "linux/" + go_architecture(name.machine);
}

double seconds_between(base::SystemTime from, base::SystemTime to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void collect_node(const NodeFacts& facts, Page& page) {
  gauge(page, "kubelet_node_name", "The node's name. The count is always 1.").add({{"node", facts.node_name}}, 1);
  add(gauge(page, "kubelet_cgroup_version", "cgroup version on the hosts."), facts.info.cgroup_v2 ? 2 : 1);
  gauge(page, "kubelet_metrics_provider",
        "Metrics provider used by kubelet to collect container stats. Values can be 'cadvisor' and 'cri'")
      .add({{"provider", "cadvisor"}}, 1);
}

void collect_version(const config::Configuration& configuration, Page& page) {
  page.family("kubernetes_build_info", Type::gauge, Stability::beta, kBuildHelp)
      .add({{"major", std::string(config::kMajor)},
            {"minor", std::string(config::kMinor)},
            {"git_version", configuration.reported_version},
            {"git_commit", ""},
            {"git_tree_state", ""},
            {"build_date", ""},
            {"go_version", ""},
            {"compiler", "gcc"},
            {"platform", platform()}},
           1);
  auto& gates = page.family("kubernetes_feature_enabled", Type::gauge, Stability::beta, kGatesHelp);
  for (const auto& [gate, enabled] : configuration.gates.all()) {
    gates.add({{"name", std::string(gate->name)}, {"stage", std::string(to_string(gate->stage))}}, enabled ? 1 : 0);
  }
}

void collect_runtime(const cri::OperationMetrics& operations, Page& page) {
  auto& total =
      counter(page, "kubelet_runtime_operations_total", "Cumulative number of runtime operations by operation type.");
  auto& errors = counter(page, "kubelet_runtime_operations_errors_total",
                         "Cumulative number of runtime operation errors by operation type.");
  auto& durations = histogram(page, "kubelet_runtime_operations_duration_seconds",
                              "Duration in seconds of runtime operations. Broken down by operation type.");
  for (const auto& [operation, stats] : operations.by_operation()) {
    const metrics::Labels labels{{"operation_type", std::string(operation)}};
    total.add(labels, static_cast<double>(stats.count));
    if (stats.errors > 0) errors.add(labels, static_cast<double>(stats.errors));
    durations.add_histogram(labels, cri::kOperationBuckets, stats.buckets, stats.seconds, stats.count);
  }
}

void collect_losing_support(Page& page) {
  gauge(page, "kubelet_cri_losing_support",
        "the Kubernetes version that the currently running CRI implementation will lose support on if not upgraded.")
      .add({{"version", kNeedsRuntimeConfig}}, 1);
}

void collect_images(const ImageMetrics& images, Page& page) {
  add_histograms<1>(histogram(page, "kubelet_image_pull_duration_seconds", "Duration in seconds to pull an image."),
                    {"image_size_in_bytes"}, images.pulls);
  add_counts<3>(counter(page, "kubelet_image_manager_ensure_image_requests_total",
                        "Number of ensure-image requests processed by the kubelet."),
                {"pull_policy", "present_locally", "pull_required"}, images.requests);
  const auto beta = [&](const char* name, const char* help, std::uint64_t count) {
    add(page.family(name, Type::counter, Stability::beta, help), count);
  };
  beta("kubelet_image_volume_requested_total", "Number of requested image volumes.", images.volumes_requested);
  beta("kubelet_image_volume_mounted_succeed_total", "Number of successful image volume mounts.",
       images.volumes_mounted);
  beta("kubelet_image_volume_mounted_errors_total", "Number of failed image volume mounts.", images.volume_errors);
}

void collect_pull_records(const PullRecords& records, Page& page) {
  if (!records.enabled()) return;
  add(gauge(page, "kubelet_imagemanager_ondisk_pullintents", "Number of ImagePullIntents stored on disk."),
      records.intents_on_disk());
  add(gauge(page, "kubelet_imagemanager_ondisk_pulledrecords", "Number of ImagePulledRecords stored on disk."),
      records.pulled().size());
  add_counts<1>(
      counter(
          page, "kubelet_imagemanager_image_mustpull_checks_total",
          "Counter for how many times kubelet checked whether credentials need to be re-verified to access an image"),
      {"result"}, records.checks());
}

void collect_credential_plugins(const CredentialPluginMetrics& plugins, Page& page) {
  add_counts<1>(counter(page, "kubelet_credential_provider_plugin_errors_total",
                        "Number of errors from credential provider plugin"),
                {"plugin_name"}, plugins.errors);
  add_histograms<1>(histogram(page, "kubelet_credential_provider_plugin_duration",
                              "Duration of execution in seconds for credential provider plugin"),
                    {"plugin_name"}, plugins.durations);
}

void collect_credential_config(const std::string& hash, Page& page) {
  gauge(page, "kubelet_credential_provider_config_info",
        "Information about the last applied credential provider configuration with hash as label")
      .add({{"hash", hash}}, 1);
}

void collect_pod_certificates(const base::CountsBy<2>& states, Page& page) {
  add_counts<2>(gauge(page, "kubelet_podcertificate_states",
                      "Gauge vector reporting the number of pod certificate projected volume sources, faceted by "
                      "signer_name and state."),
                {"signer_name", "state"}, states);
}

void collect_cgroups(const CgroupsAdapter::Durations& durations, Page& page) {
  add_histograms<1>(histogram(page, "kubelet_cgroup_manager_duration_seconds",
                              "Duration in seconds for cgroup manager operations. Broken down by method."),
                    {"operation_type"}, durations);
}

void collect_admission(const RejectionCounters& rejections, base::CountsBy<1> late,
                       const base::CountsBy<1>& preemptions, Page& page) {
  for (const auto& [reason, count] : rejections.counts()) late[{reason}] += count;
  add_counts<1>(
      counter(page, "kubelet_admission_rejections_total", "Cumulative number pod admission rejections by the Kubelet."),
      {"reason"}, late);
  add_counts<1>(counter(page, "kubelet_preemptions", "Cumulative number of pod preemptions by preemption resource"),
                {"preemption_signal"}, preemptions);
}

// Of a Node that was there before the agent came, nothing is told.
void collect_startup(const NodeStartup& startup, base::SystemTime booted, base::SystemTime agent_started, Page& page) {
  const bool told = startup.first_try && startup.registered && startup.ready;
  const auto put = [&](const char* name, const char* help, base::SystemTime from, base::SystemTime to) {
    add(gauge(page, name, help), told ? seconds_between(from, to) : 0);
  };
  const base::SystemTime tried = startup.first_try.value_or(agent_started);
  const base::SystemTime registered = startup.registered.value_or(agent_started);
  const base::SystemTime ready = startup.ready.value_or(agent_started);
  put("kubelet_node_startup_pre_kubelet_duration_seconds", "Duration in seconds of node startup before kubelet starts.",
      booted, agent_started);
  put("kubelet_node_startup_pre_registration_duration_seconds",
      "Duration in seconds of node startup before registration.", agent_started, tried);
  put("kubelet_node_startup_registration_duration_seconds", "Duration in seconds of node startup during registration.",
      tried, registered);
  put("kubelet_node_startup_post_registration_duration_seconds",
      "Duration in seconds of node startup after registration.", registered, ready);
  put("kubelet_node_startup_duration_seconds", "Duration in seconds of node startup in total.", booted, ready);
}

}  // namespace keelson::agent
