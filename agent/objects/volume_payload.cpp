#include "agent/objects/volume_payload.hpp"

#include <vector>

#include "agent/pod_config/field_ref.hpp"
#include "volume/paths.hpp"

namespace keelson::agent {
namespace {

using api::core::VolumeSource;
using volume::Payload;
using Items = google::protobuf::RepeatedPtrField<api::core::KeyToPath>;

constexpr std::int64_t kDefaultExpiration = 3600;

Error no_default_mode(const std::string& what) {
  return Error(ErrorKind::invalid, "no defaultMode used, not even the default value for it (" + what + ")");
}

// Keys of an object, or those that `items` names, under their paths.
struct Keys {
  std::map<std::string, std::string> values;  // by key
  std::string missing;                        // error text before the key
  const Items& items;
  std::uint32_t default_mode = 0644;
  bool optional = false;
};

Status add_keys(const Keys& keys, Payload& out) {
  if (keys.items.empty()) {
    for (const auto& [key, value] : keys.values) out[key] = {value, keys.default_mode, std::nullopt};
    return {};
  }
  for (const auto& item : keys.items) {
    const auto found = keys.values.find(item.key());
    if (found == keys.values.end()) {
      if (keys.optional) continue;
      return Error(ErrorKind::not_found, keys.missing + item.key());
    }
    const std::uint32_t mode = item.has_mode() ? static_cast<std::uint32_t>(item.mode()) : keys.default_mode;
    out[item.path()] = {found->second, mode, std::nullopt};
  }
  return {};
}

std::map<std::string, std::string> values_of(const api::core::ConfigMap& object) {
  std::map<std::string, std::string> out(object.binarydata().begin(), object.binarydata().end());
  for (const auto& [key, value] : object.data()) out[key] = value;
  return out;
}

std::map<std::string, std::string> values_of(const api::core::Secret& object) {
  return {object.data().begin(), object.data().end()};
}

struct Reference {
  std::string name;
  const Items& items;
  std::uint32_t default_mode;
  bool optional;
};

// An optional object that is not there is an empty one.
template <class T>
Status add_object(const std::map<std::string, Result<std::shared_ptr<const T>>>& objects, const Reference& reference,
                  const char* missing, Payload& out) {
  const auto found = objects.find(reference.name);
  if (found == objects.end()) return Error(ErrorKind::internal, "object " + reference.name + " was not fetched");
  Keys keys{{}, missing, reference.items, reference.default_mode, reference.optional};
  if (found->second.ok()) {
    keys.values = values_of(**found->second);
  } else if (!reference.optional || found->second.error().kind() != ErrorKind::not_found) {
    return found->second.error();
  }
  return add_keys(keys, out);
}

Status add_config_map(const PayloadObjects& objects, const Reference& reference, Payload& out) {
  return add_object(objects.config_maps, reference, "configmap references non-existent config key: ", out);
}

Status add_secret(const PayloadObjects& objects, const Reference& reference, Payload& out) {
  return add_object(objects.secrets, reference, "references non-existent secret key: ", out);
}

template <class List>
Status add_fields(const api::Pod& pod, const List& items, std::uint32_t default_mode, const ResourceList& allocatable,
                  Payload& out) {
  for (const auto& item : items) {
    const std::uint32_t mode = item.has_mode() ? static_cast<std::uint32_t>(item.mode()) : default_mode;
    Result<std::string> value = std::string();
    if (item.has_fieldref()) {
      value = field_value(pod, item.fieldref(), EnvironmentInputs());
    } else if (item.has_resourcefieldref()) {
      value = resource_value(pod, api::core::Container(), item.resourcefieldref(), allocatable);
    }
    if (!value.ok()) return value.error();
    out[item.path()] = {std::move(*value), mode, std::nullopt};
  }
  return {};
}

TokenNeed need_of(const api::core::ServiceAccountTokenProjection& source) {
  return {source.audience(), source.has_expirationseconds() ? source.expirationseconds() : kDefaultExpiration};
}

// A file that is for the pod's user alone, where there is one.
void add_own(const api::Pod& pod, const std::string& path, std::string content, std::uint32_t default_mode,
             Payload& out) {
  const auto user = common_user(pod.spec());
  const bool has_group = pod.spec().securitycontext().has_fsgroup();
  out[path] = {std::move(content), user || has_group ? 0600u : default_mode, user};
}

Status add_token(const api::Pod& pod, const api::core::ServiceAccountTokenProjection& source,
                 std::uint32_t default_mode, const PayloadObjects& objects, Payload& out) {
  const auto found = objects.tokens.find(need_of(source));
  if (found == objects.tokens.end()) return Error(ErrorKind::internal, "the token was not fetched");
  if (!found->second.ok()) return found->second.error();
  add_own(pod, source.path(), *found->second, default_mode, out);
  return {};
}

Status add_trust_anchors(const api::Pod& pod, const api::core::ClusterTrustBundleProjection& source, int number,
                         std::uint32_t default_mode, const PayloadObjects& objects, Payload& out) {
  const auto found = objects.trust_anchors.find(number);
  if (found == objects.trust_anchors.end()) return Error(ErrorKind::internal, "the trust anchors were not fetched");
  if (!found->second.ok()) return found->second.error();
  add_own(pod, source.path(), *found->second, default_mode, out);
  return {};
}

Status add_certificate(const api::Pod& pod, const api::core::PodCertificateProjection& source, int number,
                       std::uint32_t default_mode, const PayloadObjects& objects, Payload& out) {
  const auto found = objects.credentials.find(number);
  if (found == objects.credentials.end()) return Error(ErrorKind::internal, "the certificate was not fetched");
  if (!found->second.ok()) return found->second.error();
  const PodCredential& had = *found->second;
  const auto add = [&](const std::string& path, const std::string& content) {
    if (!path.empty()) add_own(pod, path, content, default_mode, out);
  };
  add(source.credentialbundlepath(), had.key_pem + had.chain_pem);
  add(source.keypath(), had.key_pem);
  add(source.certificatechainpath(), had.chain_pem);
  return {};
}

Status add_source(const api::Pod& pod, const api::core::VolumeProjection& source, int number, std::uint32_t mode,
                  const PayloadObjects& objects, const ResourceList& allocatable, Payload& out) {
  if (source.has_configmap()) {
    const auto& map = source.configmap();
    return add_config_map(objects, {map.localobjectreference().name(), map.items(), mode, map.optional()}, out);
  }
  if (source.has_secret()) {
    const auto& secret = source.secret();
    return add_secret(objects, {secret.localobjectreference().name(), secret.items(), mode, secret.optional()}, out);
  }
  if (source.has_downwardapi()) return add_fields(pod, source.downwardapi().items(), mode, allocatable, out);
  if (source.has_serviceaccounttoken()) return add_token(pod, source.serviceaccounttoken(), mode, objects, out);
  if (source.has_clustertrustbundle()) {
    return add_trust_anchors(pod, source.clustertrustbundle(), number, mode, objects, out);
  }
  if (source.has_podcertificate()) return add_certificate(pod, source.podcertificate(), number, mode, objects, out);
  return {};
}

// Nothing is written unless every source could be read; what is wrong is told together.
Result<Payload> make_projected(const api::Pod& pod, const api::core::ProjectedVolumeSource& source,
                               const PayloadObjects& objects, const ResourceList& allocatable) {
  if (!source.has_defaultmode()) return no_default_mode("projected");
  Payload out;
  std::vector<Error> errors;
  const auto mode = static_cast<std::uint32_t>(source.defaultmode());
  for (int i = 0; i < source.sources_size(); ++i) {
    auto added = add_source(pod, source.sources(i), i, mode, objects, allocatable, out);
    if (!added.ok()) errors.push_back(std::move(added).error());
  }
  if (errors.empty()) return out;
  if (errors.size() == 1) return errors.front();
  std::string text;
  for (const Error& error : errors) text += (text.empty() ? "[" : ", ") + error.to_string();
  return Error(errors.front().kind(), text + "]");
}

}  // namespace

std::optional<PayloadKind> payload_kind(const VolumeSource& source) {
  if (source.has_configmap()) return PayloadKind{std::string(volume::config_map_plugin), false};
  if (source.has_secret()) return PayloadKind{std::string(volume::secret_plugin), true};
  if (source.has_downwardapi()) return PayloadKind{std::string(volume::downward_api_plugin), true};
  if (source.has_projected()) return PayloadKind{std::string(volume::projected_plugin), true};
  return std::nullopt;
}

PayloadNeeds payload_needs(const VolumeSource& source) {
  PayloadNeeds needs;
  if (source.has_configmap()) needs.config_maps.insert(source.configmap().localobjectreference().name());
  if (source.has_secret()) needs.secrets.insert(source.secret().secretname());
  for (int i = 0; i < source.projected().sources_size(); ++i) {
    const auto& part = source.projected().sources(i);
    if (part.has_clustertrustbundle()) needs.trust_bundles.push_back(i);
    if (part.has_podcertificate()) needs.certificates.push_back(i);
    if (part.has_configmap()) needs.config_maps.insert(part.configmap().localobjectreference().name());
    if (part.has_secret()) needs.secrets.insert(part.secret().localobjectreference().name());
    if (part.has_serviceaccounttoken()) needs.tokens.insert(need_of(part.serviceaccounttoken()));
  }
  return needs;
}

Result<Payload> make_payload(const api::Pod& pod, const VolumeSource& source, const PayloadObjects& objects,
                             const ResourceList& allocatable) {
  Payload out;
  if (source.has_projected()) return make_projected(pod, source.projected(), objects, allocatable);
  if (source.has_configmap()) {
    const auto& map = source.configmap();
    if (!map.has_defaultmode()) return no_default_mode("configMap");
    KEELSON_TRY(add_config_map(
        objects,
        {map.localobjectreference().name(), map.items(), static_cast<std::uint32_t>(map.defaultmode()), map.optional()},
        out));
  } else if (source.has_secret()) {
    const auto& secret = source.secret();
    if (!secret.has_defaultmode()) return no_default_mode("secret");
    KEELSON_TRY(add_secret(
        objects,
        {secret.secretname(), secret.items(), static_cast<std::uint32_t>(secret.defaultmode()), secret.optional()},
        out));
  } else if (source.has_downwardapi()) {
    const auto& fields = source.downwardapi();
    if (!fields.has_defaultmode()) return no_default_mode("downwardAPI");
    KEELSON_TRY(add_fields(pod, fields.items(), static_cast<std::uint32_t>(fields.defaultmode()), allocatable, out));
  }
  return out;
}

std::optional<std::int64_t> common_user(const api::core::PodSpec& spec) {
  std::optional<std::int64_t> user;
  bool all = true;
  const auto look = [&](const auto& container) {
    const auto& own = container.securitycontext();
    std::optional<std::int64_t> runs_as;
    if (own.has_runasuser()) {
      runs_as = own.runasuser();
    } else if (spec.securitycontext().has_runasuser()) {
      runs_as = spec.securitycontext().runasuser();
    }
    if (!runs_as || (user && *user != *runs_as)) all = false;
    user = runs_as;
  };
  for (const auto& container : spec.initcontainers()) look(container);
  for (const auto& container : spec.containers()) look(container);
  for (const auto& container : spec.ephemeralcontainers()) look(container.ephemeralcontainercommon());
  return all ? user : std::nullopt;
}

}  // namespace keelson::agent
