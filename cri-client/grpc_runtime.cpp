// Construction, the common path of all calls, and what is asked about the runtime itself.
#include "cri-client/grpc_runtime.hpp"

#include "cri-client/calls.hpp"
#include "cri-client/endpoint.hpp"

namespace keelson::cri {

Result<std::unique_ptr<GrpcRuntime>> GrpcRuntime::create(base::Loop& loop, base::Clock& clock,
                                                         GrpcRuntimeOptions options) {
  auto runtime_path = socket_path(options.endpoint);
  if (!runtime_path.ok()) return runtime_path.error();
  auto image_path = socket_path(options.image_endpoint.empty() ? options.endpoint : options.image_endpoint);
  if (!image_path.ok()) return image_path.error().wrap("while reading the image service endpoint");
  return std::unique_ptr<GrpcRuntime>(
      new GrpcRuntime(loop, clock, std::move(options), std::move(*runtime_path), std::move(*image_path)));
}

GrpcRuntime::GrpcRuntime(base::Loop& loop, base::Clock& clock, GrpcRuntimeOptions options, std::string runtime_path,
                         std::string image_path)
    : clock_(clock),
      options_(std::move(options)),
      runtime_(std::make_shared<Transport>(loop, runtime_path, options_.limits)),
      images_(image_path == runtime_path ? runtime_ : std::make_shared<Transport>(loop, image_path, options_.limits)),
      stream_runtime_lists_(options_.streamed_lists),
      stream_image_lists_(options_.streamed_lists) {}

GrpcRuntime::~GrpcRuntime() = default;

void GrpcRuntime::stop() {
  runtime_->stop();
  images_->stop();
}

std::size_t GrpcRuntime::running_calls() const {
  return runtime_->running() + (images_ == runtime_ ? 0 : images_->running());
}

Transport& GrpcRuntime::transport_of(const Rpc& call) const {
  const bool image_service = std::string_view(call.path).find("ImageService") != std::string_view::npos;
  return image_service ? *images_ : *runtime_;
}

Task<Status> GrpcRuntime::perform(const Rpc* call, std::shared_ptr<ExchangeBase> exchange, std::chrono::seconds asked,
                                  Check check) {
  OperationTimer timer(metrics_, clock_, call->operation);
  const auto limit = time_limit(call->limit, options_.request_timeout, asked);
  const Outcome outcome = co_await transport_of(*call).unary(call->path, exchange, limit);
  if (!outcome.ok()) co_return to_error(*call, outcome);
  Status checked = check(*exchange);
  if (checked.ok()) timer.succeeded();
  co_return checked;
}

Task<Status> GrpcRuntime::perform_stream(const Rpc* call, std::shared_ptr<ExchangeBase> exchange,
                                         std::function<void()> on_message) {
  OperationTimer timer(metrics_, clock_, call->operation);
  const auto limit = time_limit(call->limit, options_.request_timeout, {});
  const Outcome outcome =
      co_await transport_of(*call).read_stream(call->path, std::move(exchange), limit, std::move(on_message));
  if (!outcome.ok()) co_return to_error(*call, outcome);
  timer.succeeded();
  co_return Ok{};
}

Task<Result<Version>> GrpcRuntime::version(std::string kubelet_version) {
  auto exchange = KEELSON_EXCHANGE(Version);
  exchange->request.set_version(std::move(kubelet_version));
  KEELSON_CO_TRY(co_await send(rpc::version, exchange));
  co_return from_proto(exchange->response);
}

Task<Result<RuntimeStatus>> GrpcRuntime::status() {
  auto exchange = KEELSON_EXCHANGE(Status);
  KEELSON_CO_TRY(co_await send(rpc::status, exchange));
  co_return from_proto(exchange->response);
}

Task<Result<std::optional<CgroupDriver>>> GrpcRuntime::runtime_config() {
  auto exchange = KEELSON_EXCHANGE(RuntimeConfig);
  const Status sent = co_await send(rpc::runtime_config, exchange);
  if (!sent.ok() && sent.error().kind() == ErrorKind::unimplemented) co_return std::optional<CgroupDriver>();
  if (!sent.ok()) co_return sent.error();
  co_return from_proto(exchange->response);
}

Task<Status> GrpcRuntime::update_runtime_config(std::string pod_cidr) {
  auto exchange = KEELSON_EXCHANGE(UpdateRuntimeConfig);
  exchange->request.mutable_runtime_config()->mutable_network_config()->set_pod_cidr(std::move(pod_cidr));
  co_return co_await send(rpc::update_runtime_config, exchange);
}

}  // namespace keelson::cri
