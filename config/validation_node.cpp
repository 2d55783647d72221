// Rules of contract 01 §2.5 that are more than a range.
#include <set>

#include "base/duration.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using namespace std::chrono_literals;

void check_taints(const KubeletConfiguration& values, Report& report) {
  std::set<std::pair<std::string, std::string>> seen;
  for (std::size_t i = 0; i < values.register_with_taints.size(); ++i) {
    const Taint& taint = values.register_with_taints[i];
    const std::string path = "registerWithTaints[" + std::to_string(i) + "]";
    if (const std::string problem = check_label_key(taint.key); !problem.empty()) {
      report.invalid(path + ".key", quote(taint.key), problem);
    }
    if (const std::string problem = check_label_value(taint.value); !problem.empty()) {
      report.invalid(path + ".value", quote(taint.value), problem);
    }
    if (taint.effect != "NoSchedule" && taint.effect != "PreferNoSchedule" && taint.effect != "NoExecute") {
      report.unsupported(path + ".effect", quote(taint.effect), {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    }
    if (taint.time_added) report.forbidden(path + ".timeAdded", "cannot be set here");
    if (!seen.emplace(taint.key, taint.effect).second) report.duplicate(path, quote(taint.key + ":" + taint.effect));
  }
}

void check_shutdown(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  const Duration total = values.shutdown_grace_period;
  const Duration critical = values.shutdown_grace_period_critical_pods;
  for (const auto& [path, period] : {std::pair<std::string_view, Duration>{"shutdownGracePeriod", total},
                                     {"shutdownGracePeriodCriticalPods", critical}}) {
    if (period < 0s || (period > 0s && period < 1s)) {
      report.invalid(path, base::format_duration(period), "must be 0, or 1s or more");
    }
    if (period > 0s && !configuration.gates.enabled("GracefulNodeShutdown")) {
      report.forbidden(path, "needs feature gate GracefulNodeShutdown");
    }
  }
  if (critical > total) {
    report.invalid("shutdownGracePeriodCriticalPods", base::format_duration(critical),
                   "must not be more than shutdownGracePeriod (" + base::format_duration(total) + ")");
  }
  if (values.shutdown_grace_period_by_pod_priority.empty()) return;
  constexpr std::string_view kByPriority = "shutdownGracePeriodByPodPriority";
  if (total > 0s || critical > 0s) {
    report.forbidden(kByPriority, "cannot be set together with shutdownGracePeriod or shutdownGracePeriodCriticalPods");
  }
  if (!configuration.gates.enabled("GracefulNodeShutdownBasedOnPodPriority")) {
    report.forbidden(kByPriority, "needs feature gate GracefulNodeShutdownBasedOnPodPriority");
  }
}

void check_logging(const Configuration& configuration, Report& report) {
  const Logging& logging = configuration.kubelet.logging;
  for (std::size_t i = 0; i < logging.vmodule.size(); ++i) {
    const VModule& module = logging.vmodule[i];
    const std::string path = "logging.vmodule[" + std::to_string(i) + "]";
    if (module.file_pattern.empty()) {
      report.required(path + ".filePattern", "the pattern of a file name");
    } else if (module.file_pattern.find_first_of("=,") != std::string::npos) {
      report.invalid(path + ".filePattern", quote(module.file_pattern), "must hold neither = nor ,");
    }
    if (module.verbosity > 0x7fffffffu) {
      report.invalid(path + ".verbosity", std::to_string(module.verbosity),
                     "must be between 0 and 2147483647, inclusive");
    }
  }
  if (!logging.vmodule.empty() && logging.format != "text") {
    report.forbidden("logging.vmodule", "works with logging.format text only");
  }
  if (configuration.gates.enabled("LoggingAlphaOptions")) return;
  for (const auto& [path, output] :
       {std::pair<std::string, const LogOutput&>{"logging.options.text", logging.options.text},
        {"logging.options.json", logging.options.json}}) {
    constexpr std::string_view kGate = "needs feature gate LoggingAlphaOptions";
    if (output.split_stream) report.forbidden(path + ".splitStream", kGate);
    if (output.info_buffer_size.value != 0) report.forbidden(path + ".infoBufferSize", kGate);
  }
}

void check_tracing(const KubeletConfiguration& values, Report& report) {
  if (!values.tracing.endpoint) return;
  const std::string& endpoint = *values.tracing.endpoint;
  const auto slashes = endpoint.find("//");
  if (slashes == std::string::npos) return;
  const std::string scheme = slashes > 0 && endpoint[slashes - 1] == ':' ? endpoint.substr(0, slashes - 1) : "";
  if (scheme != "dns" && scheme != "unix" && scheme != "unix-abstract") {
    report.invalid("tracing.endpoint", quote(endpoint), "the scheme must be dns, unix or unix-abstract");
  }
}

void check_gates(const Configuration& configuration, Report& report) {
  for (const auto& [gate, on] : configuration.kubelet.feature_gates) {
    const Status allowed = check_gate(gate, on);
    if (!allowed.ok()) report.add("featureGates[" + gate + "]", allowed.error().to_string());
  }
  for (const std::string& line : unmet_gate_dependencies(configuration.gates)) report.warn("featureGates", line);
}

}  // namespace

void validate_node(const Configuration& configuration, Report& report) {
  check_gates(configuration, report);
  check_taints(configuration.kubelet, report);
  check_shutdown(configuration, report);
  check_logging(configuration, report);
  check_tracing(configuration.kubelet, report);
}

}  // namespace keelson::config
