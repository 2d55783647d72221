// /pods: every pod that is bound to this node; /runningpods/: those that run, as the runtime tells.
//
// Both are lists that are written one pod after another, so that many pods cost no memory. Owner: the agent's wiring;
// what they are given outlives them. Thread: the loop. Stops: with the connection's task. What fails: the runtime's
// lists (500 with its text). Source: contract 05 §6 "/pods", "/runningpods/"; golden http/pods.json.
#pragma once

#include <string>
#include <vector>

#include "agent/node_api/piece_writer.hpp"
#include "agent/server/message.hpp"
#include "api/objects.hpp"
#include "cri-client/runtime.hpp"

namespace keelson::node_api {

// The pods bound to this node, implemented by the agent's wiring and by tests.
//
// Static pods are among them with their live status, mirror pods are not. Each has the annotations
// kubernetes.io/config.seen and kubernetes.io/config.source.
class BoundPods {
 public:
  virtual ~BoundPods() = default;
  virtual std::vector<std::string> uids() const = 0;  // in any order
  // As it is now, with our newest status; null when it has gone meanwhile.
  virtual api::PodPtr pod(const std::string& uid) const = 0;
  virtual api::PodPtr find(const std::string& ns, const std::string& name) const = 0;
};

// A PodList as Go encodes it.
class PodListWriter {
 public:
  explicit PodListWriter(server::Reply& reply);
  // An error: the client has gone.
  base::Task<Status> add(api::PodPtr pod);
  base::Task<Status> end();

 private:
  PieceWriter out_;
  bool any_ = false;
};

class PodsHandler final : public server::Handler {
 public:
  explicit PodsHandler(const BoundPods& pods) : pods_(pods) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  const BoundPods& pods_;
};

// What ready sandboxes and running containers come to: the newest pod first, containers in the runtime's order.
std::vector<api::Pod> running_pods(const std::vector<cri::PodSandbox>& sandboxes,
                                   const std::vector<cri::Container>& containers);

class RunningPodsHandler final : public server::Handler {
 public:
  explicit RunningPodsHandler(cri::RuntimeService& runtime) : runtime_(runtime) {}
  base::Task<void> handle(const server::Request& request, server::Reply& reply) override;

 private:
  cri::RuntimeService& runtime_;
};

}  // namespace keelson::node_api
