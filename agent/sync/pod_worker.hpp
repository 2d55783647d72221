// PodWorker: drives one pod, by UID, from its first sight to its end.
//
//   sync ──(removed from its source, deleted, finished)──▶ terminating ──(all stopped)──▶ terminated ──▶ finished
//
// In `sync` each wake-up makes one round: observe, status, prepare (cgroup, directories, volumes), plan(), execute. In
// `terminating` all containers are killed, again and again until the runtime shows none running. `terminated` gives
// back what surrounds them. Rounds of one pod never overlap; rounds of different pods share only counted limits. Owner:
// PodWorkers. Thread: the loop. Stops: by its gate (the pod keeps running), or by itself at `finished`. What fails:
// nothing to the outside; every failure is in the journal and is tried again. Source: contract 02 §5.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/status/status.hpp"
#include "agent/status/status_sink.hpp"
#include "agent/sync/exit_clock.hpp"
#include "agent/sync/journal.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/observer.hpp"
#include "agent/sync/pod_objects.hpp"
#include "agent/sync/pod_probes.hpp"
#include "agent/sync/pod_resources.hpp"
#include "agent/sync/pod_runtime.hpp"
#include "agent/sync/runtime_health.hpp"
#include "agent/sync/sync_metrics.hpp"
#include "agent/sync/user_namespaces.hpp"
#include "base/backoff.hpp"
#include "base/interruption.hpp"
#include "base/sync.hpp"

namespace keelson::agent {

class Allocations;
class Resizes;

// What every worker uses; all of it outlives the workers.
struct WorkerContext {
  base::Loop& loop;
  base::Clock& clock;
  base::Random& random;
  const NodeFacts& facts;
  Observer& observer;
  PodRuntime& runtime;
  Killer& killer;
  PodFiles& files;
  PodVolumes& volumes;
  PodCgroups& cgroups;
  PodObjects& objects;
  UserNamespaces& user_namespaces;
  PodProbes& probes;
  RuntimeHealth& health;
  EventRecorder& events;
  StatusSink& sink;
  Allocations& allocations;
  Resizes& resizes;
  base::Logger log;
  SyncMetrics* metrics = nullptr;  // PodWorkers' own, set by it
};

enum class WorkerState { sync, terminating, terminated, finished };
std::string_view to_string(WorkerState state);

// Why and how a pod is ended.
struct Termination {
  std::string why;                            // for the journal: "its manifest was removed"
  std::optional<std::chrono::seconds> grace;  // none: the pod's own
  std::optional<ForcedEnd> forced;
  bool deleted = false;      // the pod itself is gone or asked to go, not only finished
  bool unknown = false;      // no source ever told us of it: there is nobody to tell its status
  bool evicts = false;       // to get its room: event ExceededGracePeriod when that takes too long
  base::SystemTime since{};  // set by the worker
};

class PodWorker {
 public:
  PodWorker(const WorkerContext& context, api::PodPtr pod, std::function<void()> on_finished);
  ~PodWorker() { *still_running_ = false; }
  PodWorker(const PodWorker&) = delete;
  PodWorker& operator=(const PodWorker&) = delete;

  // Spawns the worker in `gate`.
  void start(base::Gate& gate);
  // New content under the same UID, or other resources allocated to it. Like the first one, `pod` is as it is run.
  void update(api::PodPtr pod);
  // The API's copy changed in what we do not act on: its status, mostly our own.
  void refresh(api::PodPtr pod);
  // Ends the pod; a later call can only shorten the grace period.
  void terminate(Termination termination);
  void wake() { bell_.notify(); }
  // A probe of its containers has another result: the status shows it at once.
  void probe_changed();
  // When its source told of it; before start(). Unset, the worker's own beginning counts.
  void first_seen(base::SteadyTime when) { first_seen_ = when; }

  WorkerState state() const { return state_; }
  const api::PodPtr& pod() const { return pod_; }
  const api::core::PodStatus& status() const { return status_; }
  const ObservedPtr& observed() const { return observed_; }
  Journal& journal() { return journal_; }
  const std::optional<Termination>& termination() const { return termination_; }
  RestartBackoff& backoff() { return backoff_; }
  std::optional<base::SteadyTime> backoff_end(const std::string& container) const;

 private:
  base::Task<void> run();
  base::Task<void> rounds();
  // One round of `sync` or `terminating`.
  base::Task<void> make_round(base::Duration* next);
  // One round of `sync`; the time of the next one.
  base::Task<base::Duration> sync_round();
  base::Task<base::Duration> terminating_round();
  base::Task<bool> terminated_round();
  // Ends the containers of a pod whose cgroup is gone; false when there were any: then the round is over.
  base::Task<bool> leave_lost_cgroup(base::Duration& retry);
  void tell_unmounted(const Error& error);
  void fail(const std::string& reason, const std::string& text, const std::string& waits_for);
  base::Task<bool> prepare(ResolvedVolumes& volumes, base::Duration& retry);
  base::Task<bool> observe();
  base::Task<void> read_termination_messages();
  base::Task<void> read_cgroup();
  void heed_the_api();
  // When activeDeadlineSeconds are over.
  std::optional<base::SteadyTime> deadline();
  bool is_overdue();
  // Interrupts the round at the deadline, which an edit may have moved.
  void watch_deadline();
  void watch_the_grace();
  bool resize_told() const;
  void note_resize();
  void apply_resize(const api::Pod& planned, const SyncOutcome& outcome);
  void compute_status();
  void publish(bool containers_may_run);
  // For the metrics: what a round that begins now is called there, and what the next status brings.
  std::string begin_round(base::SteadyTime begun);
  void count_status(const api::core::PodStatus& next) const;
  std::function<void()> sandbox_hook();
  std::function<void()> started_hook();
  void show_sandbox();
  void apply(const SyncOutcome& outcome);
  base::Task<void> show_failures();
  base::Duration after_error(base::Duration delay);
  base::Duration after_success();
  std::chrono::seconds grace() const;

  WorkerContext context_;
  api::PodPtr pod_;
  std::function<void()> on_finished_;
  Journal journal_;
  WorkerState state_ = WorkerState::sync;
  std::optional<Termination> termination_;
  base::Gate* gate_ = nullptr;                                          // where the worker runs
  std::shared_ptr<bool> still_running_ = std::make_shared<bool>(true);  // for tasks that may outlive the worker
  std::optional<base::SteadyTime> active_since_;                        // startTime on the steady clock
  base::Notification bell_;                                             // something happened: make a round
  base::Interruption interruption_;  // leave the round in progress: termination has begun, or the deadline is over
  std::unique_ptr<base::Alarm> deadline_alarm_;
  bool heeds_deadline_ = false;  // in this round
  bool killed_ = false;          // the last kill succeeded: the next look must show nothing running
  base::SteadyTime first_seen_;
  bool began_ = false;              // a round was made
  bool updated_ = false;            // its content has changed since the last round began
  base::SteadyTime last_change_{};  // when we last changed something in the runtime: observations must be newer
  ObservedPtr observed_;
  api::core::PodStatus status_;
  bool settled_ = false;  // status_ was made of observed_, and of nothing newer
  std::optional<PodCgroupValues> pod_cgroup_;
  std::optional<PodAllocation> resized_for_;  // what the last resize that succeeded has put in force
  ExitClock exit_clock_;
  RestartBackoff backoff_;
  std::map<std::string, WaitingReason> waiting_;
  std::map<std::string, base::SteadyTime> backoff_ends_;
  std::map<std::string, std::string> termination_messages_;  // by container id
};

}  // namespace keelson::agent
