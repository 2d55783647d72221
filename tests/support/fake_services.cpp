#include "tests/support/fake_services.hpp"

namespace keelson::fakes {
namespace {

// Lets a verb that answers at once be served as one that answers later.
template <class Request, class Response>
std::function<void(World&, const Request&, Reply<Response>)> at_once(grpc::Status (World::*verb)(const Request&,
                                                                                                 Response&)) {
  return [verb](World& world, const Request& request, Reply<Response> reply) {
    Response response;
    const auto status = (world.*verb)(request, response);
    reply(status, std::move(response));
  };
}

template <class Request, class Response>
std::function<void(World&, const Request&, Reply<Response>)> later(void (World::*verb)(const Request&,
                                                                                       Reply<Response>)) {
  return
      [verb](World& world, const Request& request, Reply<Response> reply) { (world.*verb)(request, std::move(reply)); };
}

}  // namespace

// One open GetContainerEvents: what the world says is queued and written one by one.
class EventStream : public PendingCall, public std::enable_shared_from_this<EventStream> {
 public:
  class Reactor : public grpc::ServerWriteReactor<cri::ContainerEventResponse> {
   public:
    Reactor(std::shared_ptr<EventStream> stream, World& world) : stream_(std::move(stream)), world_(world) {}
    int subscription = 0;

    void OnWriteDone(bool ok) override {
      if (ok) {
        stream_->written();
      } else {
        stream_->finish_with(grpc::Status::CANCELLED);
      }
    }
    void OnCancel() override { stream_->finish_with(grpc::Status::CANCELLED); }
    void OnDone() override {
      if (subscription != 0) world_.unsubscribe(subscription);
      delete this;
    }

   private:
    std::shared_ptr<EventStream> stream_;
    World& world_;
  };

  void open(Reactor* reactor) {
    std::lock_guard lock(mutex_);
    reactor_ = reactor;
    reactor_->StartSendInitialMetadata();
  }

  bool is_open() const {
    std::lock_guard lock(mutex_);
    return reactor_ != nullptr;
  }

  void push(const cri::ContainerEventResponse& event) {
    std::lock_guard lock(mutex_);
    if (reactor_ == nullptr) return;
    queue_.push_back(event);
    if (queue_.size() == 1) reactor_->StartWrite(&queue_.front());
  }

  void written() {
    std::lock_guard lock(mutex_);
    queue_.pop_front();
    if (reactor_ != nullptr && !queue_.empty()) reactor_->StartWrite(&queue_.front());
  }

  void finish_with(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    if (reactor_ != nullptr) std::exchange(reactor_, nullptr)->Finish(status);
  }

 private:
  mutable std::mutex mutex_;
  Reactor* reactor_ = nullptr;
  std::deque<cri::ContainerEventResponse> queue_;
};

RuntimeServer::RuntimeServer(Dispatch& dispatch) : dispatch_(dispatch) {}
RuntimeServer::~RuntimeServer() = default;

void RuntimeServer::break_event_streams() {
  std::vector<std::weak_ptr<EventStream>> streams;
  {
    std::lock_guard lock(mutex_);
    streams.swap(streams_);
  }
  for (const auto& weak : streams) {
    if (const auto stream = weak.lock())
      stream->finish_with({grpc::StatusCode::UNAVAILABLE, "stream broken by the test"});
  }
}

int RuntimeServer::event_streams() const {
  std::lock_guard lock(mutex_);
  int open = 0;
  for (const auto& weak : streams_) {
    const auto stream = weak.lock();
    if (stream && stream->is_open()) ++open;
  }
  return open;
}

grpc::ServerWriteReactor<cri::ContainerEventResponse>* RuntimeServer::GetContainerEvents(
    grpc::CallbackServerContext*, const cri::GetEventsRequest* request) {
  auto& world = dispatch_.world();
  auto stream = std::make_shared<EventStream>();
  auto* reactor = new EventStream::Reactor(stream, world);
  const auto fault = dispatch_.arrive("GetContainerEvents", std::make_shared<cri::GetEventsRequest>(*request));
  const bool refused = !world.features().events || (fault && fault->error);
  if (refused) {
    reactor->Finish(fault && fault->error
                        ? *fault->error
                        : grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "unknown method GetContainerEvents"));
    return reactor;
  }
  // Before the headers are sent, so that a caller that has seen them misses no event.
  if (!fault || !fault->hang) {
    reactor->subscription =
        world.subscribe([stream](const cri::ContainerEventResponse& event) { stream->push(event); });
  }
  stream->open(reactor);
  {
    std::lock_guard lock(mutex_);
    std::erase_if(streams_, [](const auto& other) { return other.expired(); });
    streams_.push_back(stream);
  }
  dispatch_.notify();
  return reactor;
}

