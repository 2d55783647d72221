#include "volume/manager/checks.hpp"

#include "api/selectors.hpp"

namespace keelson::volume {

Status check_node_affinity(const VolumeSpec& spec, const api::core::Node* node) {
  if (spec.pv == nullptr || node == nullptr) return {};
  if (!spec.pv->spec().has_nodeaffinity() || !spec.pv->spec().nodeaffinity().has_required()) return {};
  const auto labels = api::lookup_in(node->metadata().labels());
  if (api::matches(spec.pv->spec().nodeaffinity().required(), labels, node->metadata().name())) return {};
  return Error(ErrorKind::invalid, "no matching NodeSelectorTerms");
}

bool is_for_one_pod(const VolumeSpec& spec) {
  if (spec.pv == nullptr) return false;
  const auto& modes = spec.pv->spec().accessmodes();
  return modes.size() == 1 && modes.Get(0) == "ReadWriteOncePod";
}

}  // namespace keelson::volume
