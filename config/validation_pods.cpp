// Rules of contract 01 §2.2 and §2.3 that are more than a range.
#include <algorithm>
#include <array>

#include "api/quantity.hpp"
#include "base/duration.hpp"
#include "config/paths.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

void check_logs(const KubeletConfiguration& values, Report& report) {
  const std::string& folder = values.pod_logs_dir;
  if (!is_absolute(folder)) {
    report.invalid("podLogsDir", quote(folder), "must be an absolute path");
  } else if (clean_path(folder) != folder) {
    report.invalid("podLogsDir", quote(folder), "must be a clean path: " + quote(clean_path(folder)));
  }
  if (std::any_of(folder.begin(), folder.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7f; })) {
    report.invalid("podLogsDir", quote(folder), "must hold ASCII characters only");
  }
  if (!api::Quantity::parse(values.container_log_max_size).ok()) {
    report.invalid("containerLogMaxSize", quote(values.container_log_max_size), "must be a quantity such as 10Mi");
  }
}

// segment(.segment)* of lower-case letters, digits, - and _; `/` may separate too.
bool is_sysctl_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  std::string dotted(name);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (const std::string& segment : split(dotted, '.')) {
    if (segment.empty() || !alphanumeric(segment.front()) || !alphanumeric(segment.back())) return false;
    if (!std::all_of(segment.begin(), segment.end(), [&](char c) { return alphanumeric(c) || c == '-' || c == '_'; })) {
      return false;
    }
  }
  return true;
}

// Whether the kernel keeps the sysctl (or all that start so) apart per IPC or network namespace.
bool is_namespaced(std::string_view name) {
  if (name == "kernel.sem") return true;
  constexpr std::array<std::string_view, 4> kPrefixes = {"kernel.shm", "kernel.msg", "fs.mqueue.", "net."};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

void check_sysctls(const KubeletConfiguration& values, Report& report) {
  for (std::size_t i = 0; i < values.allowed_unsafe_sysctls.size(); ++i) {
    const std::string path = "allowedUnsafeSysctls[" + std::to_string(i) + "]";
    const std::string& pattern = values.allowed_unsafe_sysctls[i];
    std::string name = pattern;
    const bool prefix = name.ends_with('*');
    if (prefix) name.pop_back();
    std::string bare = name;
    if (prefix && (bare.ends_with('.') || bare.ends_with('/'))) bare.pop_back();
    if (!is_sysctl_name(bare)) {
      report.invalid(path, quote(pattern),
                     "must be a sysctl such as net.core.somaxconn, or a prefix of some ending in *");
      continue;
    }
    // kernel/shm_rmid_forced is kernel.shm_rmid_forced; net.ipv4.conf.eth0/1 stays as the first separator decides.
    if (name.find('/') != std::string::npos && name.find('/') < name.find('.')) {
      for (char& c : name) c = c == '/' ? '.' : c == '.' ? '/' : c;
    }
    if (!is_namespaced(name)) {
      report.invalid(path, quote(pattern),
                     "not known to be kept apart per pod by the kernel (kernel.sem, kernel.shm*, "
                     "kernel.msg*, fs.mqueue.*, net.*)");
    }
  }
}

}  // namespace

void validate_pods(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  check_logs(values, report);
  check_sysctls(values, report);
  if (values.container_runtime_endpoint.empty()) {
    report.required("containerRuntimeEndpoint", "a socket such as unix:///run/containerd/containerd.sock");
  }
  for (std::size_t i = 0; i < values.cluster_dns.size(); ++i) {
    if (is_ip_address(values.cluster_dns[i])) continue;
    report.warn("clusterDNS[" + std::to_string(i) + "]",
                quote(values.cluster_dns[i]) + " is no IP address and is skipped");
  }
  if (const auto& ids = values.user_namespaces.ids_per_pod) {
    constexpr std::int64_t kStep = 65536;
    if (*ids < kStep || *ids % kStep != 0 || *ids > 0xffffffffLL) {
      report.invalid("userNamespaces.idsPerPod", std::to_string(*ids),
                     "must be a multiple of 65536, from 65536 to 4294901760");
    }
  }
  const auto& period = values.crash_loop_back_off.max_container_restart_period;
  if (period && !configuration.gates.enabled("KubeletCrashLoopBackOffMax")) {
    report.forbidden("crashLoopBackOff.maxContainerRestartPeriod", "needs feature gate KubeletCrashLoopBackOffMax");
  }
  if (values.run_once) report.invalid("runOnce", "true", "this mode was removed");
  const std::string& strategy = values.config_map_and_secret_change_detection_strategy;
  if (!configuration.standalone() && strategy != "Watch" && strategy != "Cache" && strategy != "Get") {
    report.unsupported("configMapAndSecretChangeDetectionStrategy", quote(strategy), {"Watch", "Cache", "Get"});
  }
}

