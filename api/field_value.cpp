#include "api/field_value.hpp"

#include <algorithm>

#include "api/int_or_string.hpp"
#include "api/quantity.hpp"
#include "api/time.hpp"

namespace keelson::api::internal {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool is_zero_scalar(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  if (!reflection->HasField(message, field)) return true;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL: return !reflection->GetBool(message, field);
    case FieldDescriptor::CPPTYPE_INT32: return reflection->GetInt32(message, field) == 0;
    case FieldDescriptor::CPPTYPE_INT64: return reflection->GetInt64(message, field) == 0;
    case FieldDescriptor::CPPTYPE_UINT32: return reflection->GetUInt32(message, field) == 0;
    case FieldDescriptor::CPPTYPE_UINT64: return reflection->GetUInt64(message, field) == 0;
    case FieldDescriptor::CPPTYPE_DOUBLE: return reflection->GetDouble(message, field) == 0;
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      return reflection->GetStringReference(message, field, &scratch).empty();
    }
    default: return false;
  }
}

bool is_zero_message(const Message& message, const MessagePlan& plan) {
  switch (plan.special) {
    case Special::quantity: return Quantity::of(as<k8s::resource::Quantity>(message)).is_zero();
    case Special::time: return is_zero(as<Time>(message));
    case Special::micro_time: return is_zero(as<MicroTime>(message));
    case Special::int_or_string: {
      const auto& value = as<IntOrString>(message);
      return is_string(value) ? false : value.intval() == 0;
    }
    default: break;
  }
  const auto* reflection = message.GetReflection();
  for (const FieldPlan& field : plan.fields) {
    if (field.field->is_repeated()) {
      if (reflection->FieldSize(message, field.field) > 0) return false;
    } else if (!reflection->HasField(message, field.field)) {
      continue;
    } else if (field.pointer) {
      return false;
    } else if (field.message != nullptr) {
      if (!is_zero_message(reflection->GetMessage(message, field.field), *field.message)) return false;
    } else if (!is_zero_scalar(message, field.field)) {
      return false;
    }
  }
  return true;
}

std::vector<std::pair<std::string, const Message*>> sorted_entries(const Message& message,
                                                                   const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  const FieldDescriptor* key = field->message_type()->map_key();
  std::vector<std::pair<std::string, const Message*>> out;
  const int count = reflection->FieldSize(message, field);
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    out.emplace_back(entry.GetReflection()->GetString(entry, key), &entry);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

}  // namespace keelson::api::internal
