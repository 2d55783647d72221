// PodWorkers: from the pods that sources want and the pods that the runtime has, one worker each.
//
// A source (files, URL) hands over its complete set each time something changed, the API one pod at a time; the
// difference to what runs becomes starts, updates and ends. A new pod must be admitted first; one that is refused never
// gets a worker; one that is admitted is allocated what it asks for, and its worker sees the pod with what is
// allocated, whatever its source says by then. A pod that only the runtime knows is ended, once every configured source
// has spoken. Two static pods of one full name never run together: the later waits until the former is finished. A UID
// that comes back while its pod is terminating is started again after that. Owner: main(). Thread: the loop. Stops:
// stop() cancels the workers; pods and containers stay as they are. What fails: nothing to the outside. Source:
// contract 02 §4 (sources, duplicates), §5, §10 (housekeeping).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/sync/pod_worker.hpp"
#include "base/gate.hpp"

namespace keelson::agent {

struct PodAdmission {
  enum class Verdict { admitted, refused, wait };
  Verdict verdict = Verdict::admitted;
  api::core::PodStatus refusal;  // the status of a refused pod
};

class PodWorkers {
 public:
  explicit PodWorkers(WorkerContext context);
  ~PodWorkers();

  // Names a source that must speak before anything unknown is ended.
  void expect_source(const std::string& source);
  // The complete set of that source.
  void set_pods(const std::string& source, std::vector<api::PodPtr> pods);
  // One pod of a source that tells changes: new, or changed.
  void set_pod(const std::string& source, api::PodPtr pod);
  void remove_pod(const std::string& uid);
  // That source has told all it had at its start.
  void source_ready(const std::string& source);
  bool all_sources_ready() const;

  // Something happened to that pod in the runtime.
  void wake(const std::string& uid);
  void wake_all();
  // The runtime has this pod; when no source wants it and no worker has it, it is ended with a grace period of 1 s. So
  // is what shows itself only after its worker has finished: a call that was cancelled may take effect late.
  void saw_runtime_pod(const ObservedPtr& observed);
  // Removes directories and cgroups of pods that nobody wants, works on, or runs.
  base::Task<void> housekeep();

  base::Task<void> stop();

  // What the owner knows of the runtime and of the sources. Unset members restrain nothing.
  struct Knowledge {
    // The runtime's pods have been listed: until then no pod is started, it might run already under another UID.
    std::function<bool()> runtime_listed;
    // A pod of this full name but another UID has something running in the runtime.
    std::function<bool(const api::Pod& pod)> namesake_runs;
    // The source (file, http, api) may have pods that it cannot name right now: pods of that source are not ended.
    std::function<bool(const std::string& source)> source_unsure;
    // A source has handed over its set.
    std::function<void()> source_spoke;
    // The pod has something running in the runtime.
    std::function<bool(const std::string& uid)> runs;
    // Whether the pod may run here; asked once for each new pod, in the order of their creation.
    std::function<PodAdmission(const api::PodPtr& pod)> admit;
  };
  void set_knowledge(Knowledge knowledge) { knowledge_ = std::move(knowledge); }
  // Something of that changed: start what may be started now.
  void look_again() { reconcile(); }
  // Other resources are allocated to the pod, or something else is told of its resize.
  void reallocated(const std::string& uid);
  // The pod as its source wants it, while a worker runs it; null also when it is being ended.
  api::PodPtr running_pod(const std::string& uid) const;

  struct Wanted {
    api::PodPtr pod;
    std::string source;
    std::optional<api::core::PodStatus> refused;  // its final status
    base::SteadyTime seen{};                      // first
  };
  const std::map<std::string, Wanted>& wanted() const { return wanted_; }
  // By UID; workers that wait for a namesake are not there yet.
  const std::map<std::string, std::unique_ptr<PodWorker>>& workers() const { return workers_; }
  PodWorker* worker(const std::string& uid) const;
  // The UID of the namesake that this wanted pod waits for; empty when it waits for none.
  std::string waits_for_namesake(const std::string& uid) const;
  SyncMetrics& metrics() { return metrics_; }
  const SyncMetrics& metrics() const { return metrics_; }
  // Called (on the loop) when a worker has finished and its pod is wanted no more.
  void on_pod_gone(std::function<void(const std::string& uid)> function) { pod_gone_ = std::move(function); }

 private:
  // Whether something must be started or ended now.
  bool take(const std::string& source, api::PodPtr pod);
  void reconcile();
  void start_wanted();
  bool may_end(const std::string& source, const api::Pod& pod) const;
  bool admitted(Wanted& wanted);
  void tell_refusal(const Wanted& wanted);
  void end_refused(const api::PodPtr& pod, const api::core::PodStatus& refusal);
  void forget(const std::string& uid);
  void start_worker(const std::string& uid, api::PodPtr pod);
  void end_again(const PodWorker& done);
  void finished(const std::string& uid);
  void drop(const std::string& uid);
  bool name_taken(const api::Pod& pod) const;
  bool abandoned(const std::string& uid) const;
  base::Task<void> clean_up(std::string uid);
  void forget_allocations();
  // The pod with what is allocated to it, without what gates switch off.
  api::PodPtr as_run(const api::PodPtr& pod) const;

  SyncMetrics metrics_;
  WorkerContext context_;
  base::Gate gate_;
  std::set<std::string> expected_;
  std::set<std::string> ready_;
  bool told_ready_ = false;  // all of them have spoken, and the sink knows
  std::map<std::string, Wanted> wanted_;
  std::map<std::string, std::unique_ptr<PodWorker>> workers_;
  std::map<std::string, RestartBackoff> backoffs_;  // of static pods that were removed, by UID
  std::function<void(const std::string&)> pod_gone_;
  Knowledge knowledge_;
  std::set<std::string> cleaning_;  // UIDs whose remains are being removed
  std::set<std::string> spared_;    // UIDs that were not ended because their source is unsure; told once
};

}  // namespace keelson::agent
