// Resizer: puts in force what was allocated to a pod whose containers run.
//
// Memory first, then CPU. Of each: the pod's limit and request where they grow, the containers one by one, the pod's
// request and limit where they shrink, so that at no moment a container may use more than its pod. A limit below what
// is in use is refused before anything is written. The first failure ends it; what was done so far is in the actuated
// record, and the next round goes on from there. One per agent, without state of pods. Owner: PodRuntime. Thread: the
// loop. What fails: the returned status, in the words that users see. Source: contract 02 §8, contract 03 §6.
#pragma once

#include <memory>
#include <string>

#include "agent/allocation/allocations.hpp"
#include "agent/sync/node_facts.hpp"
#include "agent/sync/pod_resources.hpp"
#include "agent/sync/resize_plan.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

class Resizer {
 public:
  Resizer(cri::RuntimeService& runtime, PodCgroups& cgroups, Allocations& allocations, const NodeFacts& facts)
      : runtime_(runtime), cgroups_(cgroups), allocations_(allocations), facts_(facts) {}

  // `pod` is as it is run. Without a sandbox the runtime is not told of the pod's cgroup.
  base::Task<Status> resize(api::PodPtr pod, std::string sandbox_id, ResizePod step);

 private:
  struct Run;
  enum class Resource { memory, cpu };

  base::Task<Status> check_memory(std::shared_ptr<Run> run);
  base::Task<Status> do_resource(std::shared_ptr<Run> run, Resource resource);
  base::Task<Status> write_pod(std::shared_ptr<Run> run, PodCgroupValues change);
  base::Task<Status> tell_sandbox(std::shared_ptr<Run> run, cri::LinuxContainerResources resources);
  base::Task<Status> update_container(std::shared_ptr<Run> run, Resource resource, const ContainerResize* container);

  cri::RuntimeService& runtime_;
  PodCgroups& cgroups_;
  Allocations& allocations_;
  const NodeFacts& facts_;
};

}  // namespace keelson::agent
