#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "tests/support/fake_world.hpp"

namespace keelson::fakes {
namespace {

grpc::Status no_container(const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND, "an error occurred when try to find container \"" + id + "\": not found"};
}

bool has_labels(const google::protobuf::Map<std::string, std::string>& labels,
                const google::protobuf::Map<std::string, std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
    const auto found = labels.find(pair.first);
    return found != labels.end() && found->second == pair.second;
  });
}

std::string joined_command(const cri::ContainerConfig& config) {
  std::string text;
  for (const auto& word : config.command()) text += (text.empty() ? "" : " ") + word;
  for (const auto& word : config.args()) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Fields that are set replace; the rest stays.
void update_resources(const cri::LinuxContainerResources& from, cri::LinuxContainerResources& to) {
  auto unified = to.unified();
  for (const auto& [key, value] : from.unified()) unified[key] = value;
  to.MergeFrom(from);
  *to.mutable_unified() = unified;
  if (from.hugepage_limits_size() > 0) *to.mutable_hugepage_limits() = from.hugepage_limits();
}

}  // namespace

const Behaviour* World::behaviour_for(const cri::ContainerConfig& config, const std::string& pod) {
  const auto& image = config.image();
  const std::string command = joined_command(config);
  const auto matches = [&](const BehaviourRule& rule) {
    return rule.times > 0 &&
           (rule.image.empty() || rule.image == image.image() || rule.image == image.user_specified_image()) &&
           (rule.container.empty() || rule.container == config.metadata().name()) &&
           (rule.pod.empty() || rule.pod == pod) && command.find(rule.command) != std::string::npos;
  };
  const auto rule = std::find_if(rules_.begin(), rules_.end(), matches);
  if (rule == rules_.end()) return nullptr;
  if (rule->times != kAlways) --rule->times;
  return &rule->behaviour;
}

cri::ContainerStatus World::status_of(const Container& container) const {
  cri::ContainerStatus status;
  status.set_id(container.id);
  *status.mutable_metadata() = container.config.metadata();
  status.set_state(container.state);
  status.set_created_at(container.created_at);
  status.set_started_at(container.started_at);
  status.set_finished_at(container.finished_at);
  status.set_exit_code(container.exit_code);
  *status.mutable_image() = container.config.image();
  status.set_image_ref(container.image_id);
  if (const auto* image = find_image(container.image_id)) {
    if (!image->tags.empty()) status.mutable_image()->set_image(image->tags.front());
    if (!image->digests.empty()) status.set_image_ref(image->digests.front());
  }
  if (features_.image_ids) status.set_image_id(container.image_id);
  status.set_reason(container.reason);
  status.set_message(container.message);
  *status.mutable_labels() = container.config.labels();
  *status.mutable_annotations() = container.config.annotations();
  *status.mutable_mounts() = container.config.mounts();
  status.set_log_path(container.log_path);
  if (container.config.linux().has_resources()) {
    *status.mutable_resources()->mutable_linux() = container.config.linux().resources();
  }
  return status;
}

grpc::Status World::create_container(const cri::CreateContainerRequest& request,
                                     cri::CreateContainerResponse& response) {
  std::lock_guard lock(mutex_);
  const auto& config = request.config();
  const auto* sandbox = find_sandbox(request.pod_sandbox_id());
  if (sandbox == nullptr) {
    return {grpc::StatusCode::NOT_FOUND, "failed to find sandbox id \"" + request.pod_sandbox_id() + "\": not found"};
  }
  if (sandbox->state != cri::SANDBOX_READY) {
    return {grpc::StatusCode::NOT_FOUND, "failed to get sandbox container task: no running task found: task " +
                                             sandbox->id + " not found: not found"};
  }
  const auto& pod = sandbox->config.metadata();
  const std::string name = config.metadata().name() + "_" + pod.name() + "_" + pod.namespace_() + "_" + pod.uid() +
                           "_" + std::to_string(config.metadata().attempt());
  if (const auto taken = names_.find(name); taken != names_.end()) {
    return {grpc::StatusCode::UNKNOWN, "failed to reserve container name \"" + name + "\": name \"" + name +
                                           "\" is reserved for \"" + taken->second + "\""};
  }
  const auto* image = find_image(config.image().image());
  if (image == nullptr) {
    return {grpc::StatusCode::NOT_FOUND, "failed to resolve image \"" + config.image().image() + "\": not found"};
  }
  const auto* behaviour = behaviour_for(config, pod.name());
  if (behaviour != nullptr && behaviour->fail_create) return *behaviour->fail_create;

  auto container = std::make_shared<Container>();
  container->id = new_id(name);
  container->sandbox_id = sandbox->id;
  container->config = config;
  container->created_at = now();
  container->image_id = image->id;
  if (!config.log_path().empty() && !sandbox->config.log_directory().empty()) {
    container->log_path = sandbox->config.log_directory() + "/" + config.log_path();
  }
  if (behaviour != nullptr) container->behaviour = *behaviour;
  names_[name] = container->id;
  containers_[container->id] = container;
  response.set_container_id(container->id);
  emit(container->id, container->sandbox_id, cri::CONTAINER_CREATED_EVENT);
  return grpc::Status::OK;
}

