#include <google/protobuf/message.h>

#include <memory>

#include "api/field_value.hpp"
#include "api/int_or_string.hpp"
#include "api/json_codec.hpp"
#include "api/message_plan.hpp"
#include "api/quantity.hpp"
#include "api/stable_bytes.hpp"
#include "api/time.hpp"

namespace keelson::api {
namespace {

using google::protobuf::Message;
using internal::as;
using internal::FieldPlan;
using internal::MessagePlan;
using internal::Special;

void normalize(Message& message, const MessagePlan& plan);

void normalize_special(Message& message, Special special) {
  if (special == Special::quantity) {
    auto& quantity = as<k8s::resource::Quantity>(message);
    const auto parsed = Quantity::parse(quantity.string().empty() ? "0" : quantity.string());
    if (parsed.ok()) parsed->store(quantity);
  } else if (special == Special::int_or_string) {
    auto& value = as<IntOrString>(message);
    value = is_string(value) ? make_string(value.strval()) : make_int(value.intval());
  } else if (special == Special::time) {
    auto& time = as<Time>(message);
    if (is_zero(time)) return;
    time.set_seconds(time.seconds());
    time.clear_nanos();
  } else if (special == Special::micro_time) {
    auto& time = as<MicroTime>(message);
    if (is_zero(time)) return;
    const std::int32_t nanos = time.nanos() / 1000 * 1000;
    time.set_seconds(time.seconds());
    time.clear_nanos();
    if (nanos != 0) time.set_nanos(nanos);
  }
}

// Of this message alone: those below it are visited, too.
void discard_unknown_fields(Message& message) {
  const auto* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) reflection->MutableUnknownFields(&message)->Clear();
}

void normalize_value(Message& message, const MessagePlan& plan) {
  discard_unknown_fields(message);
  if (plan.special == Special::none) {
    normalize(message, plan);
  } else {
    normalize_special(message, plan.special);
  }
}

void normalize_field(Message& message, const FieldPlan& field) {
  const auto* reflection = message.GetReflection();
  if (field.field->is_repeated()) {
    if (field.message == nullptr) return;
    const int count = reflection->FieldSize(message, field.field);
    for (int i = 0; i < count; ++i) {
      Message* item = reflection->MutableRepeatedMessage(&message, field.field, i);
      if (field.field->is_map()) {
        item = item->GetReflection()->MutableMessage(item, field.field->message_type()->map_value());
      }
      normalize_value(*item, *field.message);
    }
    return;
  }
  if (!reflection->HasField(message, field.field)) return;
  if (field.message == nullptr) {
    if (!field.pointer && internal::is_zero_scalar(message, field.field)) reflection->ClearField(&message, field.field);
    return;
  }
  normalize_value(*reflection->MutableMessage(&message, field.field), *field.message);
  if (!field.pointer && is_zero_message(reflection->GetMessage(message, field.field), *field.message)) {
    reflection->ClearField(&message, field.field);
  }
}

void normalize(Message& message, const MessagePlan& plan) {
  for (const FieldPlan& field : plan.fields) normalize_field(message, field);
}

}  // namespace

void normalize(Message& message) { normalize_value(message, internal::plan_of(message.GetDescriptor())); }

bool same(const Message& a, const Message& b) {
  if (a.GetDescriptor() != b.GetDescriptor()) return false;
  // Nearly always they are equal as they stand, and nothing need be copied.
  if (stable_bytes(a) == stable_bytes(b)) return true;
  const std::unique_ptr<Message> left(a.New());
  const std::unique_ptr<Message> right(b.New());
  left->MergeFrom(a);
  right->MergeFrom(b);
  normalize(*left);
  normalize(*right);
  return stable_bytes(*left) == stable_bytes(*right);
}

}  // namespace keelson::api
