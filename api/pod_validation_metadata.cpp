// metadata: names, labels, annotations, owner references, finalizers, and annotations that have meaning for pods.
#include <algorithm>
#include <charconv>

#include "api/pod_validation_internal.hpp"

namespace keelson::api::validation {
namespace {

constexpr std::size_t kAnnotationLimit = 256 * 1024;
constexpr std::string_view kAppArmorPrefix = "container.apparmor.security.beta.kubernetes.io/";
constexpr std::string_view kSeccompPod = "seccomp.security.alpha.kubernetes.io/pod";
constexpr std::string_view kSeccompContainerPrefix = "container.seccomp.security.alpha.kubernetes.io/";
constexpr std::string_view kLocalhost = "localhost/";

bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Map entries in the order of their keys, so that reports do not depend on hashing.
std::vector<std::pair<std::string, std::string>> sorted(const google::protobuf::Map<std::string, std::string>& map) {
  std::vector<std::pair<std::string, std::string>> entries(map.begin(), map.end());
  std::sort(entries.begin(), entries.end());
  return entries;
}

void check_owner_references(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  std::string controller;
  for (int i = 0; i < metadata.ownerreferences_size(); ++i) {
    const auto& owner = metadata.ownerreferences(i);
    const Path at = path.index(i);
    if (owner.apiversion().empty()) errors.invalid(at.child("apiVersion"), "", "version must not be empty");
    if (owner.kind().empty()) errors.invalid(at.child("kind"), "", "must not be empty");
    if (owner.name().empty()) errors.invalid(at.child("name"), "", "must not be empty");
    if (owner.uid().empty()) errors.invalid(at.child("uid"), "", "must not be empty");
    if (!owner.controller()) continue;
    if (!controller.empty()) {
      errors.invalid(path, owner.name(),
                     "Only one reference can have Controller set to true. Found \"true\" in references for " +
                         controller + " and " + owner.kind() + "/" + owner.name());
      continue;
    }
    controller = owner.kind() + "/" + owner.name();
  }
}

void check_finalizers(const meta::ObjectMeta& metadata, const Path& path, Errors& errors) {
  for (int i = 0; i < metadata.finalizers_size(); ++i) {
    const std::string& name = metadata.finalizers(i);
    errors.invalid_each(path.index(i), name, qualified_name(name));
    const bool standard = name == "kubernetes" || name == "orphan" || name == "foregroundDeletion";
    if (name.find('/') == std::string::npos && !standard) {
      errors.invalid(path.index(i), name, "name is neither a standard finalizer name nor is it fully qualified");
    }
  }
}

void check_seccomp_value(const std::string& value, const Path& path, Errors& errors) {
  if (value == "runtime/default" || value == "docker/default" || value == "unconfined") return;
  if (starts_with(value, kLocalhost)) {
    check_local_path(value.substr(kLocalhost.size()), path, errors);
    return;
  }
  errors.invalid(path, value, "must be a valid seccomp profile");
}

void check_pod_annotations(const core::Pod& pod, const Path& path, Errors& errors) {
  const auto annotations = sorted(pod.metadata().annotations());
  for (const auto& [key, value] : annotations) {
    if (key == "kubernetes.io/config.mirror" && pod.spec().nodename().empty()) {
      errors.invalid(path.key(key), value, "must set spec.nodeName if mirror pod annotation is set");
    } else if (key == "controller.kubernetes.io/pod-deletion-cost") {
      int32_t cost = 0;
      const auto parsed = std::from_chars(value.data(), value.data() + value.size(), cost);
      const bool leading_zero = value.size() > 1 && value.front() == '0';
      if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || leading_zero) {
        errors.invalid(path.key(key), value, "must be a 32bit integer");
      }
    } else if (key == kSeccompPod || starts_with(key, kSeccompContainerPrefix)) {
      check_seccomp_value(value, path.child(key), errors);
    } else if (starts_with(key, kAppArmorPrefix)) {
      const std::string container = key.substr(kAppArmorPrefix.size());
      bool found = false;
      for_each_container(pod.spec(), Path("spec"),
                         [&](const core::Container& c, const Path&) { found = found || c.name() == container; });
      if (!found) errors.invalid(path.key(key), container, "container not found");
      const bool known =
          value.empty() || value == "runtime/default" || value == "unconfined" || starts_with(value, kLocalhost);
      if (!known) errors.invalid(path.key(key), value, "invalid AppArmor profile name: " + Shown::quote(value));
    }
  }
}

// What an annotation would have to say to agree with a profile field; the second part of a Localhost profile is its
// name.
bool seccomp_agrees(const std::string& annotation, const core::SeccompProfile& profile) {
  if (profile.type() == "Unconfined") return annotation == "unconfined";
  if (profile.type() == "RuntimeDefault") return annotation == "runtime/default" || annotation == "docker/default";
  if (profile.type() == "Localhost") return starts_with(annotation, kLocalhost);
  return true;
}

void check_seccomp_pair(const std::string& annotation, const core::SeccompProfile& profile, const Path& path,
                        Errors& errors) {
  if (!seccomp_agrees(annotation, profile)) {
    errors.forbidden(path.child("type"), "seccomp type in annotation and field must match");
  } else if (profile.type() == "Localhost" && annotation.substr(kLocalhost.size()) != profile.localhostprofile()) {
    errors.forbidden(path.child("localhostProfile"), "seccomp profile in annotation and field must match");
  }
}

void check_apparmor_pair(const std::string& annotation, const core::AppArmorProfile& profile, const Path& path,
                         Errors& errors) {
  const bool type_agrees = profile.type() == "Unconfined"       ? annotation == "unconfined"
                           : profile.type() == "RuntimeDefault" ? annotation == "runtime/default"
                           : profile.type() == "Localhost"      ? starts_with(annotation, kLocalhost)
                                                                : true;
  if (!type_agrees) {
    errors.forbidden(path.child("type"), "apparmor type in annotation and field must match");
  } else if (profile.type() == "Localhost" && annotation.substr(kLocalhost.size()) != profile.localhostprofile()) {
    errors.forbidden(path.child("localhostProfile"), "apparmor profile in annotation and field must match");
  }
}

}  // namespace

