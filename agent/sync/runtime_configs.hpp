// RuntimeConfigs: the configs that the runtime makes a pod's sandbox and containers from, and what they name on the
// disk.
//
// Gathers what the mapping of agent/pod_config needs (the node, the pod's API objects, files, IDs), does the work on
// the disk that stands between its steps, and returns plain values. One per agent; it keeps no state of pods. Owner:
// the engine. Thread: the loop; each call is awaited by the one worker of that pod. What fails: with the text that the
// event or the container's waiting state shows; what came before the failure stays on the disk, as in the kubelet.
// Source: contract 02 §2, §3, §3.6 step 2.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/images/image_puller.hpp"
#include "agent/pod_config/container_config.hpp"
#include "agent/pod_config/sandbox_config.hpp"
#include "agent/sync/containers.hpp"
#include "agent/sync/events.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/observed.hpp"
#include "agent/sync/pod_files.hpp"
#include "agent/sync/pod_objects.hpp"
#include "agent/sync/pod_resources.hpp"
#include "agent/sync/user_namespaces.hpp"
#include "base/backoff.hpp"
#include "base/logger.hpp"

namespace keelson::agent {

class RuntimeConfigs {
 public:
  RuntimeConfigs(base::Random& random, PodFiles& files, PodVolumes& volumes, PodCgroups& cgroups, PodObjects& objects,
                 UserNamespaces& user_namespaces, const NodeFacts& facts, EventRecorder& events, base::Logger log)
      : random_(random),
        files_(files),
        volumes_(volumes),
        cgroups_(cgroups),
        objects_(objects),
        user_namespaces_(user_namespaces),
        facts_(facts),
        events_(events),
        log_(std::move(log)) {}

  // What a sandbox is made from, besides the node.
  struct SandboxRequest {
    api::PodPtr pod;
    std::uint32_t attempt = 0;
    ResolvedVolumes volumes;
    bool tell = false;  // events about the pod's DNS settings are recorded
  };
  base::Task<Result<cri::PodSandboxConfig>> sandbox(SandboxRequest request);

  // What a container is made from, besides the node.
  struct ContainerRequest {
    api::PodPtr pod;
    ContainerRef ref;
    ObservedPtr observed;
    EnsuredImage image;
    ResolvedVolumes volumes;
    std::vector<std::string> pod_ips;  // as the runtime told them; the node's on the host network
  };
  // Makes the hosts file, the directories and the termination message file, too.
  base::Task<Result<cri::ContainerConfig>> container(ContainerRequest request);

 private:
  struct Making;

  base::Task<Status> gather(std::shared_ptr<Making> making);
  base::Task<Status> gather_environment(std::shared_ptr<Making> making);
  base::Task<void> read_env_files(std::shared_ptr<Making> making);
  base::Task<std::uint32_t> next_restart_count(std::shared_ptr<Making> making);
  base::Task<Status> prepare_sub_paths(std::shared_ptr<Making> making, std::vector<cri::KeyValue> envs);
  base::Task<Result<std::string>> hosts_file(std::shared_ptr<Making> making);
  Result<std::string> runtime_handler(const api::Pod& pod) const;

  base::Random& random_;
  PodFiles& files_;
  PodVolumes& volumes_;
  PodCgroups& cgroups_;
  PodObjects& objects_;
  UserNamespaces& user_namespaces_;
  const NodeFacts& facts_;
  EventRecorder& events_;
  base::Logger log_;
};

}  // namespace keelson::agent
