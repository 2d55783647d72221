// Volumes: names, exactly one source each, and what each local source needs. Network disks: pod_validation_disks.cpp.
#include <google/protobuf/descriptor.h>

#include "api/pod_validation_internal.hpp"
#include "api/quantity.hpp"

namespace keelson::api::validation {
namespace {

const Names kVolumeFields = {"metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
                             "metadata.uid"};
const Names kHostPathTypes = {"",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
                              "File", "FileOrCreate", "Socket"};

void check_items(const google::protobuf::RepeatedPtrField<core::KeyToPath>& items, const Path& path, Errors& errors) {
  for (int i = 0; i < items.size(); ++i) {
    const Path at = path.child("items").index(i);
    if (items[i].key().empty()) errors.required(at.child("key"));
    if (items[i].path().empty()) errors.required(at.child("path"));
    check_local_non_reserved_path(items[i].path(), at.child("path"), errors);
    check_mode(items[i].has_mode(), items[i].mode(), at.child("mode"), errors);
  }
}

void check_host_path(const core::HostPathVolumeSource& host, const Path& path, Errors& errors) {
  if (host.path().empty()) {
    errors.required(path.child("path"));
    return;
  }
  check_no_backsteps(host.path(), path.child("path"), errors);
  if (host.has_type()) errors.one_of(path.child("type"), host.type(), kHostPathTypes);
}

void check_empty_dir(const core::EmptyDirVolumeSource& empty, const Path& path, Errors& errors) {
  if (empty.has_sizelimit() && Quantity::of(empty.sizelimit()).sign() < 0) {
    errors.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
  }
}

void check_ephemeral(const core::Volume& volume, const std::string& pod_name, const Path& path, Errors& errors) {
  const auto& ephemeral = volume.volumesource().ephemeral();
  const Path at = path.child("ephemeral").child("volumeClaimTemplate");
  if (!ephemeral.has_volumeclaimtemplate()) {
    errors.required(at);
  } else {
    check_claim_template(ephemeral.volumeclaimtemplate(), at, errors);
  }
  if (pod_name.empty() || volume.name().empty()) return;
  const std::string claim = pod_name + "-" + volume.name();
  for (const auto& reason : dns_subdomain(claim)) {
    errors.invalid(path.child("name"), volume.name(), "PVC name " + Shown::quote(claim) + ": " + reason);
  }
}

// The first source set, by field number, and complaints about all others: exactly one is wanted.
const google::protobuf::FieldDescriptor* only_source(const core::VolumeSource& source, const Path& path,
                                                     Errors& errors) {
  std::vector<const google::protobuf::FieldDescriptor*> set;
  source.GetReflection()->ListFields(source, &set);
  for (std::size_t i = 1; i < set.size(); ++i) {
    errors.forbidden(path.child(set[i]->name()), "may not specify more than 1 volume type");
  }
  if (set.empty()) errors.required(path, "must specify a volume type");
  return set.empty() ? nullptr : set.front();
}

void check_source(const core::Volume& volume, const std::string& pod_name, const Path& path, Errors& errors) {
  const auto& source = volume.volumesource();
  const auto* field = only_source(source, path, errors);
  if (field == nullptr) return;
  const Path at = path.child(field->name());
  switch (field->number()) {
    case core::VolumeSource::kHostPathFieldNumber: return check_host_path(source.hostpath(), at, errors);
    case core::VolumeSource::kEmptyDirFieldNumber: return check_empty_dir(source.emptydir(), at, errors);
    case core::VolumeSource::kGitRepoFieldNumber:
      if (source.gitrepo().repository().empty()) errors.required(at.child("repository"));
      return check_local_path(source.gitrepo().directory(), at.child("directory"), errors);
    case core::VolumeSource::kSecretFieldNumber:
      if (source.secret().secretname().empty()) errors.required(at.child("secretName"));
      check_mode(source.secret().has_defaultmode(), source.secret().defaultmode(), at.child("defaultMode"), errors);
      return check_items(source.secret().items(), at, errors);
    case core::VolumeSource::kConfigMapFieldNumber:
      if (source.configmap().localobjectreference().name().empty()) errors.required(at.child("name"));
      check_mode(source.configmap().has_defaultmode(), source.configmap().defaultmode(), at.child("defaultMode"),
                 errors);
      return check_items(source.configmap().items(), at, errors);
    case core::VolumeSource::kDownwardAPIFieldNumber:
      check_mode(source.downwardapi().has_defaultmode(), source.downwardapi().defaultmode(), at.child("defaultMode"),
                 errors);
      for (int i = 0; i < source.downwardapi().items_size(); ++i) {
        check_downward_file(source.downwardapi().items(i), at.child("items").index(i), errors);
      }
      return;
    case core::VolumeSource::kProjectedFieldNumber:
      check_mode(source.projected().has_defaultmode(), source.projected().defaultmode(), at.child("defaultMode"),
                 errors);
      return check_projection_sources(source.projected(), at, errors);
    case core::VolumeSource::kPersistentVolumeClaimFieldNumber:
      if (source.persistentvolumeclaim().claimname().empty()) errors.required(at.child("claimName"));
      return;
    case core::VolumeSource::kEphemeralFieldNumber: return check_ephemeral(volume, pod_name, path, errors);
    case core::VolumeSource::kImageFieldNumber:
      if (source.image().reference().empty()) errors.required(at.child("reference"));
      return errors.one_of(at.child("pullPolicy"), source.image().pullpolicy(), {"Always", "IfNotPresent", "Never"},
                           true);
    default: return check_network_volume(volume, path, errors);
  }
}

// Every path of a projected volume may be written once.
class ProjectedPaths {
 public:
  ProjectedPaths(const Path& path, Errors& errors) : path_(path), errors_(errors) {}
  void add(const std::string& target, const std::string& shown) {
    if (!target.empty() && !seen_.insert(target).second) errors_.invalid(path_, shown, "conflicting duplicate paths");
  }

