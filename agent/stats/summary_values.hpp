// Single values of the summary, from readings of cgroups and from what the runtime says.
//
// Pure, any thread. Source: contract 05 §10 ("where values come from"), contract 03 §15.
#pragma once

#include "agent/stats/summary.hpp"

namespace keelson::stats {

// Of a cgroup. A kernel that tells no pressures gives zeros, as the kubelet shows them.
CpuStats cpu_of(const CgroupReading& group);
MemoryStats memory_of(const CgroupReading& group);
IoStats io_of(const CgroupReading& group);
SwapStats swap_of(const CgroupReading& group);

// Of the runtime; what it leaves out is zero at `now`.
CpuStats cpu_of(const cri::ContainerStats& stats, base::SystemTime now);
MemoryStats memory_of(const cri::ContainerStats& stats, base::SystemTime now);
IoStats io_of(const cri::ContainerStats& stats, base::SystemTime now);
SwapStats swap_of(const cri::ContainerStats& stats, base::SystemTime now);

NetworkStats network_of(const std::vector<Interface>& interfaces, base::SystemTime time);

// A file system's size and what is free in it, without what is used.
FsStats room_of(const FileSystemReading* system, base::SystemTime time);
// Adds to what is used; the later time counts.
void add_usage(FsStats& sum, std::optional<std::uint64_t> bytes, std::optional<std::uint64_t> inodes,
               base::SystemTime time);

base::SystemTime time_of(std::int64_t nanoseconds);

}  // namespace keelson::stats
