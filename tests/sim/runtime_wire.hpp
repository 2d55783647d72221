// RuntimeWire: the container runtime as one agent reaches it, over a Wire to the FakeCri of the world.
//
// Events of the stream may be lost, doubled or late, as the world's EventFaults say. Owner: an agent's shell; it stays
// when the agent is gone. Thread: the simulation's. Source: contract 02 §1, §12.
#pragma once

#include "cri-client/runtime.hpp"
#include "tests/sim/wire.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::sim {

// What happens to runtime events on their way, in percent.
struct EventFaults {
  int lost = 0;
  int doubled = 0;
  int late = 0;
};

class RuntimeWire final : public cri::RuntimeService, public cri::ImageService {
 public:
  // `ran` is told of commands as the agent sees them begin and end.
  using Ran = std::function<void(const std::string& id, const std::vector<std::string>& command, bool begins)>;
  RuntimeWire(Wire& wire, Outside& outside, fakes::FakeCri& cri, const EventFaults& faults, base::Loop& inside,
              const Ran& ran)
      : wire_(wire), outside_(outside), cri_(cri), faults_(faults), inside_(inside), ran_(ran) {}

  base::Task<Result<cri::Version>> version(std::string kubelet_version) override;
  base::Task<Result<cri::RuntimeStatus>> status() override;
  base::Task<Result<std::optional<cri::CgroupDriver>>> runtime_config() override;
  base::Task<Status> update_runtime_config(std::string pod_cidr) override;
  base::Task<Result<std::string>> run_pod_sandbox(cri::PodSandboxConfig config, std::string runtime_handler) override;
  base::Task<Status> stop_pod_sandbox(std::string id) override;
  base::Task<Status> remove_pod_sandbox(std::string id) override;
  base::Task<Result<cri::PodSandboxStatus>> pod_sandbox_status(std::string id) override;
  base::Task<Result<std::vector<cri::PodSandbox>>> list_pod_sandboxes(cri::PodSandboxFilter filter) override;
  base::Task<Result<std::string>> create_container(std::string sandbox_id, cri::ContainerConfig config,
                                                   cri::PodSandboxConfig sandbox_config) override;
  base::Task<Status> start_container(std::string id) override;
  base::Task<Status> stop_container(std::string id, std::chrono::seconds grace) override;
  base::Task<Status> remove_container(std::string id) override;
  base::Task<Result<cri::ContainerStatus>> container_status(std::string id) override;
  base::Task<Result<std::vector<cri::Container>>> list_containers(cri::ContainerFilter filter) override;
  base::Task<Status> update_container_resources(std::string id, cri::LinuxContainerResources resources) override;
  base::Task<Status> update_pod_sandbox_resources(std::string id, std::optional<cri::LinuxContainerResources> overhead,
                                                  std::optional<cri::LinuxContainerResources> resources) override;
  base::Task<Status> reopen_container_log(std::string id) override;
  base::Task<Result<cri::ExecSyncResult>> exec_sync(std::string id, std::vector<std::string> command,
                                                    std::chrono::seconds timeout) override;
  base::Task<Status> container_events(std::function<void(cri::ContainerEvent)> on_event) override;

  base::Task<Result<std::optional<cri::Image>>> image_status(cri::ImageSpec image) override;
  base::Task<Result<std::vector<cri::Image>>> list_images() override;
  base::Task<Result<std::string>> pull_image(cri::ImageSpec image, std::optional<cri::AuthConfig> auth,
                                             cri::PodSandboxConfig sandbox_config) override;
  base::Task<Status> remove_image(cri::ImageSpec image) override;
  base::Task<Result<cri::ImageFsInfo>> image_fs_info() override;

 private:
  base::Task<Result<cri::ExecSyncResult>> exec(std::string id, std::vector<std::string> command,
                                               base::Task<Result<cri::ExecSyncResult>> call);
  using OnEvent = std::shared_ptr<std::function<void(cri::ContainerEvent)>>;
  void deliver(const OnEvent& on_event, const cri::ContainerEvent& event);
  void hand_over(std::weak_ptr<std::function<void(cri::ContainerEvent)>> reader, cri::ContainerEvent event);
  base::Task<void> deliver_late(std::weak_ptr<std::function<void(cri::ContainerEvent)>> reader,
                                cri::ContainerEvent event, base::Duration delay);

  Wire& wire_;
  Outside& outside_;
  fakes::FakeCri& cri_;
  const EventFaults& faults_;
  base::Loop& inside_;
  const Ran& ran_;
};

}  // namespace keelson::sim
