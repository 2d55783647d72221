// The files of pull records: kubelet.config.k8s.io ImagePullIntent and ImagePulledRecord.
#include "agent/images/pull_record.hpp"
#include "agent/pod_config/go_text.hpp"
#include "api/document.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

constexpr std::string_view kGroup = "kubelet.config.k8s.io/";

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

std::string head(const char* kind) {
  return "{\"kind\":\"" + std::string(kind) + R"(","apiVersion":"kubelet.config.k8s.io/v1beta1",)";
}

std::string identity_json(const ObjectIdentity& object) {
  return "\"uid\":" + go_json_string(object.uid) + ",\"namespace\":" + go_json_string(object.ns) +
         ",\"name\":" + go_json_string(object.name);
}

std::string access_json(const ImageAccess& access) {
  if (access.everybody) return R"({"nodePodsAccessible":true})";
  std::string secrets;
  for (const SecretAccess& known : access.secrets) {
    secrets += std::string(secrets.empty() ? "" : ",") + "{" + identity_json(known.secret) +
               ",\"credentialHash\":" + go_json_string(known.hash) + "}";
  }
  std::string accounts;
  for (const ObjectIdentity& account : access.accounts) {
    accounts += std::string(accounts.empty() ? "" : ",") + "{" + identity_json(account) + "}";
  }
  std::string json;
  if (!secrets.empty()) json += "\"kubernetesSecrets\":[" + secrets + "]";
  if (!accounts.empty()) {
    json += std::string(json.empty() ? "" : ",") + "\"kubernetesServiceAccounts\":[" + accounts + "]";
  }
  return "{" + json + "}";
}

std::string text_of(const api::Node& object, std::string_view key) {
  const api::Node* value = object.find(key);
  return value != nullptr && value->is_string() ? value->text : std::string();
}

Result<api::Node> open(std::string_view text, std::string_view kind) {
  auto root = api::parse_json(text);
  if (!root.ok()) return root;
  const bool right =
      root->is_map() && text_of(*root, "kind") == kind && text_of(*root, "apiVersion").starts_with(kGroup);
  if (!right) return bad("expected an object of kind " + std::string(kind) + " in " + std::string(kGroup) + "*");
  return root;
}

ObjectIdentity identity_of(const api::Node& object) {
  return {text_of(object, "namespace"), text_of(object, "name"), text_of(object, "uid")};
}

// The items of a list that are objects.
std::vector<const api::Node*> objects_in(const api::Node& owner, std::string_view key) {
  std::vector<const api::Node*> objects;
  const api::Node* list = owner.find(key);
  if (list == nullptr) return objects;
  for (const api::Node& item : list->items) {
    if (item.is_map()) objects.push_back(&item);
  }
  return objects;
}

ImageAccess read_access(const api::Node& node) {
  ImageAccess access;
  const api::Node* everybody = node.find("nodePodsAccessible");
  access.everybody = everybody != nullptr && everybody->kind == api::Node::Kind::boolean && everybody->boolean;
  for (const api::Node* item : objects_in(node, "kubernetesSecrets")) {
    access.secrets.push_back({identity_of(*item), text_of(*item, "credentialHash")});
  }
  for (const api::Node* item : objects_in(node, "kubernetesServiceAccounts")) {
    access.accounts.push_back(identity_of(*item));
  }
  return access;
}

}  // namespace

std::string pull_intent_json(const std::string& image) {
  return head("ImagePullIntent") + "\"image\":" + go_json_string(image) + "}\n";
}

std::string pulled_record_json(const PulledRecord& record) {
  std::string access;
  for (const auto& [repository, known] : record.access) {
    access += std::string(access.empty() ? "" : ",") + go_json_string(repository) + ":" + access_json(known);
  }
  return head("ImagePulledRecord") + "\"lastUpdatedTime\":\"" + base::format_rfc3339(record.updated) +
         "\",\"imageRef\":" + go_json_string(record.ref) +
         (access.empty() ? "" : ",\"credentialMapping\":{" + access + "}") + "}\n";
}

Result<std::string> parse_pull_intent(std::string_view text) {
  const auto root = open(text, "ImagePullIntent");
  if (!root.ok()) return root.error();
  std::string image = text_of(root.value(), "image");
  if (image.empty()) return bad("image: expected the name of an image");
  return image;
}

Result<PulledRecord> parse_pulled_record(std::string_view text) {
  const auto root = open(text, "ImagePulledRecord");
  if (!root.ok()) return root.error();
  PulledRecord record;
  record.ref = text_of(root.value(), "imageRef");
  if (record.ref.empty()) return bad("imageRef: expected the runtime's reference of an image");
  if (const auto updated = base::parse_rfc3339(text_of(root.value(), "lastUpdatedTime")); updated.ok()) {
    record.updated = updated.value();
  }
  const api::Node* mapping = root.value().find("credentialMapping");
  if (mapping == nullptr || mapping->is_null()) return record;
  if (!mapping->is_map()) return bad("credentialMapping: expected an object");
  for (const auto& entry : mapping->entries) {
    if (!entry.shadowed && entry.value.is_map()) record.access[entry.key] = read_access(entry.value);
  }
  return record;
}

}  // namespace keelson::agent
