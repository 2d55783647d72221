// What stands in a cgroup's files, of both versions.
//
// Pure parsers, any thread. A key that is missing, or a line that has another form, leaves its value at zero: kernels
// differ in what they tell. Source: contract 03 §15; the kernel's cgroup-v2.rst, cgroup-v1/{memory,cpuacct,
// blkio-controller}.rst, accounting/psi.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cgroup-manager/layout.hpp"

namespace keelson::stats {

struct Throttling {
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  std::uint64_t throttled_ns = 0;
  std::uint64_t burst_periods = 0;
  std::uint64_t burst_ns = 0;
  bool operator==(const Throttling&) const = default;
};

// cpu.stat. On v1 it has the throttling alone.
struct CpuStat {
  std::uint64_t usage_ns = 0;
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  Throttling throttling;
  bool operator==(const CpuStat&) const = default;
};
CpuStat parse_cpu_stat(std::string_view text, cgroups::Version version);

// cpuacct.stat of v1: "user TICKS", "system TICKS"; a tick is 10 ms whatever the kernel's own is.
struct CpuTimes {
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  bool operator==(const CpuTimes&) const = default;
};
CpuTimes parse_cpuacct_stat(std::string_view text);

// cpu.max of v2: "max 100000", "20000 100000".
struct CpuMax {
  std::uint64_t quota_us = 0;  // 0: none
  std::uint64_t period_us = 0;
  bool operator==(const CpuMax&) const = default;
};
CpuMax parse_cpu_max(std::string_view text);

// memory.stat, of the whole hierarchy below; faults on v1 are the group's own, as the kubelet reads them.
struct MemoryStat {
  std::uint64_t cache = 0;
  std::uint64_t rss = 0;
  std::uint64_t swap = 0;  // v1
  std::uint64_t mapped_file = 0;
  std::uint64_t active_file = 0;
  std::uint64_t inactive_file = 0;
  std::uint64_t page_faults = 0;
  std::uint64_t major_page_faults = 0;
  bool operator==(const MemoryStat&) const = default;
};
MemoryStat parse_memory_stat(std::string_view text, cgroups::Version version);

struct Pressure {
  struct Line {
    std::uint64_t total_us = 0;
    double avg10 = 0;  // percent
    double avg60 = 0;
    double avg300 = 0;
    bool operator==(const Line&) const = default;
  };
  Line some;
  Line full;
  bool operator==(const Pressure&) const = default;
};
Pressure parse_pressure(std::string_view text);

// Bytes, or numbers of requests, of one device, by operation: "Read", "Write" and, on v1, "Sync", "Async", "Discard",
// "Total".
struct DeviceIo {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::vector<std::pair<std::string, std::uint64_t>> by_operation;
  std::uint64_t of(std::string_view operation) const;  // 0: never
  bool operator==(const DeviceIo&) const = default;
};
struct IoStat {
  std::vector<DeviceIo> bytes;
  std::vector<DeviceIo> requests;
  bool operator==(const IoStat&) const = default;
};
IoStat parse_io_stat(std::string_view text);               // io.stat of v2
std::vector<DeviceIo> parse_blkio(std::string_view text);  // blkio.*_recursive of v1

// cgroup.procs.
std::vector<std::uint32_t> parse_procs(std::string_view text);

// The number after oom_kill in memory.events (v2) and memory.oom_control (v1).
std::uint64_t parse_oom_kills(std::string_view text);

}  // namespace keelson::stats
