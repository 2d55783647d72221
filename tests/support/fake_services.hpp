// The two gRPC services of the fake runtime. Owner: FakeRuntime. gRPC's threads call in.
#pragma once

#include <memory>
#include <set>

#include "cri-client/proto/cri.grpc.pb.h"
#include "tests/support/fake_dispatch.hpp"

namespace keelson::fakes {

class EventStream;

class RuntimeServer : public cri::RuntimeService::CallbackService {
 public:
  explicit RuntimeServer(Dispatch& dispatch);
  ~RuntimeServer() override;

  void break_event_streams();
  int event_streams() const;

#define KEELSON_UNARY(rpc)                                                                              \
  grpc::ServerUnaryReactor* rpc(grpc::CallbackServerContext* context, const cri::rpc##Request* request, \
                                cri::rpc##Response* response) override
  KEELSON_UNARY(Version);
  KEELSON_UNARY(Status);
  KEELSON_UNARY(RuntimeConfig);
  KEELSON_UNARY(UpdateRuntimeConfig);
  KEELSON_UNARY(RunPodSandbox);
  KEELSON_UNARY(StopPodSandbox);
  KEELSON_UNARY(RemovePodSandbox);
  KEELSON_UNARY(PodSandboxStatus);
  KEELSON_UNARY(ListPodSandbox);
  KEELSON_UNARY(UpdatePodSandboxResources);
  KEELSON_UNARY(CreateContainer);
  KEELSON_UNARY(StartContainer);
  KEELSON_UNARY(StopContainer);
  KEELSON_UNARY(RemoveContainer);
  KEELSON_UNARY(ContainerStatus);
  KEELSON_UNARY(ListContainers);
  KEELSON_UNARY(UpdateContainerResources);
  KEELSON_UNARY(ReopenContainerLog);
  KEELSON_UNARY(ExecSync);
  grpc::ServerWriteReactor<cri::ContainerEventResponse>* GetContainerEvents(
      grpc::CallbackServerContext* context, const cri::GetEventsRequest* request) override;

 private:
  Dispatch& dispatch_;
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<EventStream>> streams_;
};

class ImageServer : public cri::ImageService::CallbackService {
 public:
  explicit ImageServer(Dispatch& dispatch) : dispatch_(dispatch) {}
  KEELSON_UNARY(ListImages);
  KEELSON_UNARY(ImageStatus);
  KEELSON_UNARY(PullImage);
  KEELSON_UNARY(RemoveImage);
  KEELSON_UNARY(ImageFsInfo);

 private:
  Dispatch& dispatch_;
};

#undef KEELSON_UNARY

}  // namespace keelson::fakes
