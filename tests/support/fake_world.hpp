// The state behind the fake runtime: sandboxes, containers, images, and what happens to them.
//
// The rules are those of containerd 1.6, checked by tests/conformance; where releases differ, a comment says so.
// Owner: FakeRuntime. One mutex guards everything; calls come from gRPC's threads, the timer thread and the test's.
// A reply may be called with the lock held and must not call back into the world.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cri-client/proto/cri.pb.h"
#include "tests/support/fake_script.hpp"
#include "tests/support/fake_shell.hpp"
#include "tests/support/fake_timers.hpp"

namespace keelson::fakes {

namespace cri = ::runtime::v1;

// Takes the answer of a call, now or later.
template <class Response>
struct Reply {
  std::function<void(const grpc::Status&, Response)> send;
  // The caller has gone away: what a runtime does only on its behalf is not done.
  std::function<bool()> abandoned = [] { return false; };

  void operator()(const grpc::Status& status, Response response) const { send(status, std::move(response)); }
};

struct Container;

// Something that runs steps: a container's main process, or a command in it.
struct Process {
  Program program;
  std::size_t at = 0;
  int last_status = 0;
  std::optional<Program> trap;
  bool term_pending = false;
  bool init = false;  // process 1 of its namespace: the kernel drops signals it does not handle
  bool done = false;
  Timers::Id timer;
  std::function<void(const std::string& text, bool error)> print;
  std::function<void(int status)> exited;
};

struct Container {
  std::string id;
  std::string sandbox_id;
  cri::ContainerConfig config;
  cri::ContainerState state = cri::CONTAINER_CREATED;
  std::int64_t created_at = 0;
  std::int64_t started_at = 0;
  std::int64_t finished_at = 0;
  int exit_code = 0;
  std::string reason;
  std::string message;
  std::string image_ref;
  std::string image_id;
  std::string image_name;  // what the status shows as image.image
  std::string log_path;    // absolute; empty = no log
  int log_fd = -1;
  std::optional<Behaviour> behaviour;
  std::shared_ptr<Process> process;
  std::vector<std::shared_ptr<Process>> commands;
  std::map<std::string, std::string> files;
  std::vector<std::function<void()>> when_ended;
};

struct Sandbox {
  std::string id;
  cri::PodSandboxConfig config;
  std::string runtime_handler;
  cri::PodSandboxState state = cri::SANDBOX_READY;
  std::int64_t created_at = 0;
  std::string ip;
  bool network = false;  // has a network namespace that must be given back
};

struct PresentImage {
  ImageSource source;
  std::string id;
  std::vector<std::string> tags;
  std::vector<std::string> digests;
};

class World {
 public:
  using EventSink = std::function<void(const cri::ContainerEventResponse&)>;

  explicit World(Script script);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // --- the runtime's calls ---
  grpc::Status version(const cri::VersionRequest&, cri::VersionResponse&);
  grpc::Status status(const cri::StatusRequest&, cri::StatusResponse&);
  grpc::Status runtime_config(const cri::RuntimeConfigRequest&, cri::RuntimeConfigResponse&);
  grpc::Status update_runtime_config(const cri::UpdateRuntimeConfigRequest&, cri::UpdateRuntimeConfigResponse&);
  grpc::Status run_sandbox(const cri::RunPodSandboxRequest&, cri::RunPodSandboxResponse&);
  void stop_sandbox(const cri::StopPodSandboxRequest&, Reply<cri::StopPodSandboxResponse>);
  grpc::Status remove_sandbox(const cri::RemovePodSandboxRequest&, cri::RemovePodSandboxResponse&);
  grpc::Status sandbox_status(const cri::PodSandboxStatusRequest&, cri::PodSandboxStatusResponse&);
  grpc::Status list_sandboxes(const cri::ListPodSandboxRequest&, cri::ListPodSandboxResponse&);
  grpc::Status update_sandbox(const cri::UpdatePodSandboxResourcesRequest&, cri::UpdatePodSandboxResourcesResponse&);
  grpc::Status create_container(const cri::CreateContainerRequest&, cri::CreateContainerResponse&);
  grpc::Status start_container(const cri::StartContainerRequest&, cri::StartContainerResponse&);
  void stop_container(const cri::StopContainerRequest&, Reply<cri::StopContainerResponse>);
  grpc::Status remove_container(const cri::RemoveContainerRequest&, cri::RemoveContainerResponse&);
  grpc::Status container_status(const cri::ContainerStatusRequest&, cri::ContainerStatusResponse&);
  grpc::Status list_containers(const cri::ListContainersRequest&, cri::ListContainersResponse&);
  grpc::Status update_container(const cri::UpdateContainerResourcesRequest&, cri::UpdateContainerResourcesResponse&);
  grpc::Status reopen_log(const cri::ReopenContainerLogRequest&, cri::ReopenContainerLogResponse&);
  void exec_sync(const cri::ExecSyncRequest&, Reply<cri::ExecSyncResponse>);
  grpc::Status list_images(const cri::ListImagesRequest&, cri::ListImagesResponse&);
  grpc::Status image_status(const cri::ImageStatusRequest&, cri::ImageStatusResponse&);
  void pull_image(const cri::PullImageRequest&, Reply<cri::PullImageResponse>);
  grpc::Status remove_image(const cri::RemoveImageRequest&, cri::RemoveImageResponse&);
  grpc::Status image_fs_info(const cri::ImageFsInfoRequest&, cri::ImageFsInfoResponse&);

