// ContainerConfig of one container of a pod: what CreateContainer sends.
//
// A pure function of the pod, the container and inputs that the caller gathered. Thread: any. What fails: everything
// that the API shows as CreateContainerConfigError; the error's message is that text, kind `invalid` or `not_found`. An
// ephemeral container is passed as a Container with the same fields. Source: contract 02 §3; contract 03 §4.2.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/environment.hpp"
#include "agent/pod_config/mounts.hpp"
#include "agent/pod_config/namespaces.hpp"
#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// The default user of an image as ImageStatus tells it; neither set = root.
struct ImageUser {
  std::optional<std::int64_t> uid;
  std::string username;
};

// What device plugins and DRA add to a container.
struct DeviceInputs {
  std::vector<cri::KeyValue> envs;
  std::vector<cri::Mount> mounts;
  std::vector<cri::Device> devices;
  std::map<std::string, std::string> annotations;
  std::vector<std::string> cdi_devices;  // DRA claims first, then device plugins
};

struct ContainerInputs {
  NodeInfo node;
  std::uint32_t restart_count = 0;  // also metadata.attempt
  std::string image_ref;            // resolved reference (ImageStatus id or PullImage answer)
  ImageUser image_user;
  EnvironmentInputs environment;  // with the pod's IPs

  ResolvedVolumes volumes;
  std::map<int, std::string> sub_paths;  // prepared, by position in volumeMounts; see sub_path_requests()
  std::map<std::string, ResolvedBlockVolume> block_volumes;
  std::string termination_file;  // host path of the fresh termination message file; see termination_file_path()

  std::string runtime_handler;
  std::vector<cri::RuntimeHandler> handlers;
  std::optional<UserNamespaceRange> user_namespace;
  std::string target_id;  // ephemeral container with targetContainerName: id of that container's newest status
  std::vector<std::int64_t> volume_groups;

  DeviceInputs devices;
  bool exclusive_cpus = false;  // of this container: no quota
  std::string cpuset_cpus;      // from the CPU and memory managers
  std::string cpuset_mems;
};

Result<cri::ContainerConfig> make_container_config(const api::Pod& pod, const api::core::Container& container,
                                                   const ContainerInputs& inputs);

// The same in steps, for a caller that has work to do on the disk between them (contract 02 §3.6 step 2): sub-paths are
// prepared after the environment, the hosts file is written after the mounts, the rest after the user was checked.
// The variables of device plugins, then the container's own.
Result<std::vector<cri::KeyValue>> container_envs(const api::Pod& pod, const api::core::Container& container,
                                                  const ContainerInputs& inputs);
// The mounts of device plugins, then the container's own.
Result<std::vector<cri::Mount>> container_mounts(const api::Pod& pod, const api::core::Container& container,
                                                 const ContainerInputs& inputs, const std::vector<cri::KeyValue>& envs);
Result<cri::ContainerConfig> finish_container_config(const api::Pod& pod, const api::core::Container& container,
                                                     const ContainerInputs& inputs, std::vector<cri::KeyValue> envs,
                                                     std::vector<cri::Mount> mounts);

}  // namespace keelson::agent
