#include "agent/node/machine.hpp"

#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <set>
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

void add_cpu_list(std::string_view text, std::set<unsigned>& cpus) {
  constexpr unsigned most = 1 << 16;
  std::istringstream ranges{trimmed(text)};
  for (std::string range; std::getline(ranges, range, ',');) {
    unsigned first = 0;
    unsigned last = 0;
    const int fields = std::sscanf(range.c_str(), "%u-%u", &first, &last);
    if (fields == 1) last = first;
    if (fields < 1 || last > most) continue;
    for (unsigned cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
}

std::uint32_t read_cpus(const std::string& root) {
  std::vector<std::string> lists;
  auto nodes = base::list_directory(root + "/sys/devices/system/node");
  if (nodes.ok()) {
    for (const auto& name : *nodes) {
      if (name.rfind("node", 0) != 0 || name.find_first_not_of("0123456789", 4) != std::string::npos) continue;
      lists.push_back(read_text(root + "/sys/devices/system/node/" + name + "/cpulist"));
    }
  }
  return count_online_cpus(lists, read_text(root + "/sys/devices/system/cpu/online"));
}

// In the directory's own order, which is that of the limits that the runtime is given (contract 02 §2.4).
std::vector<std::string> names_in_order(const std::string& path) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
  if (!directory) return names;
  while (const dirent* entry = ::readdir(directory.get())) names.emplace_back(entry->d_name);
  return names;
}

void read_hugepages(const std::string& root, Machine& machine) {
  const std::string folder = root + "/sys/kernel/mm/hugepages";
  for (const auto& name : names_in_order(folder)) {
    std::string size = hugepage_size_of(name);
    if (size.empty()) continue;
    machine.hugepage_sizes.push_back(std::move(size));
    const std::string pages = read_trimmed(folder + "/" + name + "/nr_hugepages");
    machine.hugepages.push_back({hugepage_bytes_of(name), std::strtoull(pages.c_str(), nullptr, 10)});
  }
}

// The first of these files that holds anything.
std::string first_of(const std::string& root, std::initializer_list<const char*> paths) {
  for (const char* path : paths) {
    std::string text = read_trimmed(root + path);
    std::erase(text, '\0');  // device tree strings end with one
    if (!text.empty()) return text;
  }
  return "";
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

std::uint64_t hugepage_bytes_of(std::string_view directory_name) {
  if (hugepage_size_of(directory_name).empty()) return 0;
  return std::strtoull(std::string(directory_name.substr(directory_name.find('-') + 1)).c_str(), nullptr, 10) * 1024;
}

std::uint32_t count_cpu_list(std::string_view text) {
  std::set<unsigned> cpus;
  add_cpu_list(text, cpus);
  return static_cast<std::uint32_t>(cpus.size());
}

std::uint32_t count_online_cpus(const std::vector<std::string>& node_cpu_lists, std::string_view online) {
  std::set<unsigned> online_cpus;
  add_cpu_list(online, online_cpus);
  std::set<unsigned> in_nodes;
  for (const auto& list : node_cpu_lists) add_cpu_list(list, in_nodes);
  if (in_nodes.empty()) return static_cast<std::uint32_t>(online_cpus.size());
  if (online_cpus.empty()) return static_cast<std::uint32_t>(in_nodes.size());
  std::erase_if(in_nodes, [&](unsigned cpu) { return online_cpus.count(cpu) == 0; });
  return static_cast<std::uint32_t>(in_nodes.size());
}

std::string go_architecture(std::string_view uname_machine) {
  struct Row {
    std::string_view machine;
    std::string_view name;
  };
  static constexpr Row rows[] = {{"x86_64", "amd64"},  {"aarch64", "arm64"},      {"armv6l", "arm"}, {"armv7l", "arm"},
                                 {"armv8l", "arm"},    {"i386", "386"},           {"i586", "386"},   {"i686", "386"},
                                 {"mips64", "mips64"}, {"loongarch64", "loong64"}};
  for (const Row& row : rows) {
    if (row.machine == uname_machine) return std::string(row.name);
  }
  return std::string(uname_machine);
}

Result<std::uint64_t> filesystem_bytes(const std::string& path) {
  struct statvfs answer {};
  if (::statvfs(path.c_str(), &answer) != 0) return errno_error("statvfs " + path, errno);
  return static_cast<std::uint64_t>(answer.f_blocks) * answer.f_frsize;
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
  machine.cpus = read_cpus(root);
  read_hugepages(root, machine);
  const std::uint32_t possible = count_cpu_list(read_text(root + "/sys/devices/system/cpu/possible"));
  for (std::uint32_t cpu = 0; cpu < possible; ++cpu) {
    const std::string path = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/thermal_throttle";
    if (base::is_directory(root + path)) machine.thermal_paths.push_back(path);
  }
  utsname names{};
  if (::uname(&names) == 0) {
    machine.kernel_version = names.release;
    machine.architecture = go_architecture(names.machine);
  }
  std::string os_release = read_text(root + "/etc/os-release");
  if (os_release.empty()) os_release = read_text(root + "/usr/lib/os-release");
  machine.os_image = parse_os_image(os_release);
  machine.machine_id = first_of(root, {"/etc/machine-id", "/var/lib/dbus/machine-id"});
  machine.system_uuid = first_of(root, {"/sys/class/dmi/id/product_uuid", "/proc/device-tree/system-id",
                                        "/proc/device-tree/vm,uuid", "/etc/machine-id"});
  machine.boot_id = read_trimmed(root + "/proc/sys/kernel/random/boot_id");
  return machine;
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

}  // namespace keelson::agent
