// PodObjects: what a pod needs from the API besides itself: ConfigMaps and Secrets of its environment and volumes,
// tokens of its service account, trust anchors and certificates, and the services.
//
// Implemented over informers in a cluster; NoPodObjects where no API server is. Owner: the agent's wiring; outlives the
// workers. Thread: the loop. What fails: `not_found` and others of the API, as the waiting state shows them.
// Source: contract 02 §3.2, §5.1 step 4, §5.3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/pod_config/environment.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::agent {

struct PodCredential {
  std::string key_pem;
  std::string chain_pem;  // the certificate first
};

class PodObjects {
 public:
  virtual ~PodObjects() = default;
  // From now on, until it is released, what the pod names is kept at hand. Cheap when nothing changed.
  virtual void hold(const api::PodPtr& pod) = 0;
  virtual void release(const std::string& uid) = 0;
  // Everything that `container`'s env and envFrom name, fetched first. Null: there is no API server.
  virtual base::Task<Result<std::shared_ptr<const ObjectResolver>>> objects_of(api::PodPtr pod,
                                                                               api::core::Container container) = 0;
  // One object of the pod's namespace, and a token bound to the pod; for volumes.
  virtual base::Task<Result<std::shared_ptr<const api::core::ConfigMap>>> config_map(api::PodPtr pod,
                                                                                     std::string name) = 0;
  virtual base::Task<Result<std::shared_ptr<const api::core::Secret>>> secret(api::PodPtr pod, std::string name) = 0;
  virtual base::Task<Result<std::string>> token(api::PodPtr pod, std::string audience, std::int64_t seconds) = 0;
  // Certificates of a ClusterTrustBundle source, as PEM; and a key with its certificate of the pod's own, of that
  // source of that volume.
  virtual base::Task<Result<std::string>> trust_anchors(api::PodPtr, api::core::ClusterTrustBundleProjection) {
    co_return Error(
        ErrorKind::unimplemented,
        "ClusterTrustBundle projection is not supported in static kubelet mode, or its feature gate is off");
  }
  virtual Result<PodCredential> credential(const api::Pod&, const std::string& /*volume*/, int /*source*/) {
    return Error(ErrorKind::unimplemented,
                 "PodCertificate projection is not supported in static kubelet mode, or its feature gate is off");
  }
  // The pod's service account, read anew; for credential plugins.
  virtual base::Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> service_account(api::PodPtr pod) = 0;
  virtual std::vector<ServiceInfo> services_for(const std::string& ns) const = 0;
  virtual bool services_synced() const = 0;
};

class NoPodObjects final : public PodObjects {
 public:
  void hold(const api::PodPtr&) override {}
  void release(const std::string&) override {}
  base::Task<Result<std::shared_ptr<const ObjectResolver>>> objects_of(api::PodPtr, api::core::Container) override {
    co_return std::shared_ptr<const ObjectResolver>();
  }
  base::Task<Result<std::shared_ptr<const api::core::ConfigMap>>> config_map(api::PodPtr, std::string) override {
    co_return no_server();
  }
  base::Task<Result<std::shared_ptr<const api::core::Secret>>> secret(api::PodPtr, std::string) override {
    co_return no_server();
  }
  base::Task<Result<std::string>> token(api::PodPtr, std::string, std::int64_t) override { co_return no_server(); }
  base::Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> service_account(api::PodPtr) override {
    co_return no_server();
  }
  std::vector<ServiceInfo> services_for(const std::string&) const override { return {}; }
  bool services_synced() const override { return true; }

 private:
  static Error no_server() { return Error(ErrorKind::unavailable, "no API server is configured to read it from"); }
};

}  // namespace keelson::agent
