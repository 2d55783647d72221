#include "cri-client/calls.hpp"

namespace keelson::cri {

Task<Result<std::string>> GrpcRuntime::run_pod_sandbox(PodSandboxConfig config, std::string runtime_handler) {
  auto exchange = KEELSON_EXCHANGE(RunPodSandbox);
  to_proto(config, exchange->request.mutable_config());
  exchange->request.set_runtime_handler(std::move(runtime_handler));
  KEELSON_CO_TRY(co_await send(rpc::run_pod_sandbox, exchange));
  co_return exchange->response.pod_sandbox_id();
}

Task<Status> GrpcRuntime::stop_pod_sandbox(std::string id) {
  auto exchange = KEELSON_EXCHANGE(StopPodSandbox);
  exchange->request.set_pod_sandbox_id(std::move(id));
  Status sent = co_await send(rpc::stop_pod_sandbox, exchange);
  if (!sent.ok() && sent.error().kind() == ErrorKind::not_found) co_return Ok{};
  co_return sent;
}

Task<Status> GrpcRuntime::remove_pod_sandbox(std::string id) {
  auto exchange = KEELSON_EXCHANGE(RemovePodSandbox);
  exchange->request.set_pod_sandbox_id(std::move(id));
  co_return co_await send(rpc::remove_pod_sandbox, exchange);
}

Task<Result<PodSandboxStatus>> GrpcRuntime::pod_sandbox_status(std::string id) {
  auto exchange = KEELSON_EXCHANGE(PodSandboxStatus);
  exchange->request.set_pod_sandbox_id(std::move(id));
  KEELSON_CO_TRY(co_await send(rpc::pod_sandbox_status, exchange));
  co_return from_proto(exchange->response.status());
}

Task<Result<std::vector<PodSandbox>>> GrpcRuntime::list_pod_sandboxes(PodSandboxFilter filter) {
  if (stream_runtime_lists_) {
    auto stream = std::make_shared<Exchange<pb::StreamPodSandboxesRequest, pb::StreamPodSandboxesResponse>>();
    to_proto(filter, stream->request.mutable_filter());
    auto streamed = co_await read_list<PodSandbox>(
        &rpc::stream_pod_sandboxes, stream, [](const auto& part) -> auto& { return part.pod_sandboxes(); });
    if (streamed) co_return std::move(*streamed);
    stream_runtime_lists_ = false;
  }
  auto exchange = KEELSON_EXCHANGE(ListPodSandbox);
  to_proto(filter, exchange->request.mutable_filter());
  KEELSON_CO_TRY(co_await send(rpc::list_pod_sandbox, exchange));
  co_return list_of(exchange->response.items());
}

Task<Status> GrpcRuntime::update_pod_sandbox_resources(std::string id, std::optional<LinuxContainerResources> overhead,
                                                       std::optional<LinuxContainerResources> resources) {
  auto exchange = KEELSON_EXCHANGE(UpdatePodSandboxResources);
  exchange->request.set_pod_sandbox_id(std::move(id));
  if (overhead) to_proto(*overhead, exchange->request.mutable_overhead());
  if (resources) to_proto(*resources, exchange->request.mutable_resources());
  co_return co_await send(rpc::update_pod_sandbox_resources, exchange);
}

Task<Result<std::string>> GrpcRuntime::port_forward(std::string pod_sandbox_id, std::vector<std::int32_t> ports) {
  auto exchange = KEELSON_EXCHANGE(PortForward);
  exchange->request.set_pod_sandbox_id(std::move(pod_sandbox_id));
  fill_plain_list(ports, exchange->request.mutable_port());
  KEELSON_CO_TRY(co_await send(rpc::port_forward, exchange));
  co_return exchange->response.url();
}

}  // namespace keelson::cri
