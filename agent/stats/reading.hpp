// Reading: what was read of the node, its cgroups and its pods for one answer.
//
// Plain values, any thread. What is absent could not be read, or was not asked for. Source: contract 03 §15, contract
// 05 §10, §14.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/stats/cgroup_text.hpp"
#include "agent/stats/proc_text.hpp"
#include "base/clock.hpp"

namespace keelson::stats {

struct MemoryReading {
  std::uint64_t usage = 0;
  std::uint64_t working_set = 0;
  std::uint64_t swap = 0;
  std::uint64_t limit = 0;       // above largest_memory_limit: none
  std::uint64_t swap_limit = 0;  // the same; on v1 of memory and swap together, as the kubelet takes it
  MemoryStat stat;
  bool operator==(const MemoryReading&) const = default;
};

struct Pressures {
  Pressure cpu;
  Pressure memory;
  Pressure io;
  bool operator==(const Pressures&) const = default;
};

// Processes right in a cgroup.
struct ProcessReading {
  std::uint64_t count = 0;
  std::uint32_t first = 0;  // its PID; 0: none
  std::uint64_t descriptors = 0;
  std::uint64_t sockets = 0;
  std::optional<std::int64_t> open_files_limit;  // of the first
};

// What only the metrics of the containers page show.
struct GroupDetails {
  std::uint64_t user_ns = 0;
  std::uint64_t system_ns = 0;
  Throttling throttling;
  std::uint64_t cpu_shares = 0;
  std::uint64_t cpu_period_us = 0;
  std::uint64_t cpu_quota_us = 0;  // 0: none
  std::uint64_t max_usage = 0;
  std::uint64_t fail_count = 0;
  std::uint64_t kernel_memory = 0;
  std::uint64_t reservation = 0;
  std::uint64_t oom_kills = 0;
  std::uint64_t threads = 0;
  std::uint64_t max_threads = 0;  // 0: as many as it likes
  IoStat io;
};

struct CgroupReading {
  base::SystemTime time;    // when it was read
  base::SteadyTime steady;  // the same
  std::uint64_t cpu_ns = 0;
  std::uint64_t nano_cores = 0;  // of late (cpu_history.hpp)
  std::optional<MemoryReading> memory;
  std::optional<Pressures> pressures;  // the kernel tells them
  std::optional<GroupDetails> details;
  std::optional<ProcessReading> processes;
  std::optional<base::SystemTime> made;  // when the group was made
};

// Of a container or a sandbox.
struct ContainerReading {
  std::string group_name;  // its directory below the pod's; empty: there is none
  std::optional<CgroupReading> group;
};

// Disk use of files, as du counts it.
struct FileUsage {
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  bool operator==(const FileUsage&) const = default;
};

struct LogReading {
  base::SystemTime time;
  std::map<std::string, FileUsage> containers;  // by name; absent: it has no directory
  FileUsage pod;                                // files right in the pod's directory
  std::optional<FileUsage> hosts_file;
};

struct PodReading {
  std::optional<CgroupReading> group;
  ContainerReading sandbox;
  std::vector<ContainerReading> containers;  // as they were asked for
  std::optional<std::vector<Interface>> network;
  std::optional<LogReading> logs;
};

struct FileSystemReading {
  std::uint64_t capacity = 0;
  std::uint64_t available = 0;
  std::uint64_t used = 0;
  std::uint64_t inodes = 0;
  std::uint64_t inodes_free = 0;
  bool operator==(const FileSystemReading&) const = default;
};

// A file system that is mounted on the node, with its device's counters.
struct MountReading {
  MountedSystem mounted;
  FileSystemReading figures;
  Disk disk;  // zeros when the device has none
};

struct NodeReading {
  std::optional<base::SystemTime> started;
  Memory memory;
  std::optional<std::uint64_t> tasks;
  std::optional<std::uint64_t> max_pid;
  std::optional<std::vector<Interface>> network;
  std::vector<MountReading> mounts;
  std::vector<Disk> disks;
};

struct Reading {
  NodeReading node;
  std::optional<CgroupReading> root;
  std::map<std::string, CgroupReading> groups;            // by path
  std::vector<PodReading> pods;                           // as they were asked for
  std::map<std::string, FileSystemReading> file_systems;  // by a path in each
};

}  // namespace keelson::stats
