#include "agent/allocation/resize_metrics.hpp"

#include <array>
#include <optional>
#include <utility>

#include "api/pod_resources.hpp"
#include "api/quantity.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using Quantities = api::ResourceMessageMap;

constexpr std::array kResources{"cpu", "memory"};
// By how the text begins.
constexpr std::array kInfeasible{
    std::pair<std::string_view, const char*>{"In-place resize of static-pods", "static_pod"},
    std::pair<std::string_view, const char*>{"In-place resize of containers with swap", "swap_limitation"},
    std::pair<std::string_view, const char*>{"Resize is infeasible for Guaranteed Pods alongside CPU Manager",
                                             "guaranteed_pod_cpu_manager_static_policy"},
    std::pair<std::string_view, const char*>{"Resize is infeasible for Guaranteed Pods alongside Memory Manager",
                                             "guaranteed_pod_memory_manager_static_policy"},
};
constexpr char kGateOff[] = "feature_gate_off";

std::optional<Quantity> amount(const Quantities& quantities, const char* resource) {
  const auto found = quantities.find(resource);
  if (found == quantities.end()) return std::nullopt;
  return Quantity::of(found->second);
}

// Empty: nothing changes.
std::string operation(const std::optional<Quantity>& before, const std::optional<Quantity>& after) {
  if (!before && !after) return "";
  if (!before) return "add";
  if (!after) return "remove";
  if (*before == *after) return "";
  return *after > *before ? "increase" : "decrease";
}

void count_changes(const Quantities& before, const Quantities& after, const char* requirement,
                   base::CountsBy<3>& counts) {
  for (const char* resource : kResources) {
    const std::string what = operation(amount(before, resource), amount(after, resource));
    if (!what.empty()) ++counts[{resource, requirement, what}];
  }
}

template <class Containers>
void count_containers(const Containers& before, const Containers& after, base::CountsBy<3>& counts) {
  for (const auto& now : after) {
    for (const auto& old : before) {
      if (old.name() != now.name()) continue;
      count_changes(old.resources().requests(), now.resources().requests(), "requests", counts);
      count_changes(old.resources().limits(), now.resources().limits(), "limits", counts);
    }
  }
}

}  // namespace

void count_requested(const api::Pod& before, const api::Pod& after, base::CountsBy<3>& counts) {
  count_containers(before.spec().containers(), after.spec().containers(), counts);
  count_containers(before.spec().initcontainers(), after.spec().initcontainers(), counts);
}

std::string infeasible_label(std::string_view text) {
  for (const auto& [beginning, label] : kInfeasible) {
    if (text.starts_with(beginning)) return label;
  }
  return kGateOff;
}

}  // namespace keelson::agent