 private:
  const Path& path_;
  Errors& errors_;
  std::set<std::string> seen_;
};

void check_token_projection(const core::ServiceAccountTokenProjection& token, const Path& path, Errors& errors) {
  const Path expiration = path.child("expirationSeconds");
  if (token.expirationseconds() < 10 * 60) {
    errors.invalid(expiration, token.expirationseconds(), "may not specify a duration less than 10 minutes");
  }
  if (token.expirationseconds() > int64_t{1} << 32) {
    errors.invalid(expiration, token.expirationseconds(), "may not specify a duration larger than 2^32 seconds");
  }
  if (token.path().empty()) errors.required(path.child("path"));
  check_local_non_reserved_path(token.path(), path.child("path"), errors);
}

void check_trust_bundle_projection(const core::ClusterTrustBundleProjection& bundle, const Path& path, Errors& errors) {
  if (bundle.has_name() && bundle.has_signername()) {
    errors.invalid(path, bundle.name(), "only one of name and signerName may be used");
  } else if (bundle.has_name()) {
    if (bundle.name().empty()) errors.required(path.child("name"), "must be a valid object name");
    if (bundle.has_labelselector()) {
      errors.invalid(path.child("labelSelector"), "", "labelSelector must be unset if name is specified");
    }
  } else if (bundle.has_signername()) {
    if (bundle.signername().empty()) errors.required(path.child("signerName"), "must be a valid signer name");
    check_label_selector(bundle.labelselector(), path.child("labelSelector"), errors);
  } else {
    errors.required(path, "either name or signerName must be specified");
  }
  if (bundle.path().empty()) errors.required(path.child("path"));
  check_local_non_reserved_path(bundle.path(), path.child("path"), errors);
}

void check_certificate_projection(const core::PodCertificateProjection& certificate, const Path& path,
                                  ProjectedPaths& paths, Errors& errors) {
  if (certificate.signername().empty()) errors.required(path.child("signerName"), "must be a valid signer name");
  errors.one_of(path.child("keyType"), certificate.keytype(),
                {"ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"}, true);
  const std::pair<const char*, const std::string*> targets[] = {
      {"credentialBundlePath", &certificate.credentialbundlepath()},
      {"keyPath", &certificate.keypath()},
      {"certificateChainPath", &certificate.certificatechainpath()},
  };
  bool any = false;
  for (const auto& [name, target] : targets) {
    if (target->empty()) continue;
    any = true;
    check_local_non_reserved_path(*target, path.child(name), errors);
    paths.add(*target, *target);
  }
  if (!any) {
    errors.required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath");
  }
}

void check_projection(const core::VolumeProjection& source, const Path& path, ProjectedPaths& paths, Errors& errors) {
  const auto add_items = [&](const auto& items, const std::string& name) {
    for (const auto& item : items) paths.add(item.path(), name);
  };
  if (source.has_secret()) {
    const auto& name = source.secret().localobjectreference().name();
    if (name.empty()) errors.required(path.child("secret").child("name"));
    check_items(source.secret().items(), path.child("secret"), errors);
    add_items(source.secret().items(), name);
  }
  if (source.has_configmap()) {
    const auto& name = source.configmap().localobjectreference().name();
    if (name.empty()) errors.required(path.child("configMap").child("name"));
    check_items(source.configmap().items(), path.child("configMap"), errors);
    add_items(source.configmap().items(), name);
  }
  for (int i = 0; i < source.downwardapi().items_size(); ++i) {
    const auto& file = source.downwardapi().items(i);
    check_downward_file(file, path.child("downwardAPI").child("items").index(i), errors);
    paths.add(file.path(), file.path());
  }
  if (source.has_serviceaccounttoken()) {
    check_token_projection(source.serviceaccounttoken(), path.child("serviceAccountToken"), errors);
  }
  if (source.has_clustertrustbundle()) {
    check_trust_bundle_projection(source.clustertrustbundle(), path.child("clusterTrustBundle"), errors);
    paths.add(source.clustertrustbundle().path(), source.clustertrustbundle().path());
  }
  if (source.has_podcertificate()) {
    check_certificate_projection(source.podcertificate(), path.child("podCertificate"), paths, errors);
  }
}

}  // namespace

void check_mode(bool has, int32_t mode, const Path& path, Errors& errors) {
  if (has && (mode < 0 || mode > 0777)) {
    errors.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
  }
}

void check_no_backsteps(const std::string& value, const Path& path, Errors& errors) {
  if (has_dot_dot(value)) errors.invalid(path, value, "must not contain '..'");
}

void check_local_path(const std::string& value, const Path& path, Errors& errors) {
  if (!value.empty() && value.front() == '/') errors.invalid(path, value, "must be a relative path");
  check_no_backsteps(value, path, errors);
}

void check_local_non_reserved_path(const std::string& value, const Path& path, Errors& errors) {
  check_local_path(value, path, errors);
  if (value.substr(0, 2) == ".." && value.size() > 2 && value[2] != '/') {
    errors.invalid(path, value, "must not start with '..'");
  }
}

void check_downward_file(const core::DownwardAPIVolumeFile& file, const Path& path, Errors& errors) {
  if (file.path().empty()) errors.required(path.child("path"));
  check_local_non_reserved_path(file.path(), path.child("path"), errors);
  if (file.has_fieldref()) {
    check_object_field(file.fieldref(), kVolumeFields, path.child("fieldRef"), errors);
    if (file.has_resourcefieldref()) {
      errors.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    }
  } else if (file.has_resourcefieldref()) {
    check_resource_field(file.resourcefieldref(), true, path.child("resourceFieldRef"), errors);
  } else {
    errors.required(path, "one of fieldRef and resourceFieldRef is required");
  }
  check_mode(file.has_mode(), file.mode(), path.child("mode"), errors);
}

void check_projection_sources(const core::ProjectedVolumeSource& projected, const Path& path, Errors& errors) {
  ProjectedPaths paths(path, errors);
  for (int i = 0; i < projected.sources_size(); ++i) {
    const auto& source = projected.sources(i);
    const Path at = path.child("sources").index(i);
    check_projection(source, at, paths, errors);
    std::vector<const google::protobuf::FieldDescriptor*> set;
    source.GetReflection()->ListFields(source, &set);
    if (set.size() > 1) errors.forbidden(at, "may not specify more than 1 volume type per source");
  }
}

void check_claim_template(const core::PersistentVolumeClaimTemplate& claim, const Path& path, Errors& errors) {
  const Path metadata = path.child("metadata");
  check_annotations(claim.metadata().annotations(), metadata.child("annotations"), errors);
  check_labels(claim.metadata().labels(), metadata.child("labels"), errors);
  if (!claim.metadata().name().empty()) errors.forbidden(metadata.child("name"), "cannot be set");
  if (!claim.metadata().namespace_().empty()) errors.forbidden(metadata.child("namespace"), "cannot be set");

  const auto& spec = claim.spec();
  const Path at = path.child("spec");
  if (spec.accessmodes_size() == 0) {
    errors.required(at.child("accessModes"), "at least 1 access mode is required");
  }
  if (spec.has_selector()) check_label_selector(spec.selector(), at.child("selector"), errors);
  for (const auto& mode : spec.accessmodes()) {
    errors.one_of(at.child("accessModes"), mode,
                  {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"});
  }
  const Path requests = at.child("resources").child("requests");
  const auto storage = spec.resources().requests().find("storage");
  if (storage == spec.resources().requests().end()) {
    errors.required(at.child("resources").key("storage"));
  } else if (Quantity::of(storage->second).sign() <= 0) {
    errors.invalid(requests.key("storage"), storage->second.string(), "must be greater than zero");
  }
  if (spec.has_storageclassname() && !spec.storageclassname().empty()) {
    errors.invalid_each(at.child("storageClassName"), spec.storageclassname(), dns_subdomain(spec.storageclassname()));
  }
  if (spec.has_volumemode()) errors.one_of(at.child("volumeMode"), spec.volumemode(), {"Block", "Filesystem"});
}

std::map<std::string, const core::VolumeSource*> check_volumes(const core::Pod& pod, const Path& path, Errors& errors) {
  std::map<std::string, const core::VolumeSource*> usable;
  std::set<std::string> names;
  std::set<std::string> created_claims;
  for (const auto& volume : pod.spec().volumes()) {
    if (volume.volumesource().has_ephemeral()) created_claims.insert(pod.metadata().name() + "-" + volume.name());
  }
  for (int i = 0; i < pod.spec().volumes_size(); ++i) {
    const auto& volume = pod.spec().volumes(i);
    const Path at = path.index(i);
    check_source(volume, pod.metadata().name(), at, errors);
    if (volume.name().empty()) {
      errors.required(at.child("name"));
    } else {
      errors.invalid_each(at.child("name"), volume.name(), dns_label(volume.name()));
    }
    if (!names.insert(volume.name()).second) errors.duplicate(at.child("name"), volume.name());
    // A volume with a mistake in it still counts as present: "not found" for its mounts would only mislead.
    usable.emplace(volume.name(), &volume.volumesource());
    const auto& source = volume.volumesource();
    if (source.has_persistentvolumeclaim() && created_claims.count(source.persistentvolumeclaim().claimname()) > 0) {
      errors.invalid(at.child("persistentVolumeClaim").child("claimName"), source.persistentvolumeclaim().claimname(),
                     "must not reference a PVC that gets created for an ephemeral volume");
    }
  }
  return usable;
}

}  // namespace keelson::api::validation
