#include "config/host_checks.hpp"

#include <algorithm>

#include "config/paths.hpp"
#include "config/reservations.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using Lines = std::vector<std::string>;

void check_cgroups(const KubeletConfiguration& values, const HostView& host, Lines& lines) {
  const bool v1 = host.cgroup_v1();
  if (v1 && values.fail_cgroup_v1) {
    lines.push_back(
        "failCgroupV1: this host runs cgroup v1, which Kubernetes no longer supports by default: boot with cgroup v2 "
        "(systemd.unified_cgroup_hierarchy=1), or set failCgroupV1 to false");
  }
  if (v1 && values.single_process_oom_kill == false) {
    lines.push_back(
        "singleProcessOOMKill: Invalid value: false: cgroup v1 cannot kill a whole container: leave it out");
  }
  if (v1 && values.memory_swap.swap_behavior == "LimitedSwap") {
    lines.push_back("memorySwap.swapBehavior: Invalid value: \"LimitedSwap\": needs cgroup v2");
  }
  const std::string root = values.effective_cgroup_root();
  if (!root.empty() && root != "/" && !host.cgroup_exists(root)) {
    lines.push_back("cgroupRoot: Invalid value: " + quote(root) + ": there is no such cgroup");
  }
}

void check_swap(const KubeletConfiguration& values, const HostView& host, Lines& lines) {
  if (!values.fail_swap_on) return;
  const auto areas = host.swap_areas();
  if (areas.empty()) return;
  std::string names;
  for (const std::string& area : areas)
    names += (names.empty() ? "" : ", ") + area.substr(0, area.find_first_of(" \t"));
  lines.push_back("failSwapOn: this host swaps (" + names +
                  "): turn swap off (swapoff -a), or set failSwapOn to false");
}

void check_cpus(const KubeletConfiguration& values, const HostView& host, Lines& lines) {
  std::vector<int> wanted;
  if (values.reserved_system_cpus.empty() || !check_cpu_list(values.reserved_system_cpus, &wanted).empty()) return;
  const auto online = host.online_cpus();
  for (const int cpu : wanted) {
    if (std::find(online.begin(), online.end(), cpu) != online.end()) continue;
    lines.push_back("reservedSystemCPUs: Invalid value: " + quote(values.reserved_system_cpus) + ": CPU " +
                    std::to_string(cpu) + " is not online");
    return;
  }
}

void check_reserved_memory(const KubeletConfiguration& values, const HostView& host, Lines& lines) {
  if (values.memory_manager_policy != "Static") return;
  // With an amount as threshold the rule needs no host: config/validation_managers.cpp has done it.
  if (memory_held_back(values, std::nullopt)) return;
  const auto held_back = memory_held_back(values, host.memory_bytes());
  const std::string problem = reserved_memory_problem(values, *held_back);
  if (!problem.empty()) lines.push_back("reservedMemory: Invalid value: " + problem);
}

void check_files(const Configuration& configuration, const HostView& host, Lines& lines) {
  const KubeletConfiguration& values = configuration.kubelet;
  struct Wanted {
    std::string_view name;
    const std::string& path;
  };
  for (const auto& [name, path] :
       {Wanted{"tlsCertFile", values.tls_cert_file}, Wanted{"tlsPrivateKeyFile", values.tls_private_key_file},
        Wanted{"authentication.x509.clientCAFile", values.authentication.x509.client_ca_file}}) {
    if (path.empty()) continue;
    const Status readable = host.readable(path);
    if (!readable.ok()) lines.push_back(std::string(name) + ": " + readable.error().to_string());
  }
}

void check_credential_programs(const Configuration& configuration, const HostView& host, Lines& lines) {
  if (configuration.flags.image_credential_provider_config.empty()) return;
  const std::string& folder = configuration.flags.image_credential_provider_bin_dir;
  if (!host.is_directory(folder)) {
    lines.push_back("--image-credential-provider-bin-dir: there is no folder " + folder);
    return;
  }
  for (const CredentialProvider& provider : configuration.credential_providers) {
    const std::string program = resolve_path(folder, provider.name);
    if (host.is_executable(program)) continue;
    lines.push_back("--image-credential-provider-config: provider " + quote(provider.name) + " needs the program " +
                    program + ", which is not there or cannot be executed");
  }
}

}  // namespace

std::vector<std::string> host_problems(const Configuration& configuration, const HostView& host) {
  Lines lines;
  check_cgroups(configuration.kubelet, host, lines);
  check_swap(configuration.kubelet, host, lines);
  check_cpus(configuration.kubelet, host, lines);
  check_reserved_memory(configuration.kubelet, host, lines);
  check_files(configuration, host, lines);
  check_credential_programs(configuration, host, lines);
  return lines;
}

bool single_process_oom_kill(const KubeletConfiguration& configuration, bool cgroup_v1) {
  return configuration.single_process_oom_kill.value_or(cgroup_v1);
}

}  // namespace keelson::config
