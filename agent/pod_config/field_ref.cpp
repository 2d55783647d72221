#include "agent/pod_config/field_ref.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "agent/pod_config/go_text.hpp"

namespace keelson::agent {
namespace {

using api::Quantity;
using StringMap = google::protobuf::Map<std::string, std::string>;

std::string join(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : ",") + text;
  return out;
}

std::string first(const std::vector<std::string>& texts) { return texts.empty() ? "" : texts.front(); }

std::string at(const StringMap& map, const std::string& key) {
  const auto it = map.find(key);
  return it == map.end() ? "" : it->second;
}

// "metadata.labels['k']" -> {"metadata.labels", "k"}.
struct Subscript {
  std::string path;
  std::string key;
};
std::optional<Subscript> split_subscript(const std::string& path) {
  const auto open = path.find("['");
  if (!path.ends_with("']") || open == std::string::npos || open == 0 || open + 4 > path.size()) return std::nullopt;
  return Subscript{path.substr(0, open), path.substr(open + 2, path.size() - open - 4)};
}

using FieldReader = std::string (*)(const api::Pod&, const EnvironmentInputs&);
struct Field {
  std::string_view path;
  FieldReader read;
};
std::vector<std::string> pod_ips(const EnvironmentInputs& inputs) {
  return sort_pod_ips(inputs.pod_ips, inputs.primary_ipv6);
}
constexpr std::array<Field, 12> kFields{{
    {"metadata.name", [](const api::Pod& pod, const EnvironmentInputs&) { return pod.metadata().name(); }},
    {"metadata.namespace", [](const api::Pod& pod, const EnvironmentInputs&) { return pod.metadata().namespace_(); }},
    {"metadata.uid", [](const api::Pod& pod, const EnvironmentInputs&) { return pod.metadata().uid(); }},
    {"metadata.labels",
     [](const api::Pod& pod, const EnvironmentInputs&) { return format_map(pod.metadata().labels()); }},
    {"metadata.annotations",
     [](const api::Pod& pod, const EnvironmentInputs&) { return format_map(pod.metadata().annotations()); }},
    {"spec.nodeName", [](const api::Pod& pod, const EnvironmentInputs&) { return pod.spec().nodename(); }},
    {"spec.host", [](const api::Pod& pod, const EnvironmentInputs&) { return pod.spec().nodename(); }},
    {"spec.serviceAccountName",
     [](const api::Pod& pod, const EnvironmentInputs&) { return pod.spec().serviceaccountname(); }},
    {"status.hostIP", [](const api::Pod&, const EnvironmentInputs& inputs) { return inputs.host_ip; }},
    {"status.hostIPs", [](const api::Pod&, const EnvironmentInputs& inputs) { return join(inputs.host_ips); }},
    {"status.podIP", [](const api::Pod&, const EnvironmentInputs& inputs) { return first(pod_ips(inputs)); }},
    {"status.podIPs", [](const api::Pod&, const EnvironmentInputs& inputs) { return join(pod_ips(inputs)); }},
}};

constexpr std::array<std::string_view, 3> kOtherLabels{"spec.restartPolicy", "spec.schedulerName", "status.phase"};

std::int64_t ceil_divide(std::int64_t value, std::int64_t divisor) {
  return value / divisor + (value % divisor > 0 ? 1 : 0);
}

std::optional<Quantity> find(const google::protobuf::Map<std::string, k8s::resource::Quantity>& map,
                             const std::string& name) {
  const auto it = map.find(name);
  if (it == map.end()) return std::nullopt;
  return Quantity::of(it->second);
}

bool defaults_to_allocatable(std::string_view resource) {
  return resource == "cpu" || resource == "memory" || resource == "ephemeral-storage";
}

Quantity limit_of(const api::Pod& pod, const api::core::Container& container, const std::string& resource,
                  const ResourceList& allocatable) {
  const Quantity own = find(container.resources().limits(), resource).value_or(Quantity());
  if (!own.is_zero() || !defaults_to_allocatable(resource)) return own;
  const auto of_pod = find(pod.spec().resources().limits(), resource);
  const auto of_node = allocatable.find(resource);
  if (of_node == allocatable.end()) return of_pod.value_or(own);
  return of_pod && !of_pod->is_zero() ? std::min(*of_pod, of_node->second) : of_node->second;
}

const api::core::Container* find_container(const api::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec().containers(), &pod.spec().initcontainers()}) {
    for (const auto& container : *list) {
      if (container.name() == name) return &container;
    }
  }
  return nullptr;
}

}  // namespace

std::string format_map(const StringMap& map) {
  const std::map<std::string, std::string> sorted(map.begin(), map.end());
  std::string out;
  for (const auto& [key, value] : sorted) {
    if (!out.empty()) out += '\n';
    out += key + "=" + go_quote(value);
  }
  return out;
}

Result<std::string> field_value(const api::Pod& pod, const api::core::ObjectFieldSelector& selector,
                                const EnvironmentInputs& inputs) {
  const std::string& path = selector.fieldpath();
  if (!selector.apiversion().empty() && selector.apiversion() != "v1") {
    return Error(ErrorKind::invalid, "unsupported pod version: " + selector.apiversion());
  }
  if (const auto subscript = split_subscript(path)) {
    if (subscript->path == "metadata.labels") return at(pod.metadata().labels(), subscript->key);
    if (subscript->path == "metadata.annotations") return at(pod.metadata().annotations(), subscript->key);
    return Error(ErrorKind::invalid, "field label does not support subscript: " + path);
  }
  for (const auto& field : kFields) {
    if (field.path == path) return field.read(pod, inputs);
  }
  // Labels that the API knows, but not for this.
  const bool elsewhere = std::find(kOtherLabels.begin(), kOtherLabels.end(), path) != kOtherLabels.end();
  return Error(ErrorKind::invalid, (elsewhere ? "unsupported fieldPath: " : "field label not supported: ") + path);
}

Result<std::string> resource_value(const api::Pod& pod, const api::core::Container& container,
                                   const api::core::ResourceFieldSelector& selector, const ResourceList& allocatable) {
  const api::core::Container* from = &container;
  if (!selector.containername().empty() && selector.containername() != container.name()) {
    from = find_container(pod, selector.containername());
    if (from == nullptr) return Error(ErrorKind::invalid, "container " + selector.containername() + " not found");
  }

  const std::string& full = selector.resource();
  const bool limits = full.starts_with("limits.");
  const bool requests = full.starts_with("requests.");
  const std::string resource = full.substr(std::min(full.find('.') + 1, full.size()));
  if ((!limits && !requests) || (!defaults_to_allocatable(resource) && !resource.starts_with("hugepages-"))) {
    return Error(ErrorKind::invalid, "unsupported container resource : " + full);
  }

  const Quantity amount = limits ? limit_of(pod, *from, resource, allocatable)
                                 : find(from->resources().requests(), resource).value_or(Quantity());
  Quantity divisor = Quantity::of(selector.divisor());
  if (divisor.sign() <= 0) divisor = Quantity::from_int(1);
  const bool cpu = resource == "cpu";
  return std::to_string(cpu ? ceil_divide(amount.milli_value(), divisor.milli_value())
                            : ceil_divide(amount.value(), divisor.value()));
}

}  // namespace keelson::agent
