#include "cri-client/debug_json.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "cri-client/convert.hpp"

namespace keelson::cri {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::json;

json to_json(const Message& message);

// `index` is -1 for a field that is not repeated.
json value_of(const Message& message, const FieldDescriptor* field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return one ? reflection.GetInt32(message, field) : reflection.GetRepeatedInt32(message, field, index);
    case FieldDescriptor::CPPTYPE_INT64:
      return one ? reflection.GetInt64(message, field) : reflection.GetRepeatedInt64(message, field, index);
    case FieldDescriptor::CPPTYPE_UINT32:
      return one ? reflection.GetUInt32(message, field) : reflection.GetRepeatedUInt32(message, field, index);
    case FieldDescriptor::CPPTYPE_UINT64:
      return one ? reflection.GetUInt64(message, field) : reflection.GetRepeatedUInt64(message, field, index);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return one ? reflection.GetDouble(message, field) : reflection.GetRepeatedDouble(message, field, index);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return one ? reflection.GetFloat(message, field) : reflection.GetRepeatedFloat(message, field, index);
    case FieldDescriptor::CPPTYPE_BOOL:
      return one ? reflection.GetBool(message, field) : reflection.GetRepeatedBool(message, field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return one ? reflection.GetEnumValue(message, field) : reflection.GetRepeatedEnumValue(message, field, index);
    case FieldDescriptor::CPPTYPE_STRING:
      return one ? reflection.GetString(message, field) : reflection.GetRepeatedString(message, field, index);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return to_json(one ? reflection.GetMessage(message, field)
                         : reflection.GetRepeatedMessage(message, field, index));
  }
  return nullptr;
}

json map_of(const Message& message, const FieldDescriptor* field, int size) {
  const FieldDescriptor* key = field->message_type()->map_key();
  const FieldDescriptor* value = field->message_type()->map_value();
  json result = json::object();
  for (int i = 0; i < size; ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, field, i);
    result[entry.GetReflection()->GetString(entry, key)] = value_of(entry, value, -1);
  }
  return result;
}

json to_json(const Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  json result = json::object();
  for (const FieldDescriptor* field : fields) {
    json& place = result[field->name()];
    if (!field->is_repeated()) {
      place = value_of(message, field, -1);
      continue;
    }
    const int size = reflection.FieldSize(message, field);
    if (field->is_map()) {
      place = map_of(message, field, size);
      continue;
    }
    for (int i = 0; i < size; ++i) place.push_back(value_of(message, field, i));
  }
  return result;
}

template <class Proto, class Struct>
std::string dump(const Struct& config) {
  Proto proto;
  to_proto(config, &proto);
  return to_json(proto).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string debug_json(const PodSandboxConfig& config) { return dump<pb::PodSandboxConfig>(config); }
std::string debug_json(const ContainerConfig& config) { return dump<pb::ContainerConfig>(config); }

}  // namespace keelson::cri
