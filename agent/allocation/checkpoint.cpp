#include "agent/allocation/checkpoint.hpp"

#include <charconv>

#include "agent/pod_config/go_text.hpp"
#include "api/document.hpp"
#include "api/json_codec.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kChecksumPrefix = "(string)";
constexpr std::uint32_t kFnvOffset = 2'166'136'261u;
constexpr std::uint32_t kFnvPrime = 16'777'619u;

std::string resources_text(const api::core::ResourceRequirements& resources) {
  return api::encode_json(resources, {.type_meta = false});
}

std::string entry_text(const PodAllocation& allocation) {
  std::string out = "{\"ContainerResources\":{";
  bool first = true;
  for (const auto& [name, resources] : allocation.containers) {
    if (!first) out += ',';
    first = false;
    out += go_json_string(name) + ':' + resources_text(resources);
  }
  return out + "},\"PodLevelResources\":" + (allocation.pod ? resources_text(*allocation.pod) : "null") + '}';
}

// An empty table has no key "entries", as the kubelet writes it.
std::string data_text(const AllocationTable& table) {
  if (table.empty()) return "{}";
  std::string out = "{\"entries\":{";
  bool first = true;
  for (const auto& [uid, allocation] : table) {
    if (!first) out += ',';
    first = false;
    out += go_json_string(uid) + ':' + entry_text(allocation);
  }
  return out + "}}";
}

Error malformed(std::string what) { return Error(ErrorKind::invalid, std::move(what)); }

// A map under `key`; absent and null are an empty one.
Result<const api::Node*> map_at(const api::Node& node, std::string_view key) {
  static const api::Node kEmpty(api::Node::Kind::map);
  const api::Node* found = node.find(key);
  if (found == nullptr || found->is_null()) return &kEmpty;
  if (!found->is_map()) return malformed(std::string(key) + " is a " + std::string(found->kind_name()));
  return found;
}

Result<api::core::ResourceRequirements> resources_of(const api::Node& node) {
  api::core::ResourceRequirements out;
  api::DecodeOptions options;
  options.strictness = api::Strictness::ignore;
  options.type_meta = false;
  KEELSON_TRY(api::decode(node, out, options));
  return out;
}

Result<PodAllocation> entry_of(const api::Node& node) {
  if (!node.is_map()) return malformed("it is a " + std::string(node.kind_name()));
  PodAllocation out;
  auto containers = map_at(node, "ContainerResources");
  if (!containers.ok()) return containers.error();
  for (const auto& entry : (*containers)->entries) {
    auto resources = resources_of(entry.value);
    if (!resources.ok()) return resources.error().wrap("of container " + entry.key);
    out.containers[entry.key] = std::move(*resources);
  }
  const api::Node* pod = node.find("PodLevelResources");
  if (pod == nullptr || pod->is_null()) return out;
  auto resources = resources_of(*pod);
  if (!resources.ok()) return resources.error().wrap("of the pod");
  out.pod = std::move(*resources);
  return out;
}

}  // namespace

std::uint32_t checkpoint_checksum(std::string_view data) {
  std::uint32_t hash = kFnvOffset;
  for (const std::string_view part : {kChecksumPrefix, data}) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * kFnvPrime;
  }
  return hash;
}

std::string encode_checkpoint(const AllocationTable& table) {
  const std::string data = data_text(table);
  return "{\"data\":" + go_json_string(data) + ",\"checksum\":" + std::to_string(checkpoint_checksum(data)) + "}";
}

Result<AllocationTable> decode_checkpoint(std::string_view text) {
  auto outer = api::parse_json(text);
  if (!outer.ok()) return outer.error();
  const api::Node* data = outer->find("data");
  const api::Node* checksum = outer->find("checksum");
  if (data == nullptr || !data->is_string()) return malformed("it has no text \"data\"");
  if (checksum == nullptr || checksum->kind != api::Node::Kind::integer)
    return malformed("it has no number \"checksum\"");
  const std::string expected = std::to_string(checkpoint_checksum(data->text));
  if (checksum->text != expected) {
    return malformed("its checksum is " + checksum->text + ", but that of its data is " + expected);
  }
  auto inner = api::parse_json(data->text);
  if (!inner.ok()) return inner.error().wrap("in \"data\"");
  auto entries = map_at(*inner, "entries");
  if (!entries.ok()) return entries.error();
  AllocationTable out;
  for (const auto& entry : (*entries)->entries) {
    auto allocation = entry_of(entry.value);
    if (!allocation.ok()) return allocation.error().wrap("in the entry of pod " + entry.key);
    out[entry.key] = std::move(*allocation);
  }
  return out;
}

}  // namespace keelson::agent
