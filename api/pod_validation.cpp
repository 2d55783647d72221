// The pod as a whole: fields of the spec that belong to no larger area, and the order of all checks.
#include "api/pod_validation.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "api/pod_validation_internal.hpp"

namespace keelson::api {
namespace {

struct KindText {
  ValidationError::Kind kind;
  std::string_view text;
  bool shows_value;
};

constexpr KindText kKinds[] = {
    {ValidationError::Kind::required, "Required value", false},
    {ValidationError::Kind::invalid, "Invalid value", true},
    {ValidationError::Kind::unsupported, "Unsupported value", true},
    {ValidationError::Kind::duplicate, "Duplicate value", true},
    {ValidationError::Kind::forbidden, "Forbidden", false},
    {ValidationError::Kind::not_found, "Not found", true},
    {ValidationError::Kind::too_long, "Too long", false},
    {ValidationError::Kind::too_many, "Too many", true},
};

}  // namespace

std::string ValidationError::message() const {
  std::string text = path;
  for (const auto& [k, name, shows_value] : kKinds) {
    if (k != kind) continue;
    text += ": " + std::string(name);
    if (shows_value) text += ": " + value;
  }
  if (!detail.empty()) text += ": " + detail;
  return text;
}

std::string join_messages(const std::vector<ValidationError>& errors) {
  if (errors.size() == 1) return errors.front().message();
  std::string text;
  for (const auto& error : errors) text += (text.empty() ? "[" : ", ") + error.message();
  return text.empty() ? text : text + "]";
}

namespace validation {

Shown Shown::raw(std::string text) {
  Shown shown("");
  shown.text_ = std::move(text);
  return shown;
}

std::string Shown::quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x", byte);
      quoted += buffer;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

// The same complaint twice (a key of two maps, say) is told once.
void Errors::add(Kind kind, const Path& path, std::string value, std::string detail) {
  ValidationError error{kind, path.text(), std::move(value), std::move(detail)};
  if (std::find(list_.begin(), list_.end(), error) == list_.end()) list_.push_back(std::move(error));
}

void Errors::unsupported(const Path& path, const Shown& value, const Names& supported) {
  std::string detail;
  for (const auto& name : supported) {
    detail += (detail.empty() ? "supported values: " : ", ") + Shown::quote(name);
  }
  add(Kind::unsupported, path, value.text(), std::move(detail));
}

void Errors::one_of(const Path& path, const std::string& value, const Names& supported, bool needed) {
  if (needed && value.empty()) {
    required(path);
  } else if (std::find(supported.begin(), supported.end(), value) == supported.end()) {
    unsupported(path, value, supported);
  }
}

core::Container as_container(const core::EphemeralContainer& ephemeral) {
  // EphemeralContainerCommon has the field numbers of Container, by the API's own promise.
  core::Container container;
  container.ParseFromString(ephemeral.ephemeralcontainercommon().SerializeAsString());
  return container;
}

void for_each_container(const core::PodSpec& spec, const Path& spec_path,
                        const std::function<void(const core::Container&, const Path&)>& visit) {
  for (int i = 0; i < spec.initcontainers_size(); ++i) {
    visit(spec.initcontainers(i), spec_path.child("initContainers").index(i));
  }
  for (int i = 0; i < spec.containers_size(); ++i) {
    visit(spec.containers(i), spec_path.child("containers").index(i));
  }
  for (int i = 0; i < spec.ephemeralcontainers_size(); ++i) {
    visit(as_container(spec.ephemeralcontainers(i)), spec_path.child("ephemeralContainers").index(i));
  }
}

namespace {

constexpr int kMaxNameservers = 3;
constexpr int kMaxSearches = 32;
constexpr std::size_t kMaxSearchChars = 2048;

void check_dns(const core::PodSpec& spec, const Path& path, Errors& errors) {
  errors.one_of(path.child("dnsPolicy"), spec.dnspolicy(),
                {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"}, true);
  const Path config = path.child("dnsConfig");
  if (spec.dnspolicy() == "None") {
    if (!spec.has_dnsconfig()) {
      errors.required(config, "must provide `dnsConfig` when `dnsPolicy` is None");
      return;
    }
    if (spec.dnsconfig().nameservers_size() == 0) {
      errors.required(config.child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None");
      return;
    }
  }
  const auto& dns = spec.dnsconfig();
  const auto list = [](const auto& values) {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ",") + Shown::quote(value);
    return Shown::raw("[" + text + "]");
  };
  if (dns.nameservers_size() > kMaxNameservers) {
    errors.invalid(config.child("nameservers"), list(dns.nameservers()), "must not have more than 3 nameservers");
  }
  for (int i = 0; i < dns.nameservers_size(); ++i) {
    errors.invalid_each(config.child("nameservers").index(i), dns.nameservers(i), ip_address(dns.nameservers(i)));
  }
  if (dns.searches_size() > kMaxSearches) {
    errors.invalid(config.child("searches"), list(dns.searches()), "must not have more than 32 search paths");
  }
  std::size_t chars = 0;
  for (const auto& search : dns.searches()) chars += search.size() + 1;
  if (chars > kMaxSearchChars + 1) {
    errors.invalid(config.child("searches"), list(dns.searches()),
                   "must not have more than 2048 characters (including spaces) in the search list");
  }
  for (int i = 0; i < dns.searches_size(); ++i) {
    std::string search = dns.searches(i);
    if (search == ".") continue;
    if (!search.empty() && search.back() == '.') search.pop_back();
    errors.invalid_each(config.child("searches").index(i), search, dns_subdomain_with_underscore(search));
  }
  for (int i = 0; i < dns.options_size(); ++i) {
    if (dns.options(i).name().empty()) errors.required(config.child("options").index(i), "must not be empty");
  }
}

void check_hostname_override(const core::PodSpec& spec, const Path& path, Errors& errors) {
  if (!spec.has_hostnameoverride() || spec.hostnameoverride().empty()) return;
  const Path at = path.child("hostnameOverride");
  if (spec.hostnameoverride().size() > 64) errors.too_long(at, 64);
  errors.invalid_each(at, spec.hostnameoverride(), dns_subdomain(spec.hostnameoverride()));
  if (spec.hostnetwork()) errors.forbidden(at, "may not be set when `hostNetwork` is true");
  if (spec.sethostnameasfqdn()) errors.forbidden(at, "may not be set when `setHostnameAsFQDN` is true");
}

std::set<std::string> check_resource_claims(const core::PodSpec& spec, const Path& path, Errors& errors) {
  std::set<std::string> names;
  for (int i = 0; i < spec.resourceclaims_size(); ++i) {
    const auto& claim = spec.resourceclaims(i);
    const Path at = path.index(i);
    if (claim.name().empty()) {
      errors.required(at.child("name"));
    } else if (!names.insert(claim.name()).second) {
      errors.duplicate(at.child("name"), claim.name());
    } else {
      errors.invalid_each(at.child("name"), claim.name(), dns_label(claim.name()));
    }
    if (claim.has_resourceclaimname() && claim.has_resourceclaimtemplatename()) {
      errors.invalid(at, claim.name(),
                     "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified");
    } else if (!claim.has_resourceclaimname() && !claim.has_resourceclaimtemplatename()) {
      errors.invalid(at, claim.name(), "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
    }
    if (claim.has_resourceclaimname()) {
      errors.invalid_each(at.child("resourceClaimName"), claim.resourceclaimname(),
                          dns_subdomain(claim.resourceclaimname()));
    }
    if (claim.has_resourceclaimtemplatename()) {
      errors.invalid_each(at.child("resourceClaimTemplateName"), claim.resourceclaimtemplatename(),
                          dns_subdomain(claim.resourceclaimtemplatename()));
    }
  }
  return names;
}

void check_host_network_ports(const core::PodSpec& spec, const Path& path, Errors& errors) {
  if (!spec.hostnetwork()) return;
  for (int c = 0; c < spec.containers_size(); ++c) {
    for (int p = 0; p < spec.containers(c).ports_size(); ++p) {
      const auto& port = spec.containers(c).ports(p);
      if (port.hostport() == port.containerport()) continue;
      errors.invalid(path.child("containers").index(c).child("ports").index(p).child("hostPort"), port.hostport(),
                     "must match `containerPort` when `hostNetwork` is true");
    }
  }
}

void check_host_users(const core::PodSpec& spec, const Path& path, Errors& errors) {
  if (!spec.has_hostusers() || spec.hostusers()) return;
  const char* reason = "when `hostUsers` is false";
  if (spec.hostnetwork()) errors.forbidden(path.child("hostNetwork"), reason);
  if (spec.hostpid()) errors.forbidden(path.child("hostPID"), reason);
  if (spec.hostipc()) errors.forbidden(path.child("hostIPC"), reason);
}

// Names of other objects and of this pod on the network.
void check_names(const core::PodSpec& spec, const Path& path, Errors& errors) {
  const auto check = [&](const char* field, const std::string& value, Reasons (*format)(std::string_view)) {
    if (!value.empty()) errors.invalid_each(path.child(field), value, format(value));
  };
  check("serviceAccountName", spec.serviceaccountname(), dns_subdomain);
  check("nodeName", spec.nodename(), dns_subdomain);
  check("hostname", spec.hostname(), dns_label);
  check("subdomain", spec.subdomain(), dns_label);
  check_hostname_override(spec, path, errors);
  check("priorityClassName", spec.priorityclassname(), dns_subdomain);
  if (spec.has_runtimeclassname()) {
    errors.invalid_each(path.child("runtimeClassName"), spec.runtimeclassname(),
                        dns_subdomain(spec.runtimeclassname()));
  }
  for (int i = 0; i < spec.hostaliases_size(); ++i) {
    const auto& alias = spec.hostaliases(i);
    const Path at = path.child("hostAliases").index(i);
    errors.invalid_each(at.child("ip"), alias.ip(), ip_address(alias.ip()));
    for (int h = 0; h < alias.hostnames_size(); ++h) {
      errors.invalid_each(at.child("hostnames").index(h), alias.hostnames(h), dns_subdomain(alias.hostnames(h)));
    }
  }
  for (int i = 0; i < spec.readinessgates_size(); ++i) {
    const std::string& type = spec.readinessgates(i).conditiontype();
    errors.invalid_each(path.child("readinessGates").index(i).child("conditionType"), type, qualified_name(type));
  }
}

void check_spec(const core::Pod& pod, Errors& errors) {
  const Path path("spec");
  const auto& spec = pod.spec();
  if (!spec.has_terminationgraceperiodseconds()) {
    errors.required(path.child("terminationGracePeriodSeconds"));
  }
  PodContext context{spec, {}, {}};
  context.volumes = check_volumes(pod, path.child("volumes"), errors);
  context.claims = check_resource_claims(spec, path.child("resourceClaims"), errors);
  check_containers(context, path, errors);
  check_pod_resources(spec, path.child("resources"), errors);
  check_host_network_ports(spec, path, errors);
  errors.one_of(path.child("restartPolicy"), spec.restartpolicy(), {"Always", "OnFailure", "Never"}, true);
  check_dns(spec, path, errors);
  check_labels(spec.nodeselector(), path.child("nodeSelector"), errors);
  check_pod_security(spec, path, errors);
  check_scheduling(spec, path, errors);
  check_host_users(spec, path, errors);
  check_names(spec, path, errors);
  if (spec.has_activedeadlineseconds()) {
    const int64_t limit = std::numeric_limits<int32_t>::max();
    if (spec.activedeadlineseconds() < 1 || spec.activedeadlineseconds() > limit) {
      errors.invalid(path.child("activeDeadlineSeconds"), spec.activedeadlineseconds(), range_reason(1, limit));
    }
  }
  if (spec.has_preemptionpolicy()) {
    errors.one_of(path.child("preemptionPolicy"), spec.preemptionpolicy(), {"PreemptLowerPriority", "Never"}, true);
  }
  check_overhead(spec, path.child("overhead"), errors);
  check_os(spec, path, errors);
  for (int v = 0; v < spec.volumes_size(); ++v) {
    const auto& sources = spec.volumes(v).volumesource().projected().sources();
    for (int s = 0; s < sources.size() && spec.serviceaccountname().empty(); ++s) {
      if (!sources[s].has_serviceaccounttoken()) continue;
      errors.forbidden(
          path.child("volumes").index(v).child("projected").child("sources").index(s).child("serviceAccountToken"),
          "must not be specified when serviceAccountName is not set");
    }
  }
}

}  // namespace
}  // namespace validation

std::vector<ValidationError> validate_pod(const core::Pod& pod, const PodValidationOptions& options) {
  validation::Errors errors;
  const validation::Path spec("spec");
  validation::check_metadata(pod, errors);
  validation::check_spec(pod, errors);
  if (options.creating && pod.spec().ephemeralcontainers_size() > 0) {
    errors.forbidden(spec.child("ephemeralContainers"), "cannot be set on create");
  }
  if (!pod.spec().nodename().empty() && pod.spec().schedulinggates_size() > 0) {
    errors.forbidden(spec.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
  }
  validation::check_seccomp_and_apparmor_annotations(pod, errors);
  return errors.take();
}

}  // namespace keelson::api
