// FakeRuntime: a container runtime for tests. A real gRPC server of CRI v1 on a unix socket, with nothing behind it.
//
// What it does is told by a Script (fake_script.hpp) or by the methods here, at any moment. Its answers are those of
// containerd as tests/conformance checks them. Containers run their commands through fake_shell, so a test's
// `sh -c 'sleep 1; exit 3'` does what it says; logs are real files in CRI format.
// Owner: a test or fake_runtime_main. Thread: every method may be called from any thread. stop() closes the socket and
// cancels the calls under way; containers go on, as under a real runtime's shims, and start() may be called again.
// Failures: start() says why the socket cannot be had; the rest cannot fail or answers false for "no such thing".
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cri-client/proto/cri.pb.h"
#include "tests/support/fake_script.hpp"

namespace keelson::fakes {

namespace cri = ::runtime::v1;

// One call as it came in, before faults applied to it.
struct JournalEntry {
  std::string rpc;
  std::chrono::steady_clock::time_point time;
  std::shared_ptr<const google::protobuf::Message> request;
};

class FakeRuntime {
 public:
  explicit FakeRuntime(Script script = {});
  ~FakeRuntime();
  FakeRuntime(const FakeRuntime&) = delete;
  FakeRuntime& operator=(const FakeRuntime&) = delete;

  Status start(const std::string& socket_path);
  void stop();
  bool started() const;
  // "unix:///..." of the last start().
  std::string endpoint() const;

  // --- faults: the first that matches a call applies; the newest is asked first ---
  void add_fault(Fault fault);
  void fail(const std::string& rpc, grpc::StatusCode code, const std::string& message, int times = kAlways);
  void hang(const std::string& rpc, int times = kAlways);
  void delay(const std::string& rpc, Nanoseconds latency, int times = kAlways);
  void clear_faults();
  // Ends the calls that hang with Unavailable.
  void release_hung();
  // Ends the event streams with Unavailable; they can be opened again.
  void break_event_streams();
  int event_streams() const;

  // --- behaviours and images ---
  void behave(BehaviourRule rule);
  void clear_behaviours();
  void add_image(const std::string& name);
  void add_image(ImageSource image);
  void remove_image(const std::string& name);
  void add_pullable(ImageSource image);
  void remove_pullable(const std::string& name);
  std::vector<std::string> image_names() const;

  // --- what happens to the runtime and its containers ---
  void change(const std::function<void(RuntimeFeatures&)>& change);
  // The container's process ends by itself. False when it does not run.
  bool exit_container(const std::string& id, int code);
  bool oom_kill(const std::string& id);
  bool set_container_state(const std::string& id, cri::ContainerState state);
  // The sandbox's pause process dies: NotReady; its containers go on until somebody stops them.
  bool kill_sandbox(const std::string& id);
  // As if removed behind the agent's back, without an event.
  bool forget_container(const std::string& id);
  bool forget_sandbox(const std::string& id);
  // Everything but images is gone, as after a wiped state directory.
  void lose_state();

  // --- looking at it; oldest first ---
  std::vector<cri::ContainerStatus> containers() const;
  std::vector<cri::PodSandboxStatus> sandboxes() const;
  // The newest container of that name, and pod when given; nullopt when there is none.
  std::optional<cri::ContainerStatus> container(const std::string& name, const std::string& pod = "") const;
  std::optional<cri::ContainerConfig> container_config(const std::string& id) const;
  std::optional<cri::PodSandboxConfig> sandbox_config(const std::string& id) const;

  std::vector<JournalEntry> journal() const;
  std::size_t count(const std::string& rpc) const;
  void clear_journal();
  // The requests of one RPC: requests<cri::CreateContainerRequest>("CreateContainer").
  template <class Request>
  std::vector<Request> requests(const std::string& rpc) const {
    std::vector<Request> found;
    for (const auto& entry : journal()) {
      if (entry.rpc == rpc) found.push_back(static_cast<const Request&>(*entry.request));
    }
    return found;
  }

  // Waits until `predicate` holds; it is asked again after each call and each change. False when the time is over.
  bool wait_until(const std::function<bool()>& predicate,
                  std::chrono::milliseconds limit = std::chrono::seconds(10)) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::fakes
