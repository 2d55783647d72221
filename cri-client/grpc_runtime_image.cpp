#include "cri-client/calls.hpp"

namespace keelson::cri {

constexpr int kUnknown = 2;  // google.rpc.Code

Task<Result<std::optional<Image>>> GrpcRuntime::image_status(ImageSpec image) {
  auto exchange = KEELSON_EXCHANGE(ImageStatus);
  to_proto(image, exchange->request.mutable_image());
  KEELSON_CO_TRY(co_await send(rpc::image_status, exchange));
  co_return KEELSON_OPTIONAL(exchange->response, image);
}

Task<Result<std::vector<Image>>> GrpcRuntime::list_images() {
  if (stream_image_lists_) {
    auto stream = KEELSON_EXCHANGE(StreamImages);
    auto streamed = co_await read_list<Image>(
        &rpc::stream_images, stream, [](const auto& part) -> auto& { return part.images(); });
    if (streamed) co_return std::move(*streamed);
    stream_image_lists_ = false;
  }
  auto exchange = KEELSON_EXCHANGE(ListImages);
  KEELSON_CO_TRY(co_await send(rpc::list_images, exchange));
  co_return list_of(exchange->response.images());
}

Task<Result<std::string>> GrpcRuntime::pull_image(ImageSpec image, std::optional<AuthConfig> auth,
                                                  PodSandboxConfig sandbox_config) {
  auto exchange = KEELSON_EXCHANGE(PullImage);
  to_proto(image, exchange->request.mutable_image());
  if (auth) to_proto(*auth, exchange->request.mutable_auth());
  to_proto(sandbox_config, exchange->request.mutable_sandbox_config());
  const Status sent = co_await send(rpc::pull_image, exchange);
  if (sent.ok()) co_return exchange->response.image_ref();
  if (sent.error().code() != kUnknown) co_return sent.error();
  // The text goes to the pod's status; without a known code the gRPC wrapping says nothing.
  co_return Error(sent.error().kind(), description(sent.error()), kUnknown);
}

Task<Status> GrpcRuntime::remove_image(ImageSpec image) {
  auto exchange = KEELSON_EXCHANGE(RemoveImage);
  to_proto(image, exchange->request.mutable_image());
  co_return co_await send(rpc::remove_image, exchange);
}

Task<Result<ImageFsInfo>> GrpcRuntime::image_fs_info() {
  auto exchange = KEELSON_EXCHANGE(ImageFsInfo);
  KEELSON_CO_TRY(co_await send(rpc::image_fs_info, exchange));
  co_return from_proto(exchange->response);
}

}  // namespace keelson::cri
