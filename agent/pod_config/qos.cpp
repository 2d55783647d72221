#include "agent/pod_config/qos.hpp"

#include <array>
#include <optional>

namespace keelson::agent {
namespace {

using QuantityMap = google::protobuf::Map<std::string, k8s::resource::Quantity>;
using Containers = google::protobuf::RepeatedPtrField<api::core::Container>;

constexpr std::array<std::string_view, 3> kQosNames{"Guaranteed", "Burstable", "BestEffort"};
constexpr std::array<std::string_view, 2> kQosResources{"cpu", "memory"};
constexpr std::int32_t kCriticalPriority = 2'000'000'000;

void add(ResourceList& sum, const ResourceList& more) {
  for (const auto& [name, quantity] : more) sum[name] += quantity;
}

void take_larger(ResourceList& result, const ResourceList& other) {
  for (const auto& [name, quantity] : other) {
    const auto [it, inserted] = result.emplace(name, quantity);
    if (!inserted && it->second < quantity) it->second = quantity;
  }
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

bool is_sidecar(const api::core::Container& container) { return container.restartpolicy() == "Always"; }

enum class Side { requests, limits };

ResourceList of(const api::core::ResourceRequirements& resources, Side side) {
  return to_resource_list(side == Side::requests ? resources.requests() : resources.limits());
}

ResourceList sum_of_containers(const api::core::PodSpec& spec, Side side) {
  ResourceList result;
  for (const auto& container : spec.containers()) add(result, of(container.resources(), side));
  ResourceList sidecars;
  ResourceList largest_init;
  for (const auto& container : spec.initcontainers()) {
    const ResourceList own = of(container.resources(), side);
    ResourceList while_running = sidecars;
    add(while_running, own);
    if (is_sidecar(container)) {
      add(result, own);
      sidecars = while_running;
    }
    take_larger(largest_init, while_running);
  }
  take_larger(result, largest_init);
  return result;
}

void take_pod_level(ResourceList& result, const QuantityMap& quantities) {
  for (const auto& [name, quantity] : quantities) {
    if (is_pod_level_resource(name)) result[name] = api::Quantity::of(quantity);
  }
}

bool has_pod_level(const QuantityMap& quantities) {
  for (const auto& [name, quantity] : quantities) {
    if (is_pod_level_resource(name)) return true;
  }
  return false;
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

ResourceList to_resource_list(const QuantityMap& quantities) {
  ResourceList result;
  for (const auto& [name, quantity] : quantities) result.emplace(name, api::Quantity::of(quantity));
  return result;
}

ResourceList effective_requests(const api::Pod& pod, EffectiveOptions options) {
  ResourceList result = sum_of_containers(pod.spec(), Side::requests);
  if (options.pod_level) take_pod_level(result, pod.spec().resources().requests());
  if (options.overhead) add(result, to_resource_list(pod.spec().overhead()));
  return result;
}

ResourceList effective_limits(const api::Pod& pod, EffectiveOptions options) {
  ResourceList result = sum_of_containers(pod.spec(), Side::limits);
  if (options.pod_level) take_pod_level(result, pod.spec().resources().limits());
  if (options.overhead) {
    for (const auto& [name, quantity] : pod.spec().overhead()) {
      const auto it = result.find(name);
      if (it != result.end() && !it->second.is_zero()) it->second += api::Quantity::of(quantity);
    }
  }
  return result;
}

bool has_pod_level_resources(const api::Pod& pod) {
  const auto& resources = pod.spec().resources();
  return has_pod_level(resources.requests()) || has_pod_level(resources.limits());
}

bool is_pod_level_resource(std::string_view name) {
  return name == "cpu" || name == "memory" || name.starts_with("hugepages-");
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
