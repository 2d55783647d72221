// Volume sources that live on a network or in a cloud: each needs a few fields, most are only names.
#include <regex>

#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

void need(const std::string& value, const Path& path, Errors& errors) {
  if (value.empty()) errors.required(path);
}

void check_partition(int32_t partition, const Path& path, Errors& errors) {
  if (partition < 0 || partition > 255) errors.invalid(path, partition, range_reason(0, 255));
}

bool is_iscsi_name(const std::string& name) {
  // Formats of RFC 3720 section 3.2.6.3.
  static const std::regex iqn(R"(^iqn\.[0-9]{4}-[0-9]{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$)");
  static const std::regex eui(R"(^eui\.[A-Za-z0-9]{16}$)");
  static const std::regex naa(R"(^naa\.[A-Za-z0-9]{32}$)");
  if (name.size() > 223) return false;
  return std::regex_match(name, iqn) || std::regex_match(name, eui) || std::regex_match(name, naa);
}

void check_iscsi_name(const std::string& name, const Path& path, Errors& errors) {
  if (!starts_with(name, "iqn") && !starts_with(name, "eui") && !starts_with(name, "naa")) {
    errors.invalid(path, name, "must be valid format starting with iqn, eui, or naa");
  } else if (!is_iscsi_name(name)) {
    errors.invalid(path, name, "must be valid format");
  }
}

void check_iscsi(const core::Volume& volume, const Path& path, Errors& errors) {
  const auto& iscsi = volume.volumesource().iscsi();
  const Path at = path.child("iscsi");
  need(iscsi.targetportal(), at.child("targetPortal"), errors);
  if (iscsi.iqn().empty()) {
    errors.required(at.child("iqn"));
  } else {
    check_iscsi_name(iscsi.iqn(), at.child("iqn"), errors);
  }
  check_partition(iscsi.lun(), at.child("lun"), errors);
  if ((iscsi.chapauthdiscovery() || iscsi.chapauthsession()) && !iscsi.has_secretref()) {
    errors.required(at.child("secretRef"));
  }
  if (!iscsi.has_initiatorname()) return;
  check_iscsi_name(iscsi.initiatorname(), at.child("initiatorName"), errors);
  if (volume.name().size() + 1 + iscsi.targetportal().size() > 64) {
    errors.invalid(path.child("name"), volume.name(),
                   "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if "
                   "iscsi.initiatorName is specified.");
  }
}

void check_fc(const core::FCVolumeSource& fc, const Path& path, Errors& errors) {
  if (fc.targetwwns_size() == 0 && fc.wwids_size() == 0) {
    errors.required(path.child("targetWWNs"), "must specify either targetWWNs or wwids, but not both");
  }
  if (fc.targetwwns_size() > 0 && fc.wwids_size() > 0) {
    errors.invalid(path.child("targetWWNs"), fc.targetwwns(0),
                   "targetWWNs and wwids can not be specified simultaneously");
  }
  if (fc.targetwwns_size() == 0) return;
  if (!fc.has_lun()) {
    errors.required(path.child("lun"), "lun is required if targetWWNs is specified");
  } else {
    check_partition(fc.lun(), path.child("lun"), errors);
  }
}

