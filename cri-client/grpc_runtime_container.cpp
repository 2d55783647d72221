#include "cri-client/calls.hpp"

namespace keelson::cri {

namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

}  // namespace

Task<Result<std::string>> GrpcRuntime::create_container(std::string sandbox_id, ContainerConfig config,
                                                        PodSandboxConfig sandbox_config) {
  auto exchange = KEELSON_EXCHANGE(CreateContainer);
  exchange->request.set_pod_sandbox_id(std::move(sandbox_id));
  to_proto(config, exchange->request.mutable_config());
  to_proto(sandbox_config, exchange->request.mutable_sandbox_config());
  KEELSON_CO_TRY(co_await send(rpc::create_container, exchange));
  co_return exchange->response.container_id();
}

Task<Status> GrpcRuntime::start_container(std::string id) {
  auto exchange = KEELSON_EXCHANGE(StartContainer);
  exchange->request.set_container_id(std::move(id));
  co_return co_await send(rpc::start_container, exchange);
}

Task<Status> GrpcRuntime::stop_container(std::string id, std::chrono::seconds grace) {
  auto exchange = KEELSON_EXCHANGE(StopContainer);
  exchange->request.set_container_id(std::move(id));
  exchange->request.set_timeout(grace.count());
  Status sent = co_await send(rpc::stop_container, exchange, grace);
  if (!sent.ok() && sent.error().kind() == ErrorKind::not_found) co_return Ok{};
  co_return sent;
}

Task<Status> GrpcRuntime::remove_container(std::string id) {
  auto exchange = KEELSON_EXCHANGE(RemoveContainer);
  exchange->request.set_container_id(std::move(id));
  co_return co_await send(rpc::remove_container, exchange);
}

Task<Result<ContainerStatus>> GrpcRuntime::container_status(std::string id) {
  auto exchange = KEELSON_EXCHANGE(ContainerStatus);
  exchange->request.set_container_id(std::move(id));
  KEELSON_CO_TRY(co_await send(rpc::container_status, exchange));
  co_return from_proto(exchange->response.status());
}

Task<Result<std::vector<Container>>> GrpcRuntime::list_containers(ContainerFilter filter) {
  if (stream_runtime_lists_) {
    auto stream = KEELSON_EXCHANGE(StreamContainers);
    to_proto(filter, stream->request.mutable_filter());
    auto streamed = co_await read_list<Container>(
        &rpc::stream_containers, stream, [](const auto& part) -> auto& { return part.containers(); });
    if (streamed) co_return std::move(*streamed);
    stream_runtime_lists_ = false;
  }
  auto exchange = KEELSON_EXCHANGE(ListContainers);
  to_proto(filter, exchange->request.mutable_filter());
  KEELSON_CO_TRY(co_await send(rpc::list_containers, exchange));
  co_return list_of(exchange->response.containers());
}

Task<Status> GrpcRuntime::update_container_resources(std::string id, LinuxContainerResources resources) {
  auto exchange = KEELSON_EXCHANGE(UpdateContainerResources);
  exchange->request.set_container_id(std::move(id));
  to_proto(resources, exchange->request.mutable_linux());
  co_return co_await send(rpc::update_container_resources, exchange);
}

Task<Status> GrpcRuntime::reopen_container_log(std::string id) {
  auto exchange = KEELSON_EXCHANGE(ReopenContainerLog);
  exchange->request.set_container_id(std::move(id));
  co_return co_await send(rpc::reopen_container_log, exchange);
}

Task<Result<ExecSyncResult>> GrpcRuntime::exec_sync(std::string id, std::vector<std::string> command,
                                                    std::chrono::seconds timeout) {
  auto exchange = KEELSON_EXCHANGE(ExecSync);
  exchange->request.set_container_id(std::move(id));
  fill_plain_list(command, exchange->request.mutable_cmd());
  exchange->request.set_timeout(timeout.count());
  const Status sent = co_await send(rpc::exec_sync, exchange, timeout);
  if (!sent.ok() && sent.error().kind() == ErrorKind::deadline_exceeded) {
    co_return Error(ErrorKind::deadline_exceeded, "command \"" + join(command) + "\" timed out", sent.error().code());
  }
  if (!sent.ok()) co_return sent.error();
  auto& answer = exchange->response;
  co_return ExecSyncResult{std::move(*answer.mutable_stdout()), std::move(*answer.mutable_stderr()),
                           answer.exit_code()};
}

Task<Result<std::string>> GrpcRuntime::exec(std::string container_id, std::vector<std::string> command,
                                            Streams streams) {
  auto exchange = KEELSON_EXCHANGE(Exec);
  exchange->request.set_container_id(std::move(container_id));
  fill_plain_list(command, exchange->request.mutable_cmd());
  exchange->request.set_tty(streams.tty);
  exchange->request.set_stdin(streams.in);
  exchange->request.set_stdout(streams.out);
  exchange->request.set_stderr(streams.err);
  KEELSON_CO_TRY(co_await send(rpc::exec, exchange));
  co_return exchange->response.url();
}

Task<Result<std::string>> GrpcRuntime::attach(std::string container_id, Streams streams) {
  auto exchange = KEELSON_EXCHANGE(Attach);
  exchange->request.set_container_id(std::move(container_id));
  exchange->request.set_tty(streams.tty);
  exchange->request.set_stdin(streams.in);
  exchange->request.set_stdout(streams.out);
  exchange->request.set_stderr(streams.err);
  KEELSON_CO_TRY(co_await send(rpc::attach, exchange));
  co_return exchange->response.url();
}

Task<Status> GrpcRuntime::checkpoint_container(std::string container_id, std::string location,
                                               std::chrono::seconds timeout) {
  const auto least = std::chrono::duration_cast<std::chrono::seconds>(options_.request_timeout);
  auto exchange = KEELSON_EXCHANGE(CheckpointContainer);
  exchange->request.set_container_id(std::move(container_id));
  exchange->request.set_location(std::move(location));
  exchange->request.set_timeout(std::max(timeout, least).count());
  co_return co_await send(rpc::checkpoint_container, exchange, timeout);
}

Task<Status> GrpcRuntime::container_events(std::function<void(ContainerEvent)> on_event) {
  auto stream = std::make_shared<Exchange<pb::GetEventsRequest, pb::ContainerEventResponse>>();
  const std::function<void()> take = [on_event, message = &stream->response] { on_event(from_proto(*message)); };
  Status read = co_await perform_stream(&rpc::container_events, stream, take);
  if (!read.ok()) co_return read;
  co_return Error(ErrorKind::unavailable, "the runtime ended the stream of container events");
}

}  // namespace keelson::cri
