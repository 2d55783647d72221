#include "agent/stats/resource_metrics.hpp"

#include <chrono>

namespace keelson::stats {
namespace {

using metrics::Labels;
using metrics::Page;
using metrics::Stability;
using metrics::Type;

struct Series {
  const char* name;
  Type type;
  Stability stability;
  const char* help;
};

constexpr Series kNodeCpu{"node_cpu_usage_seconds_total", Type::counter, Stability::stable,
                          "Cumulative cpu time consumed by the node in core-seconds"};
constexpr Series kNodeMemory{"node_memory_working_set_bytes", Type::gauge, Stability::stable,
                             "Current working set of the node in bytes"};
constexpr Series kNodeSwap{"node_swap_usage_bytes", Type::gauge, Stability::alpha,
                           "Current swap usage of the node in bytes. Reported only on non-windows systems"};
constexpr Series kContainerCpu{"container_cpu_usage_seconds_total", Type::counter, Stability::stable,
                               "Cumulative cpu time consumed by the container in core-seconds"};
constexpr Series kContainerMemory{"container_memory_working_set_bytes", Type::gauge, Stability::stable,
                                  "Current working set of the container in bytes"};
constexpr Series kContainerSwap{
    "container_swap_usage_bytes", Type::gauge, Stability::alpha,
    "Current amount of the container swap usage in bytes. Reported only on non-windows systems"};
constexpr Series kContainerSwapLimit{
    "container_swap_limit_bytes", Type::gauge, Stability::alpha,
    "Current amount of the container swap limit in bytes. Reported only on non-windows systems"};
constexpr Series kContainerStart{"container_start_time_seconds", Type::gauge, Stability::stable,
                                 "Start time of the container since unix epoch in seconds"};
constexpr Series kPodCpu{"pod_cpu_usage_seconds_total", Type::counter, Stability::stable,
                         "Cumulative cpu time consumed by the pod in core-seconds"};
constexpr Series kPodMemory{"pod_memory_working_set_bytes", Type::gauge, Stability::stable,
                            "Current working set of the pod in bytes"};
constexpr Series kPodSwap{"pod_swap_usage_bytes", Type::gauge, Stability::alpha,
                          "Current amount of the pod swap usage in bytes. Reported only on non-windows systems"};
constexpr Series kError{"resource_scrape_error", Type::gauge, Stability::stable,
                        "1 if there was an error while getting container metrics, 0 otherwise"};

metrics::Family& family(Page& page, const Series& series) {
  return page.family(series.name, series.type, series.stability, series.help);
}

std::int64_t milliseconds(base::SystemTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

double seconds(base::SystemTime time) {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count()) /
         1e9;
}

void add(Page& page, const Series& series, const Labels& labels, std::optional<std::uint64_t> value,
         base::SystemTime time, double unit = 1) {
  if (value) family(page, series).add(labels, static_cast<double>(*value) / unit, milliseconds(time));
}

void add_cpu(Page& page, const Series& series, const Labels& labels, const std::optional<CpuStats>& cpu) {
  if (cpu) add(page, series, labels, cpu->usage_core_nano_seconds, cpu->time, 1e9);
}
void add_memory(Page& page, const Series& series, const Labels& labels, const std::optional<MemoryStats>& memory) {
  if (memory) add(page, series, labels, memory->working_set_bytes, memory->time);
}
void add_swap(Page& page, const Series& series, const Labels& labels, const std::optional<SwapStats>& swap) {
  if (swap) add(page, series, labels, swap->usage_bytes, swap->time);
}

void add_container(Page& page, const PodStats& pod, const ContainerStats& container) {
  const Labels labels{{"container", container.name}, {"namespace", pod.ns}, {"pod", pod.name}};
  add_cpu(page, kContainerCpu, labels, container.cpu);
  add_memory(page, kContainerMemory, labels, container.memory);
  add_swap(page, kContainerSwap, labels, container.swap);
  if (container.swap && container.swap->available_bytes && container.swap->usage_bytes) {
    add(page, kContainerSwapLimit, labels, *container.swap->available_bytes + *container.swap->usage_bytes,
        container.swap->time);
  }
  if (container.start_time > base::SystemTime()) {
    family(page, kContainerStart).add(labels, seconds(container.start_time));
  }
}

}  // namespace

void add_resource_metrics(Page& page, const std::optional<Summary>& summary) {
  family(page, kError).add({}, summary ? 0 : 1);
  if (!summary) return;
  add_cpu(page, kNodeCpu, {}, summary->node.cpu);
  add_memory(page, kNodeMemory, {}, summary->node.memory);
  add_swap(page, kNodeSwap, {}, summary->node.swap);
  for (const PodStats& pod : summary->pods) {
    for (const ContainerStats& container : pod.containers) add_container(page, pod, container);
    const Labels labels{{"namespace", pod.ns}, {"pod", pod.name}};
    add_cpu(page, kPodCpu, labels, pod.cpu);
    add_memory(page, kPodMemory, labels, pod.memory);
    add_swap(page, kPodSwap, labels, pod.swap);
  }
}

}  // namespace keelson::stats
