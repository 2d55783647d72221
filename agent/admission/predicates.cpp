#include "agent/admission/predicates.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "agent/pod_config/qos.hpp"
#include "agent/sync/containers.hpp"
#include "api/selectors.hpp"

namespace keelson::agent {
namespace {

constexpr std::array<std::string_view, 3> kPlainResources{"cpu", "memory", "ephemeral-storage"};
constexpr std::string_view kAppArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/";
constexpr std::string_view kUnconfined = "Unconfined";

std::int64_t amount(const std::string& resource, const api::Quantity& quantity) {
  return resource == "cpu" ? quantity.milli_value() : quantity.value();
}

std::int64_t amount_of(const ResourceList& list, const std::string& resource) {
  const auto found = list.find(resource);
  return found == list.end() ? 0 : amount(resource, found->second);
}

// What is counted beside cpu, memory and ephemeral storage.
bool is_scalar(const std::string& resource) {
  return api::is_extended_resource(resource) || api::is_hugepages(resource) ||
         resource.starts_with("attachable-volumes-") || resource.find("kubernetes.io/") != std::string::npos;
}

bool from_claim(const api::Pod& pod, const std::string& resource, const std::string& container) {
  const auto& mappings = pod.status().extendedresourceclaimstatus().requestmappings();
  return std::any_of(mappings.begin(), mappings.end(), [&](const auto& mapping) {
    return mapping.resourcename() == resource && mapping.containername() == container;
  });
}

template <class Containers>
void leave_out_uncounted(Containers& containers, const api::Pod& pod, const ResourceList& allocatable) {
  for (auto& container : containers) {
    auto& requests = *container.mutable_resources()->mutable_requests();
    std::vector<std::string> uncounted;
    for (const auto& [name, quantity] : requests) {
      if (!api::is_extended_resource(name)) continue;
      if (allocatable.count(name) == 0 || from_claim(pod, name, container.name())) uncounted.push_back(name);
    }
    for (const std::string& name : uncounted) requests.erase(name);
  }
}

ResourceList counted_requests(const api::Pod& pod, const ResourceList& allocatable) {
  ResourceList requests = effective_requests(pod);
  const bool extended = std::any_of(requests.begin(), requests.end(),
                                    [](const auto& entry) { return api::is_extended_resource(entry.first); });
  if (!extended) return requests;
  api::Pod counted = pod;
  leave_out_uncounted(*counted.mutable_spec()->mutable_containers(), pod, allocatable);
  leave_out_uncounted(*counted.mutable_spec()->mutable_initcontainers(), pod, allocatable);
  return effective_requests(counted);
}

// Those of most pods: the one container's, and nothing to be added or compared.
const api::ResourceMessageMap* plain_requests(const api::Pod& pod) {
  const auto& spec = pod.spec();
  const bool plain = spec.containers_size() == 1 && spec.initcontainers_size() == 0 && spec.overhead().empty() &&
                     !spec.has_resources();
  return plain ? &spec.containers(0).resources().requests() : nullptr;
}

using Amounts = std::map<std::string, std::int64_t, std::less<>>;

// For each new pod all others are summed up, so that a node that starts with a thousand does it half a million times.
void add_requests(const api::Pod& pod, Amounts& sum) {
  if (const auto* plain = plain_requests(pod)) {
    for (const auto& [name, quantity] : *plain) sum[name] += amount(name, api::Quantity::of(quantity));
    return;
  }
  for (const auto& [name, quantity] : effective_requests(pod)) sum[name] += amount(name, quantity);
}

using HostPort = std::tuple<std::string, std::int32_t, std::string>;  // protocol, port, address

template <class Visit>
void for_each_host_port(const api::Pod& pod, Visit visit) {
  const auto visit_ports = [&](const api::core::Container& container) {
    for (const auto& port : container.ports()) {
      if (port.hostport() <= 0) continue;
      visit(HostPort{port.protocol().empty() ? "TCP" : port.protocol(), port.hostport(),
                     port.hostip().empty() ? "0.0.0.0" : port.hostip()});
    }
  };
  for (const auto& container : pod.spec().containers()) visit_ports(container);
  for (const auto& container : pod.spec().initcontainers()) {
    if (is_sidecar(container)) visit_ports(container);
  }
}

bool in_conflict(const HostPort& a, const HostPort& b) {
  if (std::get<0>(a) != std::get<0>(b) || std::get<1>(a) != std::get<1>(b)) return false;
  return std::get<2>(a) == std::get<2>(b) || std::get<2>(a) == "0.0.0.0" || std::get<2>(b) == "0.0.0.0";
}

bool tolerates(const api::core::Toleration& toleration, const api::core::Taint& taint) {
  if (!toleration.effect().empty() && toleration.effect() != taint.effect()) return false;
  if (!toleration.key().empty() && toleration.key() != taint.key()) return false;
  if (toleration.operator_() == "Exists") return true;
  return (toleration.operator_().empty() || toleration.operator_() == "Equal") && toleration.value() == taint.value();
}

// Of a pod's security context or a container's.
template <class Context>
bool is_confined(const Context& context) {
  return context.has_apparmorprofile() && context.apparmorprofile().type() != kUnconfined;
}

template <class Containers>
bool any_restarts_all(const Containers& containers) {
  for (const auto& container : containers) {
    for (const auto& rule : container.restartpolicyrules()) {
      if (rule.action() == "RestartAllContainers") return true;
    }
  }
  return false;
}

}  // namespace

std::int64_t requested_amount(const api::Pod& pod, const std::string& resource) {
  return resource == "pods" ? 1 : amount_of(effective_requests(pod), resource);
}

std::vector<Shortage> resource_shortages(const api::Pod& pod, const api::core::Node& node,
                                         const std::vector<api::PodPtr>& others) {
  const ResourceList allocatable = api::to_resource_map(node.status().allocatable());
  std::vector<Shortage> shortages;
  const auto check = [&](const std::string& resource, std::int64_t requested, std::int64_t used) {
    const std::int64_t capacity = amount_of(allocatable, resource);
    if (requested > 0 && requested > capacity - used) shortages.push_back({resource, requested, used, capacity});
  };
  check("pods", 1, static_cast<std::int64_t>(others.size()));

  const ResourceList wanted = counted_requests(pod, allocatable);
  if (wanted.empty()) return shortages;
  Amounts used;
  for (const auto& other : others) add_requests(*other, used);
  for (const auto name : kPlainResources) {
    const std::string resource(name);
    check(resource, amount_of(wanted, resource), used[resource]);
  }
  for (const auto& [name, quantity] : wanted) {
    if (is_scalar(name)) check(name, quantity.value(), used[name]);
  }
  return shortages;
}

bool affinity_matches(const api::Pod& pod, const api::core::Node& node) {
  return api::node_matches_pod(pod, api::lookup_in(node.metadata().labels()), node.metadata().name());
}

bool host_ports_free(const api::Pod& pod, const std::vector<api::PodPtr>& others) {
  std::vector<HostPort> wanted;
  for_each_host_port(pod, [&](HostPort port) { wanted.push_back(std::move(port)); });
  if (wanted.empty()) return true;
  bool free = true;
  for (const auto& other : others) {
    for_each_host_port(*other, [&](const HostPort& taken) {
      for (const HostPort& port : wanted) free = free && !in_conflict(port, taken);
    });
  }
  return free;
}

bool tolerates(const api::Pod& pod, const api::core::Taint& taint) {
  const auto& tolerations = pod.spec().tolerations();
  return std::any_of(tolerations.begin(), tolerations.end(),
                     [&](const auto& toleration) { return tolerates(toleration, taint); });
}

bool tolerates_no_execute(const api::Pod& pod, const api::core::Node& node) {
  const auto& taints = node.spec().taints();
  return std::all_of(taints.begin(), taints.end(),
                     [&](const auto& taint) { return taint.effect() != "NoExecute" || tolerates(pod, taint); });
}

bool wants_apparmor(const api::Pod& pod) {
  bool wanted = is_confined(pod.spec().securitycontext());
  for_each_container(pod, [&](ContainerRef ref, const std::string&) {
    wanted = wanted || is_confined(container_of(pod, ref).securitycontext());
  });
  if (wanted) return true;
  const auto& annotations = pod.metadata().annotations();
  return std::any_of(annotations.begin(), annotations.end(), [](const auto& annotation) {
    return annotation.first.starts_with(kAppArmorAnnotation) && annotation.second != "unconfined";
  });
}

std::vector<std::string> required_node_features(const api::Pod& pod) {
  const auto& spec = pod.spec();
  std::vector<std::string> features;
  if (any_restarts_all(spec.containers()) || any_restarts_all(spec.initcontainers())) {
    features.push_back("RestartAllContainersOnContainerExits");
  }
  if (spec.hostnetwork() && spec.has_hostusers() && !spec.hostusers()) {
    features.push_back("UserNamespacesHostNetworkSupport");
  }
  return features;
}

}  // namespace keelson::agent
