// PodRuntime: executes the steps of a plan against the container runtime.
//
// One per agent, shared by all workers; it keeps no state of pods. Each call is awaited by the one worker of that pod,
// so calls for one pod never overlap. Cancelling the worker cancels the call in progress; what it may have done shows
// in the next observation. Thread: the loop. What fails: each outcome says which step, with the waiting reason that the
// status shows (contract 02 §3.6). Source: contract 02 §3.6 start sequence, §6 order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/images/round_images.hpp"
#include "agent/status/status.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/journal.hpp"
#include "agent/sync/killer.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/observer.hpp"
#include "agent/sync/plan.hpp"
#include "agent/sync/pod_files.hpp"
#include "agent/sync/runtime_configs.hpp"
#include "agent/sync/start_slots.hpp"
#include "agent/sync/sync_metrics.hpp"
#include "base/logger.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

// What executing a plan came to.
struct SyncOutcome {
  // By container name: why it could not be started; shown as its waiting state.
  std::map<std::string, WaitingReason> waiting;
  // Containers whose start succeeded in this sync: their old reason is forgotten.
  std::vector<std::string> started;
  // The first failure of each kind, for the journal.
  std::vector<std::string> errors;
  // The earliest end of a back-off that something waits for.
  std::optional<base::SteadyTime> retry_at;
  std::map<std::string, base::SteadyTime> retry_of;  // by container name
  // What came of a ResizePod step.
  std::optional<Status> resized;
  bool did_anything = false;
  bool created_sandbox = false;
  bool removed_all = false;  // a restart of all containers has come to its second half

  bool ok() const { return errors.empty(); }
};

class Allocations;
class Resizer;

class PodRuntime {
 public:
  PodRuntime(base::Loop& loop, base::Clock& clock, cri::RuntimeService& runtime, StartSlots& slots,
             LifecycleHooks& hooks, Killer& killer, ImagePuller& images, RuntimeConfigs& configs, Resizer& resizer,
             Allocations& allocations, PodFiles& files, const NodeFacts& facts, EventRecorder& events)
      : loop_(loop),
        clock_(clock),
        runtime_(runtime),
        slots_(slots),
        hooks_(hooks),
        killer_(killer),
        images_(images),
        configs_(configs),
        resizer_(resizer),
        allocations_(allocations),
        files_(files),
        facts_(facts),
        events_(events) {}

  struct SyncRequest {
    api::PodPtr pod;
    ObservedPtr observed;
    Plan plan;
    ResolvedVolumes volumes;
    Journal* journal = nullptr;               // outlives the call
    RestartBackoff* backoff = nullptr;        // outlives the call
    std::function<void()> sandbox_ready;      // called as soon as a new sandbox stands
    std::function<void()> container_started;  // likewise
  };
  base::Task<SyncOutcome> execute(SyncRequest request);
  const StartMetrics& metrics() const { return metrics_; }

 private:
  struct Execution;

  base::Task<bool> execute_step(std::shared_ptr<Execution> run, const Step* step);
  base::Task<bool> do_kill_pod(std::shared_ptr<Execution> run, KillPod step);
  base::Task<bool> do_remove(std::shared_ptr<Execution> run, RemoveContainer step);
  base::Task<bool> do_restart_all(std::shared_ptr<Execution> run, RestartAllContainers step);
  base::Task<bool> create_sandbox(std::shared_ptr<Execution> run, std::uint32_t attempt);
  base::Task<bool> do_resize(std::shared_ptr<Execution> run, ResizePod step);
  base::Task<void> take_slot(std::shared_ptr<Execution> run);
  base::Task<bool> do_start(std::shared_ptr<Execution> run, StartContainer step);
  base::Task<std::optional<WaitingReason>> start_container(std::shared_ptr<Execution> run, ContainerRef ref);
  base::Task<std::optional<WaitingReason>> run_post_start(std::shared_ptr<Execution> run, ContainerRef ref,
                                                          std::string id);
  base::Task<bool> kill_selected(std::shared_ptr<Execution> run);
  void event(const api::Pod& pod, bool warning, std::string reason, std::string message, std::string field_path = "");

  base::Loop& loop_;
  base::Clock& clock_;
  cri::RuntimeService& runtime_;
  StartSlots& slots_;
  LifecycleHooks& hooks_;
  Killer& killer_;
  ImagePuller& images_;
  RuntimeConfigs& configs_;
  Resizer& resizer_;
  Allocations& allocations_;
  PodFiles& files_;
  const NodeFacts& facts_;
  EventRecorder& events_;
  StartMetrics metrics_;
};

// "/var/log/containers/POD_NS_CONTAINER-ID.log", the file name cut to 255 bytes (contract 02 §3.6).
std::string log_link(const Paths& paths, const std::string& pod, const std::string& ns, const std::string& container,
                     const std::string& id);

}  // namespace keelson::agent
