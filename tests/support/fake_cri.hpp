// FakeCri: a container runtime in memory, on the loop and the clock of the test, without threads or sockets.
//
// It implements what the agent asks of a runtime directly, so that whole agents run on virtual time; the gRPC fake
// (fake_runtime.hpp) is for what goes over the wire. Containers run by a script; a call can be made to fail, to hang
// until released, or to take effect and lose its answer. Everything that was asked is in calls(), and what no runtime
// should ever see, such as two running instances of one container of a pod, is in violations(). Ends of processes are
// noticed when somebody asks, or by settle(), which who moves the time calls at next_end(). Calls have the deadlines of
// the real client. Owner: a test; outlives the agents. Thread: the loop. Source: contract 02 §1, 02a; behaviours as
// containerd's.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/sync.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::fakes {

// What the process of one container instance does.
struct FakeRun {
  std::optional<base::Duration> lasts;  // none: until it is stopped
  int exit_code = 0;
  std::string reason;                                          // default: Completed or Error
  std::optional<base::Duration> stops_in = base::Duration(0);  // after SIGTERM; none: only SIGKILL ends it
  int stop_code = 143;                                         // its exit code then
  bool immortal = false;                                       // the runtime says that it was stopped, and it runs on
};

// What a command does that is executed in a container.
struct FakeExec {
  base::Duration lasts{0};
  int exit_code = 0;
  std::string out;
  std::string err;
};

struct FakeFault {
  enum class Kind { fails, hangs, loses_answer };
  std::string call;   // "create_container"; empty: any
  std::string about;  // part of "POD-UID/CONTAINER", "POD-UID" or the image name; empty: any
  Kind kind = Kind::fails;
  Error error{ErrorKind::internal, "injected"};
  int times = -1;  // negative: until removed
  int after = 0;   // so many calls are let through first; not of those that hang
};

struct FakeCall {
  std::string name;
  std::string about;
  std::string id;  // of a sandbox or container; of pull_image: the user's name, empty for an anonymous pull
  base::SteadyTime at{};
  std::int64_t grace = 0;  // of stop_container, seconds
};

// What the runtime was told of the resources of a sandbox or, when it is named, of a container.
struct FakeResources {
  std::string uid;
  std::string container;
  std::optional<cri::LinuxContainerResources> overhead;
  cri::LinuxContainerResources resources;
};

class FakeCri final : public cri::RuntimeService, public cri::ImageService {
 public:
  struct Sandbox {
    std::string id;
    cri::PodSandboxConfig config;
    cri::SandboxState state = cri::SandboxState::ready;
    std::int64_t created_at = 0;
    std::vector<std::string> ips;
  };
  struct Container {
    std::string id;
    std::string sandbox_id;
    std::string pod_uid;
    cri::ContainerConfig config;
    std::string log_path;
    cri::ContainerState state = cri::ContainerState::created;
    std::int64_t created_at = 0;
    std::int64_t started_at = 0;
    std::int64_t finished_at = 0;
    int exit_code = 0;
    std::string reason;
    std::string message;
    std::optional<cri::LinuxContainerResources> resources;  // as it was created, then as updated
    FakeRun run;
    base::SteadyTime ends_at = base::SteadyTime::max();
  };

  // What became of a sandbox or a container, told as it happens.
  struct Happening {
    enum class Kind {
      sandbox_created,
      sandbox_stopped,  // it was ready until now
      sandbox_removed,
      container_created,
      container_started,
      stop_asked,        // SIGTERM: the container has `grace` seconds from now
      container_killed,  // SIGKILL; container_exited follows
      container_exited,
      container_removed,
      container_updated,
    };
    Kind kind;
    const Sandbox* sandbox = nullptr;      // of the container too, while there is one
    const Container* container = nullptr;  // null for sandboxes
    std::int64_t grace = 0;
  };

  FakeCri(base::Loop& loop, base::Clock& clock) : loop_(loop), clock_(clock), released_(loop) {}

