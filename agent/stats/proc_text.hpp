// What stands in the files of /proc that statistics are made of.
//
// Pure parsers, any thread; a line that has another form is left out. Source: contract 05 §10, §14; proc(5), the
// kernel's iostats.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::stats {

struct Traffic {
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  std::uint64_t errors = 0;
  std::uint64_t dropped = 0;
  bool operator==(const Traffic&) const = default;
};
struct Interface {
  std::string name;
  Traffic received;
  Traffic sent;
  bool operator==(const Interface&) const = default;
};
// /proc/PID/net/dev: the interfaces of that network namespace, in the kernel's order. Loopback and the node's ends of
// the pods' interfaces ("veth...", "docker...", "nerdctl...") are left out, as the kubelet does.
std::vector<Interface> parse_net_dev(std::string_view text);

struct Memory {
  std::uint64_t total = 0;  // bytes
  std::uint64_t swap_total = 0;
  std::uint64_t swap_free = 0;
  bool operator==(const Memory&) const = default;
};
Memory parse_meminfo(std::string_view text);

// /proc/stat: when the machine was started, seconds since 1970.
std::optional<std::int64_t> parse_boot_time(std::string_view text);

// /proc/loadavg: all tasks there are ("0.10 0.20 0.30 RUNNING/TASKS LAST").
std::optional<std::uint64_t> parse_tasks(std::string_view text);

// /proc/diskstats, one line.
struct Disk {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  std::string name;  // "sda", "sda1"
  std::uint64_t reads = 0;
  std::uint64_t reads_merged = 0;
  std::uint64_t sectors_read = 0;
  std::uint64_t read_ms = 0;
  std::uint64_t writes = 0;
  std::uint64_t writes_merged = 0;
  std::uint64_t sectors_written = 0;
  std::uint64_t write_ms = 0;
  std::uint64_t in_progress = 0;
  std::uint64_t io_ms = 0;
  std::uint64_t weighted_io_ms = 0;
  bool operator==(const Disk&) const = default;
};
// Without loop devices, RAM disks and optical drives.
std::vector<Disk> parse_diskstats(std::string_view text);

// A file system that is mounted, once for each device.
struct MountedSystem {
  std::string device;  // of a tmpfs: where it is mounted
  std::string point;
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  bool operator==(const MountedSystem&) const = default;
};
// /proc/PID/mountinfo: ext*, xfs, btrfs, zfs, tmpfs, and an overlay when it is the root. What is mounted below one of
// `without` belongs to pods and is left out.
std::vector<MountedSystem> parse_mounts(std::string_view text, const std::vector<std::string>& without);

// /proc/PID/limits: the soft limit of "Max open files"; -1: none.
std::optional<std::int64_t> parse_open_files_limit(std::string_view text);

}  // namespace keelson::stats
