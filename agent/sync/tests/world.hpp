// World: a node of fakes on virtual time, and Brain: the part of the agent that runs pods on it.
//
// The World (runtime, disk, cgroups, clock) outlives any number of Brains, one after another, as a node outlives its
// agent; a Brain is the engine that the agent has, too (agent/wiring/pod_engine.hpp). Owner: a test. Thread: the
// test's, which is the loop's.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/allocation/tests/fake_allocation_files.hpp"
#include "agent/images/tests/memory_image_files.hpp"
#include "agent/sync/event_log.hpp"
#include "agent/wiring/pod_engine.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::agent::testing {

using namespace std::chrono_literals;
using fakes::FakeCri;
using fakes::FakeExec;
using fakes::FakeFault;
using fakes::FakeRun;

// What is on the node's disk, by path; a Status that is set is what the next calls answer.
class FakePodFiles final : public PodFiles {
 public:
  std::set<std::string> pods;                            // UIDs with a directory
  std::map<std::string, std::set<std::string>> logs;     // log directory of a container -> names
  std::map<std::string, std::string> links;              // link -> target
  std::map<std::string, std::string> termination_texts;  // by host path
  std::map<std::string, std::string> log_texts;          // by log path
  std::map<std::string, std::string> host_files = {{"/etc/hosts", "127.0.0.1 localhost\n"},
                                                   {"/etc/resolv.conf", "nameserver 10.0.0.2\n"}};
  std::vector<ContainerFiles> prepared;
  std::map<std::pair<std::string, std::string>, std::string> pod_texts;  // by UID and name
  Status pod_file_fails;
  Status pod_directories_fail;
  Status log_directory_fails;
  Status prepare_fails;

  base::Task<Status> make_pod_directories(std::string uid) override;
  base::Task<Status> make_log_directory(std::string path) override;
  base::Task<Status> prepare_container(ContainerFiles files) override;
  base::Task<std::vector<std::string>> log_names(std::string directory) override;
  base::Task<Status> link_log(std::string link, std::string target) override;
  base::Task<std::string> termination_message(std::string path) override;
  base::Task<std::string> log_tail(std::string path) override;
  base::Task<Result<std::string>> read_host_file(std::string path) override;
  base::Task<Result<std::string>> read_volume_file(std::string volume, std::string path) override;
  base::Task<Status> write_pod_file(std::string uid, std::string name, std::string content) override;
  base::Task<Status> remove_pod_file(std::string uid, std::string name) override;
  base::Task<Result<PodFileTexts>> pod_files(std::string name) override;
  base::Task<Status> remove_pod_directory(std::string uid) override;
  base::Task<Result<std::vector<std::string>>> pod_directories() override;
  base::Task<Status> remove_container_logs(std::string log_path, std::string link) override;
  base::Task<Status> remove_orphan_logs(LogsInUse in_use) override;

  // Whether anything is left of that pod.
  bool knows(const std::string& uid) const;
};

class FakePodVolumes final : public PodVolumes {
 public:
  std::set<std::string> mounted;        // UIDs
  std::map<std::string, int> unmounts;  // by UID: how often its files went
  std::map<std::string, Error> mount_fails;
  EventRecorder* events = nullptr;  // told of each failure, as the volume manager does, which then waits in vain
  std::map<std::string, Error> unmount_fails;
  std::vector<SubPathRequest> sub_paths;
  Status sub_path_fails;
  std::optional<std::int64_t> group;  // that every volume asks for

  base::Task<Result<ResolvedVolumes>> mount(api::PodPtr pod) override;
  base::Task<Status> prepare_sub_path(api::PodPtr pod, SubPathRequest request) override;
  base::Task<Status> unmount(std::string uid) override;
};

class FakePodCgroups final : public PodCgroups {
 public:
  std::set<std::string> groups;                     // UIDs
  std::map<std::string, PodCgroupValues> in_force;  // by UID
  std::optional<PodCgroupValues> shown;             // instead, for every pod
  std::function<void(const std::string&)> on_set;   // "cpu.quota=50000/100000", before it takes effect
  PodMemoryUsage usage;                             // of every pod
  std::map<std::string, Error> ensure_fails;
  std::map<std::string, Error> set_fails;  // by what is set: "cpu.shares"
  std::map<std::string, Error> remove_fails;

  std::string parent_of(const api::Pod& pod) const override { return "/kubepods/pod" + pod.metadata().uid(); }
  base::Task<bool> exists(api::PodPtr pod) override;
  base::Task<Status> ensure(api::PodPtr pod) override;
  base::Task<Status> remove(std::string uid) override;
  base::Task<Status> lower(std::string uid) override;
  std::vector<std::string> lowered;  // UIDs
  base::Task<std::optional<PodCgroupValues>> values(api::PodPtr pod) override;
  base::Task<Status> set(api::PodPtr pod, PodCgroupValues values) override;
  base::Task<Result<PodMemoryUsage>> memory_usage(api::PodPtr pod, std::vector<std::string> container_ids) override;
  base::Task<Result<std::vector<std::string>>> list() override;
};

