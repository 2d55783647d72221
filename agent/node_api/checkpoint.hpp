// /checkpoint/NAMESPACE/POD/CONTAINER: has the runtime write a running container's state to a file of the node.
//
// Owner: the agent's wiring; what it is given outlives it. Thread: the loop. Stops: with the connection's task, which
// ends the call to the runtime. What fails: no such pod or container (404), the runtime (500 with its text).
// Source: contract 05 §6 "/checkpoint"; contract 02a §6.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "agent/node_api/pods.hpp"
#include "agent/server/message.hpp"
#include "base/clock.hpp"
#include "cri-client/runtime.hpp"
#include "cri-client/streaming.hpp"

namespace keelson::node_api {

class CheckpointHandler final : public server::Handler {
 public:
  struct Base {
    base::Clock& clock;
    const BoundPods& pods;
    cri::RuntimeService& runtime;
    cri::StreamingService& streaming;
    std::string directory;  // <root-dir>/checkpoints; made when it is missing
  };
  explicit CheckpointHandler(Base base) : base_(std::move(base)) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  // Who is meant; names as in the path.
  struct Target {
    std::string ns;
    std::string pod;
    std::string container;
  };
  base::Task<server::Response> checkpoint(Target target, std::vector<std::string> timeouts);
  // Where it was written.
  base::Task<Result<std::string>> write(Target target, std::string uid, std::chrono::seconds timeout);
  base::Task<Result<std::string>> running_id(std::string uid, std::string container);

  Base base_;
};

}  // namespace keelson::node_api
