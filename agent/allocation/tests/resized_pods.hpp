// Small makers of resources and of pods that have them.
#pragma once

#include <map>
#include <string>

#include "api/objects.hpp"

namespace keelson::agent::testing {

using Amounts = std::map<std::string, std::string>;

inline api::core::ResourceRequirements resources(const Amounts& requests, const Amounts& limits) {
  api::core::ResourceRequirements out;
  for (const auto& [name, amount] : requests) (*out.mutable_requests())[name].set_string(amount);
  for (const auto& [name, amount] : limits) (*out.mutable_limits())[name].set_string(amount);
  return out;
}

inline api::core::Container& add_container(api::Pod& pod, const std::string& name, const Amounts& requests,
                                           const Amounts& limits = {}) {
  auto& container = *pod.mutable_spec()->add_containers();
  container.set_name(name);
  container.set_image("image:1");
  *container.mutable_resources() = resources(requests, limits);
  return container;
}

inline void set_resize_policy(api::core::Container& container, const std::string& resource, const std::string& policy) {
  auto& entry = *container.add_resizepolicy();
  entry.set_resourcename(resource);
  entry.set_restartpolicy(policy);
}

// One container `main`, from the API.
inline api::Pod sized_pod(const std::string& uid, const Amounts& requests, const Amounts& limits = {}) {
  api::Pod pod;
  pod.mutable_metadata()->set_name("pod-" + uid);
  pod.mutable_metadata()->set_namespace_("ns");
  pod.mutable_metadata()->set_uid(uid);
  pod.mutable_metadata()->set_generation(1);
  (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "api";
  add_container(pod, "main", requests, limits);
  return pod;
}

}  // namespace keelson::agent::testing
