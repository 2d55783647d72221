#include "agent/stats/summary_values.hpp"

#include <algorithm>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

constexpr std::string_view kStandardInterface = "eth0";

std::uint64_t rest(std::uint64_t all, std::uint64_t part) { return all > part ? all - part : 0; }

PsiData data_of(const Pressure::Line& line) { return {line.total_us, line.avg10, line.avg60, line.avg300}; }
PsiStats psi_of(const Pressure& pressure) { return {data_of(pressure.full), data_of(pressure.some)}; }

PsiData data_of(const std::optional<cri::PsiData>& data) {
  return data ? PsiData{data->total, data->avg10, data->avg60, data->avg300} : PsiData{};
}
std::optional<PsiStats> psi_of(const std::optional<cri::PsiStats>& psi) {
  if (!psi) return std::nullopt;
  return PsiStats{data_of(psi->full), data_of(psi->some)};
}

InterfaceStats interface_of(const Interface& from) {
  InterfaceStats out;
  out.name = from.name;
  out.rx_bytes = from.received.bytes;
  out.rx_errors = from.received.errors;
  out.tx_bytes = from.sent.bytes;
  out.tx_errors = from.sent.errors;
  return out;
}

}  // namespace

base::SystemTime time_of(std::int64_t nanoseconds) { return base::SystemTime(std::chrono::nanoseconds(nanoseconds)); }

CpuStats cpu_of(const CgroupReading& group) {
  CpuStats out;
  out.time = group.time;
  out.usage_nano_cores = group.nano_cores;
  out.usage_core_nano_seconds = group.cpu_ns;
  out.psi = psi_of(group.pressures ? group.pressures->cpu : Pressure());
  return out;
}

MemoryStats memory_of(const CgroupReading& group) {
  MemoryStats out;
  out.time = group.time;
  if (!group.memory) {
    out.working_set_bytes = 0;
    return out;
  }
  const MemoryReading& memory = *group.memory;
  if (memory.limit <= largest_memory_limit) out.available_bytes = rest(memory.limit, memory.working_set);
  out.usage_bytes = memory.usage;
  out.working_set_bytes = memory.working_set;
  out.rss_bytes = memory.stat.rss;
  out.page_faults = memory.stat.page_faults;
  out.major_page_faults = memory.stat.major_page_faults;
  out.psi = psi_of(group.pressures ? group.pressures->memory : Pressure());
  return out;
}

IoStats io_of(const CgroupReading& group) {
  IoStats out;
  out.time = group.time;
  out.psi = psi_of(group.pressures ? group.pressures->io : Pressure());
  return out;
}

SwapStats swap_of(const CgroupReading& group) {
  SwapStats out;
  out.time = group.time;
  out.usage_bytes = group.memory ? group.memory->swap : 0;
  if (group.memory && group.memory->swap_limit <= largest_memory_limit) {
    out.available_bytes = rest(group.memory->swap_limit, group.memory->swap);
  }
  return out;
}

CpuStats cpu_of(const cri::ContainerStats& stats, base::SystemTime now) {
  CpuStats out;
  if (!stats.cpu) {
    out.time = now;
    out.usage_nano_cores = 0;
    out.usage_core_nano_seconds = 0;
    return out;
  }
  out.time = time_of(stats.cpu->timestamp);
  out.usage_nano_cores = stats.cpu->usage_nano_cores;
  out.usage_core_nano_seconds = stats.cpu->usage_core_nano_seconds;
  out.psi = psi_of(stats.cpu->psi);
  return out;
}

MemoryStats memory_of(const cri::ContainerStats& stats, base::SystemTime now) {
  MemoryStats out;
  if (!stats.memory) {
    out.time = now;
    out.working_set_bytes = 0;
    return out;
  }
  const cri::MemoryUsage& memory = *stats.memory;
  out.time = time_of(memory.timestamp);
  out.available_bytes = memory.available_bytes;
  out.usage_bytes = memory.usage_bytes;
  out.working_set_bytes = memory.working_set_bytes;
  out.rss_bytes = memory.rss_bytes;
  out.page_faults = memory.page_faults;
  out.major_page_faults = memory.major_page_faults;
  out.psi = psi_of(memory.psi);
  return out;
}

IoStats io_of(const cri::ContainerStats& stats, base::SystemTime now) {
  IoStats out;
  out.time = stats.io ? time_of(stats.io->timestamp) : now;
  if (stats.io) out.psi = psi_of(stats.io->psi);
  return out;
}

SwapStats swap_of(const cri::ContainerStats& stats, base::SystemTime now) {
  SwapStats out;
  if (!stats.swap) {
    out.time = now;
    out.available_bytes = 0;
    out.usage_bytes = 0;
    return out;
  }
  out.time = time_of(stats.swap->timestamp);
  out.available_bytes = stats.swap->available_bytes;
  out.usage_bytes = stats.swap->usage_bytes;
  return out;
}

NetworkStats network_of(const std::vector<Interface>& interfaces, base::SystemTime time) {
  NetworkStats out;
  out.time = time;
  for (const Interface& one : interfaces) {
    out.interfaces.push_back(interface_of(one));
    if (one.name == kStandardInterface) out.standard = out.interfaces.back();
  }
  return out;
}

FsStats room_of(const FileSystemReading* system, base::SystemTime time) {
  FsStats out;
  out.time = time;
  if (system == nullptr) return out;
  out.available_bytes = system->available;
  out.capacity_bytes = system->capacity;
  out.inodes_free = system->inodes_free;
  out.inodes = system->inodes;
  return out;
}

void add_usage(FsStats& sum, std::optional<std::uint64_t> bytes, std::optional<std::uint64_t> inodes,
               base::SystemTime time) {
  if (bytes) sum.used_bytes = sum.used_bytes.value_or(0) + *bytes;
  if (inodes) sum.inodes_used = sum.inodes_used.value_or(0) + *inodes;
  sum.time = std::max(sum.time, time);
}

}  // namespace keelson::stats
