#include "agent/node/addresses.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

bool is_v6(const std::string& ip) { return ip.find(':') != std::string::npos; }

bool usable(const std::string& ip) {
  if (is_v6(ip)) {
    in6_addr address{};
    if (::inet_pton(AF_INET6, ip.c_str(), &address) != 1) return false;
    return !IN6_IS_ADDR_LOOPBACK(&address) && !IN6_IS_ADDR_MULTICAST(&address) && !IN6_IS_ADDR_LINKLOCAL(&address) &&
           !IN6_IS_ADDR_UNSPECIFIED(&address);
  }
  in_addr address{};
  if (::inet_pton(AF_INET, ip.c_str(), &address) != 1) return false;
  const std::uint32_t host = ntohl(address.s_addr);
  const bool loopback = host >> 24 == 127;
  const bool multicast = host >> 28 == 14;
  const bool link_local = host >> 16 == 0xA9FE;
  return host != 0 && !loopback && !multicast && !link_local;
}

bool is_local(const std::string& ip, const std::vector<InterfaceAddress>& local) {
  return std::any_of(local.begin(), local.end(), [&](const auto& entry) { return entry.ip == ip; });
}

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  }
  return text;
}

std::vector<InterfaceAddress> local_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  std::vector<InterfaceAddress> out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    std::string ip = text_of(entry->ifa_addr);
    if (!ip.empty()) out.push_back({entry->ifa_name, std::move(ip)});
  }
  return out;
}

std::vector<std::string> resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<std::string> out;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) out.push_back(text_of(entry->ai_addr));
  return out;
}

Status check_configured(const std::string& ip, const std::vector<InterfaceAddress>& local) {
  if (!usable(ip)) {
    return Error(ErrorKind::invalid, "--node-ip " + ip +
                                         ": expected an address that is not loopback, multicast, link-local or "
                                         "unspecified");
  }
  if (!is_local(ip, local)) {
    return Error(ErrorKind::invalid, "--node-ip " + ip + ": no local interface has this address");
  }
  return {};
}

bool is_ip(const std::string& text) {
  in6_addr address{};
  return ::inet_pton(is_v6(text) ? AF_INET6 : AF_INET, text.c_str(), &address) == 1;
}

std::string read_text(const std::string& path) {
  auto text = base::read_file(path, 1 << 20);
  return text.ok() ? std::move(*text) : std::string();
}

constexpr char kProvidedIp[] = "alpha.kubernetes.io/provided-node-ip";

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

void add_address(api::core::NodeStatus& status, const char* type, const std::string& address) {
  auto* entry = status.add_addresses();
  entry->set_type(type);
  entry->set_address(address);
}

}  // namespace

std::string default_route_interface(std::string_view proc_net_route) {
  std::istringstream lines{std::string(proc_net_route)};
  std::string best;
  unsigned best_metric = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string interface;
    std::string destination;
    std::string gateway;
    std::string flags;
    std::string references;
    std::string use;
    unsigned metric = 0;
    if (!(words >> interface >> destination >> gateway >> flags >> references >> use >> metric)) continue;
    if (destination != "00000000") continue;
    if (best.empty() || metric < best_metric) {
      best = interface;
      best_metric = metric;
    }
  }
  return best;
}

std::string default_route_interface_v6(std::string_view proc_net_ipv6_route) {
  std::istringstream lines{std::string(proc_net_ipv6_route)};
  const std::string none(32, '0');
  std::string best;
  unsigned long best_metric = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(std::move(word));
    // destination, its length, source, its length, next hop, metric, references, use, flags, interface
    if (fields.size() != 10 || fields[0] != none || fields[1] != "00" || fields[9] == "lo") continue;
    const unsigned long metric = std::strtoul(fields[5].c_str(), nullptr, 16);
    if (best.empty() || metric < best_metric) {
      best = fields[9];
      best_metric = metric;
    }
  }
  return best;
}

bool has_explicit_ip(const std::vector<std::string>& configured) {
  return !configured.empty() && configured[0] != "0.0.0.0" && configured[0] != "::";
}

Result<std::vector<std::string>> choose_node_ips(const AddressSettings& settings, const AddressFacts& facts) {
  const auto& configured = settings.configured;
  if (has_explicit_ip(configured)) {
    for (const std::string& ip : configured) KEELSON_TRY(check_configured(ip, facts.local));
    return configured;
  }
  if (is_ip(settings.node_name)) return std::vector<std::string>{settings.node_name};
  const bool wants_v6 = !configured.empty() && is_v6(configured[0]);
  for (const bool v6 : {wants_v6, !wants_v6}) {
    for (const std::string& ip : facts.resolved) {
      if (is_v6(ip) == v6 && usable(ip) && is_local(ip, facts.local)) return std::vector<std::string>{ip};
    }
  }
  for (const bool v6 : {wants_v6, !wants_v6}) {
    for (const auto& entry : facts.local) {
      if (entry.interface == facts.default_interface && is_v6(entry.ip) == v6 && usable(entry.ip)) {
        return std::vector<std::string>{entry.ip};
      }
    }
  }
  // A node without a default route (a test bench, an isolated network) still has an address that others may reach.
  for (const bool v6 : {wants_v6, !wants_v6}) {
    for (const auto& entry : facts.local) {
      if (is_v6(entry.ip) == v6 && usable(entry.ip)) return std::vector<std::string>{entry.ip};
    }
  }
  return Error(ErrorKind::not_found, "no usable node address: no local interface has one; set --node-ip");
}

AddressFacts gather_address_facts(const AddressSettings& settings) {
  AddressFacts facts;
  facts.local = local_addresses();
  if (has_explicit_ip(settings.configured)) return facts;
  if (!is_ip(settings.node_name)) facts.resolved = resolve(settings.node_name);
  facts.default_interface = default_route_interface(read_text("/proc/net/route"));
  if (facts.default_interface.empty()) {
    facts.default_interface = default_route_interface_v6(read_text("/proc/net/ipv6_route"));
  }
  return facts;
}

Result<std::vector<std::string>> find_node_ips(const AddressSettings& settings) {
  return choose_node_ips(settings, gather_address_facts(settings));
}

Status set_addresses(const AddressSettings& settings, const AddressFacts& facts, api::core::Node& node) {
  const bool is_explicit = has_explicit_ip(settings.configured);
  if (is_explicit) {
    for (const std::string& ip : settings.configured) KEELSON_TRY(check_configured(ip, facts.local));
  }
  const bool keeps = settings.external_cloud && node.status().addresses_size() > 0;
  std::vector<std::string> ips;
  if (!keeps && (is_explicit || !settings.external_cloud)) {
    auto chosen = choose_node_ips(settings, facts);
    if (!chosen.ok()) return std::move(chosen).error();
    ips = std::move(*chosen);
  }
  if (settings.external_cloud && is_explicit) {
    (*node.mutable_metadata()->mutable_annotations())[kProvidedIp] = joined(settings.configured);
  } else if (node.metadata().annotations().contains(kProvidedIp)) {
    node.mutable_metadata()->mutable_annotations()->erase(kProvidedIp);
  }
  if (keeps) return {};
  auto& status = *node.mutable_status();
  status.clear_addresses();
  for (const std::string& ip : ips) add_address(status, "InternalIP", ip);
  add_address(status, "Hostname", settings.node_name);
  return {};
}

}  // namespace keelson::agent
