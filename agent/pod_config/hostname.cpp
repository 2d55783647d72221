#include "agent/pod_config/hostname.hpp"

#include <algorithm>
#include <string_view>

namespace keelson::agent {
namespace {

constexpr std::size_t kMaxHost = 63;
constexpr std::size_t kMaxKernelName = 64;
constexpr std::size_t kMaxSubdomain = 253;

bool has_label_characters(std::string_view text) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return alphanumeric(c) || c == '-'; });
}

bool is_label(std::string_view text) { return text.size() <= kMaxHost && has_label_characters(text); }

// The parts of a subdomain have no length limit of their own.
bool is_subdomain(std::string_view text) {
  if (text.size() > kMaxSubdomain) return false;
  while (true) {
    const auto dot = text.find('.');
    if (!has_label_characters(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

Result<std::string> cut(const std::string& pod_name, const std::string& host) {
  if (host.size() <= kMaxHost) return host;
  std::string result = host.substr(0, kMaxHost);
  while (!result.empty() && (result.back() == '-' || result.back() == '.')) result.pop_back();
  if (result.empty()) {
    return Error(ErrorKind::invalid, "hostname for pod \"" + pod_name + "\" was invalid: \"" + host + "\"");
  }
  return result;
}

Error bad_name(std::string_view field, const std::string& value, std::string_view expected) {
  return {ErrorKind::invalid, "pod " + std::string(field) + " \"" + value + "\" is not a valid DNS " +
                                  std::string(expected) +
                                  ": expected lower case letters, digits and '-', beginning and ending with a letter "
                                  "or digit"};
}

}  // namespace

Result<PodHostname> make_hostname(const api::Pod& pod, const std::string& cluster_domain) {
  const auto& spec = pod.spec();
  const std::string& pod_name = pod.metadata().name();
  PodHostname result;

  if (spec.has_hostnameoverride()) {
    if (!is_subdomain(spec.hostnameoverride())) {
      return bad_name("HostnameOverride", spec.hostnameoverride(), "subdomain");
    }
    auto host = cut(pod_name, spec.hostnameoverride());
    if (!host.ok()) return host.error();
    result.host = result.kernel = std::move(host).value();
    return result;
  }

  if (!spec.hostname().empty() && !is_label(spec.hostname())) return bad_name("Hostname", spec.hostname(), "label");
  auto host = cut(pod_name, spec.hostname().empty() ? pod_name : spec.hostname());
  if (!host.ok()) return host.error();
  result.host = result.kernel = std::move(host).value();

  if (!spec.subdomain().empty()) {
    if (!is_label(spec.subdomain())) return bad_name("Subdomain", spec.subdomain(), "label");
    result.domain = spec.subdomain() + "." + pod.metadata().namespace_() + ".svc." + cluster_domain;
  }
  if (spec.sethostnameasfqdn() && !result.domain.empty()) {
    result.kernel = result.host + "." + result.domain;
    if (result.kernel.size() > kMaxKernelName) {
      return Error(ErrorKind::invalid, "failed to construct FQDN from pod hostname and cluster domain, FQDN " +
                                           result.kernel + " is too long (64 characters is the max, " +
                                           std::to_string(result.kernel.size()) + " characters requested)");
    }
  }
  return result;
}

}  // namespace keelson::agent
