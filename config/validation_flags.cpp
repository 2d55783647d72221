// Rules of contract 01 §3, §7.1 and §7.3 for flags that are no fields.
#include <algorithm>
#include <array>
#include <cctype>

#include "config/paths.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

bool alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// Letters, digits, - _ . with a letter or digit at both ends; 63 at most.
bool is_name_part(std::string_view text) {
  if (text.empty() || text.size() > 63 || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (const std::string& label : split(text, '.')) {
    if (label.empty() || !allowed(label.front()) || !allowed(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [&](char c) { return allowed(c) || c == '-'; })) return false;
  }
  return true;
}

constexpr std::array<std::string_view, 11> kOwnLabels = {
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
};

// `domain` itself or something.domain
bool within(std::string_view name, std::string_view domain) {
  return name == domain ||
         (name.size() > domain.size() && name.ends_with(domain) && name[name.size() - domain.size() - 1] == '.');
}

void check_labels(const Flags& flags, Report& report) {
  for (const auto& [key, value] : flags.node_labels) {
    const std::string path = "--node-labels[" + key + "]";
    if (const std::string problem = check_label_key(key); !problem.empty()) {
      report.invalid(path, quote(key), problem);
    } else if (!node_may_set_label(key)) {
      report.invalid(path, quote(key),
                     "a node must not set this label on itself; within kubernetes.io and k8s.io it may set those under "
                     "kubelet.kubernetes.io and node.kubernetes.io and a fixed list (see docs/configuration.md)");
    }
    if (const std::string problem = check_label_value(value); !problem.empty()) {
      report.invalid(path, quote(value), problem);
    }
  }
}

void check_node_ips(const Flags& flags, Report& report) {
  const NodeIps parsed = parse_node_ips(flags.node_ip);
  for (const std::string& part : parsed.dropped) {
    report.warn("--node-ip", quote(part) + " is no IP address and is left out");
  }
  if (!parsed.error.empty()) report.invalid("--node-ip", quote(flags.node_ip), parsed.error);
}

}  // namespace

std::string check_label_key(std::string_view key) {
  const auto slash = key.find('/');
  const std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  if (slash != std::string_view::npos && !is_dns_subdomain(key.substr(0, slash))) {
    return "the part before / must be a lower-case DNS name";
  }
  if (!is_name_part(name)) {
    return "the name must be 1-63 letters, digits, -, _ or ., with a letter or digit at both ends";
  }
  return "";
}

std::string check_label_value(std::string_view value) {
  if (value.empty() || is_name_part(value)) return "";
  return "must be empty or 1-63 letters, digits, -, _ or ., with a letter or digit at both ends";
}

bool node_may_set_label(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos) return true;
  const std::string_view domain = key.substr(0, slash);
  if (!within(domain, "kubernetes.io") && !within(domain, "k8s.io")) return true;
  if (within(domain, "kubelet.kubernetes.io") || within(domain, "node.kubernetes.io")) return true;
  return std::find(kOwnLabels.begin(), kOwnLabels.end(), key) != kOwnLabels.end();
}

NodeIps parse_node_ips(std::string_view text) {
  NodeIps result;
  if (trim(text).empty()) return result;
  for (const std::string& part : split(text, ',')) {
    std::string ip(trim(part));
    (is_ip_address(ip) ? result.ips : result.dropped).push_back(std::move(ip));
  }
  const auto is_v6 = [](const std::string& ip) { return ip.find(':') != std::string::npos; };
  const auto is_zero_address = [](const std::string& ip) { return ip == "0.0.0.0" || ip == "::"; };
  if (result.ips.size() > 2) {
    result.error = "must name at most one IPv4 and one IPv6 address";
  } else if (result.ips.size() == 2 && is_v6(result.ips[0]) == is_v6(result.ips[1])) {
    result.error = "two addresses must be one IPv4 and one IPv6 address";
  } else if (result.ips.size() == 2 && (is_zero_address(result.ips[0]) || is_zero_address(result.ips[1]))) {
    result.error = "0.0.0.0 and :: cannot stand in a pair";
  }
  return result;
}

Result<std::string> node_name(std::string_view hostname_override, std::string_view hostname) {
  std::string name(trim(hostname_override.empty() ? hostname : hostname_override));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.empty()) {
    return Error(ErrorKind::invalid, hostname_override.empty() ? "the host has no name: set --hostname-override"
                                                               : "--hostname-override: must not be blank");
  }
  return name;
}

void validate_flags(const Configuration& configuration, Report& report) {
  const Flags& flags = configuration.flags;
  check_labels(flags, report);
  check_node_ips(flags, report);
  if (!flags.hostname_override.empty() && trim(flags.hostname_override).empty()) {
    report.invalid("--hostname-override", quote(flags.hostname_override), "must not be blank");
  }
  if (!flags.cloud_provider.empty() && flags.cloud_provider != "external") {
    report.add("--cloud-provider",
               "Unsupported value: " + quote(flags.cloud_provider) + ": expected \"\" or \"external\"");
  }
  if (flags.root_dir.empty() || clean_path(flags.root_dir) != flags.root_dir) {
    report.invalid("--root-dir", quote(flags.root_dir), "must be a clean path: " + quote(clean_path(flags.root_dir)));
  }
  if (flags.exit_on_lock_contention && flags.lock_file.empty()) {
    report.required("--lock-file", "must be set when --exit-on-lock-contention is");
  }
  if (!flags.image_credential_provider_config.empty() && flags.image_credential_provider_bin_dir.empty()) {
    report.required("--image-credential-provider-bin-dir", "must be set when --image-credential-provider-config is");
  }
  if (!flags.bootstrap_kubeconfig.empty() && flags.kubeconfig.empty()) {
    report.warn("--bootstrap-kubeconfig", "has no effect without --kubeconfig");
  }
}

}  // namespace keelson::config
