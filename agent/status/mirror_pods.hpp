// MirrorPods: for each static pod a mirror in the API, and none for what is no static pod any more.
//
// Driven by events: a static pod is run or has ended, the informer sees mirrors come, change and go, the Node is seen.
// A mirror of another manifest, one that is being deleted, or one that shows an end which its pod has left behind (it
// begins anew with its agent, or when its manifest is put back), is removed and made anew. Nothing is done before the
// pods of the API are known, nothing is made before the Node is. What fails is tried again, 1 s doubled to 60 s, per
// pod. Owner: the agent's wiring. Thread: the loop. Stops: stop() cancels requests in progress. Source: contract 02
// §4.2; contract 01 §9 (what a node may create), §10.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/status/api_copies.hpp"
#include "agent/status/pod_api.hpp"
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"

namespace keelson::agent {

using NodePtr = std::shared_ptr<const api::core::Node>;

// What is posted: the static pod as it is run, owned by the Node, without a status.
api::Pod mirror_pod(const api::Pod& static_pod, const api::core::Node& node);

struct MirrorView {
  api::PodPtr wanted;                            // the static pod; null: there is none
  bool ending = false;                           // it has left its source, but still runs
  api::PodPtr mirror;                            // as the API has it
  bool node_known = false;                       // the Node is there, has a UID and stays
  bool sources_ready = false;                    // what is not wanted by now is an orphan
  const api::core::PodStatus* status = nullptr;  // the newest of the static pod
};
enum class MirrorStep { none, create, replace, remove_orphan };
MirrorStep mirror_step(const MirrorView& view);

class MirrorPods {
 public:
  MirrorPods(base::Loop& loop, base::Clock& clock, base::Random& random, PodApi& api, base::Logger log);
  ~MirrorPods();
  base::Task<void> stop();

  // A source has it: a mirror of its name is no orphan. It may have to wait for another pod of that name to end.
  void static_pod_added(const api::PodPtr& pod);
  // That static pod is run now, and is as `status` says; to be called when its worker syncs it, any number of times.
  void static_pod(const api::PodPtr& pod, const api::core::PodStatus& status);
  // It has ended like that.
  void static_pod_ended(const api::PodPtr& pod, const api::core::PodStatus& status);
  // It has left its source: its mirror stays while it ends, but is not made anew.
  void static_pod_removed(const std::string& uid);
  // Nothing of it runs any more.
  void static_pod_finished(const std::string& uid);
  // Every source has told its pods: a mirror of none of them is an orphan.
  void sources_ready();

  // --- from the informers; pods that are no mirrors are ignored
  void on_api_pod(const api::PodPtr& pod);
  void on_api_pod_removed(const std::string& uid);
  void pods_synced();
  void on_node(NodePtr node);  // null: there is none
  void api_is_back();

  // That the API has.
  std::size_t count() const { return copies_.size(); }

 private:
  struct Slot;
  using SlotPtr = std::shared_ptr<Slot>;

  SlotPtr slot_of(const std::string& full_name);
  SlotPtr slot_of_static(const std::string& uid);
  MirrorView view(const Slot& slot) const;
  void wake(const SlotPtr& slot);
  void wake_all();
  base::Task<void> run(SlotPtr slot);
  base::Task<void> run_after(SlotPtr slot, std::uint64_t nap, base::Duration delay);
  base::Task<Status> act(SlotPtr slot, MirrorStep step);
  base::Task<Status> create(SlotPtr slot);
  base::Task<Status> remove(SlotPtr slot, bool only_this);
  void settle(const SlotPtr& slot);

  base::Clock& clock_;
  base::Random& random_;
  PodApi& api_;
  base::Logger log_;
  ApiCopies copies_;
  std::map<std::string, SlotPtr> slots_;  // by full name
  NodePtr node_;
  bool synced_ = false;
  bool sources_ready_ = false;
  base::Gate gate_;
};

}  // namespace keelson::agent
