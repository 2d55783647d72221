// Rules of contract 01 §2.4 and 03 §7: eviction thresholds.
#include <algorithm>
#include <array>

#include "base/duration.hpp"
#include "config/reservations.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

constexpr std::array<std::string_view, 9> kSignals = {
    "memory.available",      "allocatableMemory.available", "nodefs.available",
    "nodefs.inodesFree",     "imagefs.available",           "imagefs.inodesFree",
    "containerfs.available", "containerfs.inodesFree",      "pid.available"};

std::string keyed(std::string_view path, std::string_view key) {
  return std::string(path) + "[" + std::string(key) + "]";
}

// False, with a report, when there is no such signal.
bool check_signal(std::string_view path, const std::string& signal, Report& report) {
  if (std::find(kSignals.begin(), kSignals.end(), signal) != kSignals.end()) return true;
  report.unsupported(keyed(path, signal), quote(signal), {kSignals.begin(), kSignals.end()});
  return false;
}

void check_thresholds(std::string_view path, const StringMap& thresholds, Report& report) {
  for (const auto& [signal, text] : thresholds) {
    if (!check_signal(path, signal, report)) continue;
    const auto threshold = parse_threshold(text);
    if (!threshold.ok()) {
      report.invalid(keyed(path, signal), quote(text), "must be a quantity such as 100Mi or a percentage such as 10%");
    } else if (threshold->percent && (*threshold->percent < 0 || *threshold->percent > 100)) {
      report.invalid(keyed(path, signal), quote(text), "must be between 0% and 100%");
    } else if (!threshold->percent && threshold->amount.sign() <= 0) {
      report.invalid(keyed(path, signal), quote(text), "must be greater than zero; 0% switches the signal off");
    }
  }
}

void check_soft_grace(const KubeletConfiguration& values, Report& report) {
  for (const auto& [signal, text] : values.eviction_soft) {
    const auto threshold = parse_threshold(text);
    if (threshold.ok() && threshold->off()) continue;
    if (values.eviction_soft_grace_period.contains(signal)) continue;
    report.required(keyed("evictionSoftGracePeriod", signal), "must be set for the soft threshold of " + quote(signal));
  }
  for (const auto& [signal, text] : values.eviction_soft_grace_period) {
    if (!check_signal("evictionSoftGracePeriod", signal, report)) continue;
    const auto period = base::parse_duration(text);
    const std::string path = keyed("evictionSoftGracePeriod", signal);
    if (!period.ok()) {
      report.invalid(path, quote(text), "must be a duration such as 1m30s");
    } else if (period->count() < 0) {
      report.invalid(path, quote(text), "must not be negative");
    }
  }
}

void check_minimum_reclaim(const KubeletConfiguration& values, Report& report) {
  constexpr std::string_view kPath = "evictionMinimumReclaim";
  for (const auto& [signal, text] : values.eviction_minimum_reclaim) {
    if (!check_signal(kPath, signal, report)) continue;
    const auto amount = parse_threshold(text);
    if (!amount.ok()) {
      report.invalid(keyed(kPath, signal), quote(text), "must be a quantity such as 1Gi or a percentage such as 5%");
    } else if (amount->percent ? *amount->percent <= 0 : amount->amount.sign() < 0) {
      report.invalid(keyed(kPath, signal), quote(text),
                     amount->percent ? "must be greater than 0%" : "must not be negative");
    }
  }
}

}  // namespace

void validate_eviction(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  check_thresholds("evictionHard", values.eviction_hard, report);
  check_thresholds("evictionSoft", values.eviction_soft, report);
  check_soft_grace(values, report);
  check_minimum_reclaim(values, report);
}

}  // namespace keelson::config
