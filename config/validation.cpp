// The rules that are ranges and lists of words, as tables.
#include "config/validation.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>

#include "config/fields.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

struct IntegerRange {
  std::string_view path;
  std::int64_t low;
  std::int64_t high;
};
constexpr IntegerRange kIntegerRanges[] = {
    {"port", 1, 65535},
    {"readOnlyPort", 0, 65535},
    {"healthzPort", 0, 65535},
    {"containerLogMaxFiles", 2, kNoLimit},
    {"containerLogMaxWorkers", 1, kNoLimit},
    {"maxPods", 0, kNoLimit},
    {"podsPerCore", 0, kNoLimit},
    {"iptablesMasqueradeBit", 0, 31},
    {"iptablesDropBit", 0, 31},
    {"registryPullQPS", 0, kNoLimit},
    {"registryBurst", 0, kNoLimit},
    {"maxParallelImagePulls", 1, kNoLimit},
    {"imageGCHighThresholdPercent", 0, 100},
    {"imageGCLowThresholdPercent", 0, 100},
    {"nodeStatusMaxImages", -1, kNoLimit},
    {"oomScoreAdj", -1000, 1000},
    {"maxOpenFiles", 0, kNoLimit},
    {"nodeLeaseDurationSeconds", 1, kNoLimit},
    {"kubeAPIQPS", 0, kNoLimit},
    {"kubeAPIBurst", 0, kNoLimit},
    {"eventRecordQPS", 0, kNoLimit},
    {"eventBurst", 0, kNoLimit},
    {"logging.verbosity", 0, std::numeric_limits<std::int32_t>::max()},
    {"tracing.samplingRatePerMillion", 0, 1'000'000},
};

struct DurationRange {
  std::string_view path;
  Duration low;
  Duration high;
  std::string_view expected;
};
constexpr Duration kForever = Duration::max();
constexpr DurationRange kDurationRanges[] = {
    {"syncFrequency", 0s, kForever, "must not be negative"},
    {"containerLogMonitorInterval", 3s, kForever, "must be 3s or more"},
    {"crashLoopBackOff.maxContainerRestartPeriod", 1s, 300s, "must be between 1s and 5m0s, inclusive"},
    {"imageMinimumGCAge", 0s, kForever, "must not be negative"},
    {"imageMaximumGCAge", 0s, kForever, "must not be negative"},
    {"cpuCFSQuotaPeriod", 1ms, 1s, "must be between 1ms and 1s, inclusive"},
    {"logging.flushFrequency", 1ns, kForever, "must be greater than zero"},
};

struct Words {
  std::string_view path;
  std::vector<std::string_view> allowed;
  bool empty_allowed = false;
};
const std::vector<Words>& word_rules() {
  static const std::vector<Words> rules = {
      {"tlsMinVersion", {"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"}, true},
      {"authorization.mode", {"Webhook", "AlwaysAllow"}},
      {"hairpinMode", {"promiscuous-bridge", "hairpin-veth", "none"}},
      {"cpuManagerPolicy", {"none", "static"}},
      {"memoryManagerPolicy", {"None", "Static"}},
      {"topologyManagerPolicy", {"none", "best-effort", "restricted", "single-numa-node"}},
      {"topologyManagerScope", {"container", "pod"}},
      {"memorySwap.swapBehavior", {"NoSwap", "LimitedSwap"}, true},
      {"memoryReservationPolicy", {"None", "TieredReservation"}},
      {"logging.format", {"text", "json"}},
  };
  return rules;
}

std::optional<std::int64_t> as_integer(Slot slot) {
  return std::visit(
      [](auto* value) -> std::optional<std::int64_t> {
        using T = std::remove_pointer_t<decltype(value)>;
        if constexpr (std::is_integral_v<T>) {
          return *value;
        } else if constexpr (std::is_same_v<T, std::optional<std::int32_t>> ||
                             std::is_same_v<T, std::optional<std::int64_t>>) {
          return *value;
        } else {
          return std::nullopt;
        }
      },
      slot);
}

std::optional<Duration> as_duration(Slot slot) {
  if (auto** value = std::get_if<Duration*>(&slot)) return **value;
  if (auto** value = std::get_if<std::optional<Duration>*>(&slot)) return **value;
  return std::nullopt;
}

Slot slot_of(std::string_view path, KubeletConfiguration& values) {
  const Field* field = find_field(path);
  KEELSON_CHECK(field != nullptr);
  return field->slot(values);
}

std::string range_text(const IntegerRange& range) {
  if (range.high != kNoLimit) {
    return "must be between " + std::to_string(range.low) + " and " + std::to_string(range.high) + ", inclusive";
  }
  return range.low == 0 ? "must not be negative" : "must be " + std::to_string(range.low) + " or more";
}

}  // namespace

void validate_simple_rules(const Configuration& configuration, Report& report) {
  // Slots point into a value that can change; this copy is what they point into.
  KubeletConfiguration values = configuration.kubelet;
  for (const IntegerRange& range : kIntegerRanges) {
    const auto value = as_integer(slot_of(range.path, values));
    if (value && (*value < range.low || *value > range.high)) {
      report.invalid(range.path, std::to_string(*value), range_text(range));
    }
  }
  for (const DurationRange& range : kDurationRanges) {
    Slot slot = slot_of(range.path, values);
    const auto value = as_duration(slot);
    if (value && (*value < range.low || *value > range.high)) report.invalid(range.path, show(slot), range.expected);
  }
  for (const Words& rule : word_rules()) {
    const Slot slot = slot_of(rule.path, values);
    const std::string& value = **std::get_if<std::string*>(&slot);
    if (value.empty() && rule.empty_allowed) continue;
    if (std::find(rule.allowed.begin(), rule.allowed.end(), value) == rule.allowed.end()) {
      report.unsupported(rule.path, quote(value), rule.allowed);
    }
  }
}

void validate(const Configuration& configuration, Report& report) {
  validate_simple_rules(configuration, report);
  validate_server(configuration, report);
  validate_pods(configuration, report);
  validate_images(configuration, report);
  validate_resources(configuration, report);
  validate_managers(configuration, report);
  validate_eviction(configuration, report);
  validate_node(configuration, report);
  validate_flags(configuration, report);
}

}  // namespace keelson::config
