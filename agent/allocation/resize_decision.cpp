#include "agent/allocation/resize_decision.hpp"

#include <algorithm>
#include <tuple>

#include "agent/allocation/pod_allocation.hpp"
#include "agent/pod_config/qos.hpp"
#include "api/quantity.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using api::core::Container;

Quantity amount(const api::ResourceMessageMap& quantities, const char* resource) {
  const auto found = quantities.find(resource);
  return found == quantities.end() ? Quantity() : Quantity::of(found->second);
}

const Container* find_container(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec().containers(), &pod.spec().initcontainers()}) {
    for (const auto& container : *list) {
      if (container.name() == name) return &container;
    }
  }
  return nullptr;
}

// Any container for which `holds(wanted, allocated)`.
template <class Holds>
bool any_container(const api::Pod& wanted, const api::Pod& allocated, Holds holds) {
  for (const auto* list : {&wanted.spec().containers(), &wanted.spec().initcontainers()}) {
    for (const auto& container : *list) {
      const Container* before = find_container(allocated, container.name());
      if (before != nullptr && holds(container, *before)) return true;
    }
  }
  return false;
}

bool request_changes(const Container& wanted, const Container& allocated, const char* resource) {
  return amount(wanted.resources().requests(), resource) != amount(allocated.resources().requests(), resource);
}

bool may_swap(const api::Pod& pod, const Container& container, const NodeInfo& node) {
  if (!node.swap_controller || !node.cgroup_v2 || node.swap_behavior != SwapBehavior::limited_swap) return false;
  if (qos_class(pod) != QosClass::burstable || is_critical(pod)) return false;
  return amount(container.resources().requests(), "memory") != amount(container.resources().limits(), "memory");
}

bool restarts_for_memory(const Container& container) {
  return std::any_of(container.resizepolicy().begin(), container.resizepolicy().end(), [](const auto& policy) {
    return policy.resourcename() == "memory" && policy.restartpolicy() == "RestartContainer";
  });
}

std::string beside_manager(const std::string& manager, const std::string& policy) {
  return "Resize is infeasible for Guaranteed Pods alongside " + manager + " Manager policy \"" + policy + "\"";
}

}  // namespace

std::optional<std::string> infeasible_resize(const api::Pod& wanted, const api::Pod& allocated,
                                             const ResizeRules& rules, const NodeInfo& node) {
  if (!rules.enabled) return "InPlacePodVerticalScaling is disabled";
  if (is_static(wanted)) return "In-place resize of static-pods is not supported";
  const bool swap = any_container(wanted, allocated, [&](const Container& now, const Container& before) {
    return request_changes(now, before, "memory") && !restarts_for_memory(before) &&
           (may_swap(wanted, now, node) || may_swap(allocated, before, node));
  });
  if (swap) return "In-place resize of containers with swap is not supported.";
  if (!rules.pod_level && !same_pod_level(allocation_of(wanted), allocation_of(allocated))) {
    return "InPlacePodLevelResourcesVerticalScaling is disabled";
  }
  if (qos_class(wanted) != QosClass::guaranteed) return std::nullopt;
  const auto changes = [&](const char* resource) {
    return any_container(wanted, allocated, [&](const Container& now, const Container& before) {
      return request_changes(now, before, resource);
    });
  };
  if (rules.static_cpu_manager && !rules.exclusive_cpus && changes("cpu")) return beside_manager("CPU", "static");
  if (rules.static_memory_manager && !rules.exclusive_memory && changes("memory")) {
    return beside_manager("Memory", "Static");
  }
  return std::nullopt;
}

bool raises_requests(const api::Pod& wanted, const api::Pod& allocated) {
  const ResourceList now = effective_requests(wanted);
  const ResourceList before = effective_requests(allocated);
  return std::any_of(now.begin(), now.end(), [&](const auto& entry) {
    if (entry.first != "cpu" && entry.first != "memory") return false;
    const auto old = before.find(entry.first);
    return entry.second > (old == before.end() ? Quantity() : old->second);
  });
}

PendingResize pending_resize(const api::Pod& wanted, const api::Pod& allocated,
                             std::optional<base::SystemTime> deferred_since) {
  PendingResize out;
  out.uid = wanted.metadata().uid();
  out.raises_requests = raises_requests(wanted, allocated);
  out.priority = wanted.spec().priority();
  out.guaranteed = qos_class(wanted) == QosClass::guaranteed;
  out.deferred_since = deferred_since;
  return out;
}

void sort_pending(std::vector<PendingResize>& pending) {
  const auto rank = [](const PendingResize& p) {
    return std::make_tuple(p.raises_requests, -static_cast<std::int64_t>(p.priority), !p.guaranteed,
                           p.deferred_since.value_or(base::SystemTime::max()));
  };
  std::stable_sort(pending.begin(), pending.end(),
                   [&](const PendingResize& a, const PendingResize& b) { return rank(a) < rank(b); });
}

}  // namespace keelson::agent
