#include "agent/pod_config/environment.hpp"

#include <optional>
#include <utility>

#include "agent/pod_config/env_file.hpp"
#include "agent/pod_config/expansion.hpp"
#include "agent/pod_config/field_ref.hpp"
#include "agent/pod_config/qos.hpp"

namespace keelson::agent {
namespace {

using api::core::EnvVarSource;

// Variables in the order of their first appearance; a later value replaces an earlier one in place.
class Variables {
 public:
  void set(const std::string& name, std::string value) {
    const auto [it, inserted] = position_.emplace(name, list_.size());
    if (inserted) {
      list_.push_back({name, std::move(value)});
    } else {
      list_[it->second].value = std::move(value);
    }
  }
  void set_if_absent(const std::string& name, std::string value) {
    if (!position_.contains(name)) set(name, std::move(value));
  }
  std::optional<std::string> find(std::string_view name) const {
    const auto it = position_.find(name);
    if (it == position_.end()) return std::nullopt;
    return list_[it->second].value;
  }
  std::vector<cri::KeyValue> take() && { return std::move(list_); }

 private:
  std::vector<cri::KeyValue> list_;
  std::map<std::string, std::size_t, std::less<>> position_;
};

// One source of variables. Both kinds of objects are looked up alike: get() is null where the reference is optional and
// the object is missing.
class Objects {
 public:
  Objects(const ObjectResolver* resolver, const std::string& ns) : resolver_(resolver), ns_(ns) {}

  Result<const api::core::ConfigMap*> config_map(const std::string& name, bool optional) const {
    if (resolver_ == nullptr) return no_client("configMap", name);
    return if_found(resolver_->config_map(ns_, name), optional);
  }
  Result<const api::core::Secret*> secret(const std::string& name, bool optional) const {
    if (resolver_ == nullptr) return no_client("secret", name);
    return if_found(resolver_->secret(ns_, name), optional);
  }
  Error missing_key(std::string_view kind, const std::string& name, const std::string& key) const {
    return {ErrorKind::not_found, "couldn't find key " + key + " in " + std::string(kind) + " " + ns_ + "/" + name};
  }

 private:
  template <class Object>
  static Result<const Object*> if_found(Result<const Object*> found, bool optional) {
    if (!found.ok() && optional && found.error().kind() == ErrorKind::not_found) {
      return static_cast<const Object*>(nullptr);
    }
    return found;
  }
  Error no_client(const std::string& kind, const std::string& name) const {
    return {ErrorKind::unavailable, "couldn't get " + kind + " " + ns_ + "/" + name + ", no kubeClient defined"};
  }

