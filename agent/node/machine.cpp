#include "agent/node/machine.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "base/file.hpp"

namespace keelson::agent {
namespace {

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return std::string(text);
}

std::string read_trimmed(const std::string& path) {
  auto text = base::read_file(path, 1 << 20);
  return text.ok() ? trimmed(*text) : std::string();
}

// proc and sysfs files have size 0; read_file reads until the end, so that is fine.
std::string read_text(const std::string& path) {
  auto text = base::read_file(path, 1 << 20);
  return text.ok() ? std::move(*text) : std::string();
}

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

Result<std::vector<std::string>> check_configured(const std::string& configured,
                                                  const std::vector<InterfaceAddress>& local) {
  std::vector<std::string> ips;
  std::istringstream parts(configured);
  for (std::string part; std::getline(parts, part, ',');) ips.push_back(trimmed(part));
  if (ips.size() > 2) {
    return Error(ErrorKind::invalid, "--node-ip " + configured + ": expected at most one address of each family");
  }
  if (ips.size() == 2 && is_v6(ips[0]) == is_v6(ips[1])) {
    return Error(ErrorKind::invalid, "--node-ip " + configured + ": both addresses are of the same family");
  }
  for (const std::string& ip : ips) {
    if (!usable(ip)) {
      return Error(
          ErrorKind::invalid,
          "--node-ip " + ip + ": expected an address that is not loopback, multicast, link-local or unspecified");
    }
    if (!is_local(ip, local))
      return Error(ErrorKind::invalid, "--node-ip " + ip + ": no local interface has this address");
  }
  return ips;
}

}  // namespace

MemoryInfo parse_meminfo(std::string_view text) {
  MemoryInfo info;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t kilobytes = 0;
    if (!(words >> key >> kilobytes)) continue;
    if (key == "MemTotal:") info.total = kilobytes * 1024;
    if (key == "SwapTotal:") info.swap_total = kilobytes * 1024;
  }
  return info;
}

std::string hugepage_size_of(std::string_view directory_name) {
  constexpr std::string_view head = "hugepages-";
  constexpr std::string_view tail = "kB";
  if (directory_name.substr(0, head.size()) != head || directory_name.size() <= head.size() + tail.size() ||
      directory_name.substr(directory_name.size() - tail.size()) != tail) {
    return "";
  }
  const std::string digits(directory_name.substr(head.size(), directory_name.size() - head.size() - tail.size()));
  if (!std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); })) return "";
  std::uint64_t size = std::strtoull(digits.c_str(), nullptr, 10);
  const char* units[] = {"KB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (size >= 1024 && size % 1024 == 0 && unit + 1 < std::size(units)) {
    size /= 1024;
    ++unit;
  }
  return std::to_string(size) + units[unit];
}

std::uint32_t count_cpu_list(std::string_view text) {
  std::uint32_t count = 0;
  std::istringstream ranges{trimmed(text)};
  for (std::string range; std::getline(ranges, range, ',');) {
    unsigned first = 0;
    unsigned last = 0;
    const int fields = std::sscanf(range.c_str(), "%u-%u", &first, &last);
    if (fields == 1) ++count;
    if (fields == 2 && last >= first) count += last - first + 1;
  }
  return count;
}

std::string parse_os_image(std::string_view os_release) {
  std::istringstream lines{std::string(os_release)};
  for (std::string line; std::getline(lines, line);) {
    constexpr std::string_view key = "PRETTY_NAME=";
    if (line.rfind(key, 0) != 0) continue;
    std::string value = trimmed(std::string_view(line).substr(key.size()));
    std::erase(value, '"');
    return value;
  }
  return "Linux";
}

Machine read_machine(const std::string& root) {
  Machine machine;
  const MemoryInfo memory = parse_meminfo(read_text(root + "/proc/meminfo"));
  machine.memory_bytes = memory.total;
  machine.swap_bytes = memory.swap_total;
  machine.cpus = count_cpu_list(read_text(root + "/sys/devices/system/cpu/online"));
  auto sizes = base::list_directory(root + "/sys/kernel/mm/hugepages");
  if (sizes.ok()) {
    for (const auto& name : *sizes) {
      if (std::string size = hugepage_size_of(name); !size.empty()) machine.hugepage_sizes.push_back(std::move(size));
    }
  }
  const std::uint32_t possible = count_cpu_list(read_text(root + "/sys/devices/system/cpu/possible"));
  for (std::uint32_t cpu = 0; cpu < possible; ++cpu) {
    const std::string path = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/thermal_throttle";
    if (base::is_directory(root + path)) machine.thermal_paths.push_back(path);
  }
  utsname names{};
  if (::uname(&names) == 0) machine.kernel_version = names.release;
  std::string os_release = read_text(root + "/etc/os-release");
  if (os_release.empty()) os_release = read_text(root + "/usr/lib/os-release");
  machine.os_image = parse_os_image(os_release);
  machine.machine_id = read_trimmed(root + "/etc/machine-id");
  if (machine.machine_id.empty()) machine.machine_id = read_trimmed(root + "/var/lib/dbus/machine-id");
  machine.boot_id = read_trimmed(root + "/proc/sys/kernel/random/boot_id");
  return machine;
}

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

Result<std::string> node_name(const std::string& hostname_override) {
  std::string name = trimmed(hostname_override);
  if (hostname_override.empty()) {
    char buffer[256] = "";
    if (::gethostname(buffer, sizeof buffer - 1) != 0) return errno_error("gethostname", errno);
    name = trimmed(buffer);
  }
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name.empty()) return Error(ErrorKind::invalid, "the node name is empty: set --hostname-override");
  return name;
}

Result<std::vector<std::string>> choose_node_ips(const std::string& configured,
                                                 const std::vector<std::string>& resolved,
                                                 const std::vector<InterfaceAddress>& local,
                                                 const std::string& default_interface) {
  const bool wants_v6 = configured == "::";
  if (!configured.empty() && configured != "0.0.0.0" && configured != "::") return check_configured(configured, local);
  for (const bool v6 : {wants_v6, !wants_v6}) {
    for (const std::string& ip : resolved) {
      if (is_v6(ip) == v6 && usable(ip) && is_local(ip, local)) return std::vector<std::string>{ip};
    }
  }
  for (const bool v6 : {wants_v6, !wants_v6}) {
    for (const auto& entry : local) {
      if (entry.interface == default_interface && is_v6(entry.ip) == v6 && usable(entry.ip)) {
        return std::vector<std::string>{entry.ip};
      }
    }
  }
  // A node without a default route (a test bench, an isolated network) still has an address that others may reach.
  for (const auto& entry : local) {
    if (is_v6(entry.ip) == wants_v6 && usable(entry.ip)) return std::vector<std::string>{entry.ip};
  }
  return Error(ErrorKind::not_found, "no usable node address: no local interface has one; set --node-ip");
}

Result<std::vector<std::string>> find_node_ips(const std::string& node, const std::string& configured) {
  return choose_node_ips(configured, resolve(node), local_addresses(),
                         default_route_interface(read_text("/proc/net/route")));
}

}  // namespace keelson::agent
