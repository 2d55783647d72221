// Sums over the reservations of the configuration. Pure functions; amounts that do not parse count as nothing.
//
// Source: contract 01 §2.4; 03 §8, §9.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "api/quantity.hpp"
#include "config/configuration.hpp"

namespace keelson::config {

// systemReserved + kubeReserved of one resource.
api::Quantity reserved(const KubeletConfiguration& configuration, const std::string& resource);

// A threshold or a share: a fraction of the capacity ("10%") or an amount.
struct Threshold {
  std::optional<double> percent;
  api::Quantity amount;
  // 0% and 100% switch a signal off.
  bool off() const { return percent && (*percent == 0 || *percent == 100); }
};
Result<Threshold> parse_threshold(const std::string& text);

// What the static memory manager holds back in all: reservations plus the hard threshold of memory.available.
// No value: the threshold is a percentage and `memory_capacity` (bytes) is not known.
std::optional<api::Quantity> memory_held_back(const KubeletConfiguration& configuration,
                                              std::optional<std::int64_t> memory_capacity);
// The sums of reservedMemory per resource.
std::map<std::string, api::Quantity> reserved_memory_totals(const KubeletConfiguration& configuration);
// "" or why reservedMemory does not add up.
std::string reserved_memory_problem(const KubeletConfiguration& configuration, const api::Quantity& held_back);

}  // namespace keelson::config
