// MessagePlan: what the codec needs to know of a message, read once from the descriptors; internal to api.
//
// Built for all messages on first use, immutable afterwards, any thread.
// Source: contract 05a (flags are the options in api/proto/options.proto).
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::api::internal {

// Messages whose JSON is not an object of their fields.
enum class Special : std::uint8_t {
  none,
  quantity,
  int_or_string,
  time,
  micro_time,
  duration,
  raw_extension,
  fields_v1,
  string_list,  // ExtraValue, Verbs
};

struct MessagePlan;

struct FieldPlan {
  const google::protobuf::FieldDescriptor* field = nullptr;
  bool pointer = false;
  bool inlined = false;
  bool always = false;
  bool nullable_always = false;
  const MessagePlan* message = nullptr;  // of a message field: its plan; of a map with message values: the value's plan

  const std::string& name() const { return field->json_name(); }
};

struct MessagePlan {
  const google::protobuf::Descriptor* descriptor = nullptr;
  Special special = Special::none;
  bool object = false;            // has apiVersion and kind in JSON
  std::vector<FieldPlan> fields;  // in schema order

  // Where a JSON key leads: the inlined fields to go through, then the field itself.
  struct Key {
    std::string_view name;
    std::vector<const FieldPlan*> path;
  };
  std::vector<Key> keys;  // sorted by name

  const Key* find(std::string_view name) const;
};

const MessagePlan& plan_of(const google::protobuf::Descriptor* descriptor);

}  // namespace keelson::api::internal
