#include "agent/pod_config/hosts_file.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kPodNetworkHead =
    "# Kubernetes-managed hosts file.\n"
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n";

std::string host_aliases(const api::Pod& pod) {
  if (pod.spec().hostaliases().empty()) return "";
  std::string out = "\n# Entries added by HostAliases.\n";
  for (const auto& alias : pod.spec().hostaliases()) {
    out += alias.ip();
    for (const auto& name : alias.hostnames()) out += "\t" + name;
    out += "\n";
  }
  return out;
}

}  // namespace

std::string make_hosts_file(const api::Pod& pod, const std::vector<std::string>& pod_ips, std::string_view host,
                            std::string_view domain) {
  std::string out(kPodNetworkHead);
  for (const auto& ip : pod_ips) {
    out += ip;
    out += '\t';
    if (!domain.empty()) {
      out += host;
      out += '.';
      out += domain;
      out += '\t';
    }
    out += host;
    out += '\n';
  }
  return out + host_aliases(pod);
}

std::string make_host_network_hosts_file(const api::Pod& pod, std::string_view node_hosts_file) {
  std::string out = "# Kubernetes-managed hosts file (host network).\n";
  out += node_hosts_file;
  return out + host_aliases(pod);
}

}  // namespace keelson::agent
