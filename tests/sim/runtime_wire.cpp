#include "tests/sim/runtime_wire.hpp"

namespace keelson::sim {

using base::Task;

Task<Result<cri::Version>> RuntimeWire::version(std::string kubelet_version) {
  return wire_.call(cri_.version(std::move(kubelet_version)));
}
Task<Result<cri::RuntimeStatus>> RuntimeWire::status() { return wire_.call(cri_.status()); }
Task<Result<std::optional<cri::CgroupDriver>>> RuntimeWire::runtime_config() {
  return wire_.call(cri_.runtime_config());
}
Task<Status> RuntimeWire::update_runtime_config(std::string pod_cidr) {
  return wire_.call(cri_.update_runtime_config(std::move(pod_cidr)));
}
Task<Result<std::string>> RuntimeWire::run_pod_sandbox(cri::PodSandboxConfig config, std::string runtime_handler) {
  return wire_.call(cri_.run_pod_sandbox(std::move(config), std::move(runtime_handler)));
}
Task<Status> RuntimeWire::stop_pod_sandbox(std::string id) { return wire_.call(cri_.stop_pod_sandbox(std::move(id))); }
Task<Status> RuntimeWire::remove_pod_sandbox(std::string id) {
  return wire_.call(cri_.remove_pod_sandbox(std::move(id)));
}
Task<Result<cri::PodSandboxStatus>> RuntimeWire::pod_sandbox_status(std::string id) {
  return wire_.call(cri_.pod_sandbox_status(std::move(id)));
}
Task<Result<std::vector<cri::PodSandbox>>> RuntimeWire::list_pod_sandboxes(cri::PodSandboxFilter filter) {
  return wire_.call(cri_.list_pod_sandboxes(std::move(filter)));
}
Task<Result<std::string>> RuntimeWire::create_container(std::string sandbox_id, cri::ContainerConfig config,
                                                        cri::PodSandboxConfig sandbox_config) {
  return wire_.call(cri_.create_container(std::move(sandbox_id), std::move(config), std::move(sandbox_config)));
}
Task<Status> RuntimeWire::start_container(std::string id) { return wire_.call(cri_.start_container(std::move(id))); }
Task<Status> RuntimeWire::stop_container(std::string id, std::chrono::seconds grace) {
  return wire_.call(cri_.stop_container(std::move(id), grace));
}
Task<Status> RuntimeWire::remove_container(std::string id) { return wire_.call(cri_.remove_container(std::move(id))); }
Task<Result<cri::ContainerStatus>> RuntimeWire::container_status(std::string id) {
  return wire_.call(cri_.container_status(std::move(id)));
}
Task<Result<std::vector<cri::Container>>> RuntimeWire::list_containers(cri::ContainerFilter filter) {
  return wire_.call(cri_.list_containers(std::move(filter)));
}
Task<Status> RuntimeWire::update_container_resources(std::string id, cri::LinuxContainerResources resources) {
  return wire_.call(cri_.update_container_resources(std::move(id), std::move(resources)));
}
Task<Status> RuntimeWire::update_pod_sandbox_resources(std::string id,
                                                       std::optional<cri::LinuxContainerResources> overhead,
                                                       std::optional<cri::LinuxContainerResources> resources) {
  return wire_.call(cri_.update_pod_sandbox_resources(std::move(id), std::move(overhead), std::move(resources)));
}
Task<Status> RuntimeWire::reopen_container_log(std::string id) {
  return wire_.call(cri_.reopen_container_log(std::move(id)));
}
Task<Result<cri::ExecSyncResult>> RuntimeWire::exec_sync(std::string id, std::vector<std::string> command,
                                                         std::chrono::seconds timeout) {
  auto call = wire_.call(cri_.exec_sync(id, command, timeout));
  return exec(std::move(id), std::move(command), std::move(call));
}

Task<Result<cri::ExecSyncResult>> RuntimeWire::exec(std::string id, std::vector<std::string> command,
                                                    Task<Result<cri::ExecSyncResult>> call) {
  struct Running {
    const RuntimeWire& wire;
    const std::string& id;
    const std::vector<std::string>& command;
    Running(const RuntimeWire& on, const std::string& in, const std::vector<std::string>& what)
        : wire(on), id(in), command(what) {
      if (wire.ran_) wire.ran_(id, command, true);
    }
    ~Running() {
      if (wire.ran_) wire.ran_(id, command, false);
    }
  } running(*this, id, command);
  auto done = co_await std::move(call);
  co_return done;
}

Task<Status> RuntimeWire::container_events(std::function<void(cri::ContainerEvent)> on_event) {
  auto shared = std::make_shared<std::function<void(cri::ContainerEvent)>>(std::move(on_event));
  return wire_.call(cri_.container_events([this, shared](cri::ContainerEvent event) { deliver(shared, event); }),
                    Wire::Orphan::ends);
}

void RuntimeWire::deliver(const OnEvent& on_event, const cri::ContainerEvent& event) {
  const auto chance = [this](int percent) { return static_cast<int>(outside_.random() % 100) < percent; };
  if (chance(faults_.lost)) return;
  if (chance(faults_.doubled)) hand_over(on_event, event);
  if (!chance(faults_.late)) return hand_over(on_event, event);
  const auto delay = std::chrono::milliseconds(outside_.random() % 20'000);
  base::spawn(outside_.gate, "late event", deliver_late(std::weak_ptr(on_event), event, delay));
}

Task<void> RuntimeWire::deliver_late(std::weak_ptr<std::function<void(cri::ContainerEvent)>> reader,
                                     cri::ContainerEvent event, base::Duration delay) {
  co_await outside_.clock.sleep_for(delay);
  hand_over(std::move(reader), std::move(event));
}

// The function is there as long as its stream is.
void RuntimeWire::hand_over(std::weak_ptr<std::function<void(cri::ContainerEvent)>> reader, cri::ContainerEvent event) {
  if (!wire_.alive()) return;
  inside_.post([this, reader = std::move(reader), event = std::move(event)] {
    const auto reads = reader.lock();
    if (reads && wire_.alive()) (*reads)(event);
  });
}

Task<Result<std::optional<cri::Image>>> RuntimeWire::image_status(cri::ImageSpec image) {
  return wire_.call(cri_.image_status(std::move(image)));
}
Task<Result<std::vector<cri::Image>>> RuntimeWire::list_images() { return wire_.call(cri_.list_images()); }
Task<Result<std::string>> RuntimeWire::pull_image(cri::ImageSpec image, std::optional<cri::AuthConfig> auth,
                                                  cri::PodSandboxConfig sandbox_config) {
  struct Unsure {
    Outside& outside;
    bool answered = false;
    ~Unsure() {
      if (!answered) ++outside.unsure_pulls;
    }
  } unsure{outside_};
  auto done = co_await wire_.call(cri_.pull_image(std::move(image), std::move(auth), std::move(sandbox_config)));
  unsure.answered = done.ok() || done.error().kind() != ErrorKind::maybe_applied;
  co_return done;
}
Task<Status> RuntimeWire::remove_image(cri::ImageSpec image) { return wire_.call(cri_.remove_image(std::move(image))); }
Task<Result<cri::ImageFsInfo>> RuntimeWire::image_fs_info() { return wire_.call(cri_.image_fs_info()); }

}  // namespace keelson::sim
