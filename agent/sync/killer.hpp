// Killer: ends containers and pods: grace periods, Killing events, preStop hooks, the turn of sidecars, StopContainer.
//
// All containers of one call are killed side by side. A preStop hook runs within the grace period: what it took in
// whole seconds is subtracted, and one that takes longer is waited for no more but not cancelled. It runs once per
// container: a kill that is begun anew, with a shorter grace period or because the runtime failed, waits for the hook
// that runs already. Of a pod that is ended, what was made but not started when it was looked at is looked at again
// once the others have ended: a start that was given up may take effect meanwhile. Sidecars wait for their turn within
// what is left; their hooks have run at the start. Owner: PodEngine. Thread: the loop. Stops: stop() cancels the hooks;
// a kill is cancelled with the task that awaits it. What fails: the first failure of a call is told, after everything
// else was killed all the same. Source: contract 02 §9, §18.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sync/events.hpp"
#include "agent/sync/lifecycle_hooks.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/observed.hpp"
#include "agent/sync/plan.hpp"
#include "base/gate.hpp"
#include "base/sync.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

// Containers of one pod that are to go while the pod stays.
struct ContainerKills {
  api::PodPtr pod;
  ObservedPtr observed;
  std::vector<std::string> pod_ips;
  std::vector<KillContainer> which;
  std::optional<std::chrono::seconds> grace;  // none: the rule of contract 02 §9
};

class Killer {
 public:
  Killer(base::Loop& loop, base::Clock& clock, cri::RuntimeService& runtime, LifecycleHooks& hooks,
         const NodeFacts& facts, EventRecorder& events);

  base::Task<Status> kill_containers(ContainerKills kills);
  // Everything that runs, then every sandbox. `grace` replaces the pod's own.
  base::Task<Status> kill_pod(api::PodPtr pod, ObservedPtr observed, std::optional<std::chrono::seconds> grace);
  // The pod is over: what is remembered of its hooks is not needed any more.
  void forget(const std::string& uid) { pre_stops_.erase(uid); }
  base::Task<void> stop() { return gate_.stop(); }

 private:
  struct Order;
  struct PreStop;
  using Kills = std::shared_ptr<const ContainerKills>;

  base::Task<Status> kill(Kills kills, std::size_t which, std::shared_ptr<Order> order);
  base::Task<std::chrono::seconds> run_pre_stop(HookRequest request, std::string field_path,
                                                std::chrono::seconds limit);
  base::Task<void> keep_pre_stop(std::shared_ptr<PreStop> hook, HookRequest request, std::string field_path);
  void forget_hook(const std::string& uid, const std::string& container_id);
  base::Task<std::chrono::seconds> wait_for_turn(std::shared_ptr<Order> order, std::string name,
                                                 std::chrono::seconds limit);
  base::Task<Status> kill_latecomers(Kills kills, base::SteadyTime begun);
  base::Task<std::vector<Status>> kill_all(Kills kills, std::shared_ptr<Order> order);
  std::vector<std::string> pod_ips(const api::Pod& pod, const ObservedPod& observed) const;

  base::Clock& clock_;
  cri::RuntimeService& runtime_;
  LifecycleHooks& hooks_;
  const NodeFacts& facts_;
  EventRecorder& events_;
  base::Loop& loop_;
  base::Gate gate_;
  std::map<std::string, std::map<std::string, std::shared_ptr<PreStop>>> pre_stops_;  // by pod UID, by container id
};

// Running, or of unknown fate.
bool needs_kill(const cri::ContainerStatus& status);

// contract 02 §9: the pod's deletionGracePeriodSeconds, or that of the probe that failed, or the pod's, or 2.
std::chrono::seconds grace_period(const api::Pod& pod, const api::core::Container& container,
                                  const KillContainer& kill);

}  // namespace keelson::agent
