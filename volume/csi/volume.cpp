#include "volume/csi/volume.hpp"

#include <algorithm>

#include "api/proto/storage_v1.pb.h"
#include "volume/csi/go_json.hpp"
#include "volume/csi/names.hpp"

namespace keelson::volume {
namespace {

constexpr char kPrefix[] = "csi.storage.k8s.io/";

CsiSecretRef secret_ref(const api::core::SecretReference& reference) {
  return {reference.namespace_(), reference.name()};
}

template <class List>
std::vector<std::string> strings(const List& list) {
  return std::vector<std::string>(list.begin(), list.end());
}

template <class Map>
std::map<std::string, std::string> strings_by_name(const Map& map) {
  std::map<std::string, std::string> out;
  for (const auto& entry : map) out[entry.first] = entry.second;
  return out;
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

CsiPod csi_pod(const api::Pod& pod) {
  CsiPod out;
  out.name = pod.metadata().name();
  out.ns = pod.metadata().namespace_();
  out.uid = pod.metadata().uid();
  out.service_account = pod.spec().serviceaccountname();
  return out;
}

Result<CsiVolume> csi_volume(const api::core::PersistentVolume& pv, bool read_only) {
  const std::string& name = pv.metadata().name();
  if (!pv.spec().persistentvolumesource().has_csi())
    return Error(ErrorKind::invalid, "PersistentVolume \"" + name + "\" is no CSI volume");
  const auto& source = pv.spec().persistentvolumesource().csi();
  if (source.driver().empty() || source.volumehandle().empty())
    return Error(ErrorKind::invalid, "PersistentVolume \"" + name + "\" has no CSI driver or no volumeHandle");
  CsiVolume out;
  out.name = name;
  out.driver = source.driver();
  out.handle = source.volumehandle();
  out.fs_type = source.fstype();
  out.attributes = strings_by_name(source.volumeattributes());
  out.mount_options = strings(pv.spec().mountoptions());
  out.access_modes = strings(pv.spec().accessmodes());
  out.read_only = read_only;
  if (source.has_nodestagesecretref()) out.stage_secret = secret_ref(source.nodestagesecretref());
  if (source.has_nodepublishsecretref()) out.publish_secret = secret_ref(source.nodepublishsecretref());
  if (source.has_nodeexpandsecretref()) out.expand_secret = secret_ref(source.nodeexpandsecretref());
  return out;
}

Result<CsiVolume> csi_volume(const api::Pod& pod, const api::core::Volume& inline_volume) {
  if (!inline_volume.volumesource().has_csi())
    return Error(ErrorKind::invalid, "volume \"" + inline_volume.name() + "\" is no CSI volume");
  const auto& source = inline_volume.volumesource().csi();
  if (source.driver().empty())
    return Error(ErrorKind::invalid, "volume \"" + inline_volume.name() + "\" has no CSI driver");
  CsiVolume out;
  out.name = inline_volume.name();
  out.inline_volume = true;
  out.driver = source.driver();
  out.handle = csi_inline_handle(pod.metadata().uid(), inline_volume.name());
  out.fs_type = source.fstype();
  out.attributes = strings_by_name(source.volumeattributes());
  out.read_only = source.readonly();
  if (source.has_nodepublishsecretref())
    out.publish_secret = CsiSecretRef{pod.metadata().namespace_(), source.nodepublishsecretref().name()};
  return out;
}

Result<CsiVolume> csi_volume(const VolumeSpec& spec) {
  if (spec.pv == nullptr) return csi_volume(*spec.pod, spec.volume());
  auto volume = csi_volume(*spec.pv, spec.read_only);
  if (volume.ok()) volume->migrated = spec.migrated;
  return volume;
}

std::string csi_access_mode_of(const CsiVolume& volume) {
  if (volume.inline_volume || volume.access_modes.empty()) return "ReadWriteOnce";
  return volume.access_modes.front();
}

CsiTraits csi_traits(const k8s::storage::v1::CSIDriver* object) {
  CsiTraits out;
  if (object == nullptr) return out;
  const auto& spec = object->spec();
  out.known = true;
  if (spec.has_attachrequired()) out.attach_required = spec.attachrequired();
  out.pod_info_on_mount = spec.podinfoonmount();
  if (!spec.volumelifecyclemodes().empty()) out.lifecycle_modes = strings(spec.volumelifecyclemodes());
  if (!spec.fsgrouppolicy().empty()) out.fs_group_policy = spec.fsgrouppolicy();
  for (const auto& request : spec.tokenrequests()) {
    CsiTraits::TokenRequest wanted;
    wanted.audience = request.audience();
    if (request.has_expirationseconds()) wanted.expiration_seconds = request.expirationseconds();
    out.token_requests.push_back(std::move(wanted));
  }
  out.requires_republish = spec.requiresrepublish();
  out.selinux_mount = spec.selinuxmount();
  out.tokens_in_secrets = spec.serviceaccounttokeninsecrets();
  if (spec.has_nodeallocatableupdateperiodseconds())
    out.allocatable_update_seconds = spec.nodeallocatableupdateperiodseconds();
  return out;
}

Status check_lifecycle_mode(const CsiVolume& volume, const CsiTraits& traits) {
  const std::string mode = volume.inline_volume ? "Ephemeral" : "Persistent";
  if (contains(traits.lifecycle_modes, mode)) return {};
  std::string why = "no CSIDriver object";
  if (traits.known) {
    why = "only supports [";
    for (const std::string& other : traits.lifecycle_modes) why += (why.back() == '[' ? "\"" : " \"") + other + "\"";
    why += "]";
  }
  return Error(ErrorKind::unavailable,
               "volume mode \"" + mode + "\" not supported by driver " + volume.driver + " (" + why + ")");
}

bool wants_fs_group(const CsiVolume& volume, const CsiTraits& traits, std::optional<std::int64_t> fs_group) {
  if (!fs_group || volume.read_only || traits.fs_group_policy == "None") return false;
  if (traits.fs_group_policy == "File") return true;
  if (volume.fs_type.empty()) return false;
  if (volume.inline_volume) return true;
  return contains(volume.access_modes, "ReadWriteOnce") || contains(volume.access_modes, "ReadWriteOncePod");
}

std::map<std::string, std::string> csi_volume_context(const CsiVolume& volume, const CsiPod& pod,
                                                      const CsiTraits& traits) {
  std::map<std::string, std::string> out = volume.attributes;
  if (!traits.pod_info_on_mount) return out;
  const std::string prefix = kPrefix;
  out[prefix + "pod.name"] = pod.name;
  out[prefix + "pod.namespace"] = pod.ns;
  out[prefix + "pod.uid"] = pod.uid;
  out[prefix + "serviceAccount.name"] = pod.service_account;
  out[prefix + "ephemeral"] = volume.inline_volume ? "true" : "false";
  return out;
}

std::string csi_tokens_json(const std::map<std::string, CsiToken>& tokens) {
  std::string out = "{";
  for (const auto& [audience, token] : tokens) {
    if (out.size() > 1) out += ',';
    out += go_json_string(audience) + ":{\"token\":" + go_json_string(token.token) +
           ",\"expirationTimestamp\":" + go_json_string(token.expires) + "}";
  }
  return out + "}";
}

}  // namespace keelson::volume
