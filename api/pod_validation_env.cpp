// Environment variables and the downward API selectors they share with volumes.
#include <algorithm>

#include "api/pod_validation_internal.hpp"
#include "api/quantity.hpp"

namespace keelson::api::validation {
namespace {

const Names kEnvFields = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs"};
const Names kResourceFields = {"limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
                               "requests.cpu", "requests.ephemeral-storage", "requests.memory"};
const Names kCpuDivisors = {"1m", "1"};
const Names kByteDivisors = {"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

bool is_hugepages_field(std::string_view name) {
  return starts_with(name, "requests.hugepages-") || starts_with(name, "limits.hugepages-");
}

// Every field path that any selector may name; others cannot be converted at all.
bool known_field(const std::string& path) {
  static const Names more = {"metadata.annotations", "metadata.labels", "spec.restartPolicy",      "spec.schedulerName",
                             "spec.hostNetwork",     "status.phase",    "status.nominatedNodeName"};
  return contains(kEnvFields, path) || contains(more, path);
}

void check_divisor(const std::string& resource, const core::ResourceFieldSelector& selector, const Path& path,
                   Errors& errors) {
  const auto divisor = Quantity::of(selector.divisor());
  if (divisor.is_zero()) return;
  const std::string text = divisor.to_string();
  const std::string bytes =
      "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported "
      "with the ";
  const auto check = [&](const Names& supported, const std::string& reason) {
    if (!contains(supported, text)) errors.invalid(path.child("divisor"), resource, reason);
  };
  if (resource == "limits.cpu" || resource == "requests.cpu") {
    check(kCpuDivisors, "only divisor's values 1m and 1 are supported with the cpu resource");
  } else if (resource == "limits.memory" || resource == "requests.memory") {
    check(kByteDivisors, bytes + "memory resource");
  } else if (resource == "limits.ephemeral-storage" || resource == "requests.ephemeral-storage") {
    check(kByteDivisors, bytes + "local ephemeral storage resource");
  } else if (is_hugepages_field(resource)) {
    check(kByteDivisors, bytes + "hugepages resource");
  }
}

void check_key_selector(const std::string& name, const std::string& key, const Path& path, Errors& errors) {
  errors.invalid_each(path.child("name"), name, dns_subdomain(name));
  if (key.empty()) {
    errors.required(path.child("key"));
  } else {
    errors.invalid_each(path.child("key"), key, config_key(key));
  }
}

void check_file_key(const core::FileKeySelector& selector, const PodContext& pod, const Path& path, Errors& errors) {
  if (selector.volumename().empty()) {
    errors.required(path.child("volumeName"));
  } else if (const auto it = pod.volumes.find(selector.volumename()); it == pod.volumes.end()) {
    errors.not_found(path.child("volumeName"), selector.volumename());
  } else if (!it->second->has_emptydir()) {
    errors.invalid(path.child("volumeName"), selector.volumename(), "must be the name of an emptyDir volume");
  }
  if (selector.path().empty()) {
    errors.required(path.child("path"));
  } else {
    check_local_non_reserved_path(selector.path(), path.child("path"), errors);
  }
  if (selector.key().empty()) {
    errors.required(path.child("key"));
  } else {
    errors.invalid_each(path.child("key"), selector.key(), env_name(selector.key()));
  }
}

void check_value_from(const core::EnvVar& variable, const PodContext& pod, const Path& path, Errors& errors) {
  if (!variable.has_valuefrom()) return;
  const auto& from = variable.valuefrom();
  int sources = 0;
  if (from.has_fieldref()) {
    ++sources;
    check_object_field(from.fieldref(), kEnvFields, path.child("fieldRef"), errors);
  }
  if (from.has_resourcefieldref()) {
    ++sources;
    check_resource_field(from.resourcefieldref(), false, path.child("resourceFieldRef"), errors);
  }
  if (from.has_configmapkeyref()) {
    ++sources;
    check_key_selector(from.configmapkeyref().localobjectreference().name(), from.configmapkeyref().key(),
                       path.child("configMapKeyRef"), errors);
  }
  if (from.has_secretkeyref()) {
    ++sources;
    check_key_selector(from.secretkeyref().localobjectreference().name(), from.secretkeyref().key(),
                       path.child("secretKeyRef"), errors);
  }
  if (from.has_filekeyref()) {
    ++sources;
    check_file_key(from.filekeyref(), pod, path.child("fileKeyRef"), errors);
  }
  if (sources == 0) {
    errors.invalid(
        path, "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
  } else if (!variable.value().empty()) {
    errors.invalid(path, "", "may not be specified when `value` is not empty");
  } else if (sources > 1) {
    errors.invalid(path, "", "may not have more than one field specified at a time");
  }
}

void check_env_from(const core::EnvFromSource& source, const Path& list, int i, Errors& errors) {
  const Path path = list.index(i);
  if (!source.prefix().empty()) errors.invalid_each(path.child("prefix"), source.prefix(), env_name(source.prefix()));
  const auto check_name = [&](const std::string& name, const Path& at) {
    if (name.empty()) {
      errors.required(at.child("name"));
    } else {
      errors.invalid_each(at.child("name"), name, dns_subdomain(name));
    }
  };
  if (source.has_configmapref()) {
    check_name(source.configmapref().localobjectreference().name(), path.child("configMapRef"));
  }
  if (source.has_secretref()) {
    check_name(source.secretref().localobjectreference().name(), path.child("secretRef"));
  }
  if (!source.has_configmapref() && !source.has_secretref()) {
    errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
  } else if (source.has_configmapref() && source.has_secretref()) {
    errors.invalid(path, "", "may not have more than one field specified at a time");
  }
}

}  // namespace

void check_object_field(const core::ObjectFieldSelector& selector, const Names& supported, const Path& path,
                        Errors& errors) {
  if (selector.apiversion().empty()) {
    errors.required(path.child("apiVersion"));
    return;
  }
  const std::string& field = selector.fieldpath();
  const Path at = path.child("fieldPath");
  if (field.empty()) {
    errors.required(at);
    return;
  }
  if (selector.apiversion() != "v1") {
    errors.invalid(at, field, "error converting fieldPath: unsupported pod version: " + selector.apiversion());
    return;
  }
  // metadata.labels['key'] and metadata.annotations['key']
  const auto bracket = field.find("['");
  if (bracket != std::string::npos && field.size() >= bracket + 4 && field.substr(field.size() - 2) == "']") {
    const std::string base = field.substr(0, bracket);
    std::string key = field.substr(bracket + 2, field.size() - bracket - 4);
    if (base == "metadata.annotations") {
      std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    }
    if (base == "metadata.annotations" || base == "metadata.labels") {
      errors.invalid_each(path, key, qualified_name(key));
    } else {
      errors.invalid(at, field, "error converting fieldPath: field label does not support subscript");
    }
    return;
  }
  if (!known_field(field)) {
    errors.invalid(at, field, "error converting fieldPath: field label not supported: " + field);
  } else if (!contains(supported, field)) {
    errors.unsupported(at, field, supported);
  }
}

void check_resource_field(const core::ResourceFieldSelector& selector, bool in_volume, const Path& path,
                          Errors& errors) {
  if (in_volume && selector.containername().empty()) {
    errors.required(path.child("containerName"));
  } else if (selector.resource().empty()) {
    errors.required(path.child("resource"));
  } else if (!contains(kResourceFields, selector.resource()) && !is_hugepages_field(selector.resource())) {
    errors.unsupported(path.child("resource"), selector.resource(), kResourceFields);
  }
  check_divisor(selector.resource(), selector, path, errors);
}

void check_env(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors) {
  for (int i = 0; i < container.env_size(); ++i) {
    const auto& variable = container.env(i);
    const Path at = path.child("env").index(i);
    if (variable.name().empty()) {
      errors.required(at.child("name"));
    } else {
      errors.invalid_each(at.child("name"), variable.name(), env_name(variable.name()));
    }
    check_value_from(variable, pod, at.child("valueFrom"), errors);
  }
  for (int i = 0; i < container.envfrom_size(); ++i) {
    check_env_from(container.envfrom(i), path.child("envFrom"), i, errors);
  }
}

}  // namespace keelson::api::validation
