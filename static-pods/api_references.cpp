#include "static-pods/api_references.hpp"

namespace keelson::static_pods {
namespace {

using Found = std::optional<ApiReference>;

std::string at(std::string path, const char* list, int index) {
  return path + "." + list + "[" + std::to_string(index) + "]";
}

// Container and EphemeralContainerCommon have the same fields.
template <class Container>
Found in_container(const Container& container, const std::string& path) {
  for (int i = 0; i < container.envfrom_size(); ++i) {
    const auto& source = container.envfrom(i);
    if (source.has_secretref()) return ApiReference{at(path, "envFrom", i) + ".secretRef", "secrets"};
    if (source.has_configmapref()) return ApiReference{at(path, "envFrom", i) + ".configMapRef", "configmaps"};
  }
  for (int i = 0; i < container.env_size(); ++i) {
    const auto& from = container.env(i).valuefrom();
    if (from.has_secretkeyref()) return ApiReference{at(path, "env", i) + ".valueFrom.secretKeyRef", "secrets"};
    if (from.has_configmapkeyref()) {
      return ApiReference{at(path, "env", i) + ".valueFrom.configMapKeyRef", "configmaps"};
    }
  }
  return {};
}

Found in_containers(const api::core::PodSpec& spec) {
  for (int i = 0; i < spec.initcontainers_size(); ++i) {
    if (auto found = in_container(spec.initcontainers(i), at("spec", "initContainers", i))) return found;
  }
  for (int i = 0; i < spec.containers_size(); ++i) {
    if (auto found = in_container(spec.containers(i), at("spec", "containers", i))) return found;
  }
  return {};
}

struct Rule {
  bool present;
  const char* field;
  const char* what;
};

Found in_projection(const api::core::VolumeProjection& source, const std::string& path) {
  const Rule rules[] = {
      {source.has_configmap(), "configMap", "configmaps (via projected volumes)"},
      {source.has_secret(), "secret", "secrets (via projected volumes)"},
      {source.has_serviceaccounttoken(), "serviceAccountToken", "serviceaccounts (via projected volumes)"},
      {source.has_clustertrustbundle(), "clusterTrustBundle", "clustertrustbundles"},
      {source.has_podcertificate(), "podCertificate", "podcertificates"},
  };
  for (const auto& rule : rules) {
    if (rule.present) return ApiReference{path + "." + rule.field, rule.what};
  }
  return {};
}

Found in_volume(const api::core::VolumeSource& source, const std::string& path) {
  const Rule rules[] = {
      {source.has_configmap(), "configMap", "configmaps (via configmap volumes)"},
      {source.has_secret(), "secret", "secrets (via secret volumes)"},
      {source.has_csi(), "csi", "csidrivers (via CSI volumes)"},
      {source.has_glusterfs(), "glusterfs", "endpoints (via glusterFS volumes)"},
      {source.has_persistentvolumeclaim(), "persistentVolumeClaim", "persistentvolumeclaims"},
      {source.has_ephemeral(), "ephemeral", "persistentvolumeclaims (via ephemeral volumes)"},
      {source.has_azurefile(), "azureFile", "secrets (via azureFile volumes)"},
      // Disks that name a Secret with their credentials.
      {source.cephfs().has_secretref(), "cephfs.secretRef", "secrets"},
      {source.cinder().has_secretref(), "cinder.secretRef", "secrets"},
      {source.flexvolume().has_secretref(), "flexVolume.secretRef", "secrets"},
      {source.rbd().has_secretref(), "rbd.secretRef", "secrets"},
      {source.scaleio().has_secretref(), "scaleIO.secretRef", "secrets"},
      {source.iscsi().has_secretref(), "iscsi.secretRef", "secrets"},
      {source.storageos().has_secretref(), "storageos.secretRef", "secrets"},
  };
  for (const auto& rule : rules) {
    if (rule.present) return ApiReference{path + "." + rule.field, rule.what};
  }
  for (int i = 0; i < source.projected().sources_size(); ++i) {
    if (auto found = in_projection(source.projected().sources(i), at(path + ".projected", "sources", i))) return found;
  }
  return {};
}

}  // namespace

std::optional<ApiReference> find_api_reference(const api::Pod& pod) {
  const auto& spec = pod.spec();
  if (!spec.serviceaccountname().empty()) return ApiReference{"spec.serviceAccountName", "serviceaccounts"};
  if (spec.imagepullsecrets_size() > 0) return ApiReference{"spec.imagePullSecrets", "secrets"};
  if (auto found = in_containers(spec)) return found;
  if (spec.resourceclaims_size() > 0) return ApiReference{"spec.resourceClaims", "resourceclaims"};
  for (int i = 0; i < spec.volumes_size(); ++i) {
    if (auto found = in_volume(spec.volumes(i).volumesource(), at("spec", "volumes", i))) return found;
  }
  return {};
}

}  // namespace keelson::static_pods
