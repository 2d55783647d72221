// ApiConnection: the way to the API server: who we are there, the connections, and one client for each purpose.
//
// create() reads the kubeconfig, or the bootstrap kubeconfig where there is none yet, and decides how to start; it
// blocks on small local files. With rotateCertificates the client certificate is managed from then on. start() lets the
// credentials' own tasks run; join() waits for the first certificate where nothing else would ask for one. Owner:
// Cluster. Thread: the loop. Stops: stop() ends all requests and connections; clients must not be used after it. What
// fails: create(), naming the file and the field. Source: contract 01 §6.1, §10.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/wiring/api_access.hpp"
#include "base/backoff.hpp"
#include "base/blocking_pool.hpp"
#include "base/gate.hpp"
#include "base/logger.hpp"
#include "config/configuration.hpp"
#include "kube-client/http_transport.hpp"

namespace keelson::agent {

class ApiConnection final : public ApiAccess {
 public:
  // What it stands on; all of it outlives the connection.
  struct Base {
    base::Loop& loop;
    base::Clock& clock;
    base::BlockingPool& pool;
    base::Random& random;
    const config::Configuration& configuration;
    std::string node_name;
    base::Logger log;
  };
  // `certificate_lost`: no valid client certificate for five minutes although the server answers; the process must end.
  static Result<std::unique_ptr<ApiConnection>> create(const Base& base, std::function<void()> certificate_lost);
  ~ApiConnection() override;

  void start(base::Gate& gate) override;
  base::Task<Status> join() override;
  base::Task<void> stop() override;

  kube::Client& main() override;
  kube::Client& events() override;
  kube::Client& heartbeat() override;
  kube::Client& lease() override;
  kube::Client& reviews() override;
  const std::string& server() const override;
  void close_idle() override;
  const kube::CertificateManager* certificate() const override;
  kube::HttpTransportStats stats() const;

 private:
  base::Task<void> await_identity();

  struct Parts;
  explicit ApiConnection(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace keelson::agent