void check_label_name(const std::string& name, const Path& path, Errors& errors) {
  errors.invalid_each(path, name, qualified_name(name));
}

void check_labels(const google::protobuf::Map<std::string, std::string>& labels, const Path& path, Errors& errors) {
  for (const auto& [key, value] : sorted(labels)) {
    check_label_name(key, path, errors);
    errors.invalid_each(path, value, label_value(value));
  }
}

void check_annotations(const google::protobuf::Map<std::string, std::string>& annotations, const Path& path,
                       Errors& errors) {
  std::size_t size = 0;
  for (const auto& [key, value] : sorted(annotations)) {
    errors.invalid_each(path, key, qualified_name(lower(key)));
    size += key.size() + value.size();
  }
  if (size > kAnnotationLimit) errors.too_long(path, kAnnotationLimit);
}

void check_label_selector(const meta::LabelSelector& selector, const Path& path, Errors& errors) {
  check_labels(selector.matchlabels(), path.child("matchLabels"), errors);
  for (int i = 0; i < selector.matchexpressions_size(); ++i) {
    const auto& requirement = selector.matchexpressions(i);
    const Path at = path.child("matchExpressions").index(i);
    const std::string& op = requirement.operator_();
    if (op == "In" || op == "NotIn") {
      if (requirement.values_size() == 0) {
        errors.required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (requirement.values_size() > 0) {
        errors.forbidden(at.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else {
      errors.invalid(at.child("operator"), op, "not a valid selector operator");
    }
    check_label_name(requirement.key(), at.child("key"), errors);
    for (int v = 0; v < requirement.values_size(); ++v) {
      errors.invalid_each(at.child("values").index(v), requirement.values(v), label_value(requirement.values(v)));
    }
  }
}

void check_metadata(const core::Pod& pod, Errors& errors) {
  const Path path("metadata");
  const auto& metadata = pod.metadata();
  if (!metadata.generatename().empty()) {
    // The generated part follows, so a trailing dash is fine.
    std::string prefix = metadata.generatename();
    if (prefix.size() > 1 && prefix.back() == '-') prefix.back() = 'a';
    errors.invalid_each(path.child("generateName"), metadata.generatename(), dns_subdomain(prefix));
  }
  if (metadata.name().empty()) {
    errors.required(path.child("name"), "name or generateName is required");
  } else {
    errors.invalid_each(path.child("name"), metadata.name(), dns_subdomain(metadata.name()));
  }
  if (metadata.namespace_().empty()) {
    errors.required(path.child("namespace"));
  } else {
    errors.invalid_each(path.child("namespace"), metadata.namespace_(), dns_label(metadata.namespace_()));
  }
  if (metadata.generation() < 0) {
    errors.invalid(path.child("generation"), metadata.generation(), "must be greater than or equal to 0");
  }
  check_labels(metadata.labels(), path.child("labels"), errors);
  check_annotations(metadata.annotations(), path.child("annotations"), errors);
  check_owner_references(metadata, path.child("ownerReferences"), errors);
  check_finalizers(metadata, path.child("finalizers"), errors);
  check_pod_annotations(pod, path.child("annotations"), errors);
}

void check_seccomp_and_apparmor_annotations(const core::Pod& pod, Errors& errors) {
  const auto& annotations = pod.metadata().annotations();
  const Path spec("spec");
  if (pod.spec().securitycontext().has_seccompprofile()) {
    if (const auto it = annotations.find(std::string(kSeccompPod)); it != annotations.end()) {
      check_seccomp_pair(it->second, pod.spec().securitycontext().seccompprofile(),
                         spec.child("securityContext").child("seccompProfile"), errors);
    }
  }
  for_each_container(pod.spec(), spec, [&](const core::Container& container, const Path& path) {
    const auto& security = container.securitycontext();
    const Path at = path.child("securityContext");
    if (security.has_seccompprofile()) {
      const auto it = annotations.find(std::string(kSeccompContainerPrefix) + container.name());
      if (it != annotations.end()) {
        check_seccomp_pair(it->second, security.seccompprofile(), at.child("seccompProfile"), errors);
      }
    }
    const bool own = security.has_apparmorprofile();
    if (own || pod.spec().securitycontext().has_apparmorprofile()) {
      const auto it = annotations.find(std::string(kAppArmorPrefix) + container.name());
      const auto& profile = own ? security.apparmorprofile() : pod.spec().securitycontext().apparmorprofile();
      if (it != annotations.end()) check_apparmor_pair(it->second, profile, at.child("appArmorProfile"), errors);
    }
  });
}

}  // namespace keelson::api::validation
