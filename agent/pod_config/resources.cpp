#include "agent/pod_config/resources.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "cgroup-manager/formulas.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using QuantityMap = google::protobuf::Map<std::string, k8s::resource::Quantity>;

constexpr std::int64_t kGuaranteedScore = -997;
constexpr std::int64_t kBestEffortScore = 1000;
constexpr std::int64_t kLowestBurstableScore = 1000 + kGuaranteedScore;

std::optional<Quantity> find(const QuantityMap& quantities, const std::string& name) {
  const auto it = quantities.find(name);
  if (it == quantities.end()) return std::nullopt;
  return Quantity::of(it->second);
}

std::optional<Quantity> find(const ResourceList& quantities, const std::string& name) {
  const auto it = quantities.find(name);
  if (it == quantities.end()) return std::nullopt;
  return it->second;
}

// CPU and memory of contract 02 §2.4. A request that is absent is taken from the limit; one of zero is not.
cri::LinuxContainerResources cpu_and_memory(std::optional<Quantity> cpu_request, Quantity cpu_limit,
                                            Quantity memory_limit, const NodeInfo& node, bool exclusive_cpus) {
  cri::LinuxContainerResources result;
  result.cpu_shares = cgroups::shares_from_milli(cpu_request.value_or(cpu_limit).milli_value());
  result.memory_limit_in_bytes = memory_limit.value();
  if (node.cpu_cfs_quota) {
    result.cpu_period = node.cpu_cfs_period_us;
    result.cpu_quota = exclusive_cpus ? -1 : cgroups::quota_from_milli(cpu_limit.milli_value(), node.cpu_cfs_period_us);
  }
  if (node.cgroup_v2 && !node.single_process_oom_kill) result.unified["memory.oom.group"] = "1";
  return result;
}

// The container's own limit, else that of the pod, else zero.
Quantity limit_or_pod_limit(const api::Pod& pod, const api::core::Container& container, const std::string& name) {
  const Quantity own = find(container.resources().limits(), name).value_or(Quantity());
  if (!own.is_zero()) return own;
  return find(pod.spec().resources().limits(), name).value_or(Quantity());
}

void take_hugepages(std::map<std::string, std::uint64_t>& limits, const QuantityMap& quantities) {
  for (const auto& [name, quantity] : quantities) {
    const std::string size = hugepage_size(name);
    if (!size.empty())
      limits[size] = static_cast<std::uint64_t>(std::max<std::int64_t>(0, Quantity::of(quantity).value()));
  }
}

std::vector<cri::HugepageLimit> hugepage_limits(const api::Pod& pod, const api::core::Container& container,
                                                const NodeInfo& node) {
  std::map<std::string, std::uint64_t> named;
  take_hugepages(named, pod.spec().resources().limits());
  take_hugepages(named, container.resources().limits());
  std::vector<cri::HugepageLimit> result;
  for (const auto& size : node.hugepage_sizes) {
    const auto it = named.find(size);
    result.push_back({size, it == named.end() ? 0 : it->second});
  }
  return result;
}

// Bytes of swap a container may use under LimitedSwap.
std::int64_t swap_share(const api::Pod& pod, const api::core::Container& container, const NodeInfo& node) {
  const Quantity request = find(container.resources().requests(), "memory").value_or(Quantity());
  const Quantity limit = find(container.resources().limits(), "memory").value_or(Quantity());
  if (node.swap_behavior != SwapBehavior::limited_swap || is_critical(pod) || qos_class(pod) != QosClass::burstable ||
      request.is_zero() || request == limit || node.memory_bytes <= 0 || request.value() > node.memory_bytes) {
    return 0;
  }
  const double part = static_cast<double>(request.value()) / static_cast<double>(node.memory_bytes);
  return static_cast<std::int64_t>(part * static_cast<double>(node.swap_bytes));
}

void set_swap(cri::LinuxContainerResources& resources, const api::Pod& pod, const api::core::Container& container,
              const NodeInfo& node) {
  if (!node.swap_controller) return;
  if (node.cgroup_v2) {
    resources.unified["memory.swap.max"] = std::to_string(swap_share(pod, container, node));
  } else {
    resources.memory_swap_limit_in_bytes = resources.memory_limit_in_bytes;
  }
}

std::int64_t memory_request(const api::core::Container& container) {
  return find(container.resources().requests(), "memory").value_or(Quantity()).value();
}

// What the pod-level memory request holds beyond its containers' requests, per container.
std::int64_t unassigned_request_per_container(const api::Pod& pod) {
  const auto pod_request = find(pod.spec().resources().requests(), "memory");
  const int count = pod.spec().containers_size() + pod.spec().initcontainers_size();
  if (!pod_request || pod_request->is_zero() || count == 0) return 0;
  const ResourceList sums = effective_requests(pod, {.overhead = false, .pod_level = false});
  return (pod_request->value() - find(sums, "memory").value_or(Quantity()).value()) / count;
}

bool is_sidecar_of(const api::Pod& pod, const api::core::Container& container) {
  return std::any_of(pod.spec().initcontainers().begin(), pod.spec().initcontainers().end(), [&](const auto& init) {
    return init.name() == container.name() && init.restartpolicy() == "Always";
  });
}

