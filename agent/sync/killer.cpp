#include "agent/sync/killer.hpp"

#include <algorithm>
#include <set>

#include "agent/sync/containers.hpp"
#include "agent/sync/orphan.hpp"
#include "base/when_all.hpp"

namespace keelson::agent {
namespace {

using std::chrono::seconds;

constexpr auto kLeastGrace = seconds(2);  // contract 02 §9: never below at the CRI
// What a pod may write is more than a clock of nanoseconds can hold.
constexpr auto kMostGrace = std::chrono::duration_cast<seconds>(std::chrono::years(100));

// The container as the pod describes it, or as far as the runtime remembers it.
api::core::Container spec_of(const ContainerKills& kills, const KillContainer& kill) {
  if (const auto ref = find_container(*kills.pod, kill.name)) return container_of(*kills.pod, *ref);
  if (const auto* status = kills.observed->by_id(kill.id)) return container_from_runtime(*status);
  api::core::Container unknown;
  unknown.set_name(kill.name);
  return unknown;
}

std::string path_of(const api::Pod& pod, const std::string& name) {
  const auto ref = find_container(pod, name);
  return ref ? field_path(pod, *ref) : "";
}

HookRequest pre_stop_request(const ContainerKills& kills, const KillContainer& kill,
                             const api::core::Container& container) {
  return {kills.pod, container, kill.id, kills.pod_ips, container.lifecycle().prestop()};
}

Status first_failure(const std::vector<Status>& results) {
  const auto failed = std::find_if(results.begin(), results.end(), [](const Status& status) { return !status.ok(); });
  return failed == results.end() ? Status() : *failed;
}

}  // namespace

// Which containers must have ended before a sidecar may be stopped.
struct Killer::Order {
  Order(base::Loop& loop, const api::Pod& pod, const ObservedPod& observed) : bell(loop) {
    for (const auto& status : observed.containers) {
      if (needs_kill(status)) running.insert(status.metadata.name);
    }
    std::set<std::string> before;
    for (const auto& container : pod.spec().containers()) before.insert(container.name());
    for (int i = pod.spec().initcontainers_size() - 1; i >= 0; --i) {
      const auto& container = pod.spec().initcontainers(i);
      if (!is_sidecar(container)) continue;
      waits_for[container.name()] = before;
      before.insert(container.name());
    }
  }
  bool is_turn_of(const std::string& name) const {
    const auto found = waits_for.find(name);
    return found == waits_for.end() || std::none_of(found->second.begin(), found->second.end(),
                                                    [&](const auto& other) { return running.count(other) > 0; });
  }
  void ended(const std::string& name) {
    running.erase(name);
    bell.notify();
  }
  base::Task<void> turn_of(std::string name) {
    while (!is_turn_of(name)) co_await bell.wait();
  }

  std::set<std::string> running;
  std::map<std::string, std::set<std::string>> waits_for;
  base::Notification bell;
};

struct Killer::PreStop {
  explicit PreStop(base::Loop& loop) : bell(loop) {}
  base::Task<void> end() {
    while (!ended) co_await bell.wait();
  }

