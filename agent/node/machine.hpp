// The machine as the node sees it: memory, CPUs, huge pages, names and addresses.
//
// Parsers are pure; read_machine() and find_node_ips() block on /proc, /sys and name resolution and are called before
// the loop runs or on the blocking pool. What is missing is left at its zero. Source: contract 01 §7.2 (sources), §7.3
// (addresses).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

struct Machine {
  std::uint64_t memory_bytes = 0;
  std::uint64_t swap_bytes = 0;
  std::uint32_t cpus = 0;
  std::vector<std::string> hugepage_sizes;  // "2MB", "1GB", in the kernel's order
  std::vector<std::string> thermal_paths;
  std::string kernel_version;
  std::string os_image;
  std::string machine_id;
  std::string boot_id;
};

// `root` is "" for the real machine, a directory with proc/, sys/ and etc/ for tests.
Machine read_machine(const std::string& root);

struct MemoryInfo {
  std::uint64_t total = 0;
  std::uint64_t swap_total = 0;
};
MemoryInfo parse_meminfo(std::string_view text);
// "hugepages-2048kB" -> "2MB"; empty when the name has another form.
std::string hugepage_size_of(std::string_view directory_name);
// "0-3,6" -> 5 CPUs; 0 when unreadable.
std::uint32_t count_cpu_list(std::string_view text);
std::string parse_os_image(std::string_view os_release);

// A local interface address.
struct InterfaceAddress {
  std::string interface;
  std::string ip;
};
// The interface of the default route in /proc/net/route text, lowest metric first; empty when there is none.
std::string default_route_interface(std::string_view proc_net_route);

// The OS hostname or the override, trimmed and lower-cased; empty is `invalid`.
Result<std::string> node_name(const std::string& hostname_override);

// The node's addresses, primary first: `configured` (--node-ip, checked to be local), else by name, else the default
// route's.
Result<std::vector<std::string>> find_node_ips(const std::string& node, const std::string& configured);

// Decides purely; `resolved` are the addresses the node's name resolves to.
Result<std::vector<std::string>> choose_node_ips(const std::string& configured,
                                                 const std::vector<std::string>& resolved,
                                                 const std::vector<InterfaceAddress>& local,
                                                 const std::string& default_interface);

}  // namespace keelson::agent