namespace {

// "" or what is wrong with a pattern of preloadedImagesVerificationAllowlist.
std::string allowlist_problem(std::string_view pattern) {
  if (pattern.empty()) return "must not be empty";
  if (pattern.find_first_of(" \t\r\n") != std::string_view::npos) return "must hold no spaces";
  std::string_view image = pattern;
  if (image.ends_with("/*")) image.remove_suffix(2);
  if (image.empty()) return "must name more than /*";
  if (image.find('*') != std::string_view::npos) return "* is possible only as a whole last part: /*";
  if (image.find('@') != std::string_view::npos) return "must have no digest";
  const auto slash = image.rfind('/');
  const auto colon = image.rfind(':');
  const bool port = image != pattern && slash == std::string_view::npos;  // registry:5000/*
  if (colon != std::string_view::npos && !port && (slash == std::string_view::npos || colon > slash)) {
    return "must have no tag";
  }
  return "";
}

}  // namespace

void validate_images(const Configuration& configuration, Report& report) {
  const KubeletConfiguration& values = configuration.kubelet;
  if (values.serialize_image_pulls && values.max_parallel_image_pulls.value_or(1) > 1) {
    report.invalid("maxParallelImagePulls", std::to_string(*values.max_parallel_image_pulls),
                   "must not be more than 1 unless serializeImagePulls is false");
  }
  const std::string& policy = values.image_pull_credentials_verification_policy;
  const auto& allowlist = values.preloaded_images_verification_allowlist;
  if (configuration.gates.enabled("KubeletEnsureSecretPulledImages")) {
    const std::vector<std::string_view> policies = {"NeverVerify", "NeverVerifyPreloadedImages",
                                                    "NeverVerifyAllowlistedImages", "AlwaysVerify"};
    if (std::find(policies.begin(), policies.end(), policy) == policies.end()) {
      report.unsupported("imagePullCredentialsVerificationPolicy", quote(policy), policies);
    }
    if (!allowlist.empty() && policy != "NeverVerifyAllowlistedImages") {
      report.forbidden("preloadedImagesVerificationAllowlist",
                       "only with imagePullCredentialsVerificationPolicy NeverVerifyAllowlistedImages");
    }
    for (std::size_t i = 0; i < allowlist.size(); ++i) {
      const std::string problem = allowlist_problem(allowlist[i]);
      if (problem.empty()) continue;
      report.invalid("preloadedImagesVerificationAllowlist[" + std::to_string(i) + "]", quote(allowlist[i]), problem);
    }
  } else {
    constexpr std::string_view kGate = "needs feature gate KubeletEnsureSecretPulledImages";
    if (!policy.empty()) report.forbidden("imagePullCredentialsVerificationPolicy", kGate);
    if (!allowlist.empty()) report.forbidden("preloadedImagesVerificationAllowlist", kGate);
  }
  if (values.image_maximum_gc_age > Duration(0) && values.image_maximum_gc_age <= values.image_minimum_gc_age) {
    report.invalid(
        "imageMaximumGCAge", base::format_duration(values.image_maximum_gc_age),
        "must be greater than imageMinimumGCAge (" + base::format_duration(values.image_minimum_gc_age) + ")");
  }
  if (values.image_gc_low_threshold_percent >= values.image_gc_high_threshold_percent) {
    report.invalid("imageGCLowThresholdPercent", std::to_string(values.image_gc_low_threshold_percent),
                   "must be less than imageGCHighThresholdPercent (" +
                       std::to_string(values.image_gc_high_threshold_percent) + ")");
  }
}

}  // namespace keelson::config
