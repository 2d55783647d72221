#include "config/reservations.hpp"

#include <charconv>
#include <cmath>

#include "config/values.hpp"

namespace keelson::config {

api::Quantity reserved(const KubeletConfiguration& configuration, const std::string& resource) {
  api::Quantity sum;
  for (const StringMap* amounts : {&configuration.system_reserved, &configuration.kube_reserved}) {
    const auto it = amounts->find(resource);
    if (it == amounts->end()) continue;
    if (auto quantity = api::Quantity::parse(it->second); quantity.ok()) sum += *quantity;
  }
  return sum;
}

Result<Threshold> parse_threshold(const std::string& text) {
  if (text.ends_with('%')) {
    double percent = 0;
    const char* end = text.data() + text.size() - 1;
    const auto [stop, error] = std::from_chars(text.data(), end, percent);
    if (error != std::errc{} || stop != end || !std::isfinite(percent)) {
      return Error(ErrorKind::invalid, "must be a quantity or a percentage");
    }
    return Threshold{percent, {}};
  }
  auto amount = api::Quantity::parse(text);
  if (!amount.ok()) return Error(ErrorKind::invalid, "must be a quantity or a percentage");
  return Threshold{std::nullopt, *amount};
}

std::optional<api::Quantity> memory_held_back(const KubeletConfiguration& configuration,
                                              std::optional<std::int64_t> memory_capacity) {
  api::Quantity sum = reserved(configuration, "memory");
  const auto it = configuration.eviction_hard.find("memory.available");
  if (it == configuration.eviction_hard.end()) return sum;
  const auto threshold = parse_threshold(it->second);
  if (!threshold.ok() || threshold->off()) return sum;
  if (!threshold->percent) return sum + threshold->amount;
  if (!memory_capacity) return std::nullopt;
  // The kubelet keeps the fraction in 32 bits.
  const float fraction = static_cast<float>(*threshold->percent) / 100;
  const double bytes = std::floor(static_cast<double>(*memory_capacity) * static_cast<double>(fraction));
  return sum + api::Quantity::bytes(static_cast<std::int64_t>(bytes));
}

std::map<std::string, api::Quantity> reserved_memory_totals(const KubeletConfiguration& configuration) {
  std::map<std::string, api::Quantity> totals;
  for (const MemoryReservation& reservation : configuration.reserved_memory) {
    for (const auto& [resource, amount] : reservation.limits) {
      if (auto quantity = api::Quantity::parse(amount); quantity.ok()) totals[resource] += *quantity;
    }
  }
  return totals;
}

std::string reserved_memory_problem(const KubeletConfiguration& configuration, const api::Quantity& held_back) {
  auto totals = reserved_memory_totals(configuration);
  if (held_back.sign() <= 0) return "memory must be held back by kubeReserved, systemReserved or evictionHard";
  if (totals["memory"] != held_back) {
    return "the sum of memory over all NUMA nodes must be " + held_back.to_string() +
           " (kubeReserved + systemReserved + hard eviction threshold), found " + totals["memory"].to_string();
  }
  for (const auto& [resource, amount] : totals) {
    if (resource == "memory" || amount == reserved(configuration, resource)) continue;
    return "the sum of " + resource + " must be " + reserved(configuration, resource).to_string() + ", found " +
           amount.to_string();
  }
  return "";
}

}  // namespace keelson::config
