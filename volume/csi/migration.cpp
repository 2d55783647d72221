#include "volume/csi/migration.hpp"

#include <algorithm>
#include <set>
#include <vector>

namespace keelson::volume {
namespace {

using PersistentVolume = api::core::PersistentVolume;
using Csi = api::core::CSIPersistentVolumeSource;
using Migrated = Result<std::optional<PersistentVolume>>;

constexpr char kZone[] = "topology.kubernetes.io/zone";
constexpr char kRegion[] = "topology.kubernetes.io/region";
constexpr char kBetaZone[] = "failure-domain.beta.kubernetes.io/zone";
constexpr char kBetaRegion[] = "failure-domain.beta.kubernetes.io/region";
constexpr char kZoneDelimiter[] = "__";
constexpr char kUnspecified[] = "UNSPECIFIED";

std::string label_of(const PersistentVolume& pv, const std::string& key) {
  const auto found = pv.metadata().labels().find(key);
  return found == pv.metadata().labels().end() ? "" : found->second;
}

std::string annotation_of(const PersistentVolume& pv, const std::string& key) {
  const auto found = pv.metadata().annotations().find(key);
  return found == pv.metadata().annotations().end() ? "" : found->second;
}

std::vector<std::string> zones_in(const std::string& label) {
  std::vector<std::string> out;
  const std::string delimiter = kZoneDelimiter;
  std::size_t begin = 0;
  while (true) {
    const auto end = label.find(delimiter, begin);
    const std::string zone = label.substr(begin, end == std::string::npos ? end : end - begin);
    if (!zone.empty()) out.push_back(zone);
    if (end == std::string::npos) return out;
    begin = end + delimiter.size();
  }
}

// --- Topology: the node affinity of a PV speaks of zones, the driver's nodes carry keys of its own.

bool has_key(const PersistentVolume& pv, const std::string& key) {
  for (const auto& term : pv.spec().nodeaffinity().required().nodeselectorterms()) {
    for (const auto& wanted : term.matchexpressions()) {
      if (wanted.key() == key) return true;
    }
  }
  return false;
}

void replace_key(PersistentVolume& pv, const std::string& from, const std::string& to) {
  if (!has_key(pv, from)) return;
  for (auto& term : *pv.mutable_spec()->mutable_nodeaffinity()->mutable_required()->mutable_nodeselectorterms()) {
    for (auto& wanted : *term.mutable_matchexpressions()) {
      if (wanted.key() == from) wanted.set_key(to);
    }
  }
}

void add_key(PersistentVolume& pv, const std::string& key, const std::vector<std::string>& values) {
  const std::set<std::string> sorted(values.begin(), values.end());
  if (sorted.empty()) return;
  auto& terms = *pv.mutable_spec()->mutable_nodeaffinity()->mutable_required()->mutable_nodeselectorterms();
  if (terms.empty()) terms.Add();
  for (auto& term : terms) {
    auto& wanted = *term.add_matchexpressions();
    wanted.set_key(key);
    wanted.set_operator_("In");
    for (const std::string& value : sorted) wanted.add_values(value);
  }
}

// Whether this PV still uses the names of before 1.17; its affinity says so before its labels.
bool uses_beta_names(const PersistentVolume& pv) {
  if (has_key(pv, kZone)) return false;
  if (has_key(pv, kBetaZone)) return true;
  return label_of(pv, kZone).empty() && !label_of(pv, kBetaZone).empty();
}

void translate_zones(PersistentVolume& pv, const std::string& key) {
  const bool beta = uses_beta_names(pv);
  const std::string zone = beta ? kBetaZone : kZone;
  if (has_key(pv, zone)) {
    replace_key(pv, zone, key);
  } else {
    add_key(pv, key, zones_in(label_of(pv, zone)));
  }
  if (beta) replace_key(pv, kBetaRegion, kRegion);
}

void translate_vsphere_topology(PersistentVolume& pv) {
  const bool beta = uses_beta_names(pv);
  const auto translate = [&pv](const std::string& from, const std::string& to) {
    if (has_key(pv, from)) {
      replace_key(pv, from, to);
    } else if (const std::string label = label_of(pv, from); !label.empty()) {
      add_key(pv, to, {label});
    }
  };
  translate(beta ? kBetaZone : kZone, "topology.csi.vmware.com/zone");
  translate(beta ? kBetaRegion : kRegion, "topology.csi.vmware.com/region");
}

// --- One function for each type: the csi source that takes its place.

// "aws://zone/vol-1", "aws:///vol-1" or "vol-1".
Result<std::string> ebs_handle(const std::string& id) {
  constexpr std::string_view kScheme = "aws://";
  if (!id.starts_with(kScheme)) return id;
  std::string rest = id.substr(kScheme.size());
  rest = rest.substr(std::min(rest.find('/'), rest.size()));
  while (rest.starts_with('/')) rest.erase(0, 1);
  while (rest.ends_with('/')) rest.pop_back();
  if (rest.starts_with("vol-") && rest.find('/') == std::string::npos) return rest;
  return Error(ErrorKind::invalid, "Invalid format for AWS volume (" + id + ")");
}

Result<Csi> csi_of(const api::core::AWSElasticBlockStoreVolumeSource& source) {
  auto handle = ebs_handle(source.volumeid());
  if (!handle.ok()) return std::move(handle).error();
  Csi out;
  out.set_driver("ebs.csi.aws.com");
  out.set_volumehandle(*handle);
  if (source.readonly()) out.set_readonly(true);
  out.set_fstype(source.fstype());
  (*out.mutable_volumeattributes())["partition"] = std::to_string(source.partition());
  return out;
}

Csi csi_of(const api::core::GCEPersistentDiskVolumeSource& source, const std::string& place) {
  Csi out;
  out.set_driver("pd.csi.storage.gke.io");
  out.set_volumehandle("projects/" + std::string(kUnspecified) + "/" + place + "/disks/" + source.pdname());
  if (source.readonly()) out.set_readonly(true);
  out.set_fstype(source.fstype());
  (*out.mutable_volumeattributes())["partition"] = source.partition() == 0 ? "" : std::to_string(source.partition());
  return out;
}

Csi csi_of(const api::core::AzureDiskVolumeSource& source) {
  Csi out;
  out.set_driver("disk.csi.azure.com");
  out.set_volumehandle(source.diskuri());
  if (source.readonly()) out.set_readonly(true);
  auto& attributes = *out.mutable_volumeattributes();
  attributes["csi-migration"] = "true";
  attributes["kind"] = source.has_kind() ? source.kind() : "Managed";
  if (!source.cachingmode().empty()) attributes["cachingMode"] = source.cachingmode();
  if (source.has_fstype()) {
    out.set_fstype(source.fstype());
    attributes["fsType"] = source.fstype();
  }
  return out;
}

// Secrets of the usual name tell the account.
std::string azure_account(const std::string& secret) {
  const std::string before = "azure-storage-account-";
  const std::string after = "-secret";
  const auto begin = secret.find(before);
  const auto end = secret.rfind(after);
  if (begin == std::string::npos || end == std::string::npos || end <= begin + before.size()) return secret;
  return secret.substr(begin + before.size(), end - begin - before.size());
}

Csi azure_file(const std::string& group, const std::string& secret, const std::string& share, const std::string& name,
               const std::string& ns, bool read_only) {
  Csi out;
  out.set_driver("file.csi.azure.com");
  out.set_volumehandle(group + "#" + azure_account(secret) + "#" + share + "#" + name + "#" + ns);
  if (read_only) out.set_readonly(true);
  (*out.mutable_volumeattributes())["sharename"] = share;
  out.mutable_nodestagesecretref()->set_name(secret);
  out.mutable_nodestagesecretref()->set_namespace_(ns);
  return out;
}

template <class Source>  // of a PV or inline: the fields are the same
Csi cinder(const Source& source) {
  Csi out;
  out.set_driver("cinder.csi.openstack.org");
  out.set_volumehandle(source.volumeid());
  if (source.readonly()) out.set_readonly(true);
  out.set_fstype(source.fstype());
  return out;
}

Csi csi_of(const api::core::VsphereVirtualDiskVolumeSource& source) {
  Csi out;
  out.set_driver("csi.vsphere.vmware.com");
  out.set_volumehandle(source.volumepath());
  out.set_fstype(source.fstype());
  if (!source.storagepolicyname().empty())
    (*out.mutable_volumeattributes())["storagepolicyname"] = source.storagepolicyname();
  return out;
}

Csi csi_of(const api::core::PortworxVolumeSource& source) {
  Csi out;
  out.set_driver("pxd.portworx.com");
  out.set_volumehandle(source.volumeid());
  out.set_fstype(source.fstype());
  return out;
}

// With a token for it, every call of the driver carries it.
void add_portworx_secrets(const PersistentVolume& pv, Csi& csi) {
  api::core::SecretReference secret;
  secret.set_name(annotation_of(pv, "openstorage.io/auth-secret-name"));
  secret.set_namespace_(annotation_of(pv, "openstorage.io/auth-secret-namespace"));
  if (secret.name().empty() || secret.namespace_().empty()) return;
  *csi.mutable_controllerpublishsecretref() = secret;
  *csi.mutable_nodestagesecretref() = secret;
  *csi.mutable_nodepublishsecretref() = secret;
  *csi.mutable_controllerexpandsecretref() = secret;
  *csi.mutable_nodeexpandsecretref() = secret;
}

// "zones/ZONE" for one zone, "regions/REGION" for several, of which all must be in one region.
Result<std::string> gce_place(const PersistentVolume& pv) {
  std::string label = label_of(pv, kBetaZone);
  if (label.empty()) label = label_of(pv, kZone);
  const std::vector<std::string> zones = zones_in(label);
  if (zones.empty()) return "zones/" + std::string(kUnspecified);
  if (zones.size() == 1) return "zones/" + zones.front();
  std::set<std::string> regions;
  for (const std::string& zone : zones) {
    if (std::count(zone.begin(), zone.end(), '-') != 2) {
      return Error(ErrorKind::invalid, "zone in unexpected format, expected: {locale}-{region}-{zone}, got: " + zone);
    }
    regions.insert(zone.substr(0, zone.rfind('-')));
  }
  if (regions.size() != 1) return Error(ErrorKind::invalid, "the zones " + label + " are in more than one region");
  return "regions/" + *regions.begin();
}

// The disk could never be written to from several nodes, whatever its PV said.
void fix_gce_access_modes(PersistentVolume& pv) {
  auto& modes = *pv.mutable_spec()->mutable_accessmodes();
  if (modes.empty()) return;
  const bool only_reads =
      std::all_of(modes.begin(), modes.end(), [](const std::string& mode) { return mode == "ReadOnlyMany"; });
  modes.Clear();
  *modes.Add() = only_reads ? "ReadOnlyMany" : "ReadWriteOnce";
}

Migrated with_source(PersistentVolume pv, Csi csi) {
  auto& source = *pv.mutable_spec()->mutable_persistentvolumesource();
  source.Clear();
  *source.mutable_csi() = std::move(csi);
  return std::optional<PersistentVolume>(std::move(pv));
}

// `id` makes the name unique for each disk: it is part of paths.
Migrated inline_pv(Csi csi, const std::string& name, const std::string& access_mode) {
  PersistentVolume pv;
  pv.mutable_metadata()->set_name(name);
  pv.mutable_spec()->add_accessmodes(access_mode);
  return with_source(std::move(pv), std::move(csi));
}

std::string inline_name(const Csi& csi, const std::string& id) { return csi.driver() + "-" + id; }

Migrated migrate_azure_file(PersistentVolume pv) {
  const auto source = pv.spec().persistentvolumesource().azurefile();
  std::string ns = pv.spec().claimref().namespace_();
  if (source.has_secretnamespace()) ns = source.secretnamespace();
  if (ns.empty())
    return Error(ErrorKind::invalid, "could not find a secret namespace in PersistentVolumeSource or ClaimRef");
  const std::string group = annotation_of(pv, "kubernetes.io/azure-file-resource-group");
  Csi csi = azure_file(group, source.secretname(), source.sharename(), pv.metadata().name(), ns, source.readonly());
  return with_source(std::move(pv), std::move(csi));
}

Migrated migrate_gce(PersistentVolume pv) {
  const auto place = gce_place(pv);
  if (!place.ok()) return place.error();
  Csi csi = csi_of(pv.spec().persistentvolumesource().gcepersistentdisk(), *place);
  translate_zones(pv, "topology.gke.io/zone");
  fix_gce_access_modes(pv);
  return with_source(std::move(pv), std::move(csi));
}

}  // namespace

Migrated migrated_to_csi(const PersistentVolume& pv) {
  const auto& source = pv.spec().persistentvolumesource();
  PersistentVolume copy = pv;
  if (source.has_awselasticblockstore()) {
    auto csi = csi_of(source.awselasticblockstore());
    if (!csi.ok()) return std::move(csi).error();
    translate_zones(copy, "topology.ebs.csi.aws.com/zone");
    return with_source(std::move(copy), std::move(*csi));
  }
  if (source.has_gcepersistentdisk()) return migrate_gce(std::move(copy));
  if (source.has_azuredisk()) return with_source(std::move(copy), csi_of(source.azuredisk()));
  if (source.has_azurefile()) return migrate_azure_file(std::move(copy));
  if (source.has_cinder()) {
    translate_zones(copy, "topology.cinder.csi.openstack.org/zone");
    return with_source(std::move(copy), cinder(source.cinder()));
  }
  if (source.has_vspherevolume()) {
    translate_vsphere_topology(copy);
    return with_source(std::move(copy), csi_of(source.vspherevolume()));
  }
  if (source.has_portworxvolume()) {
    Csi csi = csi_of(source.portworxvolume());
    add_portworx_secrets(pv, csi);
    return with_source(std::move(copy), std::move(csi));
  }
  return std::optional<PersistentVolume>();
}

Migrated migrated_to_csi(const api::core::Volume& volume, const std::string& pod_namespace) {
  const auto& source = volume.volumesource();
  if (source.has_awselasticblockstore()) {
    auto csi = csi_of(source.awselasticblockstore());
    if (!csi.ok()) return std::move(csi).error();
    const std::string name = inline_name(*csi, csi->volumehandle());
    return inline_pv(std::move(*csi), name, "ReadWriteOnce");
  }
  if (source.has_gcepersistentdisk()) {
    const auto& disk = source.gcepersistentdisk();
    Csi csi = csi_of(disk, "zones/" + std::string(kUnspecified));
    const std::string name = inline_name(csi, disk.pdname());
    return inline_pv(std::move(csi), name, disk.readonly() ? "ReadOnlyMany" : "ReadWriteOnce");
  }
  if (source.has_azuredisk()) {
    Csi csi = csi_of(source.azuredisk());
    const std::string name = inline_name(csi, source.azuredisk().diskname());
    return inline_pv(std::move(csi), name, "ReadWriteOnce");
  }
  if (source.has_azurefile()) {
    const auto& file = source.azurefile();
    const std::string ns = pod_namespace.empty() ? "default" : pod_namespace;
    Csi csi = azure_file("", file.secretname(), file.sharename(), volume.name(), ns, file.readonly());
    const std::string name = csi.volumehandle();
    return inline_pv(std::move(csi), name, "ReadWriteMany");
  }
  if (source.has_cinder()) {
    Csi csi = cinder(source.cinder());
    const std::string name = inline_name(csi, source.cinder().volumeid());
    return inline_pv(std::move(csi), name, "ReadWriteOnce");
  }
  if (source.has_vspherevolume()) {
    Csi csi = csi_of(source.vspherevolume());
    const std::string name = inline_name(csi, source.vspherevolume().volumepath());
    return inline_pv(std::move(csi), name, "ReadWriteOnce");
  }
  if (source.has_portworxvolume()) {
    const auto& px = source.portworxvolume();
    Csi csi = csi_of(px);
    const std::string name = inline_name(csi, px.volumeid());
    return inline_pv(std::move(csi), name, px.readonly() ? "ReadOnlyMany" : "ReadWriteOnce");
  }
  return std::optional<PersistentVolume>();
}

}  // namespace keelson::volume
