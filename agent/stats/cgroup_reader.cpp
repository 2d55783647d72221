#include "agent/stats/cgroup_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "agent/stats/text.hpp"
#include "cgroup-manager/formulas.hpp"

namespace keelson::stats {
namespace {

// Of one container: nobody's descriptors are to cost the whole page its time.
constexpr std::uint64_t kMostDescriptors = 20'000;

using cgroups::Version;

constexpr std::array kControllers{"cpuacct", "cpu", "memory", "pids", "blkio"};

std::uint64_t rest(std::uint64_t all, std::uint64_t part) { return all > part ? all - part : 0; }

base::SystemTime time_of(const timespec& time) {
  return base::SystemTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

std::string relative(const std::string& path) {
  const auto begin = path.find_first_not_of('/');
  return begin == std::string::npos ? "." : path.substr(begin);
}

bool is_root(const std::string& path) { return relative(path) == "."; }

void set_usage(MemoryReading& out, std::uint64_t usage) {
  out.usage = usage;
  out.working_set = rest(usage, out.stat.inactive_file);
}

}  // namespace

CgroupReader::CgroupReader(const cgroups::Layout& layout, const std::string& proc, const Memory& node,
                           const base::Clock& clock)
    : v2_(layout.version == Version::v2), node_(node), clock_(clock), proc_(hold_directory(AT_FDCWD, proc)) {
  if (v2_) {
    base::UniqueFd top = hold_directory(AT_FDCWD, layout.unified);
    has_pressures_ = top && files_.read(top.get(), "cpu.pressure").has_value();
    mounts_[""] = std::move(top);
    return;
  }
  for (const char* controller : kControllers) {
    const auto found = layout.controllers.find(controller);
    if (found != layout.controllers.end()) mounts_[controller] = hold_directory(AT_FDCWD, found->second);
  }
}

int CgroupReader::mount(const char* controller) const {
  const auto found = mounts_.find(v2_ ? "" : controller);
  return found == mounts_.end() ? -1 : found->second.get();
}

CgroupReader::Directory CgroupReader::open(const char* controller, const std::string& path) {
  const int top = mount(controller);
  return top < 0 ? Directory() : Directory{hold_directory(top, relative(path))};
}

std::string CgroupReader::group_of(const std::string& path, const std::string& id) {
  const Directory group = open("memory", path);
  if (!group || id.empty()) return "";
  std::string best;
  // Of several the shortest: "crio-conmon-ID.scope" is the container's monitor.
  for (std::string& name : names_in(group.get())) {
    if (name.find(id) != std::string::npos && (best.empty() || name.size() < best.size())) best = std::move(name);
  }
  return best;
}

std::uint32_t CgroupReader::first_process(const std::string& path) {
  const Directory group = open("memory", path);
  return group ? read_processes(group.get(), false).first : 0;
}

std::optional<CgroupReading> CgroupReader::read(const std::string& path, const Wanted& wanted) {
  CgroupReading out;
  if (wanted.details) out.details.emplace();
  const Directory cpu = open("cpuacct", path);
  if (!cpu || !read_cpu(cpu, wanted, out)) return std::nullopt;
  if (!wanted.memory) return out;
  Directory other;
  if (!v2_) other = open("memory", path);
  const int memory = v2_ ? cpu.get() : other.get();
  if (memory < 0) return out;
  out.memory = is_root(path) ? read_root_memory(memory) : read_memory(memory);
  if (wanted.pressures && has_pressures_) out.pressures = read_pressures(memory);
  if (wanted.processes) out.processes = read_processes(memory, wanted.descriptors);
  if (wanted.made) out.made = when_made(memory);
  if (wanted.details && v2_) read_details_v2(memory, *out.details);
  if (wanted.details && !v2_) read_details_v1(path, memory, *out.details);
  return out;
}

bool CgroupReader::read_cpu(const Directory& cpu, const Wanted& wanted, CgroupReading& out) {
  if (v2_) {
    const auto text = files_.read(cpu.get(), "cpu.stat");
    if (!text) return false;
    const CpuStat stat = parse_cpu_stat(*text, Version::v2);
    out.cpu_ns = stat.usage_ns;
    if (wanted.details) {
      out.details->user_ns = stat.user_ns;
      out.details->system_ns = stat.system_ns;
      out.details->throttling = stat.throttling;
    }
  } else {
    const auto usage = files_.number(cpu.get(), "cpuacct.usage");
    if (!usage) return false;
    out.cpu_ns = *usage;
    if (wanted.details) {
      const CpuTimes times = parse_cpuacct_stat(files_.read(cpu.get(), "cpuacct.stat").value_or(""));
      out.details->user_ns = times.user_ns;
      out.details->system_ns = times.system_ns;
    }
  }
  out.time = clock_.now();
  out.steady = clock_.steady_now();
  return true;
}

// Nothing when the controller is not enabled for the group.
std::optional<MemoryReading> CgroupReader::read_memory(int memory) {
  const auto limit = files_.number(memory, v2_ ? "memory.max" : "memory.limit_in_bytes");
  if (!limit) return std::nullopt;
  MemoryReading out;
  out.limit = *limit;
  out.stat = parse_memory_stat(files_.read(memory, "memory.stat").value_or(""), v2_ ? Version::v2 : Version::v1);
  set_usage(out, number(memory, v2_ ? "memory.current" : "memory.usage_in_bytes"));
  out.swap = v2_ ? number(memory, "memory.swap.current") : out.stat.swap;
  out.swap_limit = number(memory, v2_ ? "memory.swap.max" : "memory.memsw.limit_in_bytes");
  return out;
}

// The root group has no limits of its own, and on v2 no usage either.
MemoryReading CgroupReader::read_root_memory(int memory) {
  MemoryReading out;
  out.stat = parse_memory_stat(files_.read(memory, "memory.stat").value_or(""), v2_ ? Version::v2 : Version::v1);
  set_usage(out, v2_ ? out.stat.rss + out.stat.cache : number(memory, "memory.usage_in_bytes"));
  out.limit = node_.total;
  out.swap = v2_ ? rest(node_.swap_total, node_.swap_free) : out.stat.swap;
  out.swap_limit = node_.swap_total;
  return out;
}

Pressures CgroupReader::read_pressures(int group) {
  Pressures out;
  out.cpu = parse_pressure(files_.read(group, "cpu.pressure").value_or(""));
  out.memory = parse_pressure(files_.read(group, "memory.pressure").value_or(""));
  out.io = parse_pressure(files_.read(group, "io.pressure").value_or(""));
  return out;
}

ProcessReading CgroupReader::read_processes(int group, bool descriptors) {
  ProcessReading out;
  const auto text = files_.read_to_end(group, "cgroup.procs");
  if (!text) return out;
  const auto pids = parse_procs(*text);
  out.count = pids.size();
  if (pids.empty()) return out;
  out.first = pids.front();
  if (!descriptors || !proc_) return out;
  for (const std::uint32_t pid : pids) {
    if (out.descriptors >= kMostDescriptors) break;
    count_descriptors(pid, out);
  }
  if (const auto limits = files_.read_to_end(proc_.get(), std::to_string(out.first) + "/limits")) {
    out.open_files_limit = parse_open_files_limit(*limits);
  }
  return out;
}

void CgroupReader::count_descriptors(std::uint32_t pid, ProcessReading& out) {
  const base::UniqueFd all = hold_directory(proc_.get(), std::to_string(pid) + "/fd");
  if (!all) return;
  constexpr std::string_view kSocket = "socket";
  std::array<char, kSocket.size()> kind{};
  for (const std::string& name : names_in(all.get())) {
    if (++out.descriptors >= kMostDescriptors) return;
    const ssize_t size = ::readlinkat(all.get(), name.c_str(), kind.data(), kind.size());
    if (size == static_cast<ssize_t>(kind.size()) && std::string_view(kind.data(), kind.size()) == kSocket) {
      ++out.sockets;
    }
  }
}

void CgroupReader::read_threads(int pids, GroupDetails& out) {
  out.threads = number(pids, "pids.current");
  const std::uint64_t most = number(pids, "pids.max");
  out.max_threads = most == unlimited ? 0 : most;
}

void CgroupReader::read_details_v1(const std::string& path, int memory, GroupDetails& out) {
  if (const Directory cpu = open("cpu", path)) {
    out.throttling = parse_cpu_stat(files_.read(cpu.get(), "cpu.stat").value_or(""), Version::v1).throttling;
    out.cpu_shares = number(cpu.get(), "cpu.shares");
    out.cpu_period_us = number(cpu.get(), "cpu.cfs_period_us");
    out.cpu_quota_us = number(cpu.get(), "cpu.cfs_quota_us");  // -1 is no number: none
  }
  out.max_usage = number(memory, "memory.max_usage_in_bytes");
  out.fail_count = number(memory, "memory.failcnt");
  out.kernel_memory = number(memory, "memory.kmem.usage_in_bytes");
  out.reservation = number(memory, "memory.soft_limit_in_bytes");
  out.oom_kills = parse_oom_kills(files_.read(memory, "memory.oom_control").value_or(""));
  if (const Directory pids = open("pids", path)) read_threads(pids.get(), out);
  if (const Directory io = open("blkio", path)) {
    const auto list = [&](const char* name) { return parse_blkio(files_.read_to_end(io.get(), name).value_or("")); };
    out.io.bytes = list("blkio.throttle.io_service_bytes_recursive");
    out.io.requests = list("blkio.throttle.io_serviced_recursive");
  }
}

void CgroupReader::read_details_v2(int group, GroupDetails& out) {
  const CpuMax max = parse_cpu_max(files_.read(group, "cpu.max").value_or(""));
  out.cpu_quota_us = max.quota_us;
  out.cpu_period_us = max.period_us;
  const auto weight = static_cast<std::int64_t>(std::min<std::uint64_t>(number(group, "cpu.weight"), 10'000));
  if (weight > 0) out.cpu_shares = static_cast<std::uint64_t>(cgroups::shares_from_weight(weight));
  out.max_usage = number(group, "memory.peak");
  out.reservation = number(group, "memory.min");
  out.oom_kills = parse_oom_kills(files_.read(group, "memory.events").value_or(""));
  read_threads(group, out);
  out.io = parse_io_stat(files_.read_to_end(group, "io.stat").value_or(""));
}

// The times of a group's directory change as groups are made below it, and begin anew when the kernel has forgotten
// them: the oldest of a file that nobody writes comes nearest, as the kubelet has it.
std::optional<base::SystemTime> CgroupReader::when_made(int group) const {
  std::optional<base::SystemTime> oldest;
  for (const char* name : {".", v2_ ? "cgroup.events" : "cgroup.clone_children"}) {
    struct stat info {};
    if (::fstatat(group, name, &info, 0) != 0) continue;
    const base::SystemTime time = time_of(info.st_mtim);
    if (!oldest || time < *oldest) oldest = time;
  }
  return oldest;
}

}  // namespace keelson::stats
