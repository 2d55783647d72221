// The agent's whole configuration: what the file, the drop-ins and the flags said, validated, defaults filled in.
//
// Owner: main(), which makes it by config::load() and hands out `const Configuration&`; it never changes afterwards.
// Thread: any (immutable). Durations are nanoseconds as chrono types, sizes bytes, percentages 0-100. An optional is a
// field that has no default and was not set. What each field means, its default and its limits stand in one table,
// config/fields*.cpp, from which docs/configuration.md is made.
//
// Source: contract 01 §2 (fields), §3 (flags).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/feature_gates.hpp"

namespace keelson::config {

using Duration = std::chrono::nanoseconds;

// A number of bytes written as a Quantity.
struct Bytes {
  std::int64_t value = 0;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

struct Taint {
  std::string key;
  std::string value;
  std::string effect;
  std::optional<std::string> time_added;  // only there to be refused
  friend bool operator==(const Taint&, const Taint&) = default;
};

// Memory and huge pages kept on one NUMA node: resource name -> Quantity as text.
struct MemoryReservation {
  std::int32_t numa_node = 0;
  std::map<std::string, std::string> limits;
  friend bool operator==(const MemoryReservation&, const MemoryReservation&) = default;
};

struct ShutdownGracePeriodByPodPriority {
  std::int32_t priority = 0;
  std::int64_t shutdown_grace_period_seconds = 0;
  friend bool operator==(const ShutdownGracePeriodByPodPriority&, const ShutdownGracePeriodByPodPriority&) = default;
};

struct VModule {
  std::string file_pattern;
  std::uint32_t verbosity = 0;
  friend bool operator==(const VModule&, const VModule&) = default;
};

using StringMap = std::map<std::string, std::string>;
using BoolMap = std::map<std::string, bool>;
using HeaderMap = std::map<std::string, std::vector<std::string>>;

struct Authentication {
  struct {
    std::string client_ca_file;
  } x509;
  struct {
    bool enabled = false;
    Duration cache_ttl{};
  } webhook;
  struct {
    bool enabled = false;
  } anonymous;
};

struct Authorization {
  std::string mode;  // "Webhook" or "AlwaysAllow"
  struct {
    Duration cache_authorized_ttl{};
    Duration cache_unauthorized_ttl{};
  } webhook;
};

struct LogOutput {
  bool split_stream = false;
  Bytes info_buffer_size;
};

struct Logging {
  std::string format;  // "text" or "json"
  Duration flush_frequency{};
  std::uint32_t verbosity = 0;
  std::vector<VModule> vmodule;
  struct {
    LogOutput text;
    LogOutput json;
  } options;
};

// Tracing is on when `endpoint` or `sampling_rate_per_million` is set.
struct Tracing {
  std::optional<std::string> endpoint;
  std::optional<std::int32_t> sampling_rate_per_million;
};

struct KubeletConfiguration {
  // Server, TLS, authentication (contract 01 §2.1).
  bool enable_server = false;
  std::string address;
  std::int32_t port = 0;
  std::int32_t read_only_port = 0;
  std::int32_t healthz_port = 0;
  std::string healthz_bind_address;
  std::string tls_cert_file;
  std::string tls_private_key_file;
  std::vector<std::string> tls_cipher_suites;
  std::vector<std::int32_t> tls_curve_preferences;
  std::string tls_min_version;
  bool rotate_certificates = false;
  bool server_tls_bootstrap = false;
  Authentication authentication;
  Authorization authorization;
  bool enable_debugging_handlers = false;
  bool enable_contention_profiling = false;
  bool enable_profiling_handler = false;
  bool enable_debug_flags_handler = false;
  bool enable_system_log_handler = false;
  bool enable_system_log_query = false;
  Duration streaming_connection_idle_timeout{};
  std::string show_hidden_metrics_for_version;

  // Pod sources, runtime, pods (§2.2).
  std::string static_pod_path;
  Duration file_check_frequency{};
  std::string static_pod_url;
  HeaderMap static_pod_url_header;
  Duration http_check_frequency{};
  Duration sync_frequency{};
  std::string container_runtime_endpoint;
  std::string image_service_endpoint;  // "" = the runtime's; read image_endpoint()
  Duration runtime_request_timeout{};
  std::string pod_logs_dir;
  std::string container_log_max_size;
  std::int32_t container_log_max_files = 0;
  std::int32_t container_log_max_workers = 0;
  Duration container_log_monitor_interval{};
  std::int32_t max_pods = 0;
  std::int32_t pods_per_core = 0;
  std::int64_t pod_pids_limit = 0;
  std::string pod_cidr;
  std::string cluster_domain;
  std::vector<std::string> cluster_dns;
  std::string resolv_conf;
  std::string hairpin_mode;
  bool seccomp_default = false;  // already or-ed with --seccomp-default
  std::vector<std::string> allowed_unsafe_sysctls;
  struct {
    std::optional<std::int64_t> ids_per_pod;  // read ids_per_pod()
  } user_namespaces;
  struct {
    std::optional<Duration> max_container_restart_period;  // unset when gate KubeletCrashLoopBackOffMax is off
  } crash_loop_back_off;
  bool run_once = false;
  std::string volume_plugin_dir;
  Duration volume_stats_agg_period{};
  bool enable_controller_attach_detach = false;
  bool local_storage_capacity_isolation = false;
  std::string config_map_and_secret_change_detection_strategy;
  bool make_iptables_util_chains = false;
  std::int32_t iptables_masquerade_bit = 0;
  std::int32_t iptables_drop_bit = 0;

