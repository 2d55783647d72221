#include "agent/events/event_object.hpp"

#include <cctype>
#include <cstdio>

#include "api/json_text.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kComponent = "kubelet";
constexpr std::size_t kLongestName = 253;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// RFC 1123: labels of lower-case letters, digits and inner dashes, joined by dots.
bool is_dns_subdomain(std::string_view name) {
  if (name.empty() || name.size() > kLongestName) return false;
  char before = '.';
  for (const char c : name) {
    if (!is_alphanumeric(c) && c != '-' && c != '.') return false;
    const bool edge = before == '.' || (before == '-' && c == '.');
    if (edge && !is_alphanumeric(c)) return false;
    before = c;
  }
  return is_alphanumeric(before);
}

// RFC 9562, version 4.
std::string random_uuid(base::Random& random) {
  const std::uint64_t high = (random() & ~0xf000ull) | 0x4000ull;
  const std::uint64_t low = (random() & ~(0x3ull << 62)) | (0x2ull << 62);
  char text[37];
  std::snprintf(text, sizeof(text), "%08llx-%04llx-%04llx-%04llx-%012llx", static_cast<unsigned long long>(high >> 32),
                static_cast<unsigned long long>((high >> 16) & 0xffff), static_cast<unsigned long long>(high & 0xffff),
                static_cast<unsigned long long>(low >> 48), static_cast<unsigned long long>(low & 0xffffffffffffull));
  return text;
}

}  // namespace

api::core::ObjectReference reference_to(const api::Pod& pod, std::string field_path) {
  const auto& meta = pod.metadata();
  api::core::ObjectReference reference;
  reference.set_kind("Pod");
  reference.set_apiversion("v1");
  reference.set_namespace_(meta.namespace_());
  reference.set_name(meta.name());
  reference.set_uid(meta.uid());
  if (!meta.resourceversion().empty()) reference.set_resourceversion(meta.resourceversion());
  if (!field_path.empty()) reference.set_fieldpath(std::move(field_path));
  return reference;
}

api::core::ObjectReference reference_to_node(const std::string& node_name) {
  api::core::ObjectReference reference;
  reference.set_kind("Node");
  reference.set_apiversion("v1");
  reference.set_name(node_name);
  return reference;
}

api::core::Event make_event(api::core::ObjectReference object, EventContent content, const std::string& node_name,
                            base::SystemTime now, base::Random& random) {
  api::core::Event event;
  event.mutable_metadata()->set_name(event_name(object.name(), now, random));
  event.mutable_metadata()->set_namespace_(object.namespace_().empty() ? "default" : object.namespace_());
  *event.mutable_involvedobject() = std::move(object);
  event.set_reason(std::move(content.reason));
  event.set_message(std::move(content.message));
  event.set_type(content.warning ? "Warning" : "Normal");
  event.mutable_source()->set_component(std::string(kComponent));
  event.mutable_source()->set_host(node_name);
  event.set_reportingcomponent(std::string(kComponent));
  event.set_reportinginstance(node_name);
  *event.mutable_firsttimestamp() = api::make_time(now);
  *event.mutable_lasttimestamp() = event.firsttimestamp();
  event.set_count(1);
  return event;
}

std::string event_name(const std::string& object_name, base::SystemTime now, base::Random& random) {
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
  char suffix[24];
  std::snprintf(suffix, sizeof(suffix), ".%llx", static_cast<unsigned long long>(nanos));
  std::string name = object_name + suffix;
  return is_dns_subdomain(name) ? name : random_uuid(random);
}

std::string event_patch(const api::core::Event& event) {
  std::string patch = "{\"count\":" + std::to_string(event.count());
  patch += ",\"lastTimestamp\":";
  api::append_quoted(patch, api::format_time(event.lasttimestamp()));
  if (!event.message().empty()) {
    patch += ",\"message\":";
    api::append_quoted(patch, event.message());
  }
  return patch + "}";
}

}  // namespace keelson::agent
