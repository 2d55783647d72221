// Summary: what /stats/summary tells, and how it is made of a snapshot and written.
//
// make_summary() and summary_json() are pure; any thread. What is absent is unknown and not written. Field for field
// the kubelet's: see contract 05 §10. Eviction and the resource metrics use the same values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/stats/snapshot.hpp"
#include "base/clock.hpp"

namespace keelson::stats {

struct PsiData {
  std::uint64_t total = 0;  // microseconds
  double avg10 = 0;         // percent
  double avg60 = 0;
  double avg300 = 0;
};
struct PsiStats {
  PsiData full;
  PsiData some;
};

struct CpuStats {
  base::SystemTime time;
  std::optional<std::uint64_t> usage_nano_cores;
  std::optional<std::uint64_t> usage_core_nano_seconds;
  std::optional<PsiStats> psi;
};

struct MemoryStats {
  base::SystemTime time;
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> usage_bytes;
  std::optional<std::uint64_t> working_set_bytes;
  std::optional<std::uint64_t> rss_bytes;
  std::optional<std::uint64_t> page_faults;
  std::optional<std::uint64_t> major_page_faults;
  std::optional<PsiStats> psi;
};

struct IoStats {
  base::SystemTime time;
  std::optional<PsiStats> psi;
};

struct SwapStats {
  base::SystemTime time;
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> usage_bytes;
};

struct InterfaceStats {
  std::string name;
  std::optional<std::uint64_t> rx_bytes;
  std::optional<std::uint64_t> rx_errors;
  std::optional<std::uint64_t> tx_bytes;
  std::optional<std::uint64_t> tx_errors;
};
struct NetworkStats {
  base::SystemTime time;
  InterfaceStats standard;  // eth0; without a name when there is none
  std::vector<InterfaceStats> interfaces;
};

struct FsStats {
  base::SystemTime time;
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> capacity_bytes;
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> inodes_free;
  std::optional<std::uint64_t> inodes;
  std::optional<std::uint64_t> inodes_used;
};

struct VolumeStats {
  FsStats fs;
  std::string name;
  std::optional<volume::ClaimRef> claim;
  std::optional<bool> abnormal;
};

struct RlimitStats {
  base::SystemTime time;
  std::optional<std::uint64_t> max_pid;
  std::optional<std::uint64_t> running;
};

struct GroupStats {  // a system container
  std::string name;
  base::SystemTime start_time;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<IoStats> io;
  std::optional<SwapStats> swap;
};

struct ContainerStats {
  std::string name;
  base::SystemTime start_time;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<IoStats> io;
  std::optional<FsStats> rootfs;
  std::optional<FsStats> logs;
  std::optional<SwapStats> swap;
};

struct PodStats {
  std::string name;
  std::string ns;
  std::string uid;
  base::SystemTime start_time;
  std::vector<ContainerStats> containers;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<IoStats> io;
  std::optional<NetworkStats> network;
  std::vector<VolumeStats> volumes;
  std::optional<FsStats> ephemeral_storage;
  std::optional<std::uint64_t> process_count;
  std::optional<SwapStats> swap;
};

struct NodeStats {
  std::string name;
  std::vector<GroupStats> system_containers;
  base::SystemTime start_time;
  std::optional<CpuStats> cpu;
  std::optional<MemoryStats> memory;
  std::optional<IoStats> io;
  std::optional<NetworkStats> network;
  std::optional<FsStats> fs;
  std::optional<FsStats> image_fs;
  std::optional<FsStats> container_fs;
  std::optional<RlimitStats> rlimit;
  std::optional<SwapStats> swap;
};

struct Summary {
  NodeStats node;
  std::vector<PodStats> pods;
};

Summary make_summary(const Snapshot& snapshot, bool only_cpu_and_memory);

// Indented by one blank, fields in the kubelet's order, no newline at the end.
std::string summary_json(const Summary& summary);

}  // namespace keelson::stats
