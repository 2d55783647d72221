// Small facts about set fields that decoding, encoding and normalizing share; internal to api.
#pragma once

#include <google/protobuf/message.h>

#include "api/message_plan.hpp"

namespace keelson::api::internal {

// The scalar at `field` is Go's zero value (unset counts).
bool is_zero_scalar(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field);
// The whole message equals its absence: nothing set that would be written for a value that is no pointer.
bool is_zero_message(const google::protobuf::Message& message, const MessagePlan& plan);

// Entries of a map field as (key, entry message), sorted by key.
std::vector<std::pair<std::string, const google::protobuf::Message*>> sorted_entries(
    const google::protobuf::Message& message, const google::protobuf::FieldDescriptor* field);

// The message as the generated type; only after its plan said so.
template <class T>
const T& as(const google::protobuf::Message& message) {
  return static_cast<const T&>(message);
}
template <class T>
T& as(google::protobuf::Message& message) {
  return static_cast<T&>(message);
}

}  // namespace keelson::api::internal
