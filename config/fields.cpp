#include "config/fields.hpp"

#include <set>
#include <type_traits>
#include <unordered_map>

namespace keelson::config {
namespace {

struct TypeName {
  std::string_view operator()(bool*) const { return "bool"; }
  std::string_view operator()(std::int32_t*) const { return "int32"; }
  std::string_view operator()(std::int64_t*) const { return "int64"; }
  std::string_view operator()(std::uint32_t*) const { return "uint32"; }
  std::string_view operator()(double*) const { return "number"; }
  std::string_view operator()(std::string*) const { return "string"; }
  std::string_view operator()(Duration*) const { return "duration"; }
  std::string_view operator()(Bytes*) const { return "quantity"; }
  std::string_view operator()(std::vector<std::string>*) const { return "list of strings"; }
  std::string_view operator()(std::vector<std::int32_t>*) const { return "list of int32"; }
  std::string_view operator()(StringMap*) const { return "map of string to string"; }
  std::string_view operator()(BoolMap*) const { return "map of string to bool"; }
  std::string_view operator()(HeaderMap*) const { return "map of string to list of strings"; }
  std::string_view operator()(std::vector<Taint>*) const { return "list of taints"; }
  std::string_view operator()(std::vector<MemoryReservation>*) const { return "list of {numaNode, limits}"; }
  std::string_view operator()(std::vector<ShutdownGracePeriodByPodPriority>*) const {
    return "list of {priority, shutdownGracePeriodSeconds}";
  }
  std::string_view operator()(std::vector<VModule>*) const { return "list of {filePattern, verbosity}"; }
  template <class T>
  std::string_view operator()(std::optional<T>*) const {
    return (*this)(static_cast<T*>(nullptr));
  }
};

const std::unordered_map<std::string_view, const Field*>& index() {
  static const auto map = [] {
    std::unordered_map<std::string_view, const Field*> result;
    for (const Field* field : all_fields()) result.emplace(field->path, field);
    return result;
  }();
  return map;
}

}  // namespace

std::string_view to_string(Section section) {
  switch (section) {
    case Section::server: return "Server, TLS, authentication";
    case Section::pods: return "Pod sources, runtime, pods";
    case Section::images: return "Images";
    case Section::resources: return "Cgroups, resource managers, reservation, eviction";
    case Section::node: return "Node, API client, shutdown, observability";
  }
  return "";
}

const std::vector<SectionFields>& sections() {
  static const std::vector<SectionFields> all = {{Section::server, server_fields()},
                                                 {Section::pods, pod_fields()},
                                                 {Section::images, image_fields()},
                                                 {Section::resources, resource_fields()},
                                                 {Section::node, node_fields()}};
  return all;
}

const std::vector<const Field*>& all_fields() {
  static const auto all = [] {
    std::vector<const Field*> result;
    for (const SectionFields& section : sections()) {
      for (const Field& field : section.fields) result.push_back(&field);
    }
    return result;
  }();
  return all;
}

const Field* find_field(std::string_view path) {
  const auto it = index().find(path);
  return it == index().end() ? nullptr : it->second;
}

bool is_group(std::string_view path) {
  static const auto groups = [] {
    std::set<std::string, std::less<>> result;
    for (const Field* field : all_fields()) {
      for (auto dot = field->path.find('.'); dot != std::string_view::npos; dot = field->path.find('.', dot + 1)) {
        result.emplace(field->path.substr(0, dot));
      }
    }
    return result;
  }();
  return groups.contains(path);
}

std::string_view type_name(const Field& field) {
  if (field.form == Form::nanoseconds) return "duration or int64 nanoseconds";
  static KubeletConfiguration sample;
  return std::visit(TypeName{}, field.slot(sample));
}

}  // namespace keelson::config
