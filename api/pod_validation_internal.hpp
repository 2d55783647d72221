// Shared by the pod_validation_*.cpp files only: field paths, the list of errors, and one function per area.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/objects.hpp"
#include "api/pod_validation.hpp"

namespace keelson::api::validation {

// The way to a field as errors show it: spec.containers[0].resources.limits[cpu].
class Path {
 public:
  explicit Path(std::string text) : text_(std::move(text)) {}
  Path child(std::string_view name) const { return Path(text_ + "." + std::string(name)); }
  Path index(int i) const { return Path(text_ + "[" + std::to_string(i) + "]"); }
  Path key(std::string_view name) const { return Path(text_ + "[" + std::string(name) + "]"); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A value as errors show it: strings quoted, numbers and booleans plain.
class Shown {
 public:
  Shown(std::string_view text) : text_(quote(text)) {}
  Shown(const std::string& text) : text_(quote(text)) {}
  Shown(const char* text) : text_(quote(text)) {}
  Shown(bool value) : text_(value ? "true" : "false") {}
  Shown(int32_t value) : text_(std::to_string(value)) {}
  Shown(int64_t value) : text_(std::to_string(value)) {}
  static Shown raw(std::string text);
  // "x", with control characters, quotes and backslashes escaped.
  static std::string quote(std::string_view text);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

using Names = std::vector<std::string>;

class Errors {
 public:
  using Kind = ValidationError::Kind;
  void required(const Path& path, std::string detail = "") { add(Kind::required, path, "", std::move(detail)); }
  void invalid(const Path& path, const Shown& value, std::string detail) {
    add(Kind::invalid, path, value.text(), std::move(detail));
  }
  void invalid_each(const Path& path, const Shown& value, const std::vector<std::string>& details) {
    for (const auto& detail : details) invalid(path, value, detail);
  }
  void unsupported(const Path& path, const Shown& value, const Names& supported);
  void duplicate(const Path& path, const Shown& value) { add(Kind::duplicate, path, value.text(), ""); }
  void forbidden(const Path& path, std::string detail) { add(Kind::forbidden, path, "", std::move(detail)); }
  void not_found(const Path& path, const Shown& value, std::string detail = "") {
    add(Kind::not_found, path, value.text(), std::move(detail));
  }
  void too_long(const Path& path, std::size_t limit) {
    add(Kind::too_long, path, "", "may not be more than " + std::to_string(limit) + " bytes");
  }
  void too_many(const Path& path, int count, int limit) {
    add(Kind::too_many, path, std::to_string(count), "must have at most " + std::to_string(limit) + " items");
  }

  // Adds `unsupported` unless `value` is in `supported`; an empty value is `required` when `needed`.
  void one_of(const Path& path, const std::string& value, const Names& supported, bool needed = false);

  std::size_t count() const { return list_.size(); }
  std::vector<ValidationError> take() { return std::move(list_); }

 private:
  void add(Kind kind, const Path& path, std::string value, std::string detail);
  std::vector<ValidationError> list_;
};

// Text formats (pod_validation_formats.cpp). Each answers the reasons why `value` is wrong; empty when it is right.
using Reasons = std::vector<std::string>;
Reasons dns_label(std::string_view value);
Reasons dns_subdomain(std::string_view value);
Reasons dns_subdomain_with_underscore(std::string_view value);
Reasons qualified_name(std::string_view value);
Reasons label_value(std::string_view value);
Reasons port_name(std::string_view value);
Reasons port_number(int64_t value);
Reasons env_name(std::string_view value);
Reasons config_key(std::string_view value);
Reasons http_header_name(std::string_view value);
Reasons ip_address(std::string_view value);
Reasons user_or_group_id(int64_t value);
std::string range_reason(int64_t low, int64_t high);
bool has_dot_dot(std::string_view path);
std::string trim_space(std::string_view text);

// What the checks of containers need to know about the whole pod.
struct PodContext {
  const core::PodSpec& spec;
  std::map<std::string, const core::VolumeSource*> volumes;  // the valid ones by name
  std::set<std::string> claims;
};

enum class ContainerRole { regular, init, ephemeral };

// Areas, one file each.
void check_metadata(const core::Pod& pod, Errors& errors);
void check_labels(const google::protobuf::Map<std::string, std::string>& labels, const Path& path, Errors& errors);
void check_label_name(const std::string& name, const Path& path, Errors& errors);
void check_annotations(const google::protobuf::Map<std::string, std::string>& annotations, const Path& path,
                       Errors& errors);
void check_label_selector(const meta::LabelSelector& selector, const Path& path, Errors& errors);
void check_seccomp_and_apparmor_annotations(const core::Pod& pod, Errors& errors);

std::map<std::string, const core::VolumeSource*> check_volumes(const core::Pod& pod, const Path& path, Errors& errors);
void check_network_volume(const core::Volume& volume, const Path& path, Errors& errors);
void check_projection_sources(const core::ProjectedVolumeSource& projected, const Path& path, Errors& errors);
void check_downward_file(const core::DownwardAPIVolumeFile& file, const Path& path, Errors& errors);
void check_claim_template(const core::PersistentVolumeClaimTemplate& claim, const Path& path, Errors& errors);
void check_mode(bool has, int32_t mode, const Path& path, Errors& errors);
void check_no_backsteps(const std::string& value, const Path& path, Errors& errors);
void check_local_path(const std::string& value, const Path& path, Errors& errors);
void check_local_non_reserved_path(const std::string& value, const Path& path, Errors& errors);

void check_containers(const PodContext& pod, const Path& spec, Errors& errors);
void check_container_common(const core::Container& container, ContainerRole role, const PodContext& pod,
                            const Path& path, Errors& errors);
void check_volume_mounts(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors);
void check_env(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors);
void check_object_field(const core::ObjectFieldSelector& selector, const Names& supported, const Path& path,
                        Errors& errors);
void check_resource_field(const core::ResourceFieldSelector& selector, bool in_volume, const Path& path,
                          Errors& errors);
void check_probes(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors);
void check_lifecycle(const core::Container& container, const PodContext& pod, const Path& path, Errors& errors);

enum class ResourceScope { container, pod };
void check_resources(const core::ResourceRequirements& resources, ResourceScope scope,
                     const std::set<std::string>& claims, const Path& path, Errors& errors);
void check_pod_resources(const core::PodSpec& spec, const Path& path, Errors& errors);
void check_overhead(const core::PodSpec& spec, const Path& path, Errors& errors);

void check_container_security(const core::SecurityContext& security, bool host_users, const Path& path, Errors& errors);
void check_pod_security(const core::PodSpec& spec, const Path& spec_path, Errors& errors);
void check_os(const core::PodSpec& spec, const Path& spec_path, Errors& errors);

void check_scheduling(const core::PodSpec& spec, const Path& path, Errors& errors);
void check_tolerations(const google::protobuf::RepeatedPtrField<core::Toleration>& tolerations, const Path& path,
                       Errors& errors);

// Regular, init and ephemeral containers with their paths, in that order of the spec's own visiting: init first.
void for_each_container(const core::PodSpec& spec, const Path& spec_path,
                        const std::function<void(const core::Container&, const Path&)>& visit);
core::Container as_container(const core::EphemeralContainer& ephemeral);

}  // namespace keelson::api::validation
