// ApiPodObjects: PodObjects of a node in a cluster, over ObjectCache, ServiceList, TokenCache, TrustBundles,
// PodCertificates and single reads.
//
// Owner: the agent's wiring, as these are. Thread: the loop. Source: contract 02 §3.2, §5.1 step 4, contract 04 §9.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/objects/object_cache.hpp"
#include "agent/objects/pod_certificates.hpp"
#include "agent/objects/service_list.hpp"
#include "agent/objects/token_cache.hpp"
#include "agent/objects/trust_bundles.hpp"
#include "agent/sync/pod_objects.hpp"

namespace keelson::agent {

class ApiPodObjects final : public PodObjects {
 public:
  ApiPodObjects(kube::Client& client, ObjectCache& objects, ServiceList& services, TokenCache& tokens)
      : client_(client), objects_(objects), services_(services), tokens_(tokens) {}
  // Where their gates are on; before the first pod. They outlive this.
  void use(TrustBundles& bundles) { bundles_ = &bundles; }
  void use(PodCertificates& certificates) { certificates_ = &certificates; }

  void hold(const api::PodPtr& pod) override;
  void release(const std::string& uid) override;
  base::Task<Result<std::shared_ptr<const ObjectResolver>>> objects_of(api::PodPtr pod,
                                                                       api::core::Container container) override;
  base::Task<Result<std::shared_ptr<const api::core::ConfigMap>>> config_map(api::PodPtr pod,
                                                                             std::string name) override;
  base::Task<Result<std::shared_ptr<const api::core::Secret>>> secret(api::PodPtr pod, std::string name) override;
  base::Task<Result<std::string>> token(api::PodPtr pod, std::string audience, std::int64_t seconds) override;
  base::Task<Result<std::string>> trust_anchors(api::PodPtr pod,
                                                api::core::ClusterTrustBundleProjection source) override;
  Result<PodCredential> credential(const api::Pod& pod, const std::string& volume, int source) override;
  base::Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> service_account(api::PodPtr pod) override;
  std::vector<ServiceInfo> services_for(const std::string& ns) const override { return services_.seen_from(ns); }
  bool services_synced() const override { return services_.synced(); }

 private:
  kube::Client& client_;
  ObjectCache& objects_;
  ServiceList& services_;
  TokenCache& tokens_;
  TrustBundles* bundles_ = nullptr;          // null: its gate is off
  PodCertificates* certificates_ = nullptr;  // the same
};

// The token of the pod's service account, "default" when it names none.
TokenQuery token_query(const api::Pod& pod, const std::string& audience, std::int64_t seconds);

}  // namespace keelson::agent