  // Event streams; the sink is called with the lock held. Returns a number for unsubscribe().
  int subscribe(EventSink sink);
  void unsubscribe(int number);

  // --- what tests do; see fake_runtime.hpp ---
  bool exit_container(const std::string& id, int code, const std::string& reason);
  bool set_container_state(const std::string& id, cri::ContainerState state);
  bool kill_sandbox(const std::string& id);
  bool forget_container(const std::string& id);
  bool forget_sandbox(const std::string& id);
  void lose_state();
  void add_rule(BehaviourRule rule);
  void clear_rules();
  void add_image(ImageSource image);
  void remove_image(const std::string& name);
  void add_pullable(ImageSource image);
  void remove_pullable(const std::string& name);
  RuntimeFeatures features() const;
  void change_features(const std::function<void(RuntimeFeatures&)>& change);
  std::vector<cri::ContainerStatus> containers() const;
  std::vector<cri::PodSandboxStatus> sandboxes() const;
  std::optional<cri::ContainerConfig> container_config(const std::string& id) const;
  std::optional<cri::PodSandboxConfig> sandbox_config(const std::string& id) const;
  std::vector<std::string> image_names() const;

  // Calls `observer` after each change, with the lock held: it may only notify others.
  void observe(std::function<void()> observer);
  Timers& timers() { return timers_; }
  // No more timers fire after this.
  void stop();

 private:
  std::int64_t now();
  std::string new_id(const std::string& seed);
  Container* find_container(const std::string& id);
  const Container* find_container(const std::string& id) const;
  Sandbox* find_sandbox(const std::string& id);
  cri::ContainerStatus status_of(const Container& container) const;
  cri::PodSandboxStatus status_of(const Sandbox& sandbox) const;
  void emit(const std::string& id, const std::string& sandbox_id, cri::ContainerEventType type);

  const Behaviour* behaviour_for(const cri::ContainerConfig& config, const std::string& pod);
  void open_log(Container& container);
  void write_log(Container& container, const std::string& text, bool error);
  std::map<std::string, std::string> environment(const Container& container) const;
  void launch(const std::shared_ptr<Container>& container);
  void launch_scripted(const std::shared_ptr<Container>& container);
  bool acts_as_init(const Container& container) const;
  void finish(Container& container, int code, const std::string& reason);
  void fail_start(Container& container, const std::string& message);
  void advance(const std::shared_ptr<Process>& process, const std::shared_ptr<Container>& container);
  bool run_step(const Step& step, const std::shared_ptr<Process>& process, const std::shared_ptr<Container>& container);
  void deliver_term(const std::shared_ptr<Container>& container);
  void take_term(const std::shared_ptr<Process>& process, const std::shared_ptr<Container>& container);
  void end_process(const std::shared_ptr<Process>& process, int status);
  void kill_container(Container& container);
  void drop_container(const std::string& id);
  void stop_containers_of(const std::string& sandbox_id);
  grpc::Status release_sandbox(Sandbox& sandbox);
  std::string take_ip();
  void finish_exec(const std::shared_ptr<Container>& container, const std::shared_ptr<Process>& process);

  PresentImage* find_image(const std::string& reference);
  const PresentImage* find_image(const std::string& reference) const;
  void store_image(ImageSource source);
  cri::Image image_message(const PresentImage& image) const;

  void changed();

  mutable std::mutex mutex_;
  RuntimeFeatures features_;
  std::deque<BehaviourRule> rules_;
  std::vector<ImageSource> pullable_;
  std::map<std::string, PresentImage> images_;  // by id
  std::map<std::string, std::unique_ptr<Sandbox>> sandboxes_;
  std::map<std::string, std::shared_ptr<Container>> containers_;
  std::map<std::string, std::string> names_;  // reserved name -> id
  std::map<int, EventSink> sinks_;
  int last_sink_ = 0;
  std::uint64_t id_counter_ = 0;
  std::uint32_t next_ip_ = 0;
  std::int64_t last_time_ = 0;
  std::function<void()> observer_;
  Timers timers_;  // last: its thread ends before the rest goes away
};

}  // namespace keelson::fakes
