#include "agent/wiring/csi_cluster_adapter.hpp"

#include "agent/wiring/read_object.hpp"
#include "api/time.hpp"
#include "base/gate.hpp"

namespace keelson::agent {
namespace {

using base::Task;
using Attachment = k8s::storage::v1::VolumeAttachment;

constexpr base::Duration kFirstSet = std::chrono::seconds(10);

volume::CsiAttachment attachment_of(const Attachment& object) {
  volume::CsiAttachment out;
  out.attached = object.status().attached();
  out.deleting = object.metadata().has_deletiontimestamp();
  if (object.status().has_attacherror()) {
    const auto& error = object.status().attacherror();
    out.attach_error = error.message();
    if (error.has_errorcode()) out.attach_error_code = error.errorcode();
  }
  for (const auto& entry : object.status().attachmentmetadata()) out.metadata[entry.first] = entry.second;
  return out;
}

TokenQuery query_for(const volume::CsiPod& pod, const std::string& audience, std::optional<std::int64_t> seconds) {
  TokenQuery query;
  query.ns = pod.ns;
  query.service_account = pod.service_account.empty() ? "default" : pod.service_account;
  if (!audience.empty()) query.audiences.push_back(audience);
  if (seconds) query.expiration_seconds = *seconds;
  query.pod_name = pod.name;
  query.pod_uid = pod.uid;
  return query;
}

}  // namespace

CsiClusterAdapter::CsiClusterAdapter(kube::Client& client, base::Random& random, TokenCache& tokens, base::Logger log)
    : client_(client), tokens_(tokens), drivers_(client, random, kube::Selection(), std::move(log)) {
  drivers_.on_event([this](const auto&) {
    if (listener_) listener_();
  });
}

Task<Result<volume::CsiCluster::DriverObject>> CsiClusterAdapter::driver(std::string name) {
  if (!drivers_.synced()) co_await base::with_timeout(client_.clock(), kFirstSet, drivers_.wait_synced());
  if (!drivers_.synced()) co_return Error(ErrorKind::unavailable, "CSIDrivers has not been synced yet");
  co_return drivers_.find(name);
}

Task<Result<volume::CsiAttachment>> CsiClusterAdapter::attachment(std::string name) {
  const auto answer = co_await read_object<Attachment>(client_, "", std::move(name));
  if (!answer.ok()) co_return answer.error();
  co_return attachment_of(*answer);
}

Task<Result<std::map<std::string, std::string>>> CsiClusterAdapter::secret(std::string ns, std::string name) {
  const auto answer = co_await read_object<api::core::Secret>(client_, std::move(ns), std::move(name));
  if (!answer.ok()) co_return answer.error();
  std::map<std::string, std::string> out;
  for (const auto& entry : answer->data()) out[entry.first] = entry.second;
  co_return out;
}

Task<Result<volume::CsiToken>> CsiClusterAdapter::token(volume::CsiPod pod, std::string audience,
                                                        std::optional<std::int64_t> expiration_seconds) {
  TokenQuery query = query_for(pod, audience, expiration_seconds);
  const auto token = co_await tokens_.token(std::move(query));
  if (!token.ok()) co_return token.error();
  volume::CsiToken out;
  out.token = token->token;
  out.expires = api::format_time(api::make_time(token->expires));
  co_return out;
}

}  // namespace keelson::agent
