// CsiClusterAdapter: volume::CsiCluster over the kube client, with a watch of all CSIDrivers.
//
// Attachments and secrets are read anew each time, tokens come from the agent's cache. Owner: the agent's wiring.
// Thread: the loop. Stops: with the gate it was started in and the tasks that await it. What fails: what the API server
// says, or that it did not answer in time. Source: contract 04 §9, §16, §21, §22.
#pragma once

#include <functional>
#include <string>

#include "agent/objects/token_cache.hpp"
#include "api/proto/storage_v1.pb.h"
#include "kube-client/client.hpp"
#include "kube-client/informer.hpp"
#include "volume/csi/cluster.hpp"

namespace keelson::agent {

class CsiClusterAdapter final : public volume::CsiCluster {
 public:
  CsiClusterAdapter(kube::Client& client, base::Random& random, TokenCache& tokens, base::Logger log);

  void start(base::Gate& gate) { drivers_.start(gate); }
  // Called when a CSIDriver is another. Before start().
  void on_driver_change(std::function<void()> listener) { listener_ = std::move(listener); }

  base::Task<Result<DriverObject>> driver(std::string name) override;
  base::Task<Result<volume::CsiAttachment>> attachment(std::string name) override;
  base::Task<Result<std::map<std::string, std::string>>> secret(std::string ns, std::string name) override;
  base::Task<Result<volume::CsiToken>> token(volume::CsiPod pod, std::string audience,
                                             std::optional<std::int64_t> expiration_seconds) override;

 private:
  kube::Client& client_;
  TokenCache& tokens_;
  kube::Informer<k8s::storage::v1::CSIDriver> drivers_;
  std::function<void()> listener_;
};

}  // namespace keelson::agent
