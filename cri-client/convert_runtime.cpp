#include "cri-client/convert_inl.hpp"

namespace keelson::cri {

Version from_proto(const pb::VersionResponse& from) {
  return {from.version(), from.runtime_name(), from.runtime_version(), from.runtime_api_version()};
}

RuntimeStatus from_proto(const pb::StatusResponse& from) {
  RuntimeStatus to;
  for (const auto& condition : from.status().conditions()) {
    to.conditions.push_back({condition.type(), condition.status(), condition.reason(), condition.message()});
  }
  for (const auto& handler : from.runtime_handlers()) {
    to.handlers.push_back(
        {handler.name(), handler.features().recursive_read_only_mounts(), handler.features().user_namespaces()});
  }
  if (from.has_features()) to.supplemental_groups_policy = from.features().supplemental_groups_policy();
  to.user_namespaces_host_network = from.features().user_namespaces_host_network();
  return to;
}

std::optional<CgroupDriver> from_proto(const pb::RuntimeConfigResponse& from) {
  if (!from.has_linux()) return std::nullopt;
  return static_cast<CgroupDriver>(from.linux().cgroup_driver());
}

}  // namespace keelson::cri
