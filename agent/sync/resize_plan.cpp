#include "agent/sync/resize_plan.hpp"

#include <algorithm>

#include "agent/sync/containers.hpp"
#include "api/pod_resources.hpp"
#include "api/quantity.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using api::core::Container;
using api::core::ResourceRequirements;

// Requests and limits of one resource as they hold for a container; zero is none.
struct Amounts {
  Quantity request;
  Quantity limit;
  bool operator==(const Amounts&) const = default;
};

Quantity amount(const api::ResourceMessageMap& quantities, const char* resource) {
  const auto found = quantities.find(resource);
  return found == quantities.end() ? Quantity() : Quantity::of(found->second);
}

// A container without a limit has the pod's (contract 02 §2.4).
Amounts amounts(const ResourceRequirements& own, const ResourceRequirements* of_pod, const char* resource) {
  Amounts out{amount(own.requests(), resource), amount(own.limits(), resource)};
  if (out.limit.is_zero() && of_pod != nullptr) out.limit = amount(of_pod->limits(), resource);
  return out;
}

struct Change {
  Amounts now;
  Amounts wanted;
  bool any() const { return !(now == wanted); }
  bool lowers_limit() const { return !wanted.limit.is_zero() && (now.limit.is_zero() || wanted.limit < now.limit); }
  // Without a change of the limit the request says which way it goes.
  bool lowers() const { return now.limit == wanted.limit ? wanted.request < now.request : lowers_limit(); }
};

Change change_of(const api::Pod& pod, const Container& container, const PodAllocation& actuated, const char* resource) {
  const auto record = actuated.containers.find(container.name());
  const ResourceRequirements* level = pod.spec().has_resources() ? &pod.spec().resources() : nullptr;
  Change out;
  out.wanted = amounts(container.resources(), level, resource);
  out.now = record == actuated.containers.end()
                ? out.wanted
                : amounts(record->second, actuated.pod ? &*actuated.pod : nullptr, resource);
  return out;
}

bool restarts_for(const Container& container, const char* resource) {
  return std::any_of(container.resizepolicy().begin(), container.resizepolicy().end(), [&](const auto& policy) {
    return policy.resourcename() == resource && policy.restartpolicy() == "RestartContainer";
  });
}

// Regular containers and sidecars; a plain init container is over soon and has its resources in the allocation only.
template <class Visit>
void for_each_resizable(const api::Pod& pod, Visit visit) {
  for (const auto& container : pod.spec().initcontainers()) {
    if (is_sidecar(container)) visit(container);
  }
  for (const auto& container : pod.spec().containers()) visit(container);
}

const cri::ContainerStatus* running(const ObservedPod& observed, const std::string& name) {
  const cri::ContainerStatus* newest = observed.newest(name);
  return newest != nullptr && newest->state == cri::ContainerState::running ? newest : nullptr;
}

void add_in_order(std::vector<ContainerResize>& list, ContainerResize resize, bool lowers) {
  list.insert(lowers ? list.begin() : list.end(), std::move(resize));
}

PodAllocation level_of(const api::Pod& pod) {
  PodAllocation out;
  if (pod.spec().has_resources()) out.pod = pod.spec().resources();
  return out;
}

}  // namespace

ResizeNeed resize_need(const api::Pod& pod, const Container& container, const PodAllocation& actuated) {
  ResizeNeed need = ResizeNeed::none;
  for (const char* resource : {"cpu", "memory"}) {
    if (!change_of(pod, container, actuated, resource).any()) continue;
    if (restarts_for(container, resource)) return ResizeNeed::restart;
    need = ResizeNeed::in_place;
  }
  return need;
}

ResizePod resize_step(const api::Pod& pod, const ObservedPod& observed, const PodAllocation& actuated,
                      const std::vector<std::string>& restarted) {
  ResizePod out;
  for_each_resizable(pod, [&](const Container& container) {
    const cri::ContainerStatus* status = running(observed, container.name());
    const bool leave = std::find(restarted.begin(), restarted.end(), container.name()) != restarted.end();
    if (status == nullptr || leave || resize_need(pod, container, actuated) != ResizeNeed::in_place) return;
    const Change memory = change_of(pod, container, actuated, "memory");
    const Change cpu = change_of(pod, container, actuated, "cpu");
    const std::int64_t lower = memory.lowers_limit() ? memory.wanted.limit.value() : 0;
    if (memory.any()) add_in_order(out.memory, {status->id, container.name(), lower}, memory.lowers());
    if (cpu.any()) add_in_order(out.cpu, {status->id, container.name(), 0}, cpu.lowers());
  });
  return out;
}

bool resize_unfinished(const api::Pod& pod, const ObservedPod& observed, const PodAllocation* actuated) {
  if (actuated == nullptr) return false;
  if (!same_pod_level(*actuated, level_of(pod))) return true;
  bool unfinished = false;
  for_each_resizable(pod, [&](const Container& container) {
    unfinished = unfinished || (running(observed, container.name()) != nullptr &&
                                resize_need(pod, container, *actuated) != ResizeNeed::none);
  });
  return unfinished;
}

}  // namespace keelson::agent
