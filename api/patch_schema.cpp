#include "api/patch_schema.hpp"

#include <algorithm>
#include <array>

#include "api/message_plan.hpp"

namespace keelson::api::internal {
namespace {

struct MergingList {
  std::string_view type;
  std::string_view field;
  std::string_view key;
  bool retain_keys = false;
};

// Lists that are not here are replaced whole: containerStatuses, taints, tolerations, images, volumesInUse ...
constexpr std::array kMergingLists = {
    MergingList{"k8s.meta.v1.ObjectMeta", "ownerReferences", "uid"},
    MergingList{"k8s.meta.v1.ObjectMeta", "finalizers", ""},
    MergingList{"k8s.core.v1.PodSpec", "volumes", "name", true},
    MergingList{"k8s.core.v1.PodSpec", "initContainers", "name"},
    MergingList{"k8s.core.v1.PodSpec", "containers", "name"},
    MergingList{"k8s.core.v1.PodSpec", "ephemeralContainers", "name"},
    MergingList{"k8s.core.v1.PodSpec", "imagePullSecrets", "name"},
    MergingList{"k8s.core.v1.PodSpec", "hostAliases", "ip"},
    MergingList{"k8s.core.v1.PodSpec", "topologySpreadConstraints", "topologyKey"},
    MergingList{"k8s.core.v1.PodSpec", "schedulingGates", "name"},
    MergingList{"k8s.core.v1.PodSpec", "resourceClaims", "name", true},
    MergingList{"k8s.core.v1.Container", "ports", "containerPort"},
    MergingList{"k8s.core.v1.Container", "env", "name"},
    MergingList{"k8s.core.v1.Container", "volumeMounts", "mountPath"},
    MergingList{"k8s.core.v1.Container", "volumeDevices", "devicePath"},
    MergingList{"k8s.core.v1.EphemeralContainerCommon", "ports", "containerPort"},
    MergingList{"k8s.core.v1.EphemeralContainerCommon", "env", "name"},
    MergingList{"k8s.core.v1.EphemeralContainerCommon", "volumeMounts", "mountPath"},
    MergingList{"k8s.core.v1.EphemeralContainerCommon", "volumeDevices", "devicePath"},
    MergingList{"k8s.core.v1.PodStatus", "conditions", "type"},
    MergingList{"k8s.core.v1.PodStatus", "hostIPs", "ip"},
    MergingList{"k8s.core.v1.PodStatus", "podIPs", "ip"},
    MergingList{"k8s.core.v1.PodStatus", "resourceClaimStatuses", "name", true},
    MergingList{"k8s.core.v1.ContainerStatus", "volumeMounts", "mountPath"},
    MergingList{"k8s.core.v1.ContainerStatus", "allocatedResourcesStatus", "name"},
    MergingList{"k8s.core.v1.NodeSpec", "podCIDRs", ""},
    MergingList{"k8s.core.v1.NodeStatus", "conditions", "type"},
    MergingList{"k8s.core.v1.NodeStatus", "addresses", "type"},
    MergingList{"k8s.core.v1.ServiceSpec", "ports", "port"},
    MergingList{"k8s.core.v1.ServiceStatus", "conditions", "type"},
    MergingList{"k8s.core.v1.ServiceAccount", "secrets", "name"},
    MergingList{"k8s.core.v1.NamespaceStatus", "conditions", "type"},
    MergingList{"k8s.core.v1.PersistentVolumeClaimStatus", "conditions", "type"},
    MergingList{"k8s.storage.v1.CSINodeSpec", "drivers", "name"},
    MergingList{"k8s.resource.v1.ResourceClaimStatus", "reservedFor", "uid"},
};

// The message that declares the field, and the field: inlined structs are looked through.
struct Place {
  std::string_view owner;
  const FieldPlan* field = nullptr;
};

Place place_of(const MessagePlan& plan, std::string_view name) {
  const MessagePlan::Key* key = plan.find(name);
  if (key == nullptr) return {};
  return {key->path.back()->field->containing_type()->full_name(), key->path.back()};
}

}  // namespace

PatchField patch_field(const google::protobuf::Descriptor* type, std::string_view name) {
  if (type == nullptr) return {};
  const Place place = place_of(plan_of(type), name);
  if (place.field == nullptr) return {};
  PatchField out;
  const MessagePlan* message = place.field->message;
  if (message != nullptr && message->special == Special::none && !place.field->field->is_map()) {
    out.type = message->descriptor;
  }
  const auto rule = std::find_if(kMergingLists.begin(), kMergingLists.end(), [&](const MergingList& list) {
    return list.type == place.owner && list.field == name;
  });
  if (rule != kMergingLists.end()) {
    out.merges = true;
    out.key = rule->key;
    out.retain_keys = rule->retain_keys;
  }
  return out;
}

}  // namespace keelson::api::internal
