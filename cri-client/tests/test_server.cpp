#include "cri-client/tests/test_server.hpp"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_context.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cri-client/proto/cri.grpc.pb.h"

namespace keelson::cri {

namespace pb = ::runtime::v1;

struct TestServer::Impl {
  explicit Impl(TestServer& server) : owner(server), runtime(*this), images(*this) {}

  template <class Request, class Response>
  grpc::Status unary(const char* method, grpc::ServerContext* context, const Request* request, Response* response) {
    const TestAnswer answer = owner.handler_(method, *request, *response);
    if (std::string(method) == "Version") {
      owner.authority_ =
          std::string(context->ExperimentalGetAuthority().data(), context->ExperimentalGetAuthority().size());
    }
    if (answer.code == kHang) return hang(context);
    return grpc::Status(static_cast<grpc::StatusCode>(answer.code), answer.message);
  }

  template <class Request, class Response>
  grpc::Status stream(const char* method, grpc::ServerContext* context, const Request* request,
                      grpc::ServerWriter<Response>* writer) {
    while (true) {
      Response response;
      const TestAnswer answer = owner.handler_(method, *request, response);
      if (answer.code == kEndStream) return grpc::Status::OK;
      if (answer.code == kHang) return hang(context);
      if (answer.code != 0) return grpc::Status(static_cast<grpc::StatusCode>(answer.code), answer.message);
      if (!writer->Write(response)) return grpc::Status::CANCELLED;
    }
  }

  grpc::Status hang(grpc::ServerContext* context) {
    ++owner.hanging_;
    while (!context->IsCancelled() && !owner.stopping_) std::this_thread::yield();
    if (context->IsCancelled()) ++owner.cancelled_;
    --owner.hanging_;
    return grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled");
  }

#define UNARY(name)                                                                                               \
  grpc::Status name(grpc::ServerContext* context, const pb::name##Request* request, pb::name##Response* response) \
      override {                                                                                                  \
    return impl.unary(#name, context, request, response);                                                         \
  }
#define STREAM(name, request_type, response_type)                                  \
  grpc::Status name(grpc::ServerContext* context, const pb::request_type* request, \
                    grpc::ServerWriter<pb::response_type>* writer) override {      \
    return impl.stream(#name, context, request, writer);                           \
  }

  struct RuntimeService final : pb::RuntimeService::Service {
    explicit RuntimeService(Impl& owner) : impl(owner) {}
    Impl& impl;
    UNARY(Version)
    UNARY(RunPodSandbox)
    UNARY(StopPodSandbox)
    UNARY(RemovePodSandbox)
    UNARY(PodSandboxStatus)
    UNARY(ListPodSandbox)
    UNARY(CreateContainer)
    UNARY(StartContainer)
    UNARY(StopContainer)
    UNARY(RemoveContainer)
    UNARY(ListContainers)
    UNARY(ContainerStatus)
    UNARY(UpdateContainerResources)
    UNARY(UpdatePodSandboxResources)
    UNARY(ReopenContainerLog)
    UNARY(ExecSync)
    UNARY(Exec)
    UNARY(Attach)
    UNARY(PortForward)
    UNARY(ContainerStats)
    UNARY(ListContainerStats)
    UNARY(PodSandboxStats)
    UNARY(ListPodSandboxStats)
    UNARY(ListMetricDescriptors)
    UNARY(ListPodSandboxMetrics)
    UNARY(UpdateRuntimeConfig)
    UNARY(Status)
    UNARY(RuntimeConfig)
    UNARY(CheckpointContainer)
    STREAM(GetContainerEvents, GetEventsRequest, ContainerEventResponse)
    STREAM(StreamPodSandboxes, StreamPodSandboxesRequest, StreamPodSandboxesResponse)
    STREAM(StreamContainers, StreamContainersRequest, StreamContainersResponse)
    STREAM(StreamContainerStats, StreamContainerStatsRequest, StreamContainerStatsResponse)
    STREAM(StreamPodSandboxStats, StreamPodSandboxStatsRequest, StreamPodSandboxStatsResponse)
    STREAM(StreamPodSandboxMetrics, StreamPodSandboxMetricsRequest, StreamPodSandboxMetricsResponse)
  };

  struct ImageService final : pb::ImageService::Service {
    explicit ImageService(Impl& owner) : impl(owner) {}
    Impl& impl;
    UNARY(ListImages)
    UNARY(ImageStatus)
    UNARY(PullImage)
    UNARY(RemoveImage)
    UNARY(ImageFsInfo)
    STREAM(StreamImages, StreamImagesRequest, StreamImagesResponse)
  };
#undef UNARY
#undef STREAM

  TestServer& owner;
  RuntimeService runtime;
  ImageService images;
  std::unique_ptr<grpc::Server> server;
};

std::string make_temporary_directory() {
  char pattern[] = "/tmp/keelson-cri-XXXXXX";
  return mkdtemp(pattern);
}

void remove_temporary_directory(const std::string& path) { std::filesystem::remove_all(path); }

TestServer::TestServer(Handler handler)
    : directory_(make_temporary_directory()), path_(directory_ + "/cri.sock"), handler_(std::move(handler)) {
  start();
}

void TestServer::start() {
  stopping_ = false;
  impl_ = std::make_unique<Impl>(*this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix://" + path_, grpc::InsecureServerCredentials());
  // Its threads look up from their queue only this often, 10 s by default; shutting down waits for that.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::CQ_TIMEOUT_MSEC, 50);
  builder.RegisterService(&impl_->runtime);
  builder.RegisterService(&impl_->images);
  impl_->server = builder.BuildAndStart();
}

void TestServer::stop() {
  if (!impl_) return;
  stopping_ = true;
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->server->Wait();
  impl_.reset();
}

TestServer::~TestServer() {
  stop();
  remove_temporary_directory(directory_);
}

}  // namespace keelson::cri
