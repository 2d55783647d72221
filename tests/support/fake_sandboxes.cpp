#include <algorithm>

#include "tests/support/fake_world.hpp"

namespace keelson::fakes {
namespace {

bool on_host_network(const cri::PodSandboxConfig& config) {
  return config.linux().security_context().namespace_options().network() == cri::NODE;
}

std::string reserved_name(const cri::PodSandboxMetadata& metadata) {
  return metadata.name() + "_" + metadata.namespace_() + "_" + metadata.uid() + "_" +
         std::to_string(metadata.attempt());
}

bool has_labels(const google::protobuf::Map<std::string, std::string>& labels,
                const google::protobuf::Map<std::string, std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
    const auto found = labels.find(pair.first);
    return found != labels.end() && found->second == pair.second;
  });
}

grpc::Status no_sandbox(const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND, "an error occurred when try to find sandbox \"" + id + "\": not found"};
}

grpc::Status no_network(const std::string& what) {
  return {grpc::StatusCode::UNKNOWN, what + ": cni plugin not initialized"};
}

}  // namespace

cri::PodSandboxStatus World::status_of(const Sandbox& sandbox) const {
  cri::PodSandboxStatus status;
  status.set_id(sandbox.id);
  *status.mutable_metadata() = sandbox.config.metadata();
  status.set_state(sandbox.state);
  status.set_created_at(sandbox.created_at);
  status.mutable_network()->set_ip(sandbox.ip);
  *status.mutable_linux()->mutable_namespaces()->mutable_options() =
      sandbox.config.linux().security_context().namespace_options();
  *status.mutable_labels() = sandbox.config.labels();
  *status.mutable_annotations() = sandbox.config.annotations();
  status.set_runtime_handler(sandbox.runtime_handler);
  return status;
}

// 10.88.0.2 and up, past those in use.
std::string World::take_ip() {
  for (;;) {
    next_ip_ = (next_ip_ + 1) % 65000;
    const std::uint32_t host = next_ip_ + 1;
    std::string ip = "10.88." + std::to_string(host >> 8) + "." + std::to_string(host & 255);
    const bool used =
        std::any_of(sandboxes_.begin(), sandboxes_.end(), [&](const auto& other) { return other.second->ip == ip; });
    if (!used) return ip;
  }
}

grpc::Status World::run_sandbox(const cri::RunPodSandboxRequest& request, cri::RunPodSandboxResponse& response) {
  std::lock_guard lock(mutex_);
  const auto& metadata = request.config().metadata();
  if (metadata.name().empty() || metadata.namespace_().empty() || metadata.uid().empty()) {
    return {grpc::StatusCode::UNKNOWN, "sandbox config must include metadata with name, namespace and uid"};
  }
  const std::string name = reserved_name(metadata);
  if (const auto taken = names_.find(name); taken != names_.end()) {
    return {grpc::StatusCode::UNKNOWN, "failed to reserve sandbox name \"" + name + "\": name \"" + name +
                                           "\" is reserved for \"" + taken->second + "\""};
  }
  const bool host_network = on_host_network(request.config());
  auto made = std::make_unique<Sandbox>();
  auto& sandbox = *made;
  sandbox.id = new_id(name);
  sandbox.config = request.config();
  sandbox.runtime_handler = request.runtime_handler();
  sandbox.created_at = now();
  sandbox.network = !host_network;
  names_[name] = sandbox.id;
  sandboxes_[sandbox.id] = std::move(made);
  if (sandbox.network && !features_.network_ready) {
    // As containerd: what it cannot take down again it keeps, NotReady, under its name.
    sandbox.state = cri::SANDBOX_NOTREADY;
    return no_network("failed to setup network for sandbox \"" + sandbox.id + "\"");
  }
  if (sandbox.network) sandbox.ip = take_ip();
  response.set_pod_sandbox_id(sandbox.id);
  emit(sandbox.id, sandbox.id, cri::CONTAINER_CREATED_EVENT);
  emit(sandbox.id, sandbox.id, cri::CONTAINER_STARTED_EVENT);
  return grpc::Status::OK;
}

void World::stop_containers_of(const std::string& sandbox_id) {
  for (const auto& [id, container] : containers_) {
    if (container->sandbox_id != sandbox_id) continue;
    if (container->state == cri::CONTAINER_RUNNING || container->state == cri::CONTAINER_UNKNOWN) {
      kill_container(*container);
    }
  }
}

