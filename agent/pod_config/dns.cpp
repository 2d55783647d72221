#include "agent/pod_config/dns.hpp"

#include <algorithm>
#include <utility>

#include "agent/pod_config/names.hpp"

namespace keelson::agent {
namespace {

using Strings = std::vector<std::string>;

enum class DnsKind { none, cluster, host };

DnsKind kind_of(const api::core::PodSpec& spec) {
  const std::string& policy = spec.dnspolicy();
  if (policy == "None") return DnsKind::none;
  if (policy == "Default") return DnsKind::host;
  if (policy == "ClusterFirst" && spec.hostnetwork()) return DnsKind::host;
  return DnsKind::cluster;  // ClusterFirst, ClusterFirstWithHostNet, and anything a newer API may send
}

Strings words_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  Strings words;
  for (std::size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const auto end = std::min(line.find_first_of(kBlanks, at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

std::string_view option_name(std::string_view option) { return option.substr(0, option.find(':')); }

// By name before the colon; a later option replaces an earlier one.
void merge_option(Strings& options, std::string option) {
  const auto same = std::find_if(options.begin(), options.end(),
                                 [&](const auto& known) { return option_name(known) == option_name(option); });
  if (same == options.end()) {
    options.push_back(std::move(option));
  } else {
    *same = std::move(option);
  }
}

Strings without_duplicates(const Strings& all) {
  Strings result;
  for (const auto& text : all) {
    if (std::find(result.begin(), result.end(), text) == result.end()) result.push_back(text);
  }
  return result;
}

std::string join(const Strings& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

Strings cluster_searches(const api::Pod& pod, const std::string& domain, const Strings& host) {
  if (domain.empty()) return host;
  Strings all{pod.metadata().namespace_() + ".svc." + domain, "svc." + domain, domain};
  all.insert(all.end(), host.begin(), host.end());
  return without_duplicates(all);
}

void report_missing_cluster_dns(const api::Pod& pod, std::vector<ConfigEvent>& events) {
  const std::string text =
      "kubelet does not have ClusterDNS IP configured and cannot create Pod using \"ClusterFirst\" policy. Falling "
      "back "
      "to \"Default\" policy.";
  events.push_back({ConfigEvent::Target::node, "MissingClusterDNS", text});
  events.push_back(
      {ConfigEvent::Target::pod, "MissingClusterDNS", "pod: \"" + pod_config::describe(pod) + "\". " + text});
}

// Servers of an agent without resolv.conf: the local machine, once per family of the node's addresses.
Strings local_servers(const NodeInfo& node) {
  Strings servers;
  for (const auto& ip : node.node_ips) servers.push_back(ip.find(':') == std::string::npos ? "127.0.0.1" : "::1");
  if (servers.empty()) servers.push_back("127.0.0.1");
  return servers;
}

void append_pod_config(cri::DnsConfig& dns, const api::core::PodDNSConfig& own) {
  dns.servers.insert(dns.servers.end(), own.nameservers().begin(), own.nameservers().end());
  dns.servers = without_duplicates(dns.servers);
  dns.searches.insert(dns.searches.end(), own.searches().begin(), own.searches().end());
  dns.searches = without_duplicates(dns.searches);
  for (const auto& option : own.options()) {
    const bool has_value = option.has_value() && !option.value().empty();
    merge_option(dns.options, has_value ? option.name() + ":" + option.value() : option.name());
  }
}

void limit_servers(Strings& servers, std::vector<ConfigEvent>& events) {
  if (servers.size() <= kMaxNameservers) return;
  servers.resize(kMaxNameservers);
  events.push_back({ConfigEvent::Target::pod, "DNSConfigForming",
                    "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line "
                    "is: " +
                        join(servers)});
}

void limit_searches(Strings& searches, std::vector<ConfigEvent>& events) {
  const std::size_t before = searches.size();
  if (searches.size() > kMaxSearches) searches.resize(kMaxSearches);
  std::erase_if(searches, [](const auto& search) { return search.size() > kMaxSearchLength; });
  while (join(searches).size() > kMaxSearchLineLength) searches.pop_back();
  if (searches.size() == before) return;
  events.push_back({ConfigEvent::Target::pod, "DNSConfigForming",
                    "Search Line limits were exceeded, some search paths have been omitted, the applied search line "
                    "is: " +
                        join(searches)});
}

}  // namespace

Result<cri::DnsConfig> parse_resolv_conf(std::string_view content) {
  if (content.size() > kMaxResolvConfBytes) {
    return Error(ErrorKind::invalid, "resolv.conf is larger than 10 MiB");
  }
  cri::DnsConfig dns;
  while (!content.empty()) {
    const auto end = std::min(content.find('\n'), content.size());
    const Strings words = words_of(content.substr(0, end));
    content.remove_prefix(std::min(end + 1, content.size()));
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] == "nameserver") {
      if (words.size() < 2) return Error(ErrorKind::invalid, "nameserver list is empty");
      dns.servers.push_back(words[1]);
    } else if (words[0] == "search") {
      dns.searches.clear();
      for (auto it = words.begin() + 1; it != words.end(); ++it) {
        if (*it != ".") dns.searches.push_back(it->ends_with('.') ? it->substr(0, it->size() - 1) : *it);
      }
    } else if (words[0] == "options") {
      for (auto it = words.begin() + 1; it != words.end(); ++it) merge_option(dns.options, *it);
    }
  }
  return dns;
}

Result<cri::DnsConfig> make_dns_config(const api::Pod& pod, const std::optional<std::string>& resolv_conf,
                                       const NodeInfo& node, std::vector<ConfigEvent>& events) {
  cri::DnsConfig dns;
  if (resolv_conf) {
    auto host = parse_resolv_conf(*resolv_conf);
    if (!host.ok()) return host.error();
    dns = std::move(host).value();
  }

  DnsKind kind = kind_of(pod.spec());
  if (kind == DnsKind::cluster && node.cluster_dns.empty()) {
    report_missing_cluster_dns(pod, events);
    kind = DnsKind::host;
  }
  switch (kind) {
    case DnsKind::none: dns = {}; break;
    case DnsKind::cluster:
      dns = {node.cluster_dns, cluster_searches(pod, node.cluster_domain, dns.searches), {"ndots:5"}};
      break;
    case DnsKind::host:
      if (!resolv_conf) dns = {local_servers(node), {"."}, {}};
      break;
  }

  if (pod.spec().has_dnsconfig()) append_pod_config(dns, pod.spec().dnsconfig());
  limit_servers(dns.servers, events);
  limit_searches(dns.searches, events);
  return dns;
}

}  // namespace keelson::agent