// Keeps what the workers told, in order.
class FakeStatusSink final : public StatusSink {
 public:
  struct Entry {
    std::string uid;
    api::core::PodStatus status;
    bool containers_may_run = false;
    bool terminated = false;
  };
  std::vector<Entry> all;
  std::map<std::string, api::core::PodStatus> remembered;  // by full name: what known() answers

  void publish(const api::PodPtr& pod, const api::core::PodStatus& status, bool containers_may_run) override {
    all.push_back({pod->metadata().uid(), status, containers_may_run, false});
  }
  void terminated(const api::PodPtr& pod, const api::core::PodStatus& status) override {
    all.push_back({pod->metadata().uid(), status, false, true});
  }
  void forget(const std::string&) override {}
  std::optional<api::core::PodStatus> known(const api::Pod& pod) const override {
    const auto found = remembered.find(full_name(pod));
    return found == remembered.end() ? std::nullopt : std::optional(found->second);
  }
};

// Keeps every event; as text "W Reason fieldPath: message" or "N Reason: message".
class FakeEvents final : public EventRecorder {
 public:
  struct Entry {
    std::string uid;
    PodEvent event;
  };
  std::vector<Entry> all;

  void record(const api::Pod& pod, PodEvent event) override { all.push_back({pod.metadata().uid(), std::move(event)}); }
  std::vector<std::string> texts() const;
  // Those with that reason.
  std::vector<std::string> texts(const std::string& reason) const;
};

// Probes of commands go to the fake runtime, all others to a script.
class FakeProbes final : public probes::Transport {
 public:
  explicit FakeProbes(cri::RuntimeService& runtime) : commands_(runtime) {}
  // What httpGet, tcpSocket and grpc probes come to; unset: they succeed.
  std::function<probes::Attempt(const probes::Errand& errand)> answer;

  base::Task<probes::Attempt> attempt(std::shared_ptr<const probes::Errand> errand) override;

 private:
  RuntimeCommands commands_;
};

// Servers that httpGet hooks ask; unset, each answers 200 at once.
class FakeHookHttp final : public HookHttp {
 public:
  explicit FakeHookHttp(base::Clock& clock) : clock_(clock) {}
  std::vector<probes::HttpGet> asked;
  std::function<probes::HttpOutcome(const probes::HttpGet& request)> answer;
  base::Duration takes{0};

  base::Task<probes::HttpOutcome> get(probes::HttpGet request) override;

 private:
  base::Clock& clock_;
};

struct World {
  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Random random{42};
  FakeCri cri{loop, clock};
  FakeProbes probes{cri};
  FakePodFiles files;
  FakePodVolumes volumes;
  FakePodCgroups cgroups;
  FakeAllocationFiles allocations{clock};
  FakeEvents events;
  FakeHookHttp hook_http{clock};
  RuntimeHooks lifecycle{clock, cri, hook_http, events};
  FakeStatusSink sink;
  NoPodObjects objects;
  MemoryImageFiles image_files;
  StartLimits starts;  // of the brains to come

  // Runs a task to its end, moving time as far as it needs; fails the test when it hangs for 24 h.
  template <class T>
  T run(base::Task<T> task);
  void run(base::Task<void> task);
  // Moves time on until `condition` holds, at most `limit`, in steps of `step`. Whether it came to hold.
  bool until(const std::function<bool()>& condition, base::Duration limit, base::Duration step = 100ms);
};

struct Brain {
  // Statuses go to `sink` and objects are those of `objects`, else the world's.
  explicit Brain(World& world, base::Duration backoff_cap = 300s, StatusSink* sink = nullptr,
                 PodObjects* objects = nullptr);
  ~Brain();

  // Lets the services run; pods are given by set_pods().
  void start();
  // As SIGTERM does.
  void stop();
  void set_pods(const std::vector<api::Pod>& pods, const std::string& source = "file");
  PodWorker* worker(const std::string& uid) const { return workers->worker(uid); }
  // "Pending", "Running" ...; "" without a worker.
  std::string phase(const std::string& uid) const;
  // The entry in the status of that pod.
  const api::core::ContainerStatus* container(const std::string& uid, const std::string& name) const;
  // "running", "terminated Error 3", "waiting CrashLoopBackOff".
  std::string state(const std::string& uid, const std::string& name) const;

  World& world;
  NodeFacts facts;
  PodEngine engine;
  PodWorkers* workers;  // the engine's
  bool stopped = false;
};

// Of an agent that begins now.
NodeFacts make_facts(base::SystemTime now = {});

// A static pod as manifests give it: restartPolicy Always, images present.
api::Pod make_wanted(const std::string& uid, const std::vector<std::string>& containers = {"main"},
                     const std::string& restart_policy = "Always");

namespace internal {
template <class T>
base::Task<void> keep(base::Task<T> task, std::shared_ptr<std::optional<T>> place) {
  place->emplace(co_await std::move(task));
}
}  // namespace internal

template <class T>
T World::run(base::Task<T> task) {
  auto place = std::make_shared<std::optional<T>>();
  run(internal::keep<T>(std::move(task), place));
  return std::move(place->value());
}

}  // namespace keelson::agent::testing
