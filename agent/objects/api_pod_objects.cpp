#include "agent/objects/api_pod_objects.hpp"

namespace keelson::agent {

base::Task<Result<std::string>> ApiPodObjects::token(api::PodPtr pod, std::string audience, std::int64_t seconds) {
  TokenQuery query;
  query.ns = pod->metadata().namespace_();
  query.service_account = pod->spec().serviceaccountname();
  if (!audience.empty()) query.audiences.push_back(std::move(audience));
  query.expiration_seconds = seconds;
  query.pod_name = pod->metadata().name();
  query.pod_uid = pod->metadata().uid();
  auto token = co_await tokens_.token(std::move(query));
  if (!token.ok()) co_return std::move(token).error();
  co_return std::move(token->token);
}

}  // namespace keelson::agent
