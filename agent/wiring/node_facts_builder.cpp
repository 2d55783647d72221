#include "agent/wiring/node_facts_builder.hpp"

#include <algorithm>

#include "agent/node/addresses.hpp"
#include "base/file.hpp"
#include "base/logger.hpp"
#include "config/host_checks.hpp"

namespace keelson::agent {
namespace {

bool has_swap_controller(bool cgroup_v2) {
  if (!cgroup_v2) return base::path_exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
  // The root has no such file; any group below it does when the controller is on.
  auto own = base::read_file("/proc/self/cgroup", 1 << 16);
  if (!own.ok()) return false;
  const auto at = own->find("0::");
  if (at == std::string::npos) return false;
  const std::string group = own->substr(at + 3, own->find('\n', at) - at - 3);
  return base::path_exists("/sys/fs/cgroup" + group + "/memory.swap.max");
}

// Not `localhost`-only machines: a node without an address still runs host-network pods.
std::vector<std::string> addresses(const std::string& node, const config::Configuration& configuration,
                                   const base::Logger& log) {
  AddressSettings settings;
  settings.node_name = node;
  settings.configured = configuration.node_ips;
  auto ips = find_node_ips(settings);
  if (ips.ok()) return *ips;
  log.warning("The node has no usable address", {{"err", ips.error()}});
  return {};
}

}  // namespace

Result<NodeCapacity> read_capacity(const config::Configuration& configuration, const Machine& machine,
                                   const base::Logger& log) {
  // The directory may not be there yet: the filesystem is that of its nearest parent.
  std::string path = configuration.flags.root_dir;
  while (path.size() > 1 && !base::path_exists(path)) {
    const auto slash = path.rfind('/');
    path = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  }
  const auto bytes = filesystem_bytes(path);
  if (!bytes.ok()) log.warning("The size of the root directory's filesystem is not known", {{"err", bytes.error()}});
  return make_capacity(configuration, machine, bytes.ok() ? *bytes : 0);
}

Result<NodeFacts> build_node_facts(const config::Configuration& configuration, const Machine& machine,
                                   const std::string& node, base::SystemTime now, const base::Logger& log) {
  const config::KubeletConfiguration& kubelet = configuration.kubelet;
  NodeFacts facts;
  facts.node_name = node;
  facts.agent_started = now;
  facts.standalone = configuration.standalone();
  facts.resolv_conf = kubelet.resolv_conf;
  facts.sync_frequency = kubelet.sync_frequency;
  if (configuration.gates.enabled("ReduceDefaultCrashLoopBackOffDecay")) {
    facts.restart_backoff_first = std::chrono::seconds(1);
    facts.restart_backoff_cap = std::chrono::seconds(60);
  }
  if (kubelet.crash_loop_back_off.max_container_restart_period) {
    facts.restart_backoff_cap = *kubelet.crash_loop_back_off.max_container_restart_period;
  }
  facts.restart_rules = configuration.gates.enabled("ContainerRestartRules");
  facts.restarts_all = configuration.gates.enabled("RestartAllContainersOnContainerExits");
  facts.paths.root = configuration.flags.root_dir;
  facts.paths.logs = kubelet.pod_logs_dir;

  const config::RealHost host;
  NodeInfo& info = facts.info;
  info.memory_bytes = static_cast<std::int64_t>(machine.memory_bytes);
  info.swap_bytes = static_cast<std::int64_t>(machine.swap_bytes);
  info.hugepage_sizes = machine.hugepage_sizes;
  info.thermal_throttle_paths = machine.thermal_paths;
  info.cgroup_v2 = !host.cgroup_v1();
  info.swap_controller = has_swap_controller(info.cgroup_v2);
  info.selinux = base::is_directory("/sys/fs/selinux");
  info.cpu_cfs_quota = kubelet.cpu_cfs_quota;
  info.cpu_cfs_period_us = std::chrono::duration_cast<std::chrono::microseconds>(kubelet.cpu_cfs_quota_period).count();
  info.single_process_oom_kill = config::single_process_oom_kill(kubelet, host.cgroup_v1());
  info.swap_behavior =
      kubelet.memory_swap.swap_behavior == "LimitedSwap" ? SwapBehavior::limited_swap : SwapBehavior::no_swap;
  info.seccomp_default = kubelet.seccomp_default;
  info.container_stop_signals = configuration.gates.enabled("ContainerStopSignals");
  info.root_dir = facts.paths.root;
  info.logs_dir = facts.paths.logs;
  info.cluster_dns = kubelet.cluster_dns;
  info.cluster_domain = kubelet.cluster_domain;
  info.node_ips = addresses(node, configuration, log);
  auto capacity = read_capacity(configuration, machine, log);
  if (!capacity.ok()) return std::move(capacity).error();
  info.allocatable = allocatable_of(capacity->capacity, capacity->reservation);
  return facts;
}

}  // namespace keelson::agent
