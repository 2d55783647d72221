#include "agent/allocation/pod_allocation.hpp"

#include <algorithm>

#include "agent/sync/containers.hpp"
#include "api/json_codec.hpp"
#include "api/pod_resources.hpp"

namespace keelson::agent {
namespace {

using api::core::ResourceRequirements;

bool same_texts(const api::ResourceMessageMap& a, const api::ResourceMessageMap& b) {
  return a.size() == b.size() && std::all_of(a.begin(), a.end(), [&](const auto& entry) {
           const auto other = b.find(entry.first);
           return other != b.end() && other->second.string() == entry.second.string();
         });
}

// Most are the very same texts; admission compares those of all pods for each new one.
bool same_amounts(const api::ResourceMessageMap& a, const api::ResourceMessageMap& b) {
  return same_texts(a, b) || api::to_resource_map(a) == api::to_resource_map(b);
}

template <class List>
bool same_claims(const List& a, const List& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](const auto& left, const auto& right) { return api::same(left, right); });
}

// Only containers whose entry differs are written, so that a pod that fits is not copied.
template <class Containers>
bool differs(const Containers& containers, const PodAllocation& allocation) {
  return std::any_of(containers.begin(), containers.end(), [&](const auto& container) {
    const auto entry = allocation.containers.find(container.name());
    return entry != allocation.containers.end() && !same_resources(entry->second, container.resources());
  });
}

template <class Containers>
void put_in(Containers& containers, const PodAllocation& allocation) {
  for (auto& container : containers) {
    const auto entry = allocation.containers.find(container.name());
    if (entry == allocation.containers.end() || same_resources(entry->second, container.resources())) continue;
    *container.mutable_resources() = entry->second;
  }
}

std::optional<ResourceRequirements> pod_level(const api::Pod& pod) {
  if (!pod.spec().has_resources()) return std::nullopt;
  return pod.spec().resources();
}

}  // namespace

bool same_resources(const ResourceRequirements& a, const ResourceRequirements& b) {
  return same_amounts(a.limits(), b.limits()) && same_amounts(a.requests(), b.requests()) &&
         same_claims(a.claims(), b.claims());
}

bool same_pod_level(const PodAllocation& a, const PodAllocation& b) {
  return a.pod.has_value() == b.pod.has_value() && (!a.pod || same_resources(*a.pod, *b.pod));
}

bool same_allocation(const PodAllocation& a, const PodAllocation& b) {
  return same_pod_level(a, b) && std::equal(a.containers.begin(), a.containers.end(), b.containers.begin(),
                                            b.containers.end(), [](const auto& left, const auto& right) {
                                              return left.first == right.first &&
                                                     same_resources(left.second, right.second);
                                            });
}

PodAllocation allocation_of(const api::Pod& pod, bool plain_init) {
  PodAllocation out;
  out.pod = pod_level(pod);
  for (const auto& container : pod.spec().containers()) out.containers[container.name()] = container.resources();
  for (const auto& container : pod.spec().initcontainers()) {
    if (plain_init || is_sidecar(container)) out.containers[container.name()] = container.resources();
  }
  return out;
}

api::PodPtr with_allocation(api::PodPtr pod, const PodAllocation& allocation) {
  const auto& spec = pod->spec();
  const auto level = pod_level(*pod);
  const bool same_level =
      level.has_value() == allocation.pod.has_value() && (!level || same_resources(*level, *allocation.pod));
  if (same_level && !differs(spec.containers(), allocation) && !differs(spec.initcontainers(), allocation)) return pod;
  auto out = std::make_shared<api::Pod>(*pod);
  put_in(*out->mutable_spec()->mutable_containers(), allocation);
  put_in(*out->mutable_spec()->mutable_initcontainers(), allocation);
  if (allocation.pod) {
    *out->mutable_spec()->mutable_resources() = *allocation.pod;
  } else {
    out->mutable_spec()->clear_resources();
  }
  return out;
}

}  // namespace keelson::agent