  const ObjectResolver* resolver_;
  const std::string& ns_;
};

template <class Map>
void import(Variables& variables, const std::string& prefix, const Map& data) {
  // Sorted, so that the same objects give the same list.
  const std::map<std::string, std::string> sorted(data.begin(), data.end());
  for (const auto& [key, value] : sorted) variables.set(prefix + key, value);
}

Status import_from(Variables& variables, const api::core::EnvFromSource& source, const Objects& objects) {
  if (source.has_configmapref()) {
    const auto& ref = source.configmapref();
    const auto object = objects.config_map(ref.localobjectreference().name(), ref.optional());
    if (!object.ok()) return object.error();
    if (object.value() != nullptr) import(variables, source.prefix(), object.value()->data());
  } else if (source.has_secretref()) {
    const auto& ref = source.secretref();
    const auto object = objects.secret(ref.localobjectreference().name(), ref.optional());
    if (!object.ok()) return object.error();
    if (object.value() != nullptr) import(variables, source.prefix(), object.value()->data());
  }
  return {};
}

using OptionalText = Result<std::optional<std::string>>;

// One key of an object; nothing = leave the variable out.
template <class Object, class Ref>
OptionalText key_of(const Result<const Object*>& object, const Ref& ref, std::string_view kind,
                    const Objects& objects) {
  if (!object.ok()) return object.error();
  if (object.value() == nullptr) return std::optional<std::string>();
  const auto it = object.value()->data().find(ref.key());
  if (it != object.value()->data().end()) return std::optional<std::string>(it->second);
  if (ref.optional()) return std::optional<std::string>();
  return objects.missing_key(kind, ref.localobjectreference().name(), ref.key());
}

// The texts say little: the file is the containers' own, and what is in it is nobody else's business.
OptionalText file_key(const api::core::FileKeySelector& ref, const EnvironmentInputs& inputs) {
  const auto file = inputs.env_files.find(EnvFileRequest{ref.volumename(), ref.path(), ref.key()}.name());
  if (file == inputs.env_files.end()) {
    return Error(ErrorKind::not_found, "cannot find the volume \"" + ref.volumename() + "\" referenced by FileKeyRef");
  }
  std::optional<std::string> value;
  if (file->second.content) {
    auto found = find_in_env_file(*file->second.content, ref.key());
    if (!found.ok()) return Error(ErrorKind::invalid, "couldn't parse env file");
    value = std::move(found).value();
  }
  if (value && !value->empty()) return value;
  if (ref.optional()) return std::optional<std::string>();
  if (!file->second.content) return Error(ErrorKind::not_found, "couldn't parse env file");
  return Error(ErrorKind::not_found,
               "environment variable key \"" + ref.key() + "\" not found in file \"" + file->second.path + "\"");
}

OptionalText present(Result<std::string> text) {
  if (!text.ok()) return text.error();
  return std::optional<std::string>(std::move(text).value());
}

OptionalText value_from(const EnvVarSource& source, const api::Pod& pod, const api::core::Container& container,
                        const EnvironmentInputs& inputs, const Objects& objects) {
  if (source.has_fieldref()) return present(field_value(pod, source.fieldref(), inputs));
  if (source.has_resourcefieldref()) {
    return present(resource_value(pod, container, source.resourcefieldref(), inputs.allocatable));
  }
  if (source.has_configmapkeyref()) {
    const auto& ref = source.configmapkeyref();
    return key_of(objects.config_map(ref.localobjectreference().name(), ref.optional()), ref, "ConfigMap", objects);
  }
  if (source.has_secretkeyref()) {
    const auto& ref = source.secretkeyref();
    return key_of(objects.secret(ref.localobjectreference().name(), ref.optional()), ref, "Secret", objects);
  }
  if (source.has_filekeyref()) return file_key(source.filekeyref(), inputs);
  return std::optional<std::string>("");
}

}  // namespace

Result<std::vector<cri::KeyValue>> make_environment(const api::Pod& pod, const api::core::Container& container,
                                                    const EnvironmentInputs& inputs) {
  if (!pod.spec().has_enableservicelinks()) {
    return Error(ErrorKind::invalid, "nil pod.spec.enableServiceLinks encountered, cannot construct envvars");
  }
  if (!inputs.services_synced && !is_static(pod)) {
    return Error(ErrorKind::unavailable, "services have not yet been read at least once, cannot construct envvars");
  }
  const std::string& ns = pod.metadata().namespace_();
  Variables of_services;
  for (auto& variable : service_variables(inputs.services, ns, pod.spec().enableservicelinks())) {
    of_services.set(variable.key, std::move(variable.value));
  }

  const Objects objects(inputs.objects, ns);
  Variables variables;
  for (const auto& source : container.envfrom()) KEELSON_TRY(import_from(variables, source, objects));
  const VariableLookup lookup = [&](std::string_view name) {
    auto value = variables.find(name);
    return value ? value : of_services.find(name);
  };
  for (const auto& env : container.env()) {
    if (!env.value().empty()) {
      variables.set(env.name(), expand(env.value(), lookup));
      continue;
    }
    auto value = env.has_valuefrom() ? value_from(env.valuefrom(), pod, container, inputs, objects)
                                     : OptionalText(std::optional<std::string>(""));
    if (!value.ok()) return value.error();
    if (value.value()) variables.set(env.name(), *std::move(value).value());
  }
  for (auto& variable : std::move(of_services).take()) {
    variables.set_if_absent(variable.key, std::move(variable.value));
  }
  return std::move(variables).take();
}

std::vector<std::string> sort_pod_ips(const std::vector<std::string>& ips, bool primary_ipv6) {
  std::vector<std::string> result;
  for (const bool ipv6 : {primary_ipv6, !primary_ipv6}) {
    for (const auto& ip : ips) {
      if ((ip.find(':') != std::string::npos) == ipv6) {
        result.push_back(ip);
        break;
      }
    }
  }
  return result;
}

std::vector<EnvFileRequest> env_file_requests(const api::core::Container& container) {
  std::vector<EnvFileRequest> requests;
  for (const auto& env : container.env()) {
    if (!env.value().empty() || !env.valuefrom().has_filekeyref()) continue;
    const auto& ref = env.valuefrom().filekeyref();
    requests.push_back({ref.volumename(), ref.path(), ref.key()});
  }
  return requests;
}

}  // namespace keelson::agent
