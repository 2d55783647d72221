// CsiNode: makes sure that the CSINode object of this node exists before the node is Ready.
//
// It asks once a second until the API server answers, then creates the object or puts it right: the annotation of the
// migrated plugins, and an owner that is our Node (one of another Node is deleted and made anew). Six rounds over some
// 140 s, the last of which calls `failed`: the process must not go on without. CSI drivers are entered elsewhere.
// Owner: the agent's wiring. Thread: the loop. Stops: with its gate, or when it is done. Source: contract 01 §8.1, §10;
// contract 04 §20.
#pragma once

#include <functional>
#include <string>

#include "api/proto/storage_v1.pb.h"
#include "base/backoff.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "base/sync.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

using CsiNodeObject = k8s::storage::v1::CSINode;

// The annotation's value. Pure.
std::string migrated_plugins();
CsiNodeObject new_csi_node(const std::string& node, const std::string& node_uid);

class CsiNode {
 public:
  struct Hooks {
    std::function<void()> changed;            // problem() is another
    std::function<void(std::string)> failed;  // for good
  };

  CsiNode(base::Loop& loop, base::Clock& clock, base::Random& random, kube::Client& client, std::string node,
          Hooks hooks, base::Logger log);

  void start(base::Gate& gate);
  // The Node exists now: the pause before the next round ends.
  void node_exists() { bell_.notify(); }
  // Empty when done; else the cause that keeps the node from being ready.
  const std::string& problem() const { return problem_; }

 private:
  base::Task<void> run();
  base::Task<void> wait_for_api_server();
  base::Task<Status> round();
  base::Task<Status> try_once();
  base::Task<Status> put_right(CsiNodeObject object, std::string node_uid);
  void set_problem(std::string problem);

  base::Clock& clock_;
  base::Random& random_;
  kube::Client& client_;
  std::string node_;
  Hooks hooks_;
  base::Logger log_;
  base::Notification bell_;
  std::string problem_ = "CSINode is not yet initialized";
};

}  // namespace keelson::agent
