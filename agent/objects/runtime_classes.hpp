// RuntimeClasses: which handler of the runtime a pod's class means.
//
// Owner: the agent's wiring. Thread: the loop. Stops: with the gate it was started in. Source: contract 02 §2 row
// RunPodSandbox.runtime_handler, contract 01 §10.
#pragma once

#include <string>

#include "api/objects.hpp"
#include "api/proto/node_v1.pb.h"
#include "kube-client/informer.hpp"

namespace keelson::agent {

class RuntimeClasses {
 public:
  RuntimeClasses(kube::Client& client, base::Random& random, base::Logger log);
  void start(base::Gate& gate) { informer_.start(gate); }

  bool synced() const { return informer_.synced(); }
  // "" for no class. An unknown class is `not_found`; its text is that of the failed sandbox.
  Result<std::string> handler_of(const std::string& runtime_class) const;
  // The same, but a class that is not known yet is waited for: until the first set is there, at most a second.
  base::Task<Result<std::string>> find_handler(std::string runtime_class);

 private:
  base::Clock& clock_;
  kube::Informer<k8s::node::v1::RuntimeClass> informer_;
};

}  // namespace keelson::agent
