// StreamSource: what exec, attach, port-forward and run must know of this node's pods.
//
// Owner: agent/wiring implements it; it outlives the handlers. Thread: the loop. What fails is what the runtime says
// when it is asked (cri-client's errors, whose kinds decide the status of the answer). Source: contract 05 §9.1.
#pragma once

#include <optional>
#include <string>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::streaming {

class StreamSource {
 public:
  virtual ~StreamSource() = default;

  // The pod that the agent has under that name, of whatever source; null: none.
  virtual api::PodPtr find_pod(const std::string& ns, const std::string& name) = 0;
  // The id, without "containerd://" or the like, of the pod's container of that name that runs; nullopt: none runs.
  virtual base::Task<Result<std::optional<std::string>>> running_container(api::PodPtr pod, std::string container) = 0;
  // The id of the pod's newest sandbox that is ready; nullopt: there is none.
  virtual base::Task<Result<std::optional<std::string>>> ready_sandbox(api::PodPtr pod) = 0;
};

}  // namespace keelson::streaming
