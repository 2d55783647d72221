#include <google/protobuf/descriptor.h>

#include "api/base64.hpp"
#include "api/envelope.hpp"
#include "api/field_value.hpp"
#include "api/int_or_string.hpp"
#include "api/json_codec.hpp"
#include "api/json_text.hpp"
#include "api/message_plan.hpp"
#include "api/proto/runtime.pb.h"
#include "api/quantity.hpp"
#include "api/time.hpp"
#include "base/duration.hpp"

namespace keelson::api {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using internal::as;
using internal::FieldPlan;
using internal::MessagePlan;
using internal::Special;

Node text_node(std::string text) {
  Node node(Node::Kind::string);
  node.text = std::move(text);
  return node;
}

Node int_node(std::int64_t value) {
  Node node(Node::Kind::integer);
  node.text = std::to_string(value);
  return node;
}

Node bool_node(bool value) {
  Node node(Node::Kind::boolean);
  node.boolean = value;
  return node;
}

void put(Node& map, std::string key, Node value) {
  map.entries.push_back({std::move(key), {}, false, {}, std::move(value)});
}

// Text that we hold but did not check (it came in binary): what is not JSON is lost, as null.
Node embedded_json(std::string_view text) {
  if (text.empty()) return Node();
  auto node = parse_json(text);
  return node.ok() ? std::move(*node) : Node();
}

Node encode_quantity(const k8s::resource::Quantity& message) {
  if (message.string().empty()) return text_node("0");
  const auto quantity = Quantity::parse(message.string());
  return text_node(quantity.ok() ? quantity->to_string() : message.string());
}

template <class T>
Node encode_time(const T& time) {
  return is_zero(time) ? Node() : text_node(format_time(time));
}

Node encode_string_list(const Message& message) {
  const FieldDescriptor* items = message.GetDescriptor()->FindFieldByNumber(1);
  const auto* reflection = message.GetReflection();
  Node out(Node::Kind::list);
  for (int i = 0; i < reflection->FieldSize(message, items); ++i) {
    out.items.push_back(text_node(reflection->GetRepeatedString(message, items, i)));
  }
  return out.items.empty() ? Node() : out;
}

// `index` counts within a repeated field; -1 for a singular one.
Node encode_scalar(const Message& message, const FieldDescriptor* field, int index = -1) {
  const auto* r = message.GetReflection();
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return bool_node(one ? r->GetBool(message, field) : r->GetRepeatedBool(message, field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return int_node(one ? r->GetInt32(message, field) : r->GetRepeatedInt32(message, field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return int_node(one ? r->GetInt64(message, field) : r->GetRepeatedInt64(message, field, index));
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text = one ? r->GetString(message, field) : r->GetRepeatedString(message, field, index);
      return text_node(field->type() == FieldDescriptor::TYPE_BYTES ? base64_encode(text) : std::move(text));
    }
    default: break;
  }
  broken_invariant("a scalar type that the schema does not use", __FILE__, __LINE__);
}

class Encoder {
 public:
  Node encode_object(const Message& message, const TypeMeta* type) {
    const MessagePlan& plan = internal::plan_of(message.GetDescriptor());
    if (plan.special != Special::none) return encode_message(message, plan);
    Node out(Node::Kind::map);
    if (type != nullptr) {
      put(out, "kind", text_node(type->kind));
      put(out, "apiVersion", text_node(type->api_version));
    }
    for (const FieldPlan& field : plan.fields) encode_field(out, message, field);
    return out;
  }

 private:
  static constexpr int kMostEmbedded = 4;

  Node encode_raw_extension(const k8s::runtime::RawExtension& message) {
    if (!message.raw().starts_with(std::string_view("k8s\0", 4))) return embedded_json(message.raw());
    // An object in an object in an object ... is an attack, not an API object.
    if (embedded_ >= kMostEmbedded) return Node();
    const auto object = decode_binary(message.raw());
    if (!object.ok()) return Node();
    ++embedded_;
    Node out = encode_object(*object->message, &object->type);
    --embedded_;
    return out;
  }

  Node encode_message(const Message& message, const MessagePlan& plan) {
    switch (plan.special) {
      case Special::none: return encode_plain(message, plan);
      case Special::quantity: return encode_quantity(as<k8s::resource::Quantity>(message));
      case Special::int_or_string: {
        const auto& value = as<IntOrString>(message);
        return is_string(value) ? text_node(value.strval()) : int_node(value.intval());
      }
      case Special::time: return encode_time(as<Time>(message));
      case Special::micro_time: return encode_time(as<MicroTime>(message));
      case Special::duration:
        return text_node(base::format_duration(base::Duration(as<k8s::meta::v1::Duration>(message).duration())));
      case Special::raw_extension: return encode_raw_extension(as<k8s::runtime::RawExtension>(message));
      case Special::fields_v1: return embedded_json(as<k8s::meta::v1::FieldsV1>(message).raw());
      case Special::string_list: return encode_string_list(message);
    }
    return Node();
  }

  Node encode_map(const Message& message, const FieldPlan& field) {
    const FieldDescriptor* value = field.field->message_type()->map_value();
    Node out(Node::Kind::map);
    for (auto& [key, entry] : internal::sorted_entries(message, field.field)) {
      put(out, key,
          field.message == nullptr ? encode_scalar(*entry, value)
                                   : encode_message(entry->GetReflection()->GetMessage(*entry, value), *field.message));
    }
    return out;
  }

  Node encode_list(const Message& message, const FieldPlan& field) {
    const auto* reflection = message.GetReflection();
    Node out(Node::Kind::list);
    const int count = reflection->FieldSize(message, field.field);
    out.items.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      out.items.push_back(
          field.message == nullptr
              ? encode_scalar(message, field.field, i)
              : encode_message(reflection->GetRepeatedMessage(message, field.field, i), *field.message));
    }
    return out;
  }

  void encode_field(Node& out, const Message& message, const FieldPlan& field) {
    const auto* reflection = message.GetReflection();
    if (field.field->is_repeated()) {
      if (reflection->FieldSize(message, field.field) == 0) {
        if (field.always) put(out, field.name(), Node());
      } else {
        put(out, field.name(), field.field->is_map() ? encode_map(message, field) : encode_list(message, field));
      }
      return;
    }
    if (field.pointer && !reflection->HasField(message, field.field)) {
      if (field.nullable_always) put(out, field.name(), Node());
      return;
    }
    if (field.message == nullptr) {
      if (field.pointer || field.always || !internal::is_zero_scalar(message, field.field)) {
        put(out, field.name(), encode_scalar(message, field.field));
      }
      return;
    }
    const Message& value = reflection->GetMessage(message, field.field);
    if (field.inlined) {
      Node inner = encode_plain(value, *field.message);
      for (Node::Entry& entry : inner.entries) out.entries.push_back(std::move(entry));
    } else if (field.pointer || field.always || !is_zero_message(value, *field.message)) {
      put(out, field.name(), encode_message(value, *field.message));
    }
  }

  Node encode_plain(const Message& message, const MessagePlan& plan) {
    Node out(Node::Kind::map);
    for (const FieldPlan& field : plan.fields) encode_field(out, message, field);
    return out;
  }

  int embedded_ = 0;
};

}  // namespace

Node encode_node(const Message& message, const EncodeOptions& options) {
  return Encoder().encode_object(message, options.type_meta ? type_of(message) : nullptr);
}

std::string encode_json(const Message& message, const EncodeOptions& options) {
  const Node node = encode_node(message, options);
  return options.pretty ? to_pretty_json(node) : to_json(node);
}

std::string encode_yaml(const Message& message, const EncodeOptions& options) {
  return to_yaml(encode_node(message, options));
}

}  // namespace keelson::api