  // --- The script ---
  // What instance number `attempt` of that container does.
  std::function<FakeRun(const std::string& uid, const std::string& name, std::uint32_t attempt)> script;
  // What a command does in a container, "POD-UID/CONTAINER"; unset: it succeeds at once.
  std::function<FakeExec(const std::string& about, const std::vector<std::string>& command)> exec;
  std::function<base::Duration(const std::string& call)> latency = [](const std::string&) {
    return base::Duration(std::chrono::milliseconds(1));
  };
  base::Duration pull_time = std::chrono::seconds(1);
  cri::RuntimeStatus runtime_status{{{"RuntimeReady", true, "", ""}, {"NetworkReady", true, "", ""}}, {{}}, {}, false};
  std::map<std::string, cri::Image> images;  // by name
  // Images that only these may pull: by name, user to password.
  std::map<std::string, std::map<std::string, std::string>> private_images;
  std::vector<std::string> pod_ips_prefix = {"10.88.0."};
  // Called when new resources of something that is there have come into force.
  std::function<void(const FakeResources& update)> on_resources;
  bool has_events = false;  // whether there is a stream of container events
  // Whether times go back when the system's clock does; else each is later than the one before.
  bool times_go_back = false;

  void inject(FakeFault fault) { faults_.push_back(std::move(fault)); }
  // Removes every fault and lets what hangs go on.
  void clear_faults();
  // From now on every call is refused; containers live on.
  void go_away() {
    away_ = true;
    cut_events();
  }
  void come_back() { away_ = false; }
  // The process of the running instance ends now. False when none runs.
  bool end_process(const std::string& uid, const std::string& name, int exit_code);
  // The runtime has lost track of the newest instance: its state is unknown until it is stopped.
  void lose_track(const std::string& uid, const std::string& name);
  // The sandbox dies, as by a killed pause process or a reboot: with its containers, or alone.
  void break_sandbox(const std::string& uid, bool with_containers = true);
  // The runtime forgets its containers of that name, running or not.
  void forget_container(const std::string& uid, const std::string& name);
  // It forgets the pod's sandboxes and all that was in them.
  void forget_sandbox(const std::string& uid);
  // The node was started anew: nothing runs any more.
  void reboot();
  // Ends the open streams of events.
  void cut_events();
  void on_happening(std::function<void(const Happening&)> listener) { listener_ = std::move(listener); }
  // When the next process ends by itself or by its stop; SteadyTime::max() when none does.
  base::SteadyTime next_end() const;
  // Notices the processes that have ended by now.
  void settle();

  // --- What happened ---
  const std::vector<FakeCall>& calls() const { return calls_; }
  void forget_calls() { calls_.clear(); }
  std::size_t count(std::string_view call, std::string_view about = "") const;
  // Calls that change something, as "create_container UID/NAME", in order.
  std::vector<std::string> writes() const;
  const std::vector<std::string>& violations() const { return violations_; }
  std::size_t most_pulls_at_once() const { return most_pulls_; }
  std::size_t pulls() const { return pulls_; }  // under way

  // The state now, oldest first.
  const std::list<Sandbox>& sandboxes();
  const std::list<Container>& containers();
  // The newest instance; nullptr when there is none.
  const Container* newest(const std::string& uid, const std::string& name);
  std::size_t running(const std::string& uid);
  bool knows(const std::string& uid);

