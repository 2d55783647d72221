#include "volume/manager/volume_spec.hpp"

#include <algorithm>

namespace keelson::volume {
namespace {

api::core::ObjectReference reference(const char* kind, const api::meta::ObjectMeta& meta) {
  api::core::ObjectReference out;
  out.set_kind(kind);
  out.set_apiversion("v1");
  if (!meta.namespace_().empty()) out.set_namespace_(meta.namespace_());
  out.set_name(meta.name());
  out.set_uid(meta.uid());
  if (!meta.resourceversion().empty()) out.set_resourceversion(meta.resourceversion());
  return out;
}

}  // namespace

const api::core::Volume& VolumeSpec::volume() const {
  for (const auto& volume : pod->spec().volumes()) {
    if (volume.name() == outer) return volume;
  }
  return api::core::Volume::default_instance();
}

VolumeUse use_of(const api::core::PodSpec& spec, const std::string& volume) {
  VolumeUse use;
  const auto look = [&](const auto& container) {
    for (const auto& mount : container.volumemounts()) use.mounts = use.mounts || mount.name() == volume;
    for (const auto& device : container.volumedevices()) use.devices = use.devices || device.name() == volume;
  };
  for (const auto& container : spec.initcontainers()) look(container);
  for (const auto& container : spec.containers()) look(container);
  for (const auto& container : spec.ephemeralcontainers()) look(container.ephemeralcontainercommon());
  return use;
}

std::vector<std::string> used_volumes(const api::core::PodSpec& spec) {
  std::vector<std::string> names;
  for (const auto& volume : spec.volumes()) {
    if (!volume.volumesource().has_image() && use_of(spec, volume.name()).any()) names.push_back(volume.name());
  }
  return names;
}

std::string claim_name(const api::Pod& pod, const api::core::Volume& volume) {
  const auto& source = volume.volumesource();
  if (source.has_persistentvolumeclaim()) return source.persistentvolumeclaim().claimname();
  if (source.has_ephemeral()) return pod.metadata().name() + "-" + volume.name();
  return {};
}

std::optional<std::int64_t> fs_group_of(const api::Pod& pod) {
  const auto& security = pod.spec().securitycontext();
  if (!security.has_fsgroup()) return std::nullopt;
  return security.fsgroup();
}

api::core::ObjectReference reference_to(const api::core::PersistentVolumeClaim& claim) {
  return reference("PersistentVolumeClaim", claim.metadata());
}

api::core::ObjectReference reference_to(const api::core::PersistentVolume& pv) {
  return reference("PersistentVolume", pv.metadata());
}

std::string joined_names(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

}  // namespace keelson::volume
