// Volume payloads: the files of a configMap, secret, downwardAPI or projected volume, made from what they name.
//
// Pure functions, any thread. The caller fetches what payload_needs() lists (a failure is kept beside the name: an
// optional reference forgives it) and hands it to make_payload(). Errors are the text behind "MountVolume.SetUp
// failed". Source: contract 04 §8 (items, modes, missing objects and keys), §9 (token files), §10 (downward API).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/pod_config/node_info.hpp"
#include "agent/sync/pod_objects.hpp"
#include "api/objects.hpp"
#include "base/result.hpp"
#include "volume/projection.hpp"

namespace keelson::agent {

struct TokenNeed {
  std::string audience;  // empty: the API server's own
  std::int64_t expiration_seconds = 3600;
  auto operator<=>(const TokenNeed&) const = default;
};

struct PayloadNeeds {
  std::set<std::string> config_maps;  // in the pod's namespace
  std::set<std::string> secrets;
  std::set<TokenNeed> tokens;
  // Numbers of sources among those of the volume.
  std::vector<int> trust_bundles;
  std::vector<int> certificates;
};
PayloadNeeds payload_needs(const api::core::VolumeSource& source);

struct PayloadObjects {
  std::map<std::string, Result<std::shared_ptr<const api::core::ConfigMap>>> config_maps;
  std::map<std::string, Result<std::shared_ptr<const api::core::Secret>>> secrets;
  std::map<TokenNeed, Result<std::string>> tokens;
  // By the number of the source among those of the volume.
  std::map<int, Result<std::string>> trust_anchors;
  std::map<int, Result<PodCredential>> credentials;
};

// The escaped plugin's name and whether it lies in memory; nothing for a volume of another kind.
struct PayloadKind {
  std::string plugin;
  bool in_memory = true;
};
std::optional<PayloadKind> payload_kind(const api::core::VolumeSource& source);

Result<volume::Payload> make_payload(const api::Pod& pod, const api::core::VolumeSource& source,
                                     const PayloadObjects& objects, const ResourceList& allocatable);

// The one user that all containers run as, when every one says so (contract 04 §9).
std::optional<std::int64_t> common_user(const api::core::PodSpec& spec);

}  // namespace keelson::agent
