#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/file.hpp"
#include "config/host_checks.hpp"
#include "config/validation.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

constexpr std::string_view kCgroups = "/sys/fs/cgroup";

}  // namespace

bool RealHost::cgroup_v1() const {
  struct statfs info {};
  return ::statfs(std::string(kCgroups).c_str(), &info) != 0 || info.f_type != CGROUP2_SUPER_MAGIC;
}

bool RealHost::cgroup_exists(const std::string& name) const {
  // Under systemd "/a" is the slice a.slice.
  for (const std::string& form : {name, name + ".slice"}) {
    if (!cgroup_v1()) {
      if (base::is_directory(std::string(kCgroups) + form)) return true;
      continue;
    }
    bool everywhere = true;
    for (const std::string_view controller : {"cpu", "cpuset", "memory", "pids"}) {
      const std::string mount = std::string(kCgroups) + "/" + std::string(controller);
      if (base::is_directory(mount) && !base::is_directory(mount + form)) everywhere = false;
    }
    if (everywhere) return true;
  }
  return false;
}

std::vector<std::string> RealHost::swap_areas() const {
  const auto text = base::read_file("/proc/swaps");
  std::vector<std::string> areas;
  if (!text.ok()) return areas;  // a kernel without swap has no such file
  bool heading = true;
  for (std::string& line : split(*text, '\n')) {
    if (!heading && !trim(line).empty()) areas.push_back(std::move(line));
    heading = false;
  }
  return areas;
}

std::vector<int> RealHost::online_cpus() const {
  const auto text = base::read_file("/sys/devices/system/cpu/online");
  std::vector<int> cpus;
  if (text.ok()) check_cpu_list(trim(*text), &cpus);
  return cpus;
}

std::int64_t RealHost::memory_bytes() const {
  const auto text = base::read_file("/proc/meminfo");
  if (!text.ok()) return 0;
  constexpr std::string_view kTotal = "MemTotal:";
  for (const std::string& line : split(*text, '\n')) {
    if (!line.starts_with(kTotal)) continue;
    const std::string_view rest = trim(std::string_view(line).substr(kTotal.size()));
    std::int64_t kibibytes = 0;
    std::from_chars(rest.data(), rest.data() + rest.size(), kibibytes);
    return kibibytes * 1024;
  }
  return 0;
}

Status RealHost::readable(const std::string& path) const {
  const auto text = base::read_file(path);
  if (!text.ok()) return text.error();
  return {};
}

bool RealHost::is_directory(const std::string& path) const { return base::is_directory(path); }

bool RealHost::is_executable(const std::string& path) const {
  return !base::is_directory(path) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace keelson::config
