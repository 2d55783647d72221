#include "tests/support/fake_world.hpp"

#include <unistd.h>

#include <algorithm>
#include <random>

namespace keelson::fakes {

World::World(Script script) : features_(std::move(script.runtime)), pullable_(std::move(script.pullable)) {
  rules_.assign(script.behaviours.begin(), script.behaviours.end());
  for (auto& image : script.images) store_image(std::move(image));
}

World::~World() {
  stop();
  for (auto& [id, container] : containers_) {
    if (container->log_fd >= 0) ::close(container->log_fd);
  }
}

void World::stop() { timers_.stop(); }

// Nanoseconds that never repeat, so that things made one after another sort so.
std::int64_t World::now() {
  const auto time =
      std::chrono::duration_cast<Nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  last_time_ = std::max<std::int64_t>(time, last_time_ + 1);
  return last_time_;
}

std::string World::new_id(const std::string& seed) {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr char kHex[] = "0123456789abcdef";
  std::string id;
  std::uint64_t state = std::hash<std::string>{}(seed) ^ ++id_counter_;
  for (int word = 0; word < 4; ++word) {
    state ^= random();
    for (int digit = 0; digit < 16; ++digit) id += kHex[(state >> (4 * digit)) & 15];
  }
  return id;
}

void World::observe(std::function<void()> observer) {
  std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}

void World::changed() {
  if (observer_) observer_();
}

Container* World::find_container(const std::string& id) {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second.get();
}

const Container* World::find_container(const std::string& id) const {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second.get();
}

Sandbox* World::find_sandbox(const std::string& id) {
  const auto found = sandboxes_.find(id);
  return found == sandboxes_.end() ? nullptr : found->second.get();
}

// --- the runtime itself ---

grpc::Status World::version(const cri::VersionRequest&, cri::VersionResponse& response) {
  std::lock_guard lock(mutex_);
  response.set_version("0.1.0");
  response.set_runtime_name(features_.name);
  response.set_runtime_version(features_.version);
  response.set_runtime_api_version("v1");
  return grpc::Status::OK;
}

grpc::Status World::status(const cri::StatusRequest&, cri::StatusResponse& response) {
  std::lock_guard lock(mutex_);
  auto* runtime = response.mutable_status()->add_conditions();
  runtime->set_type("RuntimeReady");
  runtime->set_status(features_.runtime_ready);
  if (!features_.runtime_ready) {
    runtime->set_reason("RuntimeNotReady");
    runtime->set_message("the fake runtime was told so");
  }
  auto* network = response.mutable_status()->add_conditions();
  network->set_type("NetworkReady");
  network->set_status(features_.network_ready);
  if (!features_.network_ready) {
    network->set_reason("NetworkPluginNotReady");
    network->set_message("Network plugin returns error: cni plugin not initialized");
  }
  if (features_.handlers) {
    auto* handler = response.add_runtime_handlers();
    handler->mutable_features()->set_recursive_read_only_mounts(true);
    handler->mutable_features()->set_user_namespaces(true);
    response.mutable_features()->set_supplemental_groups_policy(true);
  }
  return grpc::Status::OK;
}

grpc::Status World::runtime_config(const cri::RuntimeConfigRequest&, cri::RuntimeConfigResponse& response) {
  std::lock_guard lock(mutex_);
  if (!features_.runtime_config) return {grpc::StatusCode::UNIMPLEMENTED, "unknown method RuntimeConfig"};
  response.mutable_linux()->set_cgroup_driver(features_.systemd_cgroups ? cri::SYSTEMD : cri::CGROUPFS);
  return grpc::Status::OK;
}

grpc::Status World::update_runtime_config(const cri::UpdateRuntimeConfigRequest&, cri::UpdateRuntimeConfigResponse&) {
  return grpc::Status::OK;
}

// --- events ---

int World::subscribe(EventSink sink) {
  std::lock_guard lock(mutex_);
  sinks_.emplace(++last_sink_, std::move(sink));
  return last_sink_;
}

void World::unsubscribe(int number) {
  std::lock_guard lock(mutex_);
  sinks_.erase(number);
}

void World::emit(const std::string& id, const std::string& sandbox_id, cri::ContainerEventType type) {
  if (!sinks_.empty()) {
    cri::ContainerEventResponse event;
    event.set_container_id(id);
    event.set_container_event_type(type);
    event.set_created_at(now());
    if (const auto* sandbox = find_sandbox(sandbox_id)) {
      *event.mutable_pod_sandbox_status() = status_of(*sandbox);
      for (const auto& [other_id, other] : containers_) {
        if (other->sandbox_id == sandbox_id) *event.add_containers_statuses() = status_of(*other);
      }
    }
    for (const auto& [number, sink] : sinks_) sink(event);
  }
  changed();
}

// --- what tests do ---

bool World::exit_container(const std::string& id, int code, const std::string& reason) {
  std::lock_guard lock(mutex_);
  auto* container = find_container(id);
  if (container == nullptr || container->state != cri::CONTAINER_RUNNING) return false;
  finish(*container, code, reason);
  return true;
}

bool World::set_container_state(const std::string& id, cri::ContainerState state) {
  std::lock_guard lock(mutex_);
  auto* container = find_container(id);
  if (container == nullptr) return false;
  container->state = state;
  changed();
  return true;
}

bool World::kill_sandbox(const std::string& id) {
  std::lock_guard lock(mutex_);
  auto* sandbox = find_sandbox(id);
  if (sandbox == nullptr || sandbox->state != cri::SANDBOX_READY) return false;
  sandbox->state = cri::SANDBOX_NOTREADY;
  emit(id, id, cri::CONTAINER_STOPPED_EVENT);
  return true;
}

bool World::forget_container(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (find_container(id) == nullptr) return false;
  drop_container(id);
  changed();
  return true;
}

bool World::forget_sandbox(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (find_sandbox(id) == nullptr) return false;
  std::erase_if(names_, [&](const auto& name) { return name.second == id; });
  sandboxes_.erase(id);
  changed();
  return true;
}

void World::lose_state() {
  std::lock_guard lock(mutex_);
  while (!containers_.empty()) drop_container(std::string(containers_.begin()->first));
  sandboxes_.clear();
  names_.clear();
  changed();
}

void World::add_rule(BehaviourRule rule) {
  std::lock_guard lock(mutex_);
  rules_.push_front(std::move(rule));
}

void World::clear_rules() {
  std::lock_guard lock(mutex_);
  rules_.clear();
}

RuntimeFeatures World::features() const {
  std::lock_guard lock(mutex_);
  return features_;
}

void World::change_features(const std::function<void(RuntimeFeatures&)>& change) {
  std::lock_guard lock(mutex_);
  change(features_);
}

std::vector<cri::ContainerStatus> World::containers() const {
  std::lock_guard lock(mutex_);
  std::vector<cri::ContainerStatus> all;
  for (const auto& [id, container] : containers_) all.push_back(status_of(*container));
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.created_at() < b.created_at(); });
  return all;
}

std::vector<cri::PodSandboxStatus> World::sandboxes() const {
  std::lock_guard lock(mutex_);
  std::vector<cri::PodSandboxStatus> all;
  for (const auto& [id, sandbox] : sandboxes_) all.push_back(status_of(*sandbox));
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.created_at() < b.created_at(); });
  return all;
}

std::optional<cri::ContainerConfig> World::container_config(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto* container = find_container(id);
  if (container == nullptr) return std::nullopt;
  return container->config;
}

std::optional<cri::PodSandboxConfig> World::sandbox_config(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto found = sandboxes_.find(id);
  if (found == sandboxes_.end()) return std::nullopt;
  return found->second->config;
}

}  // namespace keelson::fakes
