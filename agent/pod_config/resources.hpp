// Resources of sandboxes, containers and pod cgroups from requests and limits.
//
// Pure functions, any thread. Source: contract 02 §2.4; contract 03 §4.1, §4.2, §4.4, §4.5.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "agent/pod_config/node_info.hpp"
#include "agent/pod_config/qos.hpp"
#include "api/objects.hpp"
#include "cgroup-manager/limits.hpp"
#include "cri-client/types.hpp"

namespace keelson::agent {

// Sum over containers without overhead. `exclusive_cpus`: no CPU quota.
cri::LinuxContainerResources sandbox_resources(const api::Pod& pod, const NodeInfo& node, bool exclusive_cpus);
// spec.overhead as request and limit; all unset without one.
cri::LinuxContainerResources overhead_resources(const api::Pod& pod, const NodeInfo& node);
// Without cpusets, which come from the CPU and memory managers.
cri::LinuxContainerResources container_resources(const api::Pod& pod, const api::core::Container& container,
                                                 const NodeInfo& node, bool exclusive_cpus);

// -997 .. 1000; `node_memory` in bytes.
std::int64_t oom_score_adj(const api::Pod& pod, const api::core::Container& container, std::int64_t node_memory);

// Limits of the pod's own cgroup. `pids_limit` <= 0: none.
cgroups::Limits pod_cgroup_limits(const api::Pod& pod, const NodeInfo& node, std::int64_t pids_limit,
                                  bool exclusive_cpus);
// Shares of the Burstable tier: the CPU requests of these pods' sum, in millicores.
std::int64_t cpu_request_milli(const api::Pod& pod);

// "hugepages-2Mi" -> "2MB"; "" when it is no huge page resource.
std::string hugepage_size(const std::string& resource);

}  // namespace keelson::agent
