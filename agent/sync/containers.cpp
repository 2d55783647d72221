#include "agent/sync/containers.hpp"

namespace keelson::agent {

std::string_view to_string(ContainerType type) {
  switch (type) {
    case ContainerType::init: return "init";
    case ContainerType::regular: return "regular";
    case ContainerType::ephemeral: return "ephemeral";
  }
  return "regular";
}

bool is_sidecar(const api::core::Container& container) { return container.restartpolicy() == "Always"; }

bool has_sidecars(const api::Pod& pod) {
  for (const auto& container : pod.spec().initcontainers()) {
    if (is_sidecar(container)) return true;
  }
  return false;
}

int container_count(const api::Pod& pod) {
  return pod.spec().initcontainers_size() + pod.spec().containers_size() + pod.spec().ephemeralcontainers_size();
}

const std::string& container_name(const api::Pod& pod, ContainerRef ref) {
  switch (ref.type) {
    case ContainerType::init: return pod.spec().initcontainers(ref.index).name();
    case ContainerType::ephemeral: return pod.spec().ephemeralcontainers(ref.index).ephemeralcontainercommon().name();
    case ContainerType::regular: break;
  }
  return pod.spec().containers(ref.index).name();
}

api::core::Container container_of(const api::Pod& pod, ContainerRef ref) {
  switch (ref.type) {
    case ContainerType::init: return pod.spec().initcontainers(ref.index);
    case ContainerType::regular: return pod.spec().containers(ref.index);
    case ContainerType::ephemeral: break;
  }
  // EphemeralContainerCommon has the field numbers of Container (contract 05a).
  api::core::Container container;
  container.ParseFromString(pod.spec().ephemeralcontainers(ref.index).ephemeralcontainercommon().SerializeAsString());
  return container;
}

std::optional<ContainerRef> find_container(const api::Pod& pod, std::string_view name) {
  std::optional<ContainerRef> found;
  for_each_container(pod, [&](ContainerRef ref, const std::string& candidate) {
    if (!found && candidate == name) found = ref;
  });
  return found;
}

void for_each_container(const api::Pod& pod, const std::function<void(ContainerRef, const std::string&)>& visit) {
  const auto& spec = pod.spec();
  for (int i = 0; i < spec.initcontainers_size(); ++i) visit({ContainerType::init, i}, spec.initcontainers(i).name());
  for (int i = 0; i < spec.containers_size(); ++i) visit({ContainerType::regular, i}, spec.containers(i).name());
  for (int i = 0; i < spec.ephemeralcontainers_size(); ++i) {
    visit({ContainerType::ephemeral, i}, spec.ephemeralcontainers(i).ephemeralcontainercommon().name());
  }
}

std::string field_path(const api::Pod& pod, ContainerRef ref) {
  const std::string& name = container_name(pod, ref);
  switch (ref.type) {
    case ContainerType::init: return "spec.initContainers{" + name + "}";
    case ContainerType::ephemeral: return "spec.ephemeralContainers{" + name + "}";
    case ContainerType::regular: break;
  }
  return "spec.containers{" + name + "}";
}

std::string pod_description(const api::Pod& pod) { return full_name(pod) + "(" + pod.metadata().uid() + ")"; }

std::string full_name(const api::Pod& pod) { return pod.metadata().name() + "_" + pod.metadata().namespace_(); }

std::string pod_path(const api::Pod& pod) { return pod.metadata().namespace_() + "/" + pod.metadata().name(); }

}  // namespace keelson::agent
