// The machine as the node sees it: memory, CPUs, huge pages, identities and names.
//
// Parsers are pure; read_machine() and filesystem_bytes() block on /proc, /sys and the disk and are called before the
// loop runs. What is missing is left at its zero. Read once at start. Source: contract 01 §7.2 (sources).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::agent {

// Huge pages of one size, as the kernel has set them aside.
struct HugepagePool {
  std::uint64_t page_bytes = 0;
  std::uint64_t pages = 0;
};

struct Machine {
  std::uint64_t memory_bytes = 0;
  std::uint64_t swap_bytes = 0;
  std::uint32_t cpus = 0;
  std::vector<std::string> hugepage_sizes;  // "2MB", "1GB", in the kernel's order
  std::vector<HugepagePool> hugepages;      // one for each supported size, also of none
  std::vector<std::string> thermal_paths;
  std::string kernel_version;
  std::string os_image;
  std::string machine_id;
  std::string system_uuid;
  std::string boot_id;
  std::string architecture;  // as Go names it: "amd64", "arm64"
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
// "hugepages-2048kB" -> 2097152; 0 when the name has another form.
std::uint64_t hugepage_bytes_of(std::string_view directory_name);
// "0-3,6" -> 5 CPUs; 0 when unreadable.
std::uint32_t count_cpu_list(std::string_view text);
// The CPUs that are in a NUMA node and online; all online ones when no node names any.
std::uint32_t count_online_cpus(const std::vector<std::string>& node_cpu_lists, std::string_view online);
// "x86_64" -> "amd64"; a name that Go does not have stays as it is.
std::string go_architecture(std::string_view uname_machine);
// All bytes of the filesystem that holds `path`, free or not.
Result<std::uint64_t> filesystem_bytes(const std::string& path);
std::string parse_os_image(std::string_view os_release);

// The OS hostname or the override, trimmed and lower-cased; empty is `invalid`.
Result<std::string> node_name(const std::string& hostname_override);

}  // namespace keelson::agent
