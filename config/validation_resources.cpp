// Rules of contract 01 §2.4: cgroups, reservations and the resource managers.
#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "api/quantity.hpp"
#include "base/duration.hpp"
#include "config/reservations.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using namespace std::chrono_literals;

std::string keyed(std::string_view path, std::string_view key) {
  return std::string(path) + "[" + std::string(key) + "]";
}

void check_reservation(std::string_view path, const StringMap& amounts, Report& report) {
  const std::vector<std::string_view> resources = {"cpu", "memory", "ephemeral-storage", "pid"};
  for (const auto& [resource, amount] : amounts) {
    if (std::find(resources.begin(), resources.end(), resource) == resources.end()) {
      report.add(keyed(path, resource), "Unsupported value: " + quote(resource) + ": expected " + one_of(resources));
      continue;
    }
    const auto quantity = api::Quantity::parse(amount);
    if (!quantity.ok()) {
      report.invalid(keyed(path, resource), quote(amount), "must be a quantity such as 500m or 1Gi");
    } else if (quantity->sign() < 0) {
      report.invalid(keyed(path, resource), quote(amount), "must not be negative");
    }
  }
}

struct Enforcement {
  std::string_view word;
  std::string_view plain;  // its plain twin, "" when it has none
  std::string_view cgroup_field;
};
constexpr std::array<Enforcement, 6> kEnforcements = {{
    {"pods", "", ""},
    {"system-reserved", "", "systemReservedCgroup"},
    {"system-reserved-compressible", "system-reserved", "systemReservedCgroup"},
    {"kube-reserved", "", "kubeReservedCgroup"},
    {"kube-reserved-compressible", "kube-reserved", "kubeReservedCgroup"},
    {"none", "", ""},
}};

void check_enforcement(const KubeletConfiguration& values, Report& report) {
  const auto& words = values.enforce_node_allocatable;
  const std::set<std::string_view> given(words.begin(), words.end());
  std::set<std::string_view> seen;
  bool needs_tree = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string path = "enforceNodeAllocatable[" + std::to_string(i) + "]";
    const auto known = std::find_if(kEnforcements.begin(), kEnforcements.end(),
                                    [&](const Enforcement& enforcement) { return enforcement.word == words[i]; });
    if (!seen.insert(words[i]).second) {
      report.duplicate(path, quote(words[i]));
      continue;
    }
    if (known == kEnforcements.end()) {
      std::vector<std::string_view> all;
      for (const Enforcement& enforcement : kEnforcements) all.push_back(enforcement.word);
      report.unsupported(path, quote(words[i]), all);
      continue;
    }
    if (words[i] == "none") {
      if (words.size() > 1) report.invalid(path, "\"none\"", "cannot stand with others");
      continue;
    }
    needs_tree = true;
    if (!known->plain.empty() && given.contains(known->plain)) {
      report.invalid(path, quote(words[i]), "cannot stand with " + quote(known->plain));
    }
    const bool system = known->cgroup_field == "systemReservedCgroup";
    if (!known->cgroup_field.empty() &&
        (system ? values.system_reserved_cgroup : values.kube_reserved_cgroup).empty()) {
      report.required(known->cgroup_field, "must be set when enforceNodeAllocatable has " + quote(words[i]));
    }
  }
  if (needs_tree && !values.cgroups_per_qos) {
    report.invalid("cgroupsPerQOS", "false",
                   "must be true while enforceNodeAllocatable names anything but none (set it to [none])");
  }
}

void check_reserved_cpus(const KubeletConfiguration& values, Report& report) {
  if (values.reserved_system_cpus.empty()) return;
  const std::string problem = check_cpu_list(values.reserved_system_cpus, nullptr);
  if (!problem.empty()) report.invalid("reservedSystemCPUs", quote(values.reserved_system_cpus), problem);
  for (const auto& [path, cgroup] :
       {std::pair<std::string_view, const std::string&>{"systemReservedCgroup", values.system_reserved_cgroup},
        {"kubeReservedCgroup", values.kube_reserved_cgroup}}) {
    if (!cgroup.empty()) report.forbidden(path, "cannot be set together with reservedSystemCPUs");
  }
}

void check_qos_reserved(const Configuration& configuration, Report& report) {
  for (const auto& [resource, share] : configuration.kubelet.qos_reserved) {
    const std::string path = keyed("qosReserved", resource);
    if (resource != "memory") {
      report.unsupported(path, quote(resource), {"memory"});
      continue;
    }
    int percent = -1;
    const char* end = share.data() + share.size() - (share.ends_with('%') ? 1 : 0);
    const auto [stop, error] = std::from_chars(share.data(), end, percent);
    if (!share.ends_with('%') || error != std::errc{} || stop != end || percent < 0 || percent > 100) {
      report.invalid(path, quote(share), "must be a percentage from 0% to 100%");
    }
  }
  if (!configuration.kubelet.qos_reserved.empty() && !configuration.gates.enabled("QOSReserved")) {
    report.warn("qosReserved", "has no effect while feature gate QOSReserved is off");
  }
}

}  // namespace

std::string check_cpu_list(std::string_view text, std::vector<int>* cpus) {
  const auto number = [](std::string_view digits, int& out) {
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc{} && stop == digits.data() + digits.size() && out >= 0 && out < 1'000'000;
  };
  for (const std::string& part : split(text, ',')) {
    const auto dash = part.find('-');
    int first = 0;
    int last = 0;
    const bool good = dash == std::string::npos
                          ? number(part, first) && (last = first, true)
                          : number(std::string_view(part).substr(0, dash), first) &&
                                number(std::string_view(part).substr(dash + 1), last) && first <= last;
    if (!good) return "must be a list of CPUs such as 0-3,7; " + quote(part) + " is neither a CPU nor a range";
    for (int cpu = first; cpus != nullptr && cpu <= last; ++cpu) cpus->push_back(cpu);
  }
  return "";
}

void validate_resources(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  check_reservation("systemReserved", values.system_reserved, report);
  check_reservation("kubeReserved", values.kube_reserved, report);
  check_enforcement(values, report);
  check_reserved_cpus(values, report);
  check_qos_reserved(configuration, report);
  if (!values.system_cgroups.empty() && values.cgroup_root.empty()) {
    report.required("cgroupRoot", "must be set when systemCgroups is");
  }
  if (values.system_cgroups == "/") report.invalid("systemCgroups", "\"/\"", "must not be the root cgroup");
  if (values.cpu_cfs_quota_period != 100ms && !configuration.gates.enabled("CustomCPUCFSQuotaPeriod")) {
    report.invalid("cpuCFSQuotaPeriod", base::format_duration(values.cpu_cfs_quota_period),
                   "needs feature gate CustomCPUCFSQuotaPeriod");
  }
  if (!(values.memory_throttling_factor > 0 && values.memory_throttling_factor <= 1)) {
    report.invalid("memoryThrottlingFactor", nlohmann::json(values.memory_throttling_factor).dump(),
                   "must be greater than 0 and not greater than 1");
  }
  if (values.memory_reservation_policy == "TieredReservation" && !configuration.gates.enabled("MemoryQoS")) {
    report.invalid("memoryReservationPolicy", "\"TieredReservation\"", "needs feature gate MemoryQoS");
  }
  if (values.cgroup_driver != "systemd" && values.cgroup_driver != "cgroupfs") {
    report.warn("cgroupDriver",
                quote(values.cgroup_driver) + " is neither systemd nor cgroupfs and is taken for cgroupfs");
  }
}

}  // namespace keelson::config