void World::fail_start(Container& container, const std::string& message) {
  // As containerd leaves it: exited with 128, never started.
  container.state = cri::CONTAINER_EXITED;
  container.started_at = 0;
  container.finished_at = now();
  container.exit_code = 128;
  container.reason = "StartError";
  container.message = message;
  emit(container.id, container.sandbox_id, cri::CONTAINER_STOPPED_EVENT);
}

grpc::Status World::start_container(const cri::StartContainerRequest& request, cri::StartContainerResponse&) {
  std::lock_guard lock(mutex_);
  const auto found = containers_.find(request.container_id());
  if (found == containers_.end()) return no_container(request.container_id());
  const auto container = found->second;
  if (container->state != cri::CONTAINER_CREATED) {
    return {grpc::StatusCode::UNKNOWN, "failed to set starting state for container \"" + container->id +
                                           "\": container is in " + cri::ContainerState_Name(container->state) +
                                           " state"};
  }
  const auto* sandbox = find_sandbox(container->sandbox_id);
  if (sandbox == nullptr || sandbox->state != cri::SANDBOX_READY) {
    const std::string text = "sandbox container \"" + container->sandbox_id + "\" is not running";
    fail_start(*container, text);
    return {grpc::StatusCode::UNKNOWN, text};
  }
  std::string problem = container->behaviour ? container->behaviour->fail_start : "";
  if (problem.empty() && container->config.command_size() > 0 &&
      container->config.command(0).rfind("/nonexistent", 0) == 0) {
    problem = "failed to create containerd task: failed to create shim task: OCI runtime create failed: exec: \"" +
              container->config.command(0) + "\": no such file or directory: unknown";
  }
  if (problem.empty() && !container->log_path.empty()) {
    open_log(*container);
    if (container->log_fd < 0) {
      const std::string why = std::strerror(errno);
      problem = "failed to create containerd task: failed to create shim task: failed to open log \"" +
                container->log_path + "\": " + static_cast<char>(std::tolower(why[0])) + why.substr(1);
    }
  }
  if (!problem.empty()) {
    fail_start(*container, problem);
    return {grpc::StatusCode::UNKNOWN, problem};
  }
  container->state = cri::CONTAINER_RUNNING;
  container->started_at = now();
  emit(container->id, container->sandbox_id, cri::CONTAINER_STARTED_EVENT);
  launch(container);
  return grpc::Status::OK;
}

void World::stop_container(const cri::StopContainerRequest& request, Reply<cri::StopContainerResponse> reply) {
  std::lock_guard lock(mutex_);
  const auto found = containers_.find(request.container_id());
  if (found == containers_.end()) return reply(no_container(request.container_id()), {});
  const auto container = found->second;
  if (container->state != cri::CONTAINER_RUNNING && container->state != cri::CONTAINER_UNKNOWN) {
    return reply(grpc::Status::OK, {});
  }
  container->when_ended.push_back([reply] { reply(grpc::Status::OK, {}); });
  if (request.timeout() <= 0) return kill_container(*container);
  const Nanoseconds grace = features_.quick_timers ? Nanoseconds(std::chrono::milliseconds(request.timeout()))
                                                   : Nanoseconds(std::chrono::seconds(request.timeout()));
  timers_.after(grace, [this, reply, weak = std::weak_ptr<Container>(container)] {
    std::lock_guard relock(mutex_);
    const auto late = weak.lock();
    // The runtime waits in the call: when the caller goes away, nobody is left to send the second signal.
    if (late && late->state != cri::CONTAINER_EXITED && !reply.abandoned()) kill_container(*late);
  });
  deliver_term(container);
}