  bool ended = false;
  base::Notification bell;
};

bool needs_kill(const cri::ContainerStatus& status) {
  return status.state == cri::ContainerState::running || status.state == cri::ContainerState::unknown;
}

seconds grace_period(const api::Pod& pod, const api::core::Container& container, const KillContainer& kill) {
  if (pod.metadata().has_deletiongraceperiodseconds()) return seconds(pod.metadata().deletiongraceperiodseconds());
  if (kill.startup_probe_failed && container.startupprobe().has_terminationgraceperiodseconds()) {
    return seconds(container.startupprobe().terminationgraceperiodseconds());
  }
  if (kill.liveness_probe_failed && container.livenessprobe().has_terminationgraceperiodseconds()) {
    return seconds(container.livenessprobe().terminationgraceperiodseconds());
  }
  if (pod.spec().has_terminationgraceperiodseconds()) return seconds(pod.spec().terminationgraceperiodseconds());
  return kLeastGrace;
}

Killer::Killer(base::Loop& loop, base::Clock& clock, cri::RuntimeService& runtime, LifecycleHooks& hooks,
               const NodeFacts& facts, EventRecorder& events)
    : clock_(clock), runtime_(runtime), hooks_(hooks), facts_(facts), events_(events), loop_(loop), gate_(loop) {}

std::vector<std::string> Killer::pod_ips(const api::Pod& pod, const ObservedPod& observed) const {
  if (pod.spec().hostnetwork()) return facts_.info.node_ips;
  return observed.sandboxes.empty() ? std::vector<std::string>() : observed.sandboxes.front().ips;
}

base::Task<Status> Killer::kill_containers(ContainerKills kills) {
  auto shared = std::make_shared<const ContainerKills>(std::move(kills));
  auto results = co_await kill_all(std::move(shared), nullptr);
  co_return first_failure(results);
}

base::Task<std::vector<Status>> Killer::kill_all(Kills kills, std::shared_ptr<Order> order) {
  std::vector<base::Task<Status>> each;
  for (std::size_t i = 0; i < kills->which.size(); ++i) each.push_back(kill(kills, i, order));
  return base::when_all(std::move(each));
}

base::Task<Status> Killer::kill_pod(api::PodPtr pod, ObservedPtr observed, std::optional<seconds> grace) {
  auto kills = std::make_shared<ContainerKills>();
  kills->pod = pod;
  kills->observed = observed;
  kills->pod_ips = pod_ips(*pod, *observed);
  kills->grace = grace;
  for (const auto& status : observed->containers) {
    if (!needs_kill(status)) continue;
    KillContainer kill;
    kill.id = status.id;
    kill.name = status.metadata.name;
    kills->which.push_back(std::move(kill));
  }
  std::shared_ptr<Order> order;
  if (has_sidecars(*pod)) order = std::make_shared<Order>(loop_, *pod, *observed);
  const base::SteadyTime begun = clock_.steady_now();
  auto results = co_await kill_all(kills, order);
  Status failure = first_failure(results);
  Status late = co_await kill_latecomers(kills, begun);
  if (failure.ok()) failure = std::move(late);
  for (std::size_t i = 0; i < observed->sandboxes.size(); ++i) {
    auto stopped = co_await runtime_.stop_pod_sandbox(observed->sandboxes[i].id);
    if (!stopped.ok() && failure.ok()) failure = stopped.error().wrap("while stopping the pod's sandbox");
  }
  co_return failure;
}

// They would be cut off with their sandbox.
base::Task<Status> Killer::kill_latecomers(Kills kills, base::SteadyTime begun) {
  auto late = std::make_shared<ContainerKills>();
  for (std::size_t i = 0; i < kills->observed->containers.size(); ++i) {
    const cri::ContainerStatus& seen = kills->observed->containers[i];
    if (seen.state != cri::ContainerState::created) continue;
    auto now = co_await runtime_.container_status(seen.id);
    if (!now.ok() || !needs_kill(*now)) continue;
    KillContainer kill;
    kill.id = seen.id;
    kill.name = seen.metadata.name;
    late->which.push_back(std::move(kill));
  }
  if (late->which.empty()) co_return Status();
  late->pod = kills->pod;
  late->observed = kills->observed;
  late->pod_ips = kills->pod_ips;
  if (kills->grace) {
    const auto took = std::chrono::duration_cast<seconds>(clock_.steady_now() - begun);
    late->grace = std::max(*kills->grace - took, seconds(0));
  }
  auto results = co_await kill_all(std::move(late), nullptr);
  co_return first_failure(results);
}

base::Task<Status> Killer::kill(Kills kills, std::size_t which, std::shared_ptr<Order> order) {
  const KillContainer target = kills->which[which];
  const api::core::Container container = spec_of(*kills, target);
  const std::string path = path_of(*kills->pod, target.name);
  PodEvent event;
  event.reason = "Killing";
  event.message = target.message.empty() ? "Stopping container " + target.name : target.message;
  event.field_path = path;
  events_.record(*kills->pod, std::move(event));

  seconds left = kills->grace ? *kills->grace : grace_period(*kills->pod, container, target);
  left = std::min(left, kMostGrace);
  if (left.count() > 0 && container.lifecycle().has_prestop()) {
    HookRequest request = pre_stop_request(*kills, target, container);
    left -= co_await run_pre_stop(std::move(request), path, left);
  }
  if (order != nullptr && left.count() > 0) left -= co_await wait_for_turn(order, target.name, left);
  auto stopped = co_await runtime_.stop_container(target.id, std::max(kLeastGrace, left));
  if (!stopped.ok()) co_return stopped.error().wrap("while killing container " + target.name);
  if (order != nullptr) order->ended(target.name);
  forget_hook(kills->pod->metadata().uid(), target.id);
  co_return Status();
}

base::Task<seconds> Killer::run_pre_stop(HookRequest request, std::string path, seconds limit) {
  const base::SteadyTime begun = clock_.steady_now();
  std::shared_ptr<PreStop>& known = pre_stops_[request.pod->metadata().uid()][request.container_id];
  if (known == nullptr) {
    known = std::make_shared<PreStop>(loop_);
    base::spawn(gate_, "preStop " + request.container_id, keep_pre_stop(known, std::move(request), std::move(path)));
  }
  const std::shared_ptr<PreStop> hook = known;
  co_await base::with_timeout(clock_, limit, hook->end());
  co_return std::chrono::duration_cast<seconds>(clock_.steady_now() - begun);
}

// contract 02 §18: the failure of a preStop hook is an event and nothing else.
base::Task<void> Killer::keep_pre_stop(std::shared_ptr<PreStop> hook, HookRequest request, std::string path) {
  const api::PodPtr pod = request.pod;
  auto done = co_await hooks_.run(std::move(request));
  if (!done.ok()) {
    PodEvent event;
    event.warning = true;
    event.reason = "FailedPreStopHook";
    event.message = "PreStopHook failed";
    event.field_path = std::move(path);
    events_.record(*pod, std::move(event));
  }
  hook->ended = true;
  hook->bell.notify();
}

void Killer::forget_hook(const std::string& uid, const std::string& container_id) {
  const auto hooks = pre_stops_.find(uid);
  if (hooks == pre_stops_.end()) return;
  hooks->second.erase(container_id);
  if (hooks->second.empty()) pre_stops_.erase(hooks);
}

base::Task<seconds> Killer::wait_for_turn(std::shared_ptr<Order> order, std::string name, seconds limit) {
  const base::SteadyTime begun = clock_.steady_now();
  co_await base::with_timeout(clock_, limit, order->turn_of(std::move(name)));
  co_return std::chrono::duration_cast<seconds>(clock_.steady_now() - begun);
}

}  // namespace keelson::agent
