// Resizes: decides on changed resources of pods, and keeps what is told of them.
//
//   spec changed ──▶ queue ──(refused)──▶ PodResizePending, stays in the queue unless it can never be done
//                      └─────(accepted)─▶ allocated, on the disk, PodResizeInProgress ──▶ the pod's worker puts it in
//                                         force, and says when it is
//
// The whole queue is looked at when a pod comes, changes, ends or goes, when a resize makes room, and by a timer, in
// the order of sort_pending(); nothing happens before every source has spoken. Owner: PodEngine. Thread: the loop.
// Stops: stop(), after the workers. What fails: nothing to the outside; a resize that cannot be recorded stays in the
// queue. Source: contract 02 §8, §13, §15.2; contract 03 §6.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/allocation/allocations.hpp"
#include "agent/allocation/resize_conditions.hpp"
#include "agent/allocation/resize_decision.hpp"
#include "agent/allocation/resize_metrics.hpp"
#include "agent/sync/events.hpp"

namespace keelson::agent {

struct ResizeVerdict {
  enum class Kind { accepted, refused, wait };  // wait: the answer is not known yet, and nothing is told
  Kind kind = Kind::accepted;
  std::string reason;  // of a refusal: "OutOfcpu"
  std::string message;
};

class Resizes {
 public:
  Resizes(base::Loop& loop, base::Clock& clock, Allocations& allocations, EventRecorder& events, ResizeRules rules,
          const NodeInfo& node, base::Logger log);
  Resizes(const Resizes&) = delete;
  Resizes& operator=(const Resizes&) = delete;

  // What the owner knows. Unset members restrain nothing.
  struct Hooks {
    std::function<bool()> ready;  // every source has spoken
    // The pod as its source wants it; null when it does not run here now.
    std::function<api::PodPtr(const std::string& uid)> wanted;
    // Whether the pod fits with the resources that it asks for.
    std::function<ResizeVerdict(const api::PodPtr& pod)> admit;
    // What is allocated or told has changed: the pod's worker must look.
    std::function<void(const std::string& uid)> changed;
  };
  void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }
  void start();
  base::Task<void> stop();

  // --- From the sources ---
  // A pod that is new to this agent: what the API was told of it by an earlier one goes on.
  void pod_appeared(const api::Pod& pod);
  void pod_changed(const api::Pod& pod);
  void pod_gone(const std::string& uid);
  // Its content changed.
  void count_request(const api::Pod& before, const api::Pod& after) {
    count_requested(before, after, metrics_.requested);
  }
  // Something was started, ended or freed; what, in the words of the metric (retry_trigger).
  void look_again(std::string_view trigger = "pods_added");

  const ResizeMetrics& metrics() const { return metrics_; }
  const std::map<std::string, ResizeConditions>& all_conditions() const { return conditions_; }  // by UID

  // --- For the pod's worker; `pod` is the pod as it is run ---
  // Never null; empty for a pod that was never resized.
  const ResizeConditions& conditions(const std::string& uid) const;
  // At the start of each round: whether something of the allocation has yet to be put in force.
  void progress(const api::Pod& pod, bool unfinished);
  void failed(const api::Pod& pod, const std::string& error);
  void recovered(const api::Pod& pod);

 private:
  struct Accepted {
    api::PodPtr pod;
    PodAllocation before;
  };

  base::Task<void> run();
  base::Task<void> look_at_all();
  std::vector<PendingResize> pending() const;
  void decide(const std::string& uid, std::vector<Accepted>& accepted);
  void refuse(const api::Pod& pod, const std::string& reason, const std::string& message);
  void finish(const Accepted& resize);
  void undo(const Accepted& resize, const Error& error);
  void tell(const std::string& uid);

  base::Clock& clock_;
  Allocations& allocations_;
  EventRecorder& events_;
  ResizeRules rules_;
  const NodeInfo& node_;
  base::Logger log_;
  Hooks hooks_;
  std::map<std::string, ResizeConditions> conditions_;  // by UID
  std::set<std::string> queue_;                         // UIDs
  std::optional<base::SteadyTime> retry_at_;
  std::string trigger_;  // why the queue was to be looked at, the last that was told
  ResizeMetrics metrics_;
  base::Notification bell_;
  base::Gate gate_;
};

}  // namespace keelson::agent
