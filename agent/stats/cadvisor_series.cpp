#include "agent/stats/cadvisor_series.hpp"

#include <array>
#include <chrono>
#include <set>
#include <type_traits>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

using metrics::Labels;
using metrics::Type;
using Row = ContainerRow;
using Out = RowEmitter;

constexpr double kNanoseconds = 1e9;
constexpr double kMicroseconds = 1e6;
constexpr double kMilliseconds = 1e3;

const MemoryReading& memory(const Row& row) {
  static const MemoryReading none;
  return row.group->memory ? *row.group->memory : none;
}
const GroupDetails& details(const Row& row) {
  static const GroupDetails none;
  return row.group->details ? *row.group->details : none;
}
const ProcessReading& processes(const Row& row) {
  static const ProcessReading none;
  return row.group->processes ? *row.group->processes : none;
}
double number(std::uint64_t value) { return static_cast<double>(value); }
double unix_seconds(base::SystemTime time) {
  return static_cast<double>(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
}
// In the specification of a container no limit is 0.
double limit(std::uint64_t value) { return value > largest_memory_limit ? 0 : number(value); }

// --- single values ---

template <auto kMember>
void memory_value(const Row& row, Out& out) {
  out.add(number(memory(row).*kMember));
}
template <auto kMember>
void stat_value(const Row& row, Out& out) {
  out.add(number(memory(row).stat.*kMember));
}
template <auto kMember>
void details_value(const Row& row, Out& out) {
  out.add(number(details(row).*kMember));
}
template <auto kMember>
void details_seconds(const Row& row, Out& out) {
  out.add(number(details(row).*kMember) / kNanoseconds);
}
template <auto kMember>
void spec_value(const Row& row, Out& out) {
  out.add_untimed(number(details(row).*kMember));
}
template <auto kMember>
void process_value(const Row& row, Out& out) {
  out.add(number(processes(row).*kMember));
}
template <auto kMember>
void throttling_value(const Row& row, Out& out) {
  if (details(row).cpu_quota_us != 0) out.add(number(details(row).throttling.*kMember));
}
template <auto kMember>
void throttling_seconds(const Row& row, Out& out) {
  if (details(row).cpu_quota_us != 0) out.add(number(details(row).throttling.*kMember) / kNanoseconds);
}
template <auto kKind, auto kShare>
void pressure_seconds(const Row& row, Out& out) {
  if (row.group->pressures) out.add(number(((*row.group->pressures).*kKind.*kShare).total_us) / kMicroseconds);
}
void zero(const Row&, Out& out) { out.add(0); }

// --- by interface, device and the like ---

template <auto kDirection, auto kMember>
void traffic_value(const Row& row, Out& out) {
  if (row.network == nullptr) return;
  for (const Interface& one : *row.network) out.add(number(one.*kDirection.*kMember), {{"interface", one.name}});
}

template <auto kMember>
void mount_figure(const Row& row, Out& out) {
  if (row.mounts == nullptr) return;
  for (const MountReading& one : *row.mounts) {
    out.add(number(one.figures.*kMember), {{"device", one.mounted.device}});
  }
}

// "/dev/sda"; empty for what is no disk.
std::string device_name(const Row& row, const DeviceIo& device) {
  for (const Disk& disk : *row.disks) {
    if (disk.major == device.major && disk.minor == device.minor) return "/dev/" + disk.name;
  }
  return "";
}

// What the cgroup's devices counted, and for the root those of file systems. One device can be both.
template <auto kList, auto kMember>
void device_value(const Row& row, Out& out, std::string_view operation, double unit) {
  std::set<std::string> told;
  if constexpr (!std::is_null_pointer_v<decltype(kList)>) {
    for (const DeviceIo& one : details(row).io.*kList) {
      std::string name = device_name(row, one);
      if (name.empty() || !told.insert(name).second) continue;
      out.add(number(one.of(operation)), {{"device", std::move(name)}});
    }
  }
  if constexpr (!std::is_null_pointer_v<decltype(kMember)>) {
    if (row.mounts == nullptr) return;
    for (const MountReading& one : *row.mounts) {
      if (!told.insert(one.mounted.device).second) continue;
      out.add(number(one.disk.*kMember) / unit, {{"device", one.mounted.device}});
    }
  }
}
template <auto kList, auto kMember>
void reads(const Row& row, Out& out) {
  device_value<kList, kMember>(row, out, "Read", 1);
}
template <auto kList, auto kMember>
void writes(const Row& row, Out& out) {
  device_value<kList, kMember>(row, out, "Write", 1);
}
template <auto kMember>
void disk_value(const Row& row, Out& out) {
  device_value<nullptr, kMember>(row, out, "", 1);
}
template <auto kMember>
void disk_seconds(const Row& row, Out& out) {
  device_value<nullptr, kMember>(row, out, "", kMilliseconds);
}

void block_io(const Row& row, Out& out) {
  for (const DeviceIo& one : details(row).io.bytes) {
    const std::string name = device_name(row, one);
    for (const auto& [operation, value] : one.by_operation) {
      out.add(number(value), {{"device", name},
                              {"major", std::to_string(one.major)},
                              {"minor", std::to_string(one.minor)},
                              {"operation", operation}});
    }
  }
}

// --- others ---

void cpu_usage(const Row& row, Out& out) {
  if (row.group->cpu_ns > 0) out.add(number(row.group->cpu_ns) / kNanoseconds, {{"cpu", "total"}});
}
void faults(const Row& row, Out& out) {
  const MemoryStat& stat = memory(row).stat;
  for (const char* scope : {"container", "hierarchy"}) {
    out.add(number(stat.page_faults), {{"failure_type", "pgfault"}, {"scope", scope}});
    out.add(number(stat.major_page_faults), {{"failure_type", "pgmajfault"}, {"scope", scope}});
  }
}
void task_states(const Row&, Out& out) {
  for (const char* state : {"iowaiting", "running", "sleeping", "stopped", "uninterruptible"}) {
    out.add(0, {{"state", state}});
  }
}
void last_seen(const Row& row, Out& out) { out.add(unix_seconds(row.group->time)); }
void no_health_check(const Row&, Out& out) { out.add(-1); }
// Only a container's own kills count: in the groups above them they would be counted again.
void oom_events(const Row& row, Out& out) { out.add(row.name.empty() ? 0 : number(details(row).oom_kills)); }
void open_files_limit(const Row& row, Out& out) {
  const auto& soft = processes(row).open_files_limit;
  if (soft && (row.id == "/" || !row.name.empty())) {
    out.add(static_cast<double>(*soft), {{"ulimit", "max_open_files"}});
  }
}
void start_time(const Row& row, Out& out) { out.add_untimed(unix_seconds(row.created)); }
void quota(const Row& row, Out& out) {
  if (details(row).cpu_quota_us != 0) out.add_untimed(number(details(row).cpu_quota_us));
}
template <auto kMember>
void memory_limit(const Row& row, Out& out) {
  if (row.group->memory) out.add_untimed(limit((*row.group->memory).*kMember));
}
void reservation(const Row& row, Out& out) {
  if (row.group->memory) out.add_untimed(limit(details(row).reservation));
}

constexpr auto kCounter = Type::counter;
constexpr auto kGauge = Type::gauge;
constexpr auto kBytes = &IoStat::bytes;
constexpr auto kRequests = &IoStat::requests;

constexpr std::array kSeries{
    CadvisorSeries{"container_blkio_device_usage_total", kCounter, "Blkio Device bytes usage", block_io},
    CadvisorSeries{"container_cpu_cfs_burst_periods_total", kCounter, "Number of periods when burst occurs.",
                   throttling_value<&Throttling::burst_periods>},
    CadvisorSeries{"container_cpu_cfs_burst_seconds_total", kCounter,
                   "Total time duration the container has been bursted.", throttling_seconds<&Throttling::burst_ns>},
    CadvisorSeries{"container_cpu_cfs_periods_total", kCounter, "Number of elapsed enforcement period intervals.",
                   throttling_value<&Throttling::periods>},
    CadvisorSeries{"container_cpu_cfs_throttled_periods_total", kCounter, "Number of throttled period intervals.",
                   throttling_value<&Throttling::throttled_periods>},
    CadvisorSeries{"container_cpu_cfs_throttled_seconds_total", kCounter,
                   "Total time duration the container has been throttled.",
                   throttling_seconds<&Throttling::throttled_ns>},
    CadvisorSeries{"container_cpu_load_average_10s", kGauge,
                   "Value of container cpu load average over the last 10 seconds.", zero},
    CadvisorSeries{"container_cpu_load_d_average_10s", kGauge,
                   "Value of container cpu load.d average over the last 10 seconds.", zero},
    CadvisorSeries{"container_cpu_system_seconds_total", kCounter, "Cumulative system cpu time consumed in seconds.",
                   details_seconds<&GroupDetails::system_ns>},
    CadvisorSeries{"container_cpu_usage_seconds_total", kCounter, "Cumulative cpu time consumed in seconds.",
                   cpu_usage},
    CadvisorSeries{"container_cpu_user_seconds_total", kCounter, "Cumulative user cpu time consumed in seconds.",
                   details_seconds<&GroupDetails::user_ns>},
    CadvisorSeries{"container_file_descriptors", kGauge, "Number of open file descriptors for the container.",
                   process_value<&ProcessReading::descriptors>},
    CadvisorSeries{"container_fs_inodes_free", kGauge, "Number of available Inodes",
                   mount_figure<&FileSystemReading::inodes_free>},
    CadvisorSeries{"container_fs_inodes_total", kGauge, "Number of Inodes", mount_figure<&FileSystemReading::inodes>},
    CadvisorSeries{"container_fs_io_current", kGauge, "Number of I/Os currently in progress",
                   disk_value<&Disk::in_progress>},
    CadvisorSeries{"container_fs_io_time_seconds_total", kCounter, "Cumulative count of seconds spent doing I/Os",
                   disk_seconds<&Disk::io_ms>},
    CadvisorSeries{"container_fs_io_time_weighted_seconds_total", kCounter, "Cumulative weighted I/O time in seconds",
                   disk_seconds<&Disk::weighted_io_ms>},
    CadvisorSeries{"container_fs_limit_bytes", kGauge,
                   "Number of bytes that can be consumed by the container on this filesystem.",
                   mount_figure<&FileSystemReading::capacity>},
    CadvisorSeries{"container_fs_read_seconds_total", kCounter, "Cumulative count of seconds spent reading",
                   disk_seconds<&Disk::read_ms>},
    CadvisorSeries{"container_fs_reads_bytes_total", kCounter, "Cumulative count of bytes read",
                   reads<kBytes, nullptr>},
    CadvisorSeries{"container_fs_reads_merged_total", kCounter, "Cumulative count of reads merged",
                   disk_value<&Disk::reads_merged>},
    CadvisorSeries{"container_fs_reads_total", kCounter, "Cumulative count of reads completed",
                   reads<kRequests, &Disk::reads>},
    CadvisorSeries{"container_fs_sector_reads_total", kCounter, "Cumulative count of sector reads completed",
                   disk_value<&Disk::sectors_read>},
    CadvisorSeries{"container_fs_sector_writes_total", kCounter, "Cumulative count of sector writes completed",
                   disk_value<&Disk::sectors_written>},
    CadvisorSeries{"container_fs_usage_bytes", kGauge,
                   "Number of bytes that are consumed by the container on this filesystem.",
                   mount_figure<&FileSystemReading::used>},
    CadvisorSeries{"container_fs_write_seconds_total", kCounter, "Cumulative count of seconds spent writing",
                   disk_seconds<&Disk::write_ms>},
    CadvisorSeries{"container_fs_writes_bytes_total", kCounter, "Cumulative count of bytes written",
                   writes<kBytes, nullptr>},
    CadvisorSeries{"container_fs_writes_merged_total", kCounter, "Cumulative count of writes merged",
                   disk_value<&Disk::writes_merged>},
    CadvisorSeries{"container_fs_writes_total", kCounter, "Cumulative count of writes completed",
                   writes<kRequests, &Disk::writes>},
    CadvisorSeries{"container_health_state", kGauge, "The result of the container's health check", no_health_check},
    CadvisorSeries{"container_last_seen", kGauge, "Last time a container was seen by the exporter", last_seen},
    CadvisorSeries{"container_memory_cache", kGauge, "Number of bytes of page cache memory.",
                   stat_value<&MemoryStat::cache>},
    CadvisorSeries{"container_memory_failcnt", kCounter, "Number of memory usage hits limits",
                   details_value<&GroupDetails::fail_count>},
    CadvisorSeries{"container_memory_failures_total", kCounter, "Cumulative count of memory allocation failures.",
                   faults},
    CadvisorSeries{"container_memory_kernel_usage", kGauge, "Size of kernel memory allocated in bytes.",
                   details_value<&GroupDetails::kernel_memory>},
    CadvisorSeries{"container_memory_mapped_file", kGauge, "Size of memory mapped files in bytes.",
                   stat_value<&MemoryStat::mapped_file>},
    CadvisorSeries{"container_memory_max_usage_bytes", kGauge, "Maximum memory usage recorded in bytes",
                   details_value<&GroupDetails::max_usage>},
    CadvisorSeries{"container_memory_rss", kGauge, "Size of RSS in bytes.", stat_value<&MemoryStat::rss>},
    CadvisorSeries{"container_memory_swap", kGauge, "Container swap usage in bytes.",
                   memory_value<&MemoryReading::swap>},
    CadvisorSeries{"container_memory_total_active_file_bytes", kGauge, "Current total active file in bytes.",
                   stat_value<&MemoryStat::active_file>},
    CadvisorSeries{"container_memory_total_inactive_file_bytes", kGauge, "Current total inactive file in bytes.",
                   stat_value<&MemoryStat::inactive_file>},
    CadvisorSeries{"container_memory_usage_bytes", kGauge,
                   "Current memory usage in bytes, including all memory regardless of when it was accessed",
                   memory_value<&MemoryReading::usage>},
    CadvisorSeries{"container_memory_working_set_bytes", kGauge, "Current working set in bytes.",
                   memory_value<&MemoryReading::working_set>},
    CadvisorSeries{"container_network_receive_bytes_total", kCounter, "Cumulative count of bytes received",
                   traffic_value<&Interface::received, &Traffic::bytes>},
    CadvisorSeries{"container_network_receive_errors_total", kCounter,
                   "Cumulative count of errors encountered while receiving",
                   traffic_value<&Interface::received, &Traffic::errors>},
    CadvisorSeries{"container_network_receive_packets_dropped_total", kCounter,
                   "Cumulative count of packets dropped while receiving",
                   traffic_value<&Interface::received, &Traffic::dropped>},
    CadvisorSeries{"container_network_receive_packets_total", kCounter, "Cumulative count of packets received",
                   traffic_value<&Interface::received, &Traffic::packets>},
    CadvisorSeries{"container_network_transmit_bytes_total", kCounter, "Cumulative count of bytes transmitted",
                   traffic_value<&Interface::sent, &Traffic::bytes>},
    CadvisorSeries{"container_network_transmit_errors_total", kCounter,
                   "Cumulative count of errors encountered while transmitting",
                   traffic_value<&Interface::sent, &Traffic::errors>},
    CadvisorSeries{"container_network_transmit_packets_dropped_total", kCounter,
                   "Cumulative count of packets dropped while transmitting",
                   traffic_value<&Interface::sent, &Traffic::dropped>},
    CadvisorSeries{"container_network_transmit_packets_total", kCounter, "Cumulative count of packets transmitted",
                   traffic_value<&Interface::sent, &Traffic::packets>},
    CadvisorSeries{"container_oom_events_total", kCounter, "Count of out of memory events observed for the container",
                   oom_events},
    CadvisorSeries{"container_pressure_cpu_stalled_seconds_total", kCounter,
                   "Total time duration no tasks in the container could make progress due to CPU congestion.",
                   pressure_seconds<&Pressures::cpu, &Pressure::full>},
    CadvisorSeries{"container_pressure_cpu_waiting_seconds_total", kCounter,
                   "Total time duration tasks in the container have waited due to CPU congestion.",
                   pressure_seconds<&Pressures::cpu, &Pressure::some>},
    CadvisorSeries{"container_pressure_io_stalled_seconds_total", kCounter,
                   "Total time duration no tasks in the container could make progress due to IO congestion.",
                   pressure_seconds<&Pressures::io, &Pressure::full>},
    CadvisorSeries{"container_pressure_io_waiting_seconds_total", kCounter,
                   "Total time duration tasks in the container have waited due to IO congestion.",
                   pressure_seconds<&Pressures::io, &Pressure::some>},
    CadvisorSeries{"container_pressure_memory_stalled_seconds_total", kCounter,
                   "Total time duration no tasks in the container could make progress due to memory congestion.",
                   pressure_seconds<&Pressures::memory, &Pressure::full>},
    CadvisorSeries{"container_pressure_memory_waiting_seconds_total", kCounter,
                   "Total time duration tasks in the container have waited due to memory congestion.",
                   pressure_seconds<&Pressures::memory, &Pressure::some>},
    CadvisorSeries{"container_processes", kGauge, "Number of processes running inside the container.",
                   process_value<&ProcessReading::count>},
    CadvisorSeries{"container_sockets", kGauge, "Number of open sockets for the container.",
                   process_value<&ProcessReading::sockets>},
    CadvisorSeries{"container_spec_cpu_period", kGauge, "CPU period of the container.",
                   spec_value<&GroupDetails::cpu_period_us>},
    CadvisorSeries{"container_spec_cpu_quota", kGauge, "CPU quota of the container.", quota},
    CadvisorSeries{"container_spec_cpu_shares", kGauge, "CPU share of the container.",
                   spec_value<&GroupDetails::cpu_shares>},
    CadvisorSeries{"container_spec_memory_limit_bytes", kGauge, "Memory limit for the container.",
                   memory_limit<&MemoryReading::limit>},
    CadvisorSeries{"container_spec_memory_reservation_limit_bytes", kGauge,
                   "Memory reservation limit for the container.", reservation},
    CadvisorSeries{"container_spec_memory_swap_limit_bytes", kGauge, "Memory swap limit for the container.",
                   memory_limit<&MemoryReading::swap_limit>},
    CadvisorSeries{"container_start_time_seconds", kGauge, "Start time of the container since unix epoch in seconds.",
                   start_time},
    CadvisorSeries{"container_tasks_state", kGauge, "Number of tasks in given state", task_states},
    CadvisorSeries{"container_threads", kGauge, "Number of threads running inside the container",
                   details_value<&GroupDetails::threads>},
    CadvisorSeries{"container_threads_max", kGauge,
                   "Maximum number of threads allowed inside the container, infinity if value is zero",
                   details_value<&GroupDetails::max_threads>},
    CadvisorSeries{"container_ulimits_soft", kGauge,
                   "Soft ulimit values for the container root process. Unlimited if -1, except priority and nice",
                   open_files_limit},
};

}  // namespace

RowEmitter::RowEmitter(metrics::Family& family, const ContainerRow& row)
    : family_(family),
      labels_{{"container", row.container}, {"id", row.id},        {"image", row.image},
              {"name", row.name},           {"namespace", row.ns}, {"pod", row.pod}},
      milliseconds_(std::chrono::floor<std::chrono::milliseconds>(row.group->time.time_since_epoch()).count()) {}

void RowEmitter::add(double value) { family_.add(labels_, value, milliseconds_); }

void RowEmitter::add(double value, const Labels& more) {
  Labels all = labels_;
  all.insert(all.end(), more.begin(), more.end());
  family_.add(std::move(all), value, milliseconds_);
}

void RowEmitter::add_untimed(double value) { family_.add(labels_, value); }

std::span<const CadvisorSeries> cadvisor_series() { return kSeries; }

}  // namespace keelson::stats