  // --- cri::RuntimeService ---
  base::Task<Result<cri::Version>> version(std::string kubelet_version) override;
  base::Task<Result<cri::RuntimeStatus>> status() override;
  base::Task<Result<std::optional<cri::CgroupDriver>>> runtime_config() override;
  base::Task<Status> update_runtime_config(std::string pod_cidr) override;
  base::Task<Result<std::string>> run_pod_sandbox(cri::PodSandboxConfig config, std::string runtime_handler) override;
  base::Task<Status> stop_pod_sandbox(std::string id) override;
  base::Task<Status> remove_pod_sandbox(std::string id) override;
  base::Task<Result<cri::PodSandboxStatus>> pod_sandbox_status(std::string id) override;
  base::Task<Result<std::vector<cri::PodSandbox>>> list_pod_sandboxes(cri::PodSandboxFilter filter) override;
  base::Task<Result<std::string>> create_container(std::string sandbox_id, cri::ContainerConfig config,
                                                   cri::PodSandboxConfig sandbox_config) override;
  base::Task<Status> start_container(std::string id) override;
  base::Task<Status> stop_container(std::string id, std::chrono::seconds grace) override;
  base::Task<Status> remove_container(std::string id) override;
  base::Task<Result<cri::ContainerStatus>> container_status(std::string id) override;
  base::Task<Result<std::vector<cri::Container>>> list_containers(cri::ContainerFilter filter) override;
  base::Task<Status> update_container_resources(std::string id, cri::LinuxContainerResources resources) override;
  base::Task<Status> update_pod_sandbox_resources(std::string id, std::optional<cri::LinuxContainerResources> overhead,
                                                  std::optional<cri::LinuxContainerResources> resources) override;
  base::Task<Status> reopen_container_log(std::string id) override;
  base::Task<Result<cri::ExecSyncResult>> exec_sync(std::string id, std::vector<std::string> command,
                                                    std::chrono::seconds timeout) override;
  base::Task<Status> container_events(std::function<void(cri::ContainerEvent)> on_event) override;

  // --- cri::ImageService ---
  base::Task<Result<std::optional<cri::Image>>> image_status(cri::ImageSpec image) override;
  base::Task<Result<std::vector<cri::Image>>> list_images() override;
  base::Task<Result<std::string>> pull_image(cri::ImageSpec image, std::optional<cri::AuthConfig> auth,
                                             cri::PodSandboxConfig sandbox_config) override;
  base::Task<Status> remove_image(cri::ImageSpec image) override;
  base::Task<Result<cri::ImageFsInfo>> image_fs_info() override;

 private:
  // Notes the call, then its latency, its hanging and its failure.
  base::Task<Status> enter(std::string call, std::string about, std::string id, base::Duration limit,
                           std::int64_t grace = 0);
  base::Task<void> hang(std::string call, std::string about);
  // The failure after the effect.
  Status leave(const std::string& call, const std::string& about);
  FakeFault* match(FakeFault::Kind kind, const std::string& call, const std::string& about);

  bool may_pull(const std::string& image, const std::optional<cri::AuthConfig>& auth) const;
  void end(Container& container, int exit_code, std::string reason, base::Duration ago = {});
  void kill(Container& container);
  void tell(Happening::Kind kind, const Sandbox* sandbox, const Container* container, std::int64_t grace = 0);
  static cri::PodSandboxStatus status_of(const Sandbox& sandbox);
  Sandbox* sandbox(const std::string& id);
  Container* container(const std::string& id);
  void tell_resources(const FakeResources& update);
  std::string about_sandbox(const std::string& id);
  std::string about_container(const std::string& id);
  std::int64_t now_nanos();

  // One reader of the stream of events.
  struct Reader {
    explicit Reader(base::Loop& loop) : bell(loop) {}
    base::Notification bell;
    std::deque<cri::ContainerEvent> events;
    bool cut = false;
  };

  base::Loop& loop_;
  base::Clock& clock_;
  base::Notification released_;
  std::function<void(const Happening&)> listener_;
  std::list<std::shared_ptr<Reader>> readers_;
  std::list<FakeFault> faults_;
  bool away_ = false;
  std::vector<FakeCall> calls_;
  std::vector<std::string> violations_;
  std::list<Sandbox> sandboxes_;
  std::list<Container> containers_;
  std::int64_t last_nanos_ = 0;
  int next_id_ = 0;
  std::size_t pulls_ = 0;
  std::size_t most_pulls_ = 0;
};

}  // namespace keelson::fakes
