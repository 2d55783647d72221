#include "agent/sync/orphan.hpp"

#include <cstdlib>
#include <memory>
#include <set>
#include <string_view>

#include "agent/pod_config/annotations.hpp"
#include "api/json_codec.hpp"

namespace keelson::agent {
namespace {

std::string annotation_of(const cri::StringMap& annotations, std::string_view key) {
  const auto found = annotations.find(std::string(key));
  return found == annotations.end() ? std::string() : found->second;
}

// Merges what `json`, an object of the container, says.
void merge_json(const std::string& json, api::core::Container& out) {
  const auto node = api::parse_json(json);
  if (!node.ok()) return;
  api::core::Container read;
  if (api::decode(*node, read, {.strictness = api::Strictness::ignore, .type_meta = false}).ok()) out.MergeFrom(read);
}

}  // namespace

api::core::Container container_from_runtime(const cri::ContainerStatus& status) {
  api::core::Container container;
  container.set_name(status.metadata.name);
  container.set_image(status.image.image);
  if (const auto ports = annotation_of(status.annotations, annotation::ports); !ports.empty()) {
    merge_json("{\"ports\":" + ports + "}", container);
  }
  if (const auto hook = annotation_of(status.annotations, annotation::pre_stop); !hook.empty()) {
    merge_json("{\"lifecycle\":{\"preStop\":" + hook + "}}", container);
  }
  return container;
}

api::PodPtr pod_from_runtime(const ObservedPod& observed) {
  auto pod = std::make_shared<api::Pod>();
  auto& meta = *pod->mutable_metadata();
  meta.set_uid(observed.uid);
  meta.set_name(observed.name);
  meta.set_namespace_(observed.ns);
  auto& spec = *pod->mutable_spec();
  if (!observed.sandboxes.empty()) {
    for (const auto& [key, value] : observed.sandboxes.front().annotations) (*meta.mutable_annotations())[key] = value;
    spec.set_hostnetwork(observed.sandboxes.front().network_mode == cri::NamespaceMode::node);
  }
  spec.set_restartpolicy("Never");
  std::set<std::string> names;
  for (const auto& status : observed.containers) {
    if (!names.insert(status.metadata.name).second) continue;
    *spec.add_containers() = container_from_runtime(status);
    const auto grace = annotation_of(status.annotations, annotation::pod_termination_grace);
    if (!grace.empty()) spec.set_terminationgraceperiodseconds(std::atoll(grace.c_str()));
    const auto deletion = annotation_of(status.annotations, annotation::pod_deletion_grace);
    if (!deletion.empty()) meta.set_deletiongraceperiodseconds(std::atoll(deletion.c_str()));
  }
  return pod;
}

}  // namespace keelson::agent
