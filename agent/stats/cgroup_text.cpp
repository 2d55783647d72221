#include "agent/stats/cgroup_text.hpp"

#include <array>

#include "agent/stats/text.hpp"

namespace keelson::stats {
namespace {

constexpr std::uint64_t kMicrosecond = 1000;       // in nanoseconds
constexpr std::uint64_t kTick = 10 * 1000 * 1000;  // USER_HZ is 100

struct CpuKey {
  std::string_view key;
  std::uint64_t unit;
  std::uint64_t CpuStat::*into;
};
struct ThrottlingKey {
  std::string_view key;
  std::uint64_t unit;
  std::uint64_t Throttling::*into;
};
struct MemoryKey {
  std::string_view key;
  std::uint64_t MemoryStat::*into;
};

constexpr std::array kCpu{CpuKey{"usage_usec", kMicrosecond, &CpuStat::usage_ns},
                          CpuKey{"user_usec", kMicrosecond, &CpuStat::user_ns},
                          CpuKey{"system_usec", kMicrosecond, &CpuStat::system_ns}};
constexpr std::array kThrottling{ThrottlingKey{"nr_periods", 1, &Throttling::periods},
                                 ThrottlingKey{"nr_throttled", 1, &Throttling::throttled_periods},
                                 ThrottlingKey{"throttled_usec", kMicrosecond, &Throttling::throttled_ns},
                                 ThrottlingKey{"throttled_time", 1, &Throttling::throttled_ns},  // v1
                                 ThrottlingKey{"nr_bursts", 1, &Throttling::burst_periods},
                                 ThrottlingKey{"burst_usec", kMicrosecond, &Throttling::burst_ns},
                                 ThrottlingKey{"burst_time", 1, &Throttling::burst_ns}};  // v1

constexpr std::array kMemoryV2{MemoryKey{"file", &MemoryStat::cache},
                               MemoryKey{"anon", &MemoryStat::rss},
                               MemoryKey{"file_mapped", &MemoryStat::mapped_file},
                               MemoryKey{"active_file", &MemoryStat::active_file},
                               MemoryKey{"inactive_file", &MemoryStat::inactive_file},
                               MemoryKey{"pgfault", &MemoryStat::page_faults},
                               MemoryKey{"pgmajfault", &MemoryStat::major_page_faults}};
constexpr std::array kMemoryV1{MemoryKey{"cache", &MemoryStat::cache},
                               MemoryKey{"rss", &MemoryStat::rss},
                               MemoryKey{"swap", &MemoryStat::swap},
                               MemoryKey{"mapped_file", &MemoryStat::mapped_file},
                               MemoryKey{"active_file", &MemoryStat::active_file},
                               MemoryKey{"inactive_file", &MemoryStat::inactive_file}};

template <class Keys>
void set(const Keys& keys, MemoryStat& stat, std::string_view key, std::uint64_t value) {
  for (const MemoryKey& one : keys) {
    if (one.key == key) stat.*one.into = value;
  }
}

MemoryStat memory_stat_v2(std::string_view text) {
  MemoryStat out;
  each_pair(text, [&out](std::string_view key, std::uint64_t value) { set(kMemoryV2, out, key, value); });
  return out;
}

// "total_KEY" is with the groups below. There are none of them on kernels without hierarchical accounting.
MemoryStat memory_stat_v1(std::string_view text) {
  constexpr std::string_view kTotal = "total_";
  MemoryStat own;
  MemoryStat total;
  bool has_total = false;
  std::uint64_t faults = 0;
  std::uint64_t major = 0;
  each_pair(text, [&](std::string_view key, std::uint64_t value) {
    if (key == "pgfault") faults = value;
    if (key == "pgmajfault") major = value;
    if (!key.starts_with(kTotal)) return set(kMemoryV1, own, key, value);
    has_total = true;
    set(kMemoryV1, total, key.substr(kTotal.size()), value);
  });
  MemoryStat out = has_total ? total : own;
  out.page_faults = faults;
  out.major_page_faults = major;
  return out;
}

// "8:16"; nothing when it has another form.
std::optional<DeviceIo> device_of(std::string_view word) {
  const auto colon = word.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major = parse_number(word.substr(0, colon));
  const auto minor = parse_number(word.substr(colon + 1));
  if (!major || !minor) return std::nullopt;
  DeviceIo out;
  out.major = static_cast<std::uint32_t>(*major);
  out.minor = static_cast<std::uint32_t>(*minor);
  return out;
}

// "KEY=VALUE" or, without '=', an empty key.
std::pair<std::string_view, std::string_view> assignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos) return {};
  return {word.substr(0, equals), word.substr(equals + 1)};
}

}  // namespace

