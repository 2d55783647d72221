#include "cri-client/convert_inl.hpp"

namespace keelson::cri {

// Static, not in an unnamed namespace, which would hide the overloads of convert.hpp.
static PsiData from_proto(const pb::PsiData& from) { return {from.total(), from.avg10(), from.avg60(), from.avg300()}; }

static PsiStats from_proto(const pb::PsiStats& from) {
  return {KEELSON_OPTIONAL(from, full), KEELSON_OPTIONAL(from, some)};
}

static CpuUsage from_proto(const pb::CpuUsage& from) {
  return {from.timestamp(), KEELSON_OPTIONAL_NUMBER(from, usage_core_nano_seconds),
          KEELSON_OPTIONAL_NUMBER(from, usage_nano_cores), KEELSON_OPTIONAL(from, psi)};
}

static MemoryUsage from_proto(const pb::MemoryUsage& from) {
  MemoryUsage to;
  to.timestamp = from.timestamp();
  to.working_set_bytes = KEELSON_OPTIONAL_NUMBER(from, working_set_bytes);
  to.available_bytes = KEELSON_OPTIONAL_NUMBER(from, available_bytes);
  to.usage_bytes = KEELSON_OPTIONAL_NUMBER(from, usage_bytes);
  to.rss_bytes = KEELSON_OPTIONAL_NUMBER(from, rss_bytes);
  to.page_faults = KEELSON_OPTIONAL_NUMBER(from, page_faults);
  to.major_page_faults = KEELSON_OPTIONAL_NUMBER(from, major_page_faults);
  to.psi = KEELSON_OPTIONAL(from, psi);
  return to;
}

static SwapUsage from_proto(const pb::SwapUsage& from) {
  return {from.timestamp(), KEELSON_OPTIONAL_NUMBER(from, swap_available_bytes),
          KEELSON_OPTIONAL_NUMBER(from, swap_usage_bytes)};
}

static IoUsage from_proto(const pb::IoUsage& from) { return {from.timestamp(), KEELSON_OPTIONAL(from, psi)}; }

static NetworkInterfaceUsage from_proto(const pb::NetworkInterfaceUsage& from) {
  return {from.name(), KEELSON_OPTIONAL_NUMBER(from, rx_bytes), KEELSON_OPTIONAL_NUMBER(from, rx_errors),
          KEELSON_OPTIONAL_NUMBER(from, tx_bytes), KEELSON_OPTIONAL_NUMBER(from, tx_errors)};
}

static NetworkUsage from_proto(const pb::NetworkUsage& from) {
  NetworkUsage to;
  to.timestamp = from.timestamp();
  to.default_interface = KEELSON_OPTIONAL(from, default_interface);
  for (const auto& interface : from.interfaces()) to.interfaces.push_back(from_proto(interface));
  return to;
}

static Metric from_proto(const pb::Metric& from) {
  return {from.name(), from.timestamp(), static_cast<MetricType>(from.metric_type()),
          plain_list_of(from.label_values()), from.value().value()};
}

template <class Repeated>
static std::vector<Metric> metrics_of(const Repeated& from) {
  std::vector<Metric> to;
  for (const auto& metric : from) to.push_back(from_proto(metric));
  return to;
}

void to_proto(const ContainerStatsFilter& from, pb::ContainerStatsFilter* to) {
  to->set_id(from.id);
  to->set_pod_sandbox_id(from.pod_sandbox_id);
  fill_strings(from.label_selector, to->mutable_label_selector());
}

void to_proto(const PodSandboxStatsFilter& from, pb::PodSandboxStatsFilter* to) {
  to->set_id(from.id);
  fill_strings(from.label_selector, to->mutable_label_selector());
}

ContainerStats from_proto(const pb::ContainerStats& from) {
  ContainerStats to;
  to.id = from.attributes().id();
  to.metadata = from_proto(from.attributes().metadata());
  to.labels = strings_of(from.attributes().labels());
  to.annotations = strings_of(from.attributes().annotations());
  to.cpu = KEELSON_OPTIONAL(from, cpu);
  to.memory = KEELSON_OPTIONAL(from, memory);
  to.writable_layer = KEELSON_OPTIONAL(from, writable_layer);
  to.swap = KEELSON_OPTIONAL(from, swap);
  to.io = KEELSON_OPTIONAL(from, io);
  return to;
}

PodSandboxStats from_proto(const pb::PodSandboxStats& from) {
  PodSandboxStats to;
  to.id = from.attributes().id();
  to.metadata = from_proto(from.attributes().metadata());
  to.labels = strings_of(from.attributes().labels());
  to.annotations = strings_of(from.attributes().annotations());
  const auto& stats = from.linux();
  to.cpu = KEELSON_OPTIONAL(stats, cpu);
  to.memory = KEELSON_OPTIONAL(stats, memory);
  to.network = KEELSON_OPTIONAL(stats, network);
  to.process_count = KEELSON_OPTIONAL_NUMBER(stats.process(), process_count);
  to.io = KEELSON_OPTIONAL(stats, io);
  for (const auto& container : stats.containers()) to.containers.push_back(from_proto(container));
  return to;
}

MetricDescriptor from_proto(const pb::MetricDescriptor& from) {
  return {from.name(), from.help(), plain_list_of(from.label_keys())};
}

PodSandboxMetrics from_proto(const pb::PodSandboxMetrics& from) {
  PodSandboxMetrics to;
  to.pod_sandbox_id = from.pod_sandbox_id();
  to.metrics = metrics_of(from.metrics());
  for (const auto& container : from.container_metrics()) {
    to.containers.push_back({container.container_id(), metrics_of(container.metrics())});
  }
  return to;
}

}  // namespace keelson::cri