  // Images (§2.3).
  std::int32_t registry_pull_qps = 0;
  std::int32_t registry_burst = 0;
  bool serialize_image_pulls = false;
  std::optional<std::int32_t> max_parallel_image_pulls;
  std::string image_pull_credentials_verification_policy;
  std::vector<std::string> preloaded_images_verification_allowlist;
  Duration image_minimum_gc_age{};
  Duration image_maximum_gc_age{};
  std::int32_t image_gc_high_threshold_percent = 0;
  std::int32_t image_gc_low_threshold_percent = 0;
  std::int32_t node_status_max_images = 0;

  // Cgroups, resource managers, reservation, eviction (§2.4).
  std::string cgroup_driver;  // what the file says; the runtime's own answer overrides it
  std::string cgroup_root;    // read effective_cgroup_root()
  bool cgroups_per_qos = false;
  bool fail_cgroup_v1 = false;
  std::optional<bool> single_process_oom_kill;  // unset: false on cgroup v2, true on v1
  std::string kubelet_cgroups;
  std::string system_cgroups;
  std::string system_reserved_cgroup;
  std::string kube_reserved_cgroup;
  StringMap system_reserved;
  StringMap kube_reserved;
  std::string reserved_system_cpus;
  std::vector<std::string> enforce_node_allocatable;
  StringMap qos_reserved;
  bool cpu_cfs_quota = false;
  Duration cpu_cfs_quota_period{};
  std::string cpu_manager_policy;
  StringMap cpu_manager_policy_options;
  Duration cpu_manager_reconcile_period{};
  std::string memory_manager_policy;
  std::vector<MemoryReservation> reserved_memory;
  std::string topology_manager_policy;
  std::string topology_manager_scope;
  StringMap topology_manager_policy_options;
  struct {
    std::string swap_behavior;
  } memory_swap;
  bool fail_swap_on = false;
  double memory_throttling_factor = 0;
  std::string memory_reservation_policy;
  std::int32_t oom_score_adj = 0;
  std::int64_t max_open_files = 0;
  bool protect_kernel_defaults = false;
  bool kernel_memcg_notification = false;
  StringMap eviction_hard;
  StringMap eviction_soft;
  StringMap eviction_soft_grace_period;
  StringMap eviction_minimum_reclaim;
  Duration eviction_pressure_transition_period{};
  std::int32_t eviction_max_pod_grace_period = 0;
  bool merge_default_eviction_settings = false;

  // Node, API client, shutdown, observability (§2.5).
  bool register_node = false;
  std::vector<Taint> register_with_taints;
  std::string provider_id;
  Duration node_status_update_frequency{};
  Duration node_status_report_frequency{};
  std::int32_t node_lease_duration_seconds = 0;
  std::int32_t kube_api_qps = 0;
  std::int32_t kube_api_burst = 0;
  std::int32_t event_record_qps = 0;
  std::int32_t event_burst = 0;
  std::string content_type;
  BoolMap feature_gates;  // overrides as given; read Configuration::gates
  Duration shutdown_grace_period{};
  Duration shutdown_grace_period_critical_pods{};
  std::vector<ShutdownGracePeriodByPodPriority> shutdown_grace_period_by_pod_priority;
  Logging logging;
  Tracing tracing;

  // The socket of the image service: its own, else the runtime's.
  const std::string& image_endpoint() const {
    return image_service_endpoint.empty() ? container_runtime_endpoint : image_service_endpoint;
  }
  std::string effective_cgroup_root() const {
    return cgroup_root.empty() && cgroups_per_qos ? std::string("/") : cgroup_root;
  }
  std::int64_t ids_per_pod() const { return user_namespaces.ids_per_pod.value_or(65536); }
};

// What only flags can say.
struct Flags {
  std::string config;
  std::string config_dir;
  std::string kubeconfig;  // "" = standalone
  std::string bootstrap_kubeconfig;
  std::string cert_dir;
  std::string root_dir;
  std::string hostname_override;
  std::string node_ip;  // as given; read Configuration::node_ips
  StringMap node_labels;
  std::string cloud_provider;
  std::string runtime_cgroups;
  std::string image_credential_provider_config;
  std::string image_credential_provider_bin_dir;
  std::string lock_file;
  bool exit_on_lock_contention = false;
  bool seccomp_default = false;
  Duration housekeeping_interval{};
  Duration max_housekeeping_interval{};
  Duration minimum_container_ttl_duration{};
  std::int32_t maximum_dead_containers = 0;  // negative: no limit
  std::int32_t maximum_dead_containers_per_container = 0;
  std::string experimental_mounter_path;
  bool experimental_allocatable_ignore_eviction = false;
  bool check_config = false;
};

// One program that hands out registry credentials (--image-credential-provider-config).
struct CredentialProvider {
  struct TokenAttributes {
    std::string service_account_token_audience;
    std::string cache_type;  // "Token" or "ServiceAccount"
    bool require_service_account = false;
    std::vector<std::string> required_service_account_annotation_keys;
    std::vector<std::string> optional_service_account_annotation_keys;
  };
  std::string name;
  std::vector<std::string> match_images;
  Duration default_cache_duration{};
  std::string api_version;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  std::optional<TokenAttributes> token_attributes;
};

struct Configuration {
  KubeletConfiguration kubelet;
  Flags flags;
  FeatureGates gates;
  std::string reported_version;       // "v1.36.2" unless --version=vX.Y.Z says otherwise
  std::vector<std::string> node_ips;  // those of --node-ip that are IP addresses: none, one, or one of each family
  std::vector<CredentialProvider> credential_providers;

  // No API server: only static pods run.
  bool standalone() const { return flags.kubeconfig.empty(); }
};

}  // namespace keelson::config
