#include "agent/node/capacity.hpp"

#include <algorithm>
#include <cmath>

#include "config/reservations.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;

constexpr char kStorage[] = "ephemeral-storage";

// 2097152 -> "2Mi"
std::string binary_size(std::uint64_t bytes) { return Quantity::bytes(static_cast<std::int64_t>(bytes)).to_string(); }

ResourceMap capacity_of(const config::KubeletConfiguration& kubelet, const Machine& machine, std::uint64_t root_bytes) {
  ResourceMap capacity;
  if (machine.cpus > 0) capacity["cpu"] = Quantity::from_int(machine.cpus);
  if (machine.memory_bytes > 0) capacity["memory"] = Quantity::bytes(static_cast<std::int64_t>(machine.memory_bytes));
  for (const HugepagePool& pool : machine.hugepages) {
    const auto bytes = static_cast<std::int64_t>(pool.page_bytes * pool.pages);
    capacity["hugepages-" + binary_size(pool.page_bytes)] = Quantity::bytes(bytes);
  }
  if (kubelet.local_storage_capacity_isolation && root_bytes > 0) {
    capacity[kStorage] = Quantity::bytes(static_cast<std::int64_t>(root_bytes));
  }
  std::int64_t pods = kubelet.max_pods;
  if (kubelet.pods_per_core > 0)
    pods = std::min<std::int64_t>(pods, std::int64_t(machine.cpus) * kubelet.pods_per_core);
  capacity["pods"] = Quantity::from_int(pods);
  return capacity;
}

// What the hard threshold of a signal comes to; a percentage is kept in 32 bits, as the kubelet does.
Quantity hard_threshold(const config::Configuration& configuration, const std::string& signal,
                        const Quantity& capacity) {
  if (configuration.flags.experimental_allocatable_ignore_eviction) return {};
  const auto& thresholds = configuration.kubelet.eviction_hard;
  const auto found = thresholds.find(signal);
  if (found == thresholds.end()) return {};
  const auto threshold = config::parse_threshold(found->second);
  if (!threshold.ok() || threshold->off()) return {};
  if (!threshold->percent) return threshold->amount;
  const float fraction = static_cast<float>(*threshold->percent) / 100;
  const double amount = std::floor(static_cast<double>(capacity.value()) * static_cast<double>(fraction));
  return Quantity::bytes(static_cast<std::int64_t>(amount));
}

Quantity reserved(const config::Configuration& configuration, const std::string& resource) {
  const auto& kubelet = configuration.kubelet;
  if (resource == "cpu" && !kubelet.reserved_system_cpus.empty()) {
    return Quantity::from_int(count_cpu_list(kubelet.reserved_system_cpus));
  }
  return config::reserved(kubelet, resource);
}

}  // namespace

Result<NodeCapacity> make_capacity(const config::Configuration& configuration, const Machine& machine,
                                   std::uint64_t root_bytes) {
  NodeCapacity out;
  out.capacity = capacity_of(configuration.kubelet, machine, root_bytes);
  std::string problems;
  for (const auto& [resource, amount] : out.capacity) {
    Quantity held = reserved(configuration, resource);
    if (resource == "memory") held += hard_threshold(configuration, "memory.available", amount);
    if (resource == kStorage) held += hard_threshold(configuration, "nodefs.available", amount);
    if (held.is_zero()) continue;
    if (held > amount) {
      problems += (problems.empty() ? "" : "; ") + resource + ": reserved " + held.to_string() + " of a capacity of " +
                  amount.to_string();
    }
    out.reservation[resource] = held;
  }
  if (problems.empty()) return out;
  return Error(ErrorKind::invalid,
               "more is reserved (systemReserved, kubeReserved, evictionHard) than there is: " + problems);
}

ResourceMap allocatable_of(const ResourceMap& capacity, const ResourceMap& reservation) {
  ResourceMap out;
  for (const auto& [resource, amount] : capacity) {
    Quantity left = amount;
    if (const auto held = reservation.find(resource); held != reservation.end()) left -= held->second;
    out[resource] = left.sign() < 0 ? Quantity::from_int(0, amount.format()) : left;
  }
  const auto memory = out.find("memory");
  if (memory == out.end()) return out;
  for (const auto& [resource, amount] : capacity) {
    if (api::is_hugepages(resource)) memory->second -= amount;
  }
  if (memory->second.sign() < 0) memory->second = Quantity::from_int(0, memory->second.format());
  return out;
}

}  // namespace keelson::agent
