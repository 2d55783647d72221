// RuntimeService and ImageService: what the agent asks of a container runtime.
//
// Implemented by GrpcRuntime (cri-client/grpc_runtime.hpp) over a unix socket and by the simulation's in-process fake.
// Owner: main() or a test. Thread: the loop; every call is awaited there. Deadlines are the callee's, by contract 02 §1
// (T = runtimeRequestTimeout). Cancelling the awaiting task cancels the call.
// Failures: `not_found` where the contract calls a missing object gone is already turned into success for
// StopContainer, StopPodSandbox; container_status/pod_sandbox_status answer not_found. `deadline_exceeded` means the
// call may have taken effect; `unavailable` that the runtime cannot be reached; `unimplemented`; `internal` otherwise.
// An answer that breaks the checks of contract 02 §1 is `internal` and says which field was wrong.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/task.hpp"
#include "cri-client/types.hpp"

namespace keelson::cri {

using base::Task;

class RuntimeService {
 public:
  virtual ~RuntimeService() = default;

  virtual Task<Result<Version>> version(std::string kubelet_version) = 0;
  virtual Task<Result<RuntimeStatus>> status() = 0;
  // nullopt: the runtime answers Unimplemented or leaves `linux` unset; keep the configured driver.
  virtual Task<Result<std::optional<CgroupDriver>>> runtime_config() = 0;
  virtual Task<Status> update_runtime_config(std::string pod_cidr) = 0;

  virtual Task<Result<std::string>> run_pod_sandbox(PodSandboxConfig config, std::string runtime_handler) = 0;
  virtual Task<Status> stop_pod_sandbox(std::string id) = 0;
  virtual Task<Status> remove_pod_sandbox(std::string id) = 0;
  virtual Task<Result<PodSandboxStatus>> pod_sandbox_status(std::string id) = 0;
  virtual Task<Result<std::vector<PodSandbox>>> list_pod_sandboxes(PodSandboxFilter filter) = 0;

  virtual Task<Result<std::string>> create_container(std::string sandbox_id, ContainerConfig config,
                                                     PodSandboxConfig sandbox_config) = 0;
  virtual Task<Status> start_container(std::string id) = 0;
  // `grace` whole seconds until SIGKILL.
  virtual Task<Status> stop_container(std::string id, std::chrono::seconds grace) = 0;
  virtual Task<Status> remove_container(std::string id) = 0;
  virtual Task<Result<ContainerStatus>> container_status(std::string id) = 0;
  virtual Task<Result<std::vector<Container>>> list_containers(ContainerFilter filter) = 0;
  virtual Task<Status> update_container_resources(std::string id, LinuxContainerResources resources) = 0;
  virtual Task<Status> update_pod_sandbox_resources(std::string id, std::optional<LinuxContainerResources> overhead,
                                                    std::optional<LinuxContainerResources> resources) = 0;
  virtual Task<Status> reopen_container_log(std::string id) = 0;
  // A non-zero exit is a result, not an error. timeout 0 = none.
  virtual Task<Result<ExecSyncResult>> exec_sync(std::string id, std::vector<std::string> command,
                                                 std::chrono::seconds timeout) = 0;

  // Reads the container event stream until it ends or fails, giving each event to `on_event` on the loop. Answers
  // `unimplemented` when the runtime has no such stream, `unavailable` when it broke.
  virtual Task<Status> container_events(std::function<void(ContainerEvent)> on_event) = 0;
};

class ImageService {
 public:
  virtual ~ImageService() = default;

  // nullopt: not present.
  virtual Task<Result<std::optional<Image>>> image_status(ImageSpec image) = 0;
  virtual Task<Result<std::vector<Image>>> list_images() = 0;
  // The image ref. No deadline; cancel the task to give up.
  virtual Task<Result<std::string>> pull_image(ImageSpec image, std::optional<AuthConfig> auth,
                                               PodSandboxConfig sandbox_config) = 0;
  virtual Task<Status> remove_image(ImageSpec image) = 0;
  virtual Task<Result<ImageFsInfo>> image_fs_info() = 0;
};

}  // namespace keelson::cri