bool every_container_limits(const api::Pod& pod, const std::string& name) {
  const auto limits = [&](const api::core::Container& container) {
    return !find(container.resources().limits(), name).value_or(Quantity()).is_zero();
  };
  return std::all_of(pod.spec().containers().begin(), pod.spec().containers().end(), limits) &&
         std::all_of(pod.spec().initcontainers().begin(), pod.spec().initcontainers().end(), limits);
}

bool limit_applies(const api::Pod& pod, QosClass qos, const std::string& name) {
  if (qos == QosClass::guaranteed) return true;
  if (qos == QosClass::best_effort) return false;
  return every_container_limits(pod, name) ||
         !find(pod.spec().resources().limits(), name).value_or(Quantity()).is_zero();
}

}  // namespace

cri::LinuxContainerResources sandbox_resources(const api::Pod& pod, const NodeInfo& node, bool exclusive_cpus) {
  const ResourceList requests = effective_requests(pod, {.overhead = false});
  const ResourceList limits = effective_limits(pod, {.overhead = false});
  return cpu_and_memory(find(requests, "cpu"), find(limits, "cpu").value_or(Quantity()),
                        find(limits, "memory").value_or(Quantity()), node, exclusive_cpus);
}

cri::LinuxContainerResources overhead_resources(const api::Pod& pod, const NodeInfo& node) {
  if (pod.spec().overhead().empty()) return {};
  const Quantity cpu = find(pod.spec().overhead(), "cpu").value_or(Quantity());
  return cpu_and_memory(cpu, cpu, find(pod.spec().overhead(), "memory").value_or(Quantity()), node, false);
}

cri::LinuxContainerResources container_resources(const api::Pod& pod, const api::core::Container& container,
                                                 const NodeInfo& node, bool exclusive_cpus) {
  cri::LinuxContainerResources result =
      cpu_and_memory(find(container.resources().requests(), "cpu"), limit_or_pod_limit(pod, container, "cpu"),
                     limit_or_pod_limit(pod, container, "memory"), node, exclusive_cpus);
  result.oom_score_adj = oom_score_adj(pod, container, node.memory_bytes);
  result.hugepage_limits = hugepage_limits(pod, container, node);
  set_swap(result, pod, container, node);
  return result;
}

std::int64_t oom_score_adj(const api::Pod& pod, const api::core::Container& container, std::int64_t node_memory) {
  if (is_node_critical(pod)) return kGuaranteedScore;
  const QosClass qos = qos_class(pod);
  if (qos == QosClass::guaranteed) return kGuaranteedScore;
  if (qos == QosClass::best_effort || node_memory <= 0) return kBestEffortScore;

  const std::int64_t extra = unassigned_request_per_container(pod);
  const auto score = [&](std::int64_t request) {
    return static_cast<std::int64_t>(1000 - static_cast<__int128>(1000) * (request + extra) / node_memory);
  };
  std::int64_t result = score(memory_request(container));
  if (is_sidecar_of(pod, container) && pod.spec().containers_size() > 0) {
    std::int64_t smallest = memory_request(pod.spec().containers(0));
    for (const auto& regular : pod.spec().containers()) smallest = std::min(smallest, memory_request(regular));
    result = std::min(result, score(smallest));
  }
  if (result < kLowestBurstableScore) return kLowestBurstableScore;
  return result == kBestEffortScore ? kBestEffortScore - 1 : result;
}

cgroups::Limits pod_cgroup_limits(const api::Pod& pod, const NodeInfo& node, std::int64_t pids_limit,
                                  bool exclusive_cpus) {
  const QosClass qos = qos_class(pod);
  const ResourceList requests = effective_requests(pod);
  const ResourceList limits = effective_limits(pod);
  cgroups::Limits result;
  result.cpu_shares = qos == QosClass::best_effort
                          ? cgroups::kMinShares
                          : cgroups::shares_from_milli(find(requests, "cpu").value_or(Quantity()).milli_value());
  if (limit_applies(pod, qos, "cpu")) {
    const bool capped = node.cpu_cfs_quota && !exclusive_cpus;
    const std::int64_t milli = find(limits, "cpu").value_or(Quantity()).milli_value();
    result.cpu_period = node.cpu_cfs_period_us;
    result.cpu_quota = capped ? cgroups::quota_from_milli(milli, node.cpu_cfs_period_us) : -1;
  }
  if (limit_applies(pod, qos, "memory")) result.memory = find(limits, "memory").value_or(Quantity()).value();
  if (pids_limit > 0) result.pids = pids_limit;
  for (const auto& size : node.hugepage_sizes) result.hugetlb[size] = 0;
  for (const auto& [name, quantity] : requests) {
    const auto it = result.hugetlb.find(hugepage_size(name));
    if (it != result.hugetlb.end()) it->second = quantity.value();
  }
  return result;
}

std::int64_t cpu_request_milli(const api::Pod& pod) {
  return find(effective_requests(pod), "cpu").value_or(Quantity()).milli_value();
}

std::string hugepage_size(const std::string& resource) {
  constexpr std::string_view kPrefix = "hugepages-";
  if (!resource.starts_with(kPrefix)) return "";
  const auto parsed = Quantity::parse(std::string_view(resource).substr(kPrefix.size()));
  if (!parsed.ok()) return "";
  static constexpr std::array<const char*, 5> kUnits{"B", "KB", "MB", "GB", "TB"};
  std::int64_t size = parsed.value().value();
  if (size <= 0) return "";
  std::size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return std::to_string(size) + kUnits[unit];
}

}  // namespace keelson::agent