void check_quobyte(const core::QuobyteVolumeSource& quobyte, const Path& path, Errors& errors) {
  const char* registry = "must be a host:port pair or multiple pairs separated by commas";
  if (quobyte.registry().empty()) {
    errors.required(path.child("registry"), registry);
  } else if (quobyte.tenant().size() >= 65) {
    errors.required(path.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
  } else {
    std::string_view rest = quobyte.registry();
    for (;;) {
      const auto comma = rest.find(',');
      if (rest.substr(0, comma).find(':') == std::string_view::npos) {
        errors.invalid(path.child("registry"), quobyte.registry(), registry);
      }
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  need(quobyte.volume(), path.child("volume"), errors);
}

void check_azure_disk(const core::AzureDiskVolumeSource& disk, const Path& path, Errors& errors) {
  need(disk.diskname(), path.child("diskName"), errors);
  need(disk.diskuri(), path.child("diskURI"), errors);
  if (disk.has_cachingmode()) {
    errors.one_of(path.child("cachingMode"), disk.cachingmode(), {"None", "ReadOnly", "ReadWrite"});
  }
  if (!disk.has_kind()) return;
  errors.one_of(path.child("kind"), disk.kind(), {"Dedicated", "Managed", "Shared"});
  if (disk.kind() == "Managed" && !starts_with(disk.diskuri(), "/subscriptions/")) {
    errors.unsupported(path.child("diskURI"), disk.diskuri(),
                       {"/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
                        "{disk-id}"});
  } else if (disk.kind() != "Managed" && !starts_with(disk.diskuri(), "https://")) {
    errors.unsupported(path.child("diskURI"), disk.diskuri(),
                       {"https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"});
  }
}

void check_csi(const core::CSIVolumeSource& csi, const Path& path, Errors& errors) {
  const Path driver = path.child("driver");
  if (csi.driver().empty()) errors.required(driver);
  if (csi.driver().size() > 63) errors.too_long(driver, 63);
  std::string lower = csi.driver();
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (!lower.empty()) errors.invalid_each(driver, csi.driver(), dns_subdomain(lower));
  if (!csi.has_nodepublishsecretref()) return;
  const std::string& secret = csi.nodepublishsecretref().name();
  const Path at = path.child("nodePublishSecretRef").child("name");
  if (secret.empty()) {
    errors.required(at);
  } else {
    errors.invalid_each(at, secret, dns_subdomain(secret));
  }
}

void check_flex(const core::FlexVolumeSource& flex, const Path& path, Errors& errors) {
  need(flex.driver(), path.child("driver"), errors);
  std::map<std::string, std::string> options(flex.options().begin(), flex.options().end());
  for (const auto& [key, value] : options) {
    const std::string owner = "." + key.substr(0, key.find('/'));
    for (const std::string_view reserved : {".kubernetes.io", ".k8s.io"}) {
      if (owner.size() >= reserved.size() && owner.substr(owner.size() - reserved.size()) == reserved) {
        errors.invalid(path.child("options").key(key), key, "kubernetes.io and k8s.io namespaces are reserved");
      }
    }
  }
}

void check_storageos(const core::StorageOSVolumeSource& storage, const Path& path, Errors& errors) {
  if (storage.volumename().empty()) {
    errors.required(path.child("volumeName"));
  } else {
    errors.invalid_each(path.child("volumeName"), storage.volumename(), dns_label(storage.volumename()));
  }
  if (!storage.volumenamespace().empty()) {
    errors.invalid_each(path.child("volumeNamespace"), storage.volumenamespace(), dns_label(storage.volumenamespace()));
  }
  if (storage.has_secretref()) need(storage.secretref().name(), path.child("secretRef").child("name"), errors);
}

void check_flocker(const core::FlockerVolumeSource& flocker, const Path& path, Errors& errors) {
  if (flocker.datasetname().empty() && flocker.datasetuuid().empty()) {
    errors.required(path, "one of datasetName and datasetUUID is required");
  }
  if (!flocker.datasetname().empty() && !flocker.datasetuuid().empty()) {
    errors.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously");
  }
  if (flocker.datasetname().find('/') != std::string::npos) {
    errors.invalid(path.child("datasetName"), flocker.datasetname(), "must not contain '/'");
  }
}

// Sources of which nothing is asked but that some fields are there.
void check_plain_disk(const core::VolumeSource& source, const Path& path, Errors& errors) {
  const auto at = [&](const char* volume, const char* field) { return path.child(volume).child(field); };
  if (source.has_glusterfs()) {
    need(source.glusterfs().endpoints(), at("glusterfs", "endpoints"), errors);
    need(source.glusterfs().path(), at("glusterfs", "path"), errors);
  } else if (source.has_rbd()) {
    if (source.rbd().monitors_size() == 0) errors.required(at("rbd", "monitors"));
    need(source.rbd().image(), at("rbd", "image"), errors);
  } else if (source.has_cinder()) {
    need(source.cinder().volumeid(), at("cinder", "volumeID"), errors);
    if (source.cinder().has_secretref()) {
      need(source.cinder().secretref().name(), path.child("cinder").child("secretRef").child("name"), errors);
    }
  } else if (source.has_cephfs()) {
    if (source.cephfs().monitors_size() == 0) errors.required(at("cephfs", "monitors"));
  } else if (source.has_azurefile()) {
    need(source.azurefile().secretname(), at("azureFile", "secretName"), errors);
    need(source.azurefile().sharename(), at("azureFile", "shareName"), errors);
  } else if (source.has_vspherevolume()) {
    need(source.vspherevolume().volumepath(), at("vsphereVolume", "volumePath"), errors);
  } else if (source.has_photonpersistentdisk()) {
    need(source.photonpersistentdisk().pdid(), at("photonPersistentDisk", "pdID"), errors);
  } else if (source.has_portworxvolume()) {
    need(source.portworxvolume().volumeid(), at("portworxVolume", "volumeID"), errors);
  } else if (source.has_scaleio()) {
    need(source.scaleio().gateway(), at("scaleIO", "gateway"), errors);
    need(source.scaleio().system(), at("scaleIO", "system"), errors);
    need(source.scaleio().volumename(), at("scaleIO", "volumeName"), errors);
  } else if (source.has_gcepersistentdisk()) {
    need(source.gcepersistentdisk().pdname(), at("gcePersistentDisk", "pdName"), errors);
    check_partition(source.gcepersistentdisk().partition(), at("gcePersistentDisk", "partition"), errors);
  } else if (source.has_awselasticblockstore()) {
    need(source.awselasticblockstore().volumeid(), at("awsElasticBlockStore", "volumeID"), errors);
    check_partition(source.awselasticblockstore().partition(), at("awsElasticBlockStore", "partition"), errors);
  } else if (source.has_nfs()) {
    need(source.nfs().server(), at("nfs", "server"), errors);
    need(source.nfs().path(), at("nfs", "path"), errors);
    if (source.nfs().path().substr(0, 1) != "/") {
      errors.invalid(at("nfs", "path"), source.nfs().path(), "must be an absolute path");
    }
  }
}

}  // namespace

void check_network_volume(const core::Volume& volume, const Path& path, Errors& errors) {
  const auto& source = volume.volumesource();
  if (source.has_iscsi()) return check_iscsi(volume, path, errors);
  if (source.has_fc()) return check_fc(source.fc(), path.child("fc"), errors);
  if (source.has_quobyte()) return check_quobyte(source.quobyte(), path.child("quobyte"), errors);
  if (source.has_azuredisk()) return check_azure_disk(source.azuredisk(), path.child("azureDisk"), errors);
  if (source.has_csi()) return check_csi(source.csi(), path.child("csi"), errors);
  if (source.has_flexvolume()) return check_flex(source.flexvolume(), path.child("flexVolume"), errors);
  if (source.has_storageos()) return check_storageos(source.storageos(), path.child("storageos"), errors);
  if (source.has_flocker()) return check_flocker(source.flocker(), path.child("flocker"), errors);
  check_plain_disk(source, path, errors);
}

}  // namespace keelson::api::validation
