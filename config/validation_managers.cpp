// Rules of contract 01 §2.4 and 03 §8-§10: CPU, memory and topology managers.
#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "config/reservations.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

struct CpuOption {
  std::string_view name;
  std::string_view gate;  // "" = always there
};
constexpr std::array<CpuOption, 6> kCpuOptions = {{
    {"full-pcpus-only", ""},
    {"strict-cpu-reservation", ""},
    {"prefer-align-cpus-by-uncorecache", ""},
    {"distribute-cpus-across-numa", "CPUManagerPolicyBetaOptions"},
    {"align-by-socket", "CPUManagerPolicyAlphaOptions"},
    {"distribute-cpus-across-cores", "CPUManagerPolicyAlphaOptions"},
}};

struct Exclusion {
  std::string_view one;
  std::string_view other;
};
constexpr std::array<Exclusion, 4> kExclusions = {{
    {"full-pcpus-only", "distribute-cpus-across-cores"},
    {"distribute-cpus-across-numa", "distribute-cpus-across-cores"},
    {"prefer-align-cpus-by-uncorecache", "distribute-cpus-across-cores"},
    {"prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"},
}};

std::string keyed(std::string_view path, std::string_view key) {
  return std::string(path) + "[" + std::string(key) + "]";
}

void check_cpu_options(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  constexpr std::string_view kPath = "cpuManagerPolicyOptions";
  if (!values.cpu_manager_policy_options.empty() && values.cpu_manager_policy == "none") {
    report.forbidden(kPath, "cpuManagerPolicy none takes no options");
    return;
  }
  std::set<std::string_view> on;
  for (const auto& [name, text] : values.cpu_manager_policy_options) {
    const auto option = std::find_if(kCpuOptions.begin(), kCpuOptions.end(),
                                     [&wanted = name](const CpuOption& known) { return known.name == wanted; });
    if (option == kCpuOptions.end()) {
      std::vector<std::string_view> all;
      for (const CpuOption& known : kCpuOptions) all.push_back(known.name);
      report.unsupported(keyed(kPath, name), quote(name), all);
      continue;
    }
    if (!option->gate.empty() && !configuration.gates.enabled(option->gate)) {
      report.forbidden(keyed(kPath, name), "needs feature gate " + std::string(option->gate));
      continue;
    }
    const auto value = parse_bool(text);
    if (!value.ok()) {
      report.invalid(keyed(kPath, name), quote(text), "must be \"true\" or \"false\"");
    } else if (*value) {
      on.insert(name);
    }
  }
  for (const Exclusion& exclusion : kExclusions) {
    if (!on.contains(exclusion.one) || !on.contains(exclusion.other)) continue;
    report.invalid(keyed(kPath, exclusion.other), "\"true\"", "cannot stand with " + std::string(exclusion.one));
  }
  if (on.contains("align-by-socket") && values.topology_manager_policy == "single-numa-node") {
    report.invalid(keyed(kPath, "align-by-socket"), "\"true\"",
                   "cannot stand with topologyManagerPolicy single-numa-node");
  }
}

void check_topology_options(const KubeletConfiguration& values, Report& report) {
  if (values.topology_manager_policy == "none") return;
  constexpr std::string_view kPath = "topologyManagerPolicyOptions";
  for (const auto& [name, text] : values.topology_manager_policy_options) {
    if (name == "prefer-closest-numa-nodes") {
      if (!parse_bool(text).ok()) report.invalid(keyed(kPath, name), quote(text), "must be \"true\" or \"false\"");
    } else if (name == "max-allowable-numa-nodes") {
      int count = 0;
      const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), count);
      if (error != std::errc{} || stop != text.data() + text.size() || count < 8) {
        report.invalid(keyed(kPath, name), quote(text), "must be a number of 8 or more");
      }
    } else {
      report.unsupported(keyed(kPath, name), quote(name), {"prefer-closest-numa-nodes", "max-allowable-numa-nodes"});
    }
  }
}

void check_reserved_memory(const KubeletConfiguration& values, Report& report) {
  std::set<std::pair<std::int32_t, std::string>> seen;
  for (std::size_t i = 0; i < values.reserved_memory.size(); ++i) {
    const MemoryReservation& reservation = values.reserved_memory[i];
    const std::string item = "reservedMemory[" + std::to_string(i) + "]";
    if (reservation.numa_node < 0) {
      report.invalid(item + ".numaNode", std::to_string(reservation.numa_node), "must not be negative");
    }
    if (reservation.limits.empty())
      report.required(item + ".limits", "must name an amount of memory or hugepages-<size>");
    for (const auto& [resource, amount] : reservation.limits) {
      const std::string path = item + ".limits[" + resource + "]";
      const auto quantity = api::Quantity::parse(amount);
      if (resource != "memory" && !resource.starts_with("hugepages-")) {
        report.add(path, "Unsupported value: " + quote(resource) + ": expected memory or hugepages-<size>");
      } else if (!quantity.ok()) {
        report.invalid(path, quote(amount), "must be a quantity such as 1Gi");
      } else if (quantity->sign() <= 0) {
        report.invalid(path, quote(amount), "must be greater than zero");
      } else if (!seen.emplace(reservation.numa_node, resource).second) {
        report.duplicate(path, quote(resource) + " of NUMA node " + std::to_string(reservation.numa_node));
      }
    }
  }
  if (values.memory_manager_policy != "Static") return;
  // A threshold in percent needs the host's memory: config/host_checks.hpp.
  const auto held_back = memory_held_back(values, std::nullopt);
  if (!held_back) return;
  const std::string problem = reserved_memory_problem(values, *held_back);
  if (!problem.empty()) report.add("reservedMemory", "Invalid value: " + problem);
}

}  // namespace

void validate_managers(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  check_cpu_options(configuration, report);
  if (values.cpu_manager_policy == "static" && values.reserved_system_cpus.empty() &&
      reserved(values, "cpu").sign() <= 0) {
    report.invalid("cpuManagerPolicy", "\"static\"",
                   "needs CPU kept for the system: set reservedSystemCPUs, or cpu in kubeReserved or systemReserved");
  }
  check_topology_options(values, report);
  check_reserved_memory(values, report);
}

}  // namespace keelson::config
