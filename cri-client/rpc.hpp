// The CRI's calls as data: path, metric label, time limit, and whether the call changes anything.
//
// Plain constants and pure functions, any thread. Source: contract 02 §1 (deadlines, operation types), 02a §1 (paths).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::cri {

enum class Limit {
  standard,    // T, the runtime request timeout
  twice,       // 2 T
  plus_grace,  // T + the grace period
  exec,        // T + the command's timeout; none when that is 0
  checkpoint,  // the larger of T and what was asked for
  none,
};

struct Rpc {
  const char* path;
  std::string_view operation;  // label `operation_type` of kubelet_runtime_operations_*
  Limit limit = Limit::standard;
  bool changes = false;  // a broken connection leaves open whether it took effect
};

namespace rpc {
#define KEELSON_RUNTIME_RPC(name) "/runtime.v1.RuntimeService/" name
#define KEELSON_IMAGE_RPC(name) "/runtime.v1.ImageService/" name
inline constexpr Rpc version{KEELSON_RUNTIME_RPC("Version"), "version"};
inline constexpr Rpc status{KEELSON_RUNTIME_RPC("Status"), "status"};
inline constexpr Rpc runtime_config{KEELSON_RUNTIME_RPC("RuntimeConfig"), "runtime_config"};
inline constexpr Rpc update_runtime_config{KEELSON_RUNTIME_RPC("UpdateRuntimeConfig"), "update_runtime_config",
                                           Limit::standard, true};
inline constexpr Rpc run_pod_sandbox{KEELSON_RUNTIME_RPC("RunPodSandbox"), "run_podsandbox", Limit::twice, true};
inline constexpr Rpc stop_pod_sandbox{KEELSON_RUNTIME_RPC("StopPodSandbox"), "stop_podsandbox", Limit::standard, true};
inline constexpr Rpc remove_pod_sandbox{KEELSON_RUNTIME_RPC("RemovePodSandbox"), "remove_podsandbox", Limit::standard,
                                        true};
inline constexpr Rpc pod_sandbox_status{KEELSON_RUNTIME_RPC("PodSandboxStatus"), "podsandbox_status"};
inline constexpr Rpc list_pod_sandbox{KEELSON_RUNTIME_RPC("ListPodSandbox"), "list_podsandbox"};
inline constexpr Rpc update_pod_sandbox_resources{KEELSON_RUNTIME_RPC("UpdatePodSandboxResources"),
                                                  "update_podsandbox_resources", Limit::standard, true};
inline constexpr Rpc create_container{KEELSON_RUNTIME_RPC("CreateContainer"), "create_container", Limit::standard,
                                      true};
inline constexpr Rpc start_container{KEELSON_RUNTIME_RPC("StartContainer"), "start_container", Limit::standard, true};
inline constexpr Rpc stop_container{KEELSON_RUNTIME_RPC("StopContainer"), "stop_container", Limit::plus_grace, true};
inline constexpr Rpc remove_container{KEELSON_RUNTIME_RPC("RemoveContainer"), "remove_container", Limit::standard,
                                      true};
inline constexpr Rpc list_containers{KEELSON_RUNTIME_RPC("ListContainers"), "list_containers"};
inline constexpr Rpc container_status{KEELSON_RUNTIME_RPC("ContainerStatus"), "container_status"};
inline constexpr Rpc update_container_resources{KEELSON_RUNTIME_RPC("UpdateContainerResources"), "update_container",
                                                Limit::standard, true};
inline constexpr Rpc reopen_container_log{KEELSON_RUNTIME_RPC("ReopenContainerLog"), "reopen_container_log",
                                          Limit::standard, true};
inline constexpr Rpc checkpoint_container{KEELSON_RUNTIME_RPC("CheckpointContainer"), "checkpoint_container",
                                          Limit::checkpoint, true};
inline constexpr Rpc exec_sync{KEELSON_RUNTIME_RPC("ExecSync"), "exec_sync", Limit::exec, true};
inline constexpr Rpc exec{KEELSON_RUNTIME_RPC("Exec"), "exec"};
inline constexpr Rpc attach{KEELSON_RUNTIME_RPC("Attach"), "attach"};
inline constexpr Rpc port_forward{KEELSON_RUNTIME_RPC("PortForward"), "port_forward"};
inline constexpr Rpc container_stats{KEELSON_RUNTIME_RPC("ContainerStats"), "container_stats"};
inline constexpr Rpc list_container_stats{KEELSON_RUNTIME_RPC("ListContainerStats"), "list_container_stats"};
inline constexpr Rpc pod_sandbox_stats{KEELSON_RUNTIME_RPC("PodSandboxStats"), "podsandbox_stats"};
inline constexpr Rpc list_pod_sandbox_stats{KEELSON_RUNTIME_RPC("ListPodSandboxStats"), "list_podsandbox_stats"};
inline constexpr Rpc list_metric_descriptors{KEELSON_RUNTIME_RPC("ListMetricDescriptors"), "list_metric_descriptors"};
inline constexpr Rpc list_pod_sandbox_metrics{KEELSON_RUNTIME_RPC("ListPodSandboxMetrics"), "list_podsandbox_metrics"};
inline constexpr Rpc container_events{KEELSON_RUNTIME_RPC("GetContainerEvents"), "get_container_events", Limit::none};
inline constexpr Rpc stream_pod_sandboxes{KEELSON_RUNTIME_RPC("StreamPodSandboxes"), "list_podsandbox"};
inline constexpr Rpc stream_containers{KEELSON_RUNTIME_RPC("StreamContainers"), "list_containers"};
inline constexpr Rpc stream_container_stats{KEELSON_RUNTIME_RPC("StreamContainerStats"), "list_container_stats"};
inline constexpr Rpc stream_pod_sandbox_stats{KEELSON_RUNTIME_RPC("StreamPodSandboxStats"), "list_podsandbox_stats"};
inline constexpr Rpc stream_pod_sandbox_metrics{KEELSON_RUNTIME_RPC("StreamPodSandboxMetrics"),
                                                "list_podsandbox_metrics"};
inline constexpr Rpc list_images{KEELSON_IMAGE_RPC("ListImages"), "list_images"};
inline constexpr Rpc stream_images{KEELSON_IMAGE_RPC("StreamImages"), "list_images"};
inline constexpr Rpc image_status{KEELSON_IMAGE_RPC("ImageStatus"), "image_status"};
inline constexpr Rpc pull_image{KEELSON_IMAGE_RPC("PullImage"), "pull_image", Limit::none, true};
inline constexpr Rpc remove_image{KEELSON_IMAGE_RPC("RemoveImage"), "remove_image", Limit::standard, true};
inline constexpr Rpc image_fs_info{KEELSON_IMAGE_RPC("ImageFsInfo"), "image_fs_info"};
#undef KEELSON_RUNTIME_RPC
#undef KEELSON_IMAGE_RPC
}  // namespace rpc

// How long a call may take; nullopt = for ever. `asked` is the grace period, command timeout or checkpoint timeout.
std::optional<base::Duration> time_limit(Limit limit, base::Duration request_timeout, std::chrono::seconds asked);

// How a call ended, as gRPC says it.
struct Outcome {
  int code = 0;  // google.rpc.Code
  std::string message;
  bool never_sent = false;  // the server has seen nothing of it
  bool unsure = false;      // it was sent, and the server has not said how it ended
  bool stopped = false;     // stop() ended it

  bool ok() const { return code == 0; }
};

// "rpc error: code = NotFound desc = ...": the text that ends up in events and statuses. Error::code() is the gRPC
// code.
Error to_error(const Rpc& call, const Outcome& outcome);
// What the runtime said, without "rpc error: code = X desc = " around it.
std::string description(const Error& error);

}  // namespace keelson::cri