void World::drop_container(const std::string& id) {
  const auto found = containers_.find(id);
  if (found == containers_.end()) return;
  const auto container = found->second;
  if (container->process) {
    timers_.cancel(container->process->timer);
    container->process->done = true;
  }
  for (const auto& command : std::vector(container->commands)) end_process(command, 137);
  if (container->log_fd >= 0) ::close(container->log_fd);
  container->log_fd = -1;
  for (const auto& waiter : container->when_ended) waiter();
  container->when_ended.clear();
  std::erase_if(names_, [&](const auto& name) { return name.second == id; });
  containers_.erase(found);
}

grpc::Status World::remove_container(const cri::RemoveContainerRequest& request, cri::RemoveContainerResponse&) {
  std::lock_guard lock(mutex_);
  auto* container = find_container(request.container_id());
  if (container == nullptr) return grpc::Status::OK;
  if (container->state == cri::CONTAINER_RUNNING || container->state == cri::CONTAINER_UNKNOWN) {
    kill_container(*container);
  }
  const std::string sandbox_id = container->sandbox_id;
  drop_container(request.container_id());
  emit(request.container_id(), sandbox_id, cri::CONTAINER_DELETED_EVENT);
  return grpc::Status::OK;
}

grpc::Status World::container_status(const cri::ContainerStatusRequest& request,
                                     cri::ContainerStatusResponse& response) {
  std::lock_guard lock(mutex_);
  const auto* container = find_container(request.container_id());
  if (container == nullptr) return no_container(request.container_id());
  *response.mutable_status() = status_of(*container);
  return grpc::Status::OK;
}

grpc::Status World::list_containers(const cri::ListContainersRequest& request, cri::ListContainersResponse& response) {
  std::lock_guard lock(mutex_);
  const auto& filter = request.filter();
  for (const auto& [id, container] : containers_) {
    if (!filter.id().empty() && filter.id() != id) continue;
    if (filter.has_state() && filter.state().state() != container->state) continue;
    if (!filter.pod_sandbox_id().empty() && filter.pod_sandbox_id() != container->sandbox_id) continue;
    if (!has_labels(container->config.labels(), filter.label_selector())) continue;
    auto* item = response.add_containers();
    item->set_id(id);
    item->set_pod_sandbox_id(container->sandbox_id);
    *item->mutable_metadata() = container->config.metadata();
    *item->mutable_image() = container->config.image();
    item->set_image_ref(container->image_id);
    item->set_state(container->state);
    item->set_created_at(container->created_at);
    *item->mutable_labels() = container->config.labels();
    *item->mutable_annotations() = container->config.annotations();
    if (features_.image_ids) item->set_image_id(container->image_id);
  }
  return grpc::Status::OK;
}

grpc::Status World::update_container(const cri::UpdateContainerResourcesRequest& request,
                                     cri::UpdateContainerResourcesResponse&) {
  std::lock_guard lock(mutex_);
  auto* container = find_container(request.container_id());
  if (container == nullptr) return no_container(request.container_id());
  if (container->state != cri::CONTAINER_RUNNING && container->state != cri::CONTAINER_CREATED) {
    return {grpc::StatusCode::UNKNOWN, "failed to update resources: not running"};
  }
  update_resources(request.linux(), *container->config.mutable_linux()->mutable_resources());
  changed();
  return grpc::Status::OK;
}

grpc::Status World::reopen_log(const cri::ReopenContainerLogRequest& request, cri::ReopenContainerLogResponse&) {
  std::lock_guard lock(mutex_);
  auto* container = find_container(request.container_id());
  if (container == nullptr) return no_container(request.container_id());
  if (container->state != cri::CONTAINER_RUNNING) {
    return {grpc::StatusCode::UNKNOWN, "container is not running"};
  }
  open_log(*container);
  if (container->log_fd < 0 && !container->log_path.empty()) {
    return {grpc::StatusCode::UNKNOWN, "open " + container->log_path + ": no such file or directory"};
  }
  return grpc::Status::OK;
}

}  // namespace keelson::fakes
