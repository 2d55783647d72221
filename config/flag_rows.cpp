// Rows of contract 01 §3 that are no fields of KubeletConfiguration.
#include "config/flags.hpp"

#define KEELSON_FLAG(member) [](Flags& flags, IgnoredFlags&) -> Slot { return &flags.member; }
#define KEELSON_IGNORED(member) [](Flags&, IgnoredFlags& ignored) -> Slot { return &ignored.member; }

namespace keelson::config {
namespace {

constexpr std::string_view kContainerLimits = "use --eviction-hard or --eviction-soft instead";
constexpr std::string_view kStatistics = "it has no effect";

// clang-format off
constexpr FlagRow kRows[] = {
    {"config", KEELSON_FLAG(config), "", FlagGroup::general,
     "File with a KubeletConfiguration. A relative path starts at the working directory. Flags override the file.", ""},
    {"config-dir", KEELSON_FLAG(config_dir), "", FlagGroup::general,
     "Folder with drop-ins (*.conf) that are merged over --config in lexical order.", ""},
    {"root-dir", KEELSON_FLAG(root_dir), "/var/lib/kubelet", FlagGroup::general,
     "Folder for the agent's state and the pods' volumes.", ""},
    {"cert-dir", KEELSON_FLAG(cert_dir), "/var/lib/kubelet/pki", FlagGroup::general,
     "Folder for client and serving certificates.", ""},
    {"lock-file", KEELSON_FLAG(lock_file), "", FlagGroup::general,
     "File that is locked while the agent runs.", ""},
    {"exit-on-lock-contention", KEELSON_FLAG(exit_on_lock_contention), "false", FlagGroup::general,
     "Exit when another process opens --lock-file.", ""},
    {"check-config", KEELSON_FLAG(check_config), "false", FlagGroup::general,
     "Check flags, file and drop-ins, print every problem, and exit: 0 when there is none, else 1. Here a field that "
     "does not exist is a problem too.", ""},

    {"kubeconfig", KEELSON_FLAG(kubeconfig), "", FlagGroup::api_server,
     "File that says how to reach the API server. Without it the agent runs standalone.", ""},
    {"bootstrap-kubeconfig", KEELSON_FLAG(bootstrap_kubeconfig), "", FlagGroup::api_server,
     "File used to get a client certificate while --kubeconfig is missing or not usable.", ""},

    {"hostname-override", KEELSON_FLAG(hostname_override), "", FlagGroup::node,
     "Name of the node instead of the host's name; lower-cased.", ""},
    {"node-ip", KEELSON_FLAG(node_ip), "", FlagGroup::node,
     "IP address of the node, or one of each family separated by a comma. 0.0.0.0 or :: choose a family.", ""},
    {"node-labels", KEELSON_FLAG(node_labels), "", FlagGroup::node,
     "Labels of the node on registration, key=value,... Within kubernetes.io and k8s.io only those a node may set.", ""},
    {"cloud-provider", KEELSON_FLAG(cloud_provider), "", FlagGroup::node,
     "Empty, or external for a cloud controller outside.", ""},
    {"image-credential-provider-config", KEELSON_FLAG(image_credential_provider_config), "", FlagGroup::node,
     "File or folder with CredentialProviderConfig.", ""},
    {"image-credential-provider-bin-dir", KEELSON_FLAG(image_credential_provider_bin_dir), "", FlagGroup::node,
     "Folder with the programs that --image-credential-provider-config names.", ""},

    {"runtime-cgroups", KEELSON_FLAG(runtime_cgroups), "", FlagGroup::runtime,
     "Cgroup of the container runtime, for its statistics.", ""},
    {"seccomp-default", KEELSON_FLAG(seccomp_default), "false", FlagGroup::runtime,
     "Profile RuntimeDefault for pods without one; or-ed with the field seccompDefault.", ""},
    {"housekeeping-interval", KEELSON_FLAG(housekeeping_interval), "10s", FlagGroup::runtime,
     "Time between two collections of container statistics.", ""},
    {"max-housekeeping-interval", KEELSON_FLAG(max_housekeeping_interval), "15s", FlagGroup::runtime,
     "Longest time between two collections of container statistics.", ""},
    {"minimum-container-ttl-duration", KEELSON_FLAG(minimum_container_ttl_duration), "0s", FlagGroup::runtime,
     "Age below which a finished container is kept.", kContainerLimits},
    {"maximum-dead-containers", KEELSON_FLAG(maximum_dead_containers), "-1", FlagGroup::runtime,
     "Finished containers kept on the node; negative is no limit.", kContainerLimits},
    {"maximum-dead-containers-per-container", KEELSON_FLAG(maximum_dead_containers_per_container), "1",
     FlagGroup::runtime, "Finished instances kept of each container.", kContainerLimits},
    {"experimental-mounter-path", KEELSON_FLAG(experimental_mounter_path), "", FlagGroup::runtime,
     "Program that mounts instead of mount(8).", "use CSI instead"},
    {"experimental-allocatable-ignore-eviction", KEELSON_FLAG(experimental_allocatable_ignore_eviction), "false",
     FlagGroup::runtime, "Leave hard eviction thresholds out of allocatable.", "it will be removed"},

    {"pod-infra-container-image", KEELSON_IGNORED(text), "", FlagGroup::ignored,
     "Gone from the kubelet since v1.35; ignored here.", "it was removed in v1.35: the runtime names the pause image"},
    {"application-metrics-count-limit", KEELSON_IGNORED(integer), "100", FlagGroup::ignored, "No effect.", kStatistics},
    {"boot-id-file", KEELSON_IGNORED(text), "/proc/sys/kernel/random/boot_id", FlagGroup::ignored, "No effect.", kStatistics},
    {"container-hints", KEELSON_IGNORED(text), "/etc/cadvisor/container_hints.json", FlagGroup::ignored, "No effect.", kStatistics},
    {"containerd", KEELSON_IGNORED(text), "/run/containerd/containerd.sock", FlagGroup::ignored, "No effect.", kStatistics},
    {"containerd-namespace", KEELSON_IGNORED(text), "k8s.io", FlagGroup::ignored, "No effect.", kStatistics},
    {"enable-load-reader", KEELSON_IGNORED(boolean), "false", FlagGroup::ignored, "No effect.", kStatistics},
    {"event-storage-age-limit", KEELSON_IGNORED(text), "default=0", FlagGroup::ignored, "No effect.", kStatistics},
    {"event-storage-event-limit", KEELSON_IGNORED(text), "default=0", FlagGroup::ignored, "No effect.", kStatistics},
    {"global-housekeeping-interval", KEELSON_IGNORED(duration), "1m", FlagGroup::ignored, "No effect.", kStatistics},
    {"log-cadvisor-usage", KEELSON_IGNORED(boolean), "false", FlagGroup::ignored, "No effect.", kStatistics},
    {"machine-id-file", KEELSON_IGNORED(text), "/etc/machine-id,/var/lib/dbus/machine-id", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-buffer-duration", KEELSON_IGNORED(duration), "1m", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-db", KEELSON_IGNORED(text), "cadvisor", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-host", KEELSON_IGNORED(text), "localhost:8086", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-password", KEELSON_IGNORED(text), "root", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-secure", KEELSON_IGNORED(boolean), "false", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-table", KEELSON_IGNORED(text), "stats", FlagGroup::ignored, "No effect.", kStatistics},
    {"storage-driver-user", KEELSON_IGNORED(text), "root", FlagGroup::ignored, "No effect.", kStatistics},
};
// clang-format on

}  // namespace

std::span<const FlagRow> flag_rows() { return kRows; }

std::string_view to_string(FlagGroup group) {
  switch (group) {
    case FlagGroup::general: return "General";
    case FlagGroup::api_server: return "API server";
    case FlagGroup::node: return "Node";
    case FlagGroup::runtime: return "Containers";
    case FlagGroup::ignored: return "Accepted without effect";
  }
  return "";
}

}  // namespace keelson::config
