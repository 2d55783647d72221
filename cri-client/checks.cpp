#include "cri-client/checks.hpp"

#include <string>

namespace keelson::cri {

namespace {

Error broken(const char* call, const std::string& what) {
  return Error(ErrorKind::internal, std::string("the runtime's answer to ") + call + " is not valid: " + what);
}

Status set(const std::string& value, const char* call, const char* field) {
  if (value.empty()) return broken(call, std::string(field) + " is not set");
  return {};
}

}  // namespace

Status check(const pb::VersionResponse& answer) {
  KEELSON_TRY(set(answer.version(), "Version", "version"));
  KEELSON_TRY(set(answer.runtime_name(), "Version", "runtime_name"));
  KEELSON_TRY(set(answer.runtime_version(), "Version", "runtime_version"));
  return set(answer.runtime_api_version(), "Version", "runtime_api_version");
}

Status check(const pb::StatusResponse& answer) {
  const int conditions = answer.status().conditions_size();
  if (conditions >= 2) return {};
  return broken("Status", "status.conditions has " + std::to_string(conditions) +
                              " entries, RuntimeReady and NetworkReady are required");
}

Status check(const pb::RunPodSandboxResponse& answer) {
  return set(answer.pod_sandbox_id(), "RunPodSandbox", "pod_sandbox_id");
}

Status check(const pb::CreateContainerResponse& answer) {
  return set(answer.container_id(), "CreateContainer", "container_id");
}

Status check(const pb::ExecResponse& answer) { return set(answer.url(), "Exec", "url"); }
Status check(const pb::AttachResponse& answer) { return set(answer.url(), "Attach", "url"); }
Status check(const pb::PortForwardResponse& answer) { return set(answer.url(), "PortForward", "url"); }

Status check(const pb::PodSandboxStatusResponse& answer) {
  constexpr const char* kCall = "PodSandboxStatus";
  const auto& status = answer.status();
  KEELSON_TRY(set(status.id(), kCall, "status.id"));
  KEELSON_TRY(set(status.metadata().name(), kCall, "status.metadata.name"));
  KEELSON_TRY(set(status.metadata().namespace_(), kCall, "status.metadata.namespace"));
  KEELSON_TRY(set(status.metadata().uid(), kCall, "status.metadata.uid"));
  if (status.created_at() == 0) return broken(kCall, "status.created_at is not set");
  return {};
}

Status check(const pb::ContainerStatusResponse& answer) {
  constexpr const char* kCall = "ContainerStatus";
  const auto& status = answer.status();
  KEELSON_TRY(set(status.id(), kCall, "status.id"));
  KEELSON_TRY(set(status.metadata().name(), kCall, "status.metadata.name"));
  if (status.created_at() == 0) return broken(kCall, "status.created_at is not set");
  KEELSON_TRY(set(status.image().image(), kCall, "status.image.image"));
  return set(status.image_ref(), kCall, "status.image_ref");
}

Status check(const pb::ImageStatusResponse& answer) {
  if (!answer.has_image()) return {};
  KEELSON_TRY(set(answer.image().id(), "ImageStatus", "image.id"));
  if (answer.image().size() == 0) return broken("ImageStatus", "image.size of " + answer.image().id() + " is 0");
  return {};
}

Status check(const pb::PullImageResponse& answer) { return set(answer.image_ref(), "PullImage", "image_ref"); }

}  // namespace keelson::cri
