#include "config/dump.hpp"

#include <array>

#include "config/fields.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

// Objects that are there even when nothing in them is.
constexpr std::array<std::string_view, 10> kAlwaysObjects = {"authentication",
                                                             "authentication.x509",
                                                             "authentication.webhook",
                                                             "authentication.anonymous",
                                                             "authorization",
                                                             "authorization.webhook",
                                                             "memorySwap",
                                                             "logging",
                                                             "crashLoopBackOff",
                                                             "logging.options"};

nlohmann::json& at_path(nlohmann::json& root, std::string_view path) {
  nlohmann::json* node = &root;
  for (const std::string& part : split(path, '.')) {
    if (!node->is_object()) *node = nlohmann::json::object();
    node = &(*node)[part];
  }
  return *node;
}

bool shown(const Field& field, Slot slot) {
  // A duration is an object in the Kubernetes type, which is never left out.
  if (std::holds_alternative<Duration*>(slot) || field.always_shown) return true;
  const bool optional_member = encode(slot).is_null();
  if (field.pointer) return !optional_member;
  return !is_empty(slot);
}

}  // namespace

nlohmann::json to_json(const KubeletConfiguration& configuration) {
  KubeletConfiguration values = configuration;
  nlohmann::json root = {{"kind", "KubeletConfiguration"}, {"apiVersion", "kubelet.config.k8s.io/v1beta1"}};
  for (const std::string_view path : kAlwaysObjects) {
    nlohmann::json& object = at_path(root, path);
    if (object.is_null()) object = nlohmann::json::object();
  }
  for (const Field* field : all_fields()) {
    const Slot slot = field->slot(values);
    if (shown(*field, slot)) at_path(root, field->path) = encode(slot);
  }
  return root;
}

nlohmann::json configz(const KubeletConfiguration& configuration) {
  return {{"kubeletconfig", to_json(configuration)}};
}

}  // namespace keelson::config
