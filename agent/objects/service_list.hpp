// ServiceList: the cluster's services, as far as containers get variables from them.
//
// A watch of all services with a cluster IP; of each only name, IP and ports are kept. Owner: the agent's wiring.
// Thread: the loop. Stops: with the gate it was started in. Source: contract 02 §3.2 step 1, contract 01 §10.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/pod_config/environment.hpp"
#include "api/objects.hpp"
#include "kube-client/informer.hpp"

namespace keelson::agent {

class ServiceList {
 public:
  using Snapshot = std::shared_ptr<const std::vector<ServiceInfo>>;

  ServiceList(kube::Client& client, base::Random& random, base::Logger log);
  void start(base::Gate& gate) { informer_.start(gate); }

  // They were read at least once.
  bool synced() const { return informer_.synced(); }
  // All of them; made anew after a change only.
  Snapshot snapshot();
  // Those that pods of that namespace may see: its own, and default/kubernetes.
  std::vector<ServiceInfo> seen_from(const std::string& ns) const;

 private:
  kube::Informer<api::core::Service> informer_;
  Snapshot snapshot_;
};

// What a service is for variables; of several ports in their order.
ServiceInfo service_info(const api::core::Service& service);
// Drops all that service_info() does not need.
void trim_service(api::core::Service& service);

}  // namespace keelson::agent