#define KEELSON_UNARY(server, rpc, effect)                                                              \
  grpc::ServerUnaryReactor* server::rpc(grpc::CallbackServerContext*, const cri::rpc##Request* request, \
                                        cri::rpc##Response* response) {                                 \
    return serve<cri::rpc##Request, cri::rpc##Response>(dispatch_, #rpc, *request, response, effect);   \
  }

KEELSON_UNARY(RuntimeServer, Version, at_once(&World::version))
KEELSON_UNARY(RuntimeServer, Status, at_once(&World::status))
KEELSON_UNARY(RuntimeServer, RuntimeConfig, at_once(&World::runtime_config))
KEELSON_UNARY(RuntimeServer, UpdateRuntimeConfig, at_once(&World::update_runtime_config))
KEELSON_UNARY(RuntimeServer, RunPodSandbox, at_once(&World::run_sandbox))
KEELSON_UNARY(RuntimeServer, StopPodSandbox, later(&World::stop_sandbox))
KEELSON_UNARY(RuntimeServer, RemovePodSandbox, at_once(&World::remove_sandbox))
KEELSON_UNARY(RuntimeServer, PodSandboxStatus, at_once(&World::sandbox_status))
KEELSON_UNARY(RuntimeServer, ListPodSandbox, at_once(&World::list_sandboxes))
KEELSON_UNARY(RuntimeServer, UpdatePodSandboxResources, at_once(&World::update_sandbox))
KEELSON_UNARY(RuntimeServer, CreateContainer, at_once(&World::create_container))
KEELSON_UNARY(RuntimeServer, StartContainer, at_once(&World::start_container))
KEELSON_UNARY(RuntimeServer, StopContainer, later(&World::stop_container))
KEELSON_UNARY(RuntimeServer, RemoveContainer, at_once(&World::remove_container))
KEELSON_UNARY(RuntimeServer, ContainerStatus, at_once(&World::container_status))
KEELSON_UNARY(RuntimeServer, ListContainers, at_once(&World::list_containers))
KEELSON_UNARY(RuntimeServer, UpdateContainerResources, at_once(&World::update_container))
KEELSON_UNARY(RuntimeServer, ReopenContainerLog, at_once(&World::reopen_log))
KEELSON_UNARY(RuntimeServer, ExecSync, later(&World::exec_sync))
KEELSON_UNARY(ImageServer, ListImages, at_once(&World::list_images))
KEELSON_UNARY(ImageServer, ImageStatus, at_once(&World::image_status))
KEELSON_UNARY(ImageServer, PullImage, later(&World::pull_image))
using RemoveImageVerb = grpc::Status (World::*)(const cri::RemoveImageRequest&, cri::RemoveImageResponse&);
KEELSON_UNARY(ImageServer, RemoveImage, at_once(static_cast<RemoveImageVerb>(&World::remove_image)))
KEELSON_UNARY(ImageServer, ImageFsInfo, at_once(&World::image_fs_info))

#undef KEELSON_UNARY

}  // namespace keelson::fakes
