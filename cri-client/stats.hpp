// Statistics of containers and pods as the runtime measures them, and the interface that asks for them.
//
// Plain values of contract 02a §10, §11; absent numbers are nullopt, absent groups are nullopt. Times are nanoseconds
// since 1970. StatsService is implemented by GrpcRuntime; owner, thread and failures as for RuntimeService
// (cri-client/runtime.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "cri-client/types.hpp"

namespace keelson::cri {

struct PsiData {
  std::uint64_t total = 0;  // nanoseconds
  double avg10 = 0;         // percent
  double avg60 = 0;
  double avg300 = 0;
  bool operator==(const PsiData&) const = default;
};

struct PsiStats {
  std::optional<PsiData> full;
  std::optional<PsiData> some;
  bool operator==(const PsiStats&) const = default;
};

struct CpuUsage {
  std::int64_t timestamp = 0;
  std::optional<std::uint64_t> usage_core_nano_seconds;
  std::optional<std::uint64_t> usage_nano_cores;
  std::optional<PsiStats> psi;
  bool operator==(const CpuUsage&) const = default;
};

struct MemoryUsage {
  std::int64_t timestamp = 0;
  std::optional<std::uint64_t> working_set_bytes;
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> usage_bytes;
  std::optional<std::uint64_t> rss_bytes;
  std::optional<std::uint64_t> page_faults;
  std::optional<std::uint64_t> major_page_faults;
  std::optional<PsiStats> psi;
  bool operator==(const MemoryUsage&) const = default;
};

struct SwapUsage {
  std::int64_t timestamp = 0;
  std::optional<std::uint64_t> available_bytes;
  std::optional<std::uint64_t> usage_bytes;
  bool operator==(const SwapUsage&) const = default;
};

struct IoUsage {
  std::int64_t timestamp = 0;
  std::optional<PsiStats> psi;
  bool operator==(const IoUsage&) const = default;
};

struct NetworkInterfaceUsage {
  std::string name;
  std::optional<std::uint64_t> rx_bytes;
  std::optional<std::uint64_t> rx_errors;
  std::optional<std::uint64_t> tx_bytes;
  std::optional<std::uint64_t> tx_errors;
  bool operator==(const NetworkInterfaceUsage&) const = default;
};

struct NetworkUsage {
  std::int64_t timestamp = 0;
  std::optional<NetworkInterfaceUsage> default_interface;
  std::vector<NetworkInterfaceUsage> interfaces;  // without the default one
  bool operator==(const NetworkUsage&) const = default;
};

struct ContainerStats {
  std::string id;
  ContainerMetadata metadata;
  StringMap labels;
  StringMap annotations;
  std::optional<CpuUsage> cpu;
  std::optional<MemoryUsage> memory;
  std::optional<FilesystemUsage> writable_layer;
  std::optional<SwapUsage> swap;
  std::optional<IoUsage> io;
};

struct PodSandboxStats {
  std::string id;
  PodSandboxMetadata metadata;
  StringMap labels;
  StringMap annotations;
  std::optional<CpuUsage> cpu;
  std::optional<MemoryUsage> memory;
  std::optional<NetworkUsage> network;
  std::optional<std::uint64_t> process_count;
  std::optional<IoUsage> io;
  std::vector<ContainerStats> containers;
};

// Constructors as those of ContainerFilter.
struct ContainerStatsFilter {
  ContainerStatsFilter() = default;
  std::string id;
  std::string pod_sandbox_id;
  StringMap label_selector;
};

struct PodSandboxStatsFilter {
  PodSandboxStatsFilter() = default;
  std::string id;
  StringMap label_selector;
};

struct MetricDescriptor {
  std::string name;
  std::string help;
  std::vector<std::string> label_keys;
};

enum class MetricType { counter = 0, gauge = 1 };

struct Metric {
  std::string name;
  std::int64_t timestamp = 0;  // 0: gathered live
  MetricType type = MetricType::counter;
  std::vector<std::string> label_values;  // pair with the descriptor's label_keys
  std::uint64_t value = 0;
};

struct ContainerMetrics {
  std::string container_id;
  std::vector<Metric> metrics;
};

struct PodSandboxMetrics {
  std::string pod_sandbox_id;
  std::vector<Metric> metrics;
  std::vector<ContainerMetrics> containers;
};

class StatsService {
 public:
  virtual ~StatsService() = default;

  virtual base::Task<Result<ContainerStats>> container_stats(std::string id) = 0;
  virtual base::Task<Result<std::vector<ContainerStats>>> list_container_stats(ContainerStatsFilter filter) = 0;
  virtual base::Task<Result<PodSandboxStats>> pod_sandbox_stats(std::string id) = 0;
  virtual base::Task<Result<std::vector<PodSandboxStats>>> list_pod_sandbox_stats(PodSandboxStatsFilter filter) = 0;
  virtual base::Task<Result<std::vector<MetricDescriptor>>> list_metric_descriptors() = 0;
  virtual base::Task<Result<std::vector<PodSandboxMetrics>>> list_pod_sandbox_metrics() = 0;
};

}  // namespace keelson::cri
