// CsiVolume: a CSI volume as the plugin works on it, whether it came from a PersistentVolume or inline from a pod; and
// what a CSIDriver object says about how to treat it.
//
// Pure functions and values, any thread. Source: contract 04 §3 (fields), §11 (fsGroup), §21 (CSIDriver), §22.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/objects.hpp"
#include "base/result.hpp"
#include "volume/csi/cluster.hpp"
#include "volume/manager/volume_spec.hpp"

namespace keelson::volume {

struct CsiSecretRef {
  std::string ns;
  std::string name;
  bool operator==(const CsiSecretRef&) const = default;
};

struct CsiVolume {
  std::string name;  // the PV's, or the volume's in the pod
  bool inline_volume = false;
  std::string driver;
  std::string handle;
  std::string fs_type;
  std::map<std::string, std::string> attributes;
  std::vector<std::string> mount_options;
  std::vector<std::string> access_modes;
  bool read_only = false;
  bool migrated = false;  // from a cloud type of old
  std::optional<CsiSecretRef> stage_secret;
  std::optional<CsiSecretRef> publish_secret;
  std::optional<CsiSecretRef> expand_secret;
  bool operator==(const CsiVolume&) const = default;
};

CsiPod csi_pod(const api::Pod& pod);
// `read_only` is the claim's: the PV's own does not count on a node. Fails when the PV is no CSI volume (see
// migration.hpp for those that become one).
Result<CsiVolume> csi_volume(const api::core::PersistentVolume& pv, bool read_only);
Result<CsiVolume> csi_volume(const api::Pod& pod, const api::core::Volume& inline_volume);
// The one or the other.
Result<CsiVolume> csi_volume(const VolumeSpec& spec);

// The first access mode; a volume without any counts as ReadWriteOnce.
std::string csi_access_mode_of(const CsiVolume& volume);

// What the node reads of a CSIDriver, its defaults where there is no object.
struct CsiTraits {
  bool known = false;  // there is an object
  bool attach_required = true;
  bool pod_info_on_mount = false;
  std::vector<std::string> lifecycle_modes = {"Persistent"};
  std::string fs_group_policy = "ReadWriteOnceWithFSType";
  struct TokenRequest {
    std::string audience;
    std::optional<std::int64_t> expiration_seconds;
    bool operator==(const TokenRequest&) const = default;
  };
  std::vector<TokenRequest> token_requests;
  bool requires_republish = false;
  bool selinux_mount = false;
  bool tokens_in_secrets = false;
  std::optional<std::int64_t> allocatable_update_seconds;
  bool operator==(const CsiTraits&) const = default;
};
CsiTraits csi_traits(const k8s::storage::v1::CSIDriver* object);

// Whether an inline volume may be of that driver.
Status check_lifecycle_mode(const CsiVolume& volume, const CsiTraits& traits);
// Whether the agent is to apply fsGroup, when the driver does not do it itself.
bool wants_fs_group(const CsiVolume& volume, const CsiTraits& traits, std::optional<std::int64_t> fs_group);
// volumeAttributes with what the driver wants to know of the pod; our keys win.
std::map<std::string, std::string> csi_volume_context(const CsiVolume& volume, const CsiPod& pod,
                                                      const CsiTraits& traits);
// The value of csi.storage.k8s.io/serviceAccount.tokens; by audience.
std::string csi_tokens_json(const std::map<std::string, CsiToken>& tokens);

inline constexpr char csi_tokens_key[] = "csi.storage.k8s.io/serviceAccount.tokens";

}  // namespace keelson::volume
