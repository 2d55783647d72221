// ApiAccess: the way to the API server as the parts of a cluster use it: one client for each purpose.
//
// ApiConnection (api_connection.hpp) is the real one; the simulation has one into a fake API server on virtual time.
// Owner: Cluster. Thread: the loop. Stops: stop() ends all requests and connections; clients must not be used after it.
// Source: contract 01 §10.
#pragma once

#include <string>

#include "base/gate.hpp"
#include "base/result.hpp"
#include "kube-client/certificate_manager.hpp"
#include "kube-client/client.hpp"

namespace keelson::agent {

class ApiAccess {
 public:
  virtual ~ApiAccess() = default;

  // Lets what the credentials need run in `gate`.
  virtual void start(base::Gate& gate) = 0;
  // Waits for the first certificate where nothing else would ask for one.
  virtual base::Task<Status> join() = 0;
  virtual base::Task<void> stop() = 0;

  virtual kube::Client& main() = 0;
  virtual kube::Client& events() = 0;
  virtual kube::Client& heartbeat() = 0;
  virtual kube::Client& lease() = 0;
  // Of tokens and rights: strangers cause them, and must not use up what the node itself may send.
  virtual kube::Client& reviews() { return main(); }
  // "https://10.0.0.1:6443"
  virtual const std::string& server() const = 0;
  // Heartbeats failed: connect anew.
  virtual void close_idle() = 0;
  // The client certificate, where it is rotated; null: it is not.
  virtual const kube::CertificateManager* certificate() const { return nullptr; }
};

}  // namespace keelson::agent
