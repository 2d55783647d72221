// Small makers of pods and observed states for the tables of the planner, status and garbage tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/pod_config/container_hash.hpp"
#include "agent/sync/observed.hpp"
#include "api/objects.hpp"

namespace keelson::agent::testing {

inline api::core::Container make_container(const std::string& name, const std::string& image = "image:1") {
  api::core::Container container;
  container.set_name(name);
  container.set_image(image);
  return container;
}

inline api::core::Container make_sidecar(const std::string& name) {
  auto container = make_container(name);
  container.set_restartpolicy("Always");
  return container;
}

// A pod of regular containers with these names.
inline api::Pod make_pod(const std::vector<std::string>& names, const std::string& restart_policy = "Always") {
  api::Pod pod;
  pod.mutable_metadata()->set_name("pod");
  pod.mutable_metadata()->set_namespace_("ns");
  pod.mutable_metadata()->set_uid("uid");
  pod.mutable_spec()->set_restartpolicy(restart_policy);
  for (const auto& name : names) *pod.mutable_spec()->add_containers() = make_container(name);
  return pod;
}

inline cri::PodSandboxStatus make_sandbox(const std::string& id, std::uint32_t attempt = 0,
                                          cri::SandboxState state = cri::SandboxState::ready) {
  cri::PodSandboxStatus sandbox;
  sandbox.id = id;
  sandbox.metadata = {"pod", "uid", "ns", attempt};
  sandbox.state = state;
  sandbox.created_at = 1000 + attempt;
  sandbox.has_network = true;
  sandbox.ips = {"10.88.0.5"};
  return sandbox;
}

inline cri::ContainerStatus make_status(const std::string& id, const api::core::Container& spec,
                                        cri::ContainerState state, int exit_code = 0, std::uint32_t attempt = 0) {
  cri::ContainerStatus status;
  status.id = id;
  status.metadata = {spec.name(), attempt};
  status.state = state;
  status.created_at = 2000 + attempt;
  status.started_at = 3000 + attempt;
  status.finished_at = state == cri::ContainerState::exited ? 4000 + attempt : 0;
  status.exit_code = exit_code;
  status.reason = state != cri::ContainerState::exited ? "" : exit_code == 0 ? "Completed" : "Error";
  status.image.image = spec.image();
  status.image_ref = "sha256:ref";
  status.annotations["io.kubernetes.container.hash"] = hash_text(container_hash(spec));
  status.annotations["io.kubernetes.container.restartCount"] = std::to_string(attempt);
  return status;
}

}  // namespace keelson::agent::testing
