// PodStreams: what exec, attach, port-forward, logs and their rotation ask about containers, answered by the runtime.
//
// Owner: NodeServer. Thread: the loop. Stops: with the task that awaits. What fails: what the runtime answers. Source:
// contract 05 §8, §9.1.
#pragma once

#include <string>
#include <vector>

#include "agent/logs/container_lives.hpp"
#include "agent/logs/container_logs_handler.hpp"
#include "agent/logs/log_rotator.hpp"
#include "agent/node_api/pods.hpp"
#include "agent/streaming/stream_source.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::agent {

class PodStreams final : public streaming::StreamSource,
                         public logs::LogSource,
                         public logs::ContainerState,
                         public logs::RotatedContainers {
 public:
  PodStreams(const node_api::BoundPods& pods, cri::RuntimeService& runtime) : pods_(pods), runtime_(runtime) {}

  api::PodPtr find_pod(const std::string& ns, const std::string& name) override { return pods_.find(ns, name); }
  base::Task<Result<std::optional<std::string>>> running_container(api::PodPtr pod, std::string container) override;
  base::Task<Result<std::optional<std::string>>> ready_sandbox(api::PodPtr pod) override;

  base::Task<Result<std::string>> log_path(std::string container_id) override;
  base::Task<Result<bool>> running(std::string container_id) override;
  base::Task<Result<std::vector<std::string>>> running() override;
  base::Task<Status> reopen_log(std::string id) override;

 private:
  const node_api::BoundPods& pods_;
  cri::RuntimeService& runtime_;
};

}  // namespace keelson::agent
