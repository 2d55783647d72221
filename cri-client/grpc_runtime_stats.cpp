#include "cri-client/calls.hpp"

namespace keelson::cri {

Task<Result<ContainerStats>> GrpcRuntime::container_stats(std::string id) {
  auto exchange = KEELSON_EXCHANGE(ContainerStats);
  exchange->request.set_container_id(std::move(id));
  KEELSON_CO_TRY(co_await send(rpc::container_stats, exchange));
  co_return from_proto(exchange->response.stats());
}

Task<Result<std::vector<ContainerStats>>> GrpcRuntime::list_container_stats(ContainerStatsFilter filter) {
  if (stream_runtime_lists_) {
    auto stream = KEELSON_EXCHANGE(StreamContainerStats);
    to_proto(filter, stream->request.mutable_filter());
    auto streamed = co_await read_list<ContainerStats>(
        &rpc::stream_container_stats, stream, [](const auto& part) -> auto& { return part.container_stats(); });
    if (streamed) co_return std::move(*streamed);
    stream_runtime_lists_ = false;
  }
  auto exchange = KEELSON_EXCHANGE(ListContainerStats);
  to_proto(filter, exchange->request.mutable_filter());
  KEELSON_CO_TRY(co_await send(rpc::list_container_stats, exchange));
  co_return list_of(exchange->response.stats());
}

Task<Result<PodSandboxStats>> GrpcRuntime::pod_sandbox_stats(std::string id) {
  auto exchange = KEELSON_EXCHANGE(PodSandboxStats);
  exchange->request.set_pod_sandbox_id(std::move(id));
  KEELSON_CO_TRY(co_await send(rpc::pod_sandbox_stats, exchange));
  co_return from_proto(exchange->response.stats());
}

Task<Result<std::vector<PodSandboxStats>>> GrpcRuntime::list_pod_sandbox_stats(PodSandboxStatsFilter filter) {
  if (stream_runtime_lists_) {
    auto stream = KEELSON_EXCHANGE(StreamPodSandboxStats);
    to_proto(filter, stream->request.mutable_filter());
    auto streamed = co_await read_list<PodSandboxStats>(
        &rpc::stream_pod_sandbox_stats, stream, [](const auto& part) -> auto& { return part.pod_sandbox_stats(); });
    if (streamed) co_return std::move(*streamed);
    stream_runtime_lists_ = false;
  }
  auto exchange = KEELSON_EXCHANGE(ListPodSandboxStats);
  to_proto(filter, exchange->request.mutable_filter());
  KEELSON_CO_TRY(co_await send(rpc::list_pod_sandbox_stats, exchange));
  co_return list_of(exchange->response.stats());
}

Task<Result<std::vector<MetricDescriptor>>> GrpcRuntime::list_metric_descriptors() {
  auto exchange = KEELSON_EXCHANGE(ListMetricDescriptors);
  KEELSON_CO_TRY(co_await send(rpc::list_metric_descriptors, exchange));
  co_return list_of(exchange->response.descriptors());
}

Task<Result<std::vector<PodSandboxMetrics>>> GrpcRuntime::list_pod_sandbox_metrics() {
  if (stream_runtime_lists_) {
    auto stream = KEELSON_EXCHANGE(StreamPodSandboxMetrics);
    auto streamed = co_await read_list<PodSandboxMetrics>(
        &rpc::stream_pod_sandbox_metrics, stream, [](const auto& part) -> auto& { return part.pod_sandbox_metrics(); });
    if (streamed) co_return std::move(*streamed);
    stream_runtime_lists_ = false;
  }
  auto exchange = KEELSON_EXCHANGE(ListPodSandboxMetrics);
  KEELSON_CO_TRY(co_await send(rpc::list_pod_sandbox_metrics, exchange));
  co_return list_of(exchange->response.pod_metrics());
}

}  // namespace keelson::cri