grpc::Status World::release_sandbox(Sandbox& sandbox) {
  stop_containers_of(sandbox.id);
  if (sandbox.state == cri::SANDBOX_READY) {
    sandbox.state = cri::SANDBOX_NOTREADY;
    emit(sandbox.id, sandbox.id, cri::CONTAINER_STOPPED_EVENT);
  }
  if (sandbox.network && !features_.network_ready) {
    return no_network("failed to destroy network for sandbox \"" + sandbox.id + "\"");
  }
  sandbox.network = false;
  sandbox.ip.clear();
  return grpc::Status::OK;
}

void World::stop_sandbox(const cri::StopPodSandboxRequest& request, Reply<cri::StopPodSandboxResponse> reply) {
  std::lock_guard lock(mutex_);
  auto* sandbox = find_sandbox(request.pod_sandbox_id());
  if (sandbox == nullptr) return reply(no_sandbox(request.pod_sandbox_id()), {});
  reply(release_sandbox(*sandbox), {});
}

grpc::Status World::remove_sandbox(const cri::RemovePodSandboxRequest& request, cri::RemovePodSandboxResponse&) {
  std::lock_guard lock(mutex_);
  auto* sandbox = find_sandbox(request.pod_sandbox_id());
  if (sandbox == nullptr) return grpc::Status::OK;
  if (auto released = release_sandbox(*sandbox); !released.ok()) return released;
  const std::string id = sandbox->id;
  std::vector<std::string> inside;
  for (const auto& [container_id, container] : containers_) {
    if (container->sandbox_id == id) inside.push_back(container_id);
  }
  for (const auto& container_id : inside) {
    drop_container(container_id);
    emit(container_id, id, cri::CONTAINER_DELETED_EVENT);
  }
  std::erase_if(names_, [&](const auto& name) { return name.second == id; });
  sandboxes_.erase(id);
  emit(id, id, cri::CONTAINER_DELETED_EVENT);
  return grpc::Status::OK;
}

grpc::Status World::sandbox_status(const cri::PodSandboxStatusRequest& request,
                                   cri::PodSandboxStatusResponse& response) {
  std::lock_guard lock(mutex_);
  const auto* sandbox = find_sandbox(request.pod_sandbox_id());
  if (sandbox == nullptr) return no_sandbox(request.pod_sandbox_id());
  *response.mutable_status() = status_of(*sandbox);
  if (features_.events) {
    // Runtimes with events fill these two as well.
    response.set_timestamp(now());
    for (const auto& [id, container] : containers_) {
      if (container->sandbox_id == sandbox->id) *response.add_containers_statuses() = status_of(*container);
    }
  }
  return grpc::Status::OK;
}

grpc::Status World::list_sandboxes(const cri::ListPodSandboxRequest& request, cri::ListPodSandboxResponse& response) {
  std::lock_guard lock(mutex_);
  const auto& filter = request.filter();
  for (const auto& [id, sandbox] : sandboxes_) {
    if (!filter.id().empty() && filter.id() != id) continue;
    if (filter.has_state() && filter.state().state() != sandbox->state) continue;
    if (!has_labels(sandbox->config.labels(), filter.label_selector())) continue;
    auto* item = response.add_items();
    item->set_id(id);
    *item->mutable_metadata() = sandbox->config.metadata();
    item->set_state(sandbox->state);
    item->set_created_at(sandbox->created_at);
    *item->mutable_labels() = sandbox->config.labels();
    *item->mutable_annotations() = sandbox->config.annotations();
    item->set_runtime_handler(sandbox->runtime_handler);
  }
  return grpc::Status::OK;
}

grpc::Status World::update_sandbox(const cri::UpdatePodSandboxResourcesRequest& request,
                                   cri::UpdatePodSandboxResourcesResponse&) {
  std::lock_guard lock(mutex_);
  auto* sandbox = find_sandbox(request.pod_sandbox_id());
  if (sandbox == nullptr) return no_sandbox(request.pod_sandbox_id());
  auto* linux_config = sandbox->config.mutable_linux();
  if (request.has_overhead()) *linux_config->mutable_overhead() = request.overhead();
  if (request.has_resources()) *linux_config->mutable_resources() = request.resources();
  return grpc::Status::OK;
}

}  // namespace keelson::fakes
