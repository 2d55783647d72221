// stable_bytes(): a message in bytes that are the same for equal messages, because the entries of maps are in order.
//
// For comparing and keeping, not for the wire: the next version of the library may order them otherwise. Pure; any
// thread; nothing fails. Source: CodedOutputStream::SetSerializationDeterministic.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace keelson::api {

std::string stable_bytes(const google::protobuf::Message& message);

}  // namespace keelson::api
