// PodSandboxConfig of a pod: what RunPodSandbox, CreateContainer and PullImage send.
//
// A pure function of the pod and of inputs that the caller gathered. Thread: any. The same inputs give the same config,
// so it may be made anew for each call. What fails: an invalid hostname, an unknown supplementalGroupsPolicy, user
// namespaces that the runtime does not offer, a resolv.conf that cannot be parsed; kind `invalid`, the text is the
// event's. Source: contract 02 §2; contract 03 §4.2 (sandbox resources).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_config/config_event.hpp"
#include "agent/pod_config/namespaces.hpp"
#include "agent/pod_config/node_info.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

struct SandboxInputs {
  NodeInfo node;
  std::uint32_t attempt = 0;  // 0, or the newest sandbox's + 1
  // Full path of the pod's cgroup in the driver's form; empty without cgroupsPerQOS. See cgroup-manager/names.hpp.
  std::string cgroup_parent;
  // Content of the file `resolvConf` names; absent when resolvConf is "" (then localhost is the server).
  std::optional<std::string> resolv_conf;
  // RuntimeClass handler of the pod, "" = default; and what the runtime says of its handlers.
  std::string runtime_handler;
  std::vector<cri::RuntimeHandler> handlers;
  // For pods with hostUsers: false.
  std::optional<UserNamespaceRange> user_namespace;
  // Groups of annotation pv.beta.kubernetes.io/gid of the pod's persistent volumes.
  std::vector<std::int64_t> volume_groups;
  bool exclusive_cpus = false;  // the pod holds exclusive CPUs: no quota (gate DisableCPUQuotaWithExclusiveCPUs)
};

// `events`, if given, gets the Warning events to record (DNS limits, missing cluster DNS).
Result<cri::PodSandboxConfig> make_sandbox_config(const api::Pod& pod, const SandboxInputs& inputs,
                                                  std::vector<ConfigEvent>* events = nullptr);

}  // namespace keelson::agent