CpuStat parse_cpu_stat(std::string_view text, cgroups::Version version) {
  CpuStat out;
  each_pair(text, [&](std::string_view key, std::uint64_t value) {
    for (const ThrottlingKey& one : kThrottling) {
      if (one.key == key) out.throttling.*one.into = value * one.unit;
    }
    if (version == cgroups::Version::v1) return;
    for (const CpuKey& one : kCpu) {
      if (one.key == key) out.*one.into = value * one.unit;
    }
  });
  return out;
}

CpuTimes parse_cpuacct_stat(std::string_view text) {
  CpuTimes out;
  each_pair(text, [&out](std::string_view key, std::uint64_t value) {
    if (key == "user") out.user_ns = value * kTick;
    if (key == "system") out.system_ns = value * kTick;
  });
  return out;
}

CpuMax parse_cpu_max(std::string_view text) {
  CpuMax out;
  out.quota_us = number_or_zero(take_word(text));  // "max" is no number
  out.period_us = number_or_zero(take_word(text));
  return out;
}

MemoryStat parse_memory_stat(std::string_view text, cgroups::Version version) {
  return version == cgroups::Version::v2 ? memory_stat_v2(text) : memory_stat_v1(text);
}

Pressure parse_pressure(std::string_view text) {
  Pressure out;
  std::string_view line;
  while (take_line(text, line)) {
    const std::string_view kind = take_word(line);
    if (kind != "some" && kind != "full") continue;
    Pressure::Line& into = kind == "some" ? out.some : out.full;
    for (const std::string_view word : words_of(line)) {
      const auto [key, value] = assignment(word);
      if (key == "avg10") into.avg10 = parse_decimal(value).value_or(0);
      if (key == "avg60") into.avg60 = parse_decimal(value).value_or(0);
      if (key == "avg300") into.avg300 = parse_decimal(value).value_or(0);
      if (key == "total") into.total_us = number_or_zero(value);
    }
  }
  return out;
}

std::uint64_t DeviceIo::of(std::string_view operation) const {
  for (const auto& [name, value] : by_operation) {
    if (name == operation) return value;
  }
  return 0;
}

IoStat parse_io_stat(std::string_view text) {
  IoStat out;
  std::string_view line;
  while (take_line(text, line)) {
    const auto device = device_of(take_word(line));
    if (!device) continue;
    DeviceIo bytes = *device;
    DeviceIo requests = *device;
    for (const std::string_view word : words_of(line)) {
      const auto [key, value] = assignment(word);
      if (key == "rbytes") bytes.by_operation.emplace_back("Read", number_or_zero(value));
      if (key == "wbytes") bytes.by_operation.emplace_back("Write", number_or_zero(value));
      if (key == "rios") requests.by_operation.emplace_back("Read", number_or_zero(value));
      if (key == "wios") requests.by_operation.emplace_back("Write", number_or_zero(value));
    }
    if (!bytes.by_operation.empty()) out.bytes.push_back(std::move(bytes));
    if (!requests.by_operation.empty()) out.requests.push_back(std::move(requests));
  }
  return out;
}

std::vector<DeviceIo> parse_blkio(std::string_view text) {
  std::vector<DeviceIo> out;
  std::string_view line;
  while (take_line(text, line)) {
    const auto device = device_of(take_word(line));
    if (!device) continue;  // "Total N" is of all devices
    const std::string_view operation = take_word(line);
    const auto value = parse_number(take_word(line));
    if (!value) continue;
    if (out.empty() || out.back().major != device->major || out.back().minor != device->minor) out.push_back(*device);
    out.back().by_operation.emplace_back(operation, *value);
  }
  return out;
}

std::vector<std::uint32_t> parse_procs(std::string_view text) {
  std::vector<std::uint32_t> pids;
  std::string_view line;
  while (take_line(text, line)) {
    // 0 is a process of another PID namespace, of which nothing can be asked.
    if (const auto pid = parse_number(line); pid && *pid > 0) pids.push_back(static_cast<std::uint32_t>(*pid));
  }
  return pids;
}

std::uint64_t parse_oom_kills(std::string_view text) {
  std::uint64_t kills = 0;
  each_pair(text, [&kills](std::string_view key, std::uint64_t value) {
    if (key == "oom_kill") kills = value;
  });
  return kills;
}

}  // namespace keelson::stats
