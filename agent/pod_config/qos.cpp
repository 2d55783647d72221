#include "agent/pod_config/qos.hpp"

#include <array>
#include <optional>

namespace keelson::agent {
namespace {

using QuantityMap = api::ResourceMessageMap;

constexpr std::array<std::string_view, 3> kQosNames{"Guaranteed", "Burstable", "BestEffort"};
constexpr std::array<std::string_view, 2> kQosResources{"cpu", "memory"};
constexpr std::int32_t kCriticalPriority = 2'000'000'000;

void add(ResourceList& sum, const ResourceList& more) {
  for (const auto& [name, quantity] : more) sum[name] += quantity;
}

// cpu and memory above zero.
ResourceList qos_resources(const QuantityMap& quantities) {
  ResourceList result;
  for (const auto name : kQosResources) {
    const auto it = quantities.find(std::string(name));
    if (it == quantities.end()) continue;
    const auto quantity = api::Quantity::of(it->second);
    if (quantity.sign() > 0) result.emplace(name, quantity);
  }
  return result;
}

struct QosSums {
  ResourceList requests;
  ResourceList limits;
  bool all_limited = true;

  void take(const api::core::ResourceRequirements& resources) {
    add(requests, qos_resources(resources.requests()));
    const ResourceList own = qos_resources(resources.limits());
    if (own.size() < kQosResources.size()) all_limited = false;
    add(limits, own);
  }
};

void take_pod_level(ResourceList& result, const QuantityMap& quantities) {
  for (const auto& [name, quantity] : quantities) {
    if (api::is_pod_level_resource(name)) result[name] = api::Quantity::of(quantity);
  }
}

}  // namespace

std::string_view to_string(QosClass qos) { return kQosNames[static_cast<std::size_t>(qos)]; }

QosClass qos_class(const api::Pod& pod) {
  for (std::size_t i = 0; i < kQosNames.size(); ++i) {
    if (pod.status().qosclass() == kQosNames[i]) return static_cast<QosClass>(i);
  }
  return compute_qos_class(pod);
}

QosClass compute_qos_class(const api::Pod& pod) {
  QosSums sums;
  if (pod.spec().has_resources()) {
    sums.take(pod.spec().resources());
  } else {
    for (const auto& container : pod.spec().containers()) sums.take(container.resources());
    for (const auto& container : pod.spec().initcontainers()) sums.take(container.resources());
  }
  if (sums.requests.empty() && sums.limits.empty()) return QosClass::best_effort;
  if (sums.all_limited && sums.requests == sums.limits) return QosClass::guaranteed;
  return QosClass::burstable;
}

ResourceList effective_requests(const api::Pod& pod, EffectiveOptions options) {
  ResourceList result = api::aggregate_requests(pod.spec());
  if (options.pod_level) take_pod_level(result, pod.spec().resources().requests());
  if (options.overhead) add(result, api::to_resource_map(pod.spec().overhead()));
  return result;
}

ResourceList effective_limits(const api::Pod& pod, EffectiveOptions options) {
  ResourceList result = api::aggregate_limits(pod.spec());
  if (options.pod_level) take_pod_level(result, pod.spec().resources().limits());
  if (options.overhead) {
    for (const auto& [name, quantity] : pod.spec().overhead()) {
      const auto it = result.find(name);
      if (it != result.end() && !it->second.is_zero()) it->second += api::Quantity::of(quantity);
    }
  }
  return result;
}

bool is_static(const api::Pod& pod) {
  const auto& annotations = pod.metadata().annotations();
  const auto it = annotations.find("kubernetes.io/config.source");
  return it != annotations.end() && it->second != "api";
}

bool is_critical(const api::Pod& pod) {
  return is_static(pod) || pod.metadata().annotations().contains("kubernetes.io/config.mirror") ||
         pod.spec().priority() >= kCriticalPriority;
}

bool is_node_critical(const api::Pod& pod) {
  return is_critical(pod) && pod.spec().priorityclassname() == "system-node-critical";
}

}  // namespace keelson::agent
