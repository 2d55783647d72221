#include "tests/support/api/fake_api_selection.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace keelson::fakes {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Beside metadata.name and metadata.namespace, which all kinds offer.
const std::map<std::string_view, std::vector<std::string_view>>& offered_fields() {
  static const std::map<std::string_view, std::vector<std::string_view>> table = {
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
        "status.phase", "status.podIP", "status.nominatedNodeName"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
        "reportingComponent", "source", "type"}},
      {"nodes", {"spec.unschedulable"}},
      {"namespaces", {"status.phase"}},
      {"secrets", {"type"}},
      {"services", {"spec.clusterIP", "spec.type"}},
      {"certificatesigningrequests", {"spec.signerName"}},
      {"podcertificaterequests", {"spec.nodeName", "spec.signerName", "spec.podName"}},
      {"resourceslices", {"spec.nodeName", "spec.driver"}},
  };
  return table;
}

bool is_offered(const ApiKind& kind, std::string_view field) {
  if (field == "metadata.name" || (field == "metadata.namespace" && kind.resource.namespaced)) return true;
  const auto found = offered_fields().find(kind.resource.plural);
  if (found == offered_fields().end()) return false;
  return std::find(found->second.begin(), found->second.end(), field) != found->second.end();
}

const FieldDescriptor* by_json_name(const Message& message, std::string_view name) {
  const auto* type = message.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    if (type->field(i)->json_name() == name) return type->field(i);
  }
  return nullptr;
}

std::string scalar_text(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: return reflection->GetString(message, field);
    case FieldDescriptor::CPPTYPE_BOOL: return reflection->GetBool(message, field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32: return std::to_string(reflection->GetInt32(message, field));
    case FieldDescriptor::CPPTYPE_INT64: return std::to_string(reflection->GetInt64(message, field));
    default: return "";
  }
}

}  // namespace

std::string field_value(const Message& object, std::string_view path) {
  if (path == "source") path = "source.component";
  const Message* at = &object;
  while (true) {
    const std::size_t dot = path.find('.');
    const FieldDescriptor* field = by_json_name(*at, path.substr(0, dot));
    if (field == nullptr || field->is_repeated()) return "";
    if (dot == std::string_view::npos) return scalar_text(*at, field);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return "";
    at = &at->GetReflection()->GetMessage(*at, field);
    path.remove_prefix(dot + 1);
  }
}

Outcome<Selection> Selection::parse(const ApiKind& kind, std::string ns, std::string name, const std::string& fields,
                                    const std::string& labels) {
  Selection out;
  out.ns_ = std::move(ns);
  out.name_ = std::move(name);
  auto parsed_fields = api::FieldSelector::parse(fields);
  if (!parsed_fields.ok()) return bad_request(parsed_fields.error().message());
  for (const auto& term : parsed_fields->terms()) {
    if (!is_offered(kind, term.field)) return bad_request("field label not supported: " + term.field);
  }
  auto parsed_labels = api::LabelSelector::parse(labels);
  if (!parsed_labels.ok()) {
    return bad_request("unable to parse requirement: " + parsed_labels.error().message());
  }
  out.fields_ = std::move(*parsed_fields);
  out.labels_ = std::move(*parsed_labels);
  return out;
}

bool Selection::matches(const Message& object) const {
  const auto& meta = meta_of(object);
  if (!ns_.empty() && meta.namespace_() != ns_) return false;
  if (!name_.empty() && meta.name() != name_) return false;
  if (!labels_.matches_labels(meta.labels())) return false;
  return fields_.matches([&](std::string_view path) { return field_value(object, path); });
}

}  // namespace keelson::fakes
