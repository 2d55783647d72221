#include "agent/objects/api_pod_objects.hpp"

#include <utility>

namespace keelson::agent {

using base::Task;

namespace {

std::string service_account_name(const api::Pod& pod) {
  return pod.spec().serviceaccountname().empty() ? "default" : pod.spec().serviceaccountname();
}

}  // namespace

TokenQuery token_query(const api::Pod& pod, const std::string& audience, std::int64_t seconds) {
  TokenQuery query;
  query.ns = pod.metadata().namespace_();
  query.service_account = service_account_name(pod);
  if (!audience.empty()) query.audiences.push_back(audience);
  query.expiration_seconds = seconds;
  query.pod_name = pod.metadata().name();
  query.pod_uid = pod.metadata().uid();
  return query;
}

void ApiPodObjects::hold(const api::PodPtr& pod) {
  objects_.register_pod(*pod);
  if (bundles_ != nullptr) bundles_->register_pod(*pod);
  if (certificates_ != nullptr) certificates_->register_pod(pod);
}

void ApiPodObjects::release(const std::string& uid) {
  objects_.unregister_pod(uid);
  tokens_.forget_pod(uid);
  if (bundles_ != nullptr) bundles_->unregister_pod(uid);
  if (certificates_ != nullptr) certificates_->unregister_pod(uid);
}

Task<Result<std::string>> ApiPodObjects::trust_anchors(api::PodPtr pod,
                                                       api::core::ClusterTrustBundleProjection source) {
  if (bundles_ == nullptr) return PodObjects::trust_anchors(std::move(pod), std::move(source));
  return bundles_->anchors(std::move(source));
}

Result<PodCredential> ApiPodObjects::credential(const api::Pod& pod, const std::string& volume, int source) {
  if (certificates_ == nullptr) return PodObjects::credential(pod, volume, source);
  return certificates_->credential(pod.metadata().uid(), volume, source);
}

Task<Result<std::shared_ptr<const ObjectResolver>>> ApiPodObjects::objects_of(api::PodPtr pod,
                                                                              api::core::Container container) {
  return objects_.resolve_for(std::move(pod), std::move(container));
}

Task<Result<std::shared_ptr<const api::core::ConfigMap>>> ApiPodObjects::config_map(api::PodPtr pod, std::string name) {
  return objects_.config_map(pod->metadata().namespace_(), std::move(name));
}

Task<Result<std::shared_ptr<const api::core::Secret>>> ApiPodObjects::secret(api::PodPtr pod, std::string name) {
  return objects_.secret(pod->metadata().namespace_(), std::move(name));
}

Task<Result<std::string>> ApiPodObjects::token(api::PodPtr pod, std::string audience, std::int64_t seconds) {
  TokenQuery query = token_query(*pod, audience, seconds);
  Result<ServiceToken> got = co_await tokens_.token(std::move(query));
  if (!got.ok()) co_return got.error();
  co_return std::move(got->token);
}

Task<Result<std::shared_ptr<const api::core::ServiceAccount>>> ApiPodObjects::service_account(api::PodPtr pod) {
  auto got = co_await client_.get<api::core::ServiceAccount>(pod->metadata().namespace_(), service_account_name(*pod));
  if (!got.ok()) co_return got.error();
  co_return std::make_shared<const api::core::ServiceAccount>(std::move(*got));
}

}  // namespace keelson::agent
