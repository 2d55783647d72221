#include "static-pods/pod_hash.hpp"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "api/json_codec.hpp"

namespace keelson::static_pods {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void write_message(const Message& message, std::string& out);

// Lengths come before contents, so that no two different objects can have one form.
void write_bytes(std::string_view bytes, std::string& out) {
  out += std::to_string(bytes.size()) + ":";
  out += bytes;
}

// index < 0: the field is single.
void write_value(const Message& message, const FieldDescriptor* field, int index, std::string& out) {
  const Reflection* r = message.GetReflection();
  const bool one = index < 0;
  std::string scratch;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      std::string inner;
      write_message(one ? r->GetMessage(message, field) : r->GetRepeatedMessage(message, field, index), inner);
      return write_bytes(inner, out);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return write_bytes(one ? r->GetStringReference(message, field, &scratch)
                             : r->GetRepeatedStringReference(message, field, index, &scratch),
                         out);
    case FieldDescriptor::CPPTYPE_BOOL:
      out += (one ? r->GetBool(message, field) : r->GetRepeatedBool(message, field, index)) ? "t" : "f";
      return;
    case FieldDescriptor::CPPTYPE_INT32:
      out += std::to_string(one ? r->GetInt32(message, field) : r->GetRepeatedInt32(message, field, index)) + ";";
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      out += std::to_string(one ? r->GetInt64(message, field) : r->GetRepeatedInt64(message, field, index)) + ";";
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out += std::to_string(one ? r->GetUInt32(message, field) : r->GetRepeatedUInt32(message, field, index)) + ";";
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out += std::to_string(one ? r->GetUInt64(message, field) : r->GetRepeatedUInt64(message, field, index)) + ";";
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      out += std::to_string(one ? r->GetDouble(message, field) : r->GetRepeatedDouble(message, field, index)) + ";";
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_ENUM: return;  // the Kubernetes API has none
  }
}

void write_message(const Message& message, std::string& out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);  // ordered by number
  for (const FieldDescriptor* field : fields) {
    out += std::to_string(field->number()) + "=";
    if (!field->is_repeated()) {
      write_value(message, field, -1, out);
      continue;
    }
    std::vector<std::string> elements(static_cast<std::size_t>(message.GetReflection()->FieldSize(message, field)));
    for (std::size_t i = 0; i < elements.size(); ++i) write_value(message, field, static_cast<int>(i), elements[i]);
    // A map is a list of entries that begin with their key.
    if (field->is_map()) std::sort(elements.begin(), elements.end());
    out += std::to_string(elements.size()) + "[";
    for (const auto& element : elements) out += element;
  }
}

}  // namespace

void Fnv128a::add(std::string_view bytes) {
  constexpr unsigned __int128 kPrime = constant(0x0000000001000000, 0x000000000000013b);
  for (const char c : bytes) {
    hash_ ^= static_cast<unsigned char>(c);
    hash_ *= kPrime;
  }
}

std::string Fnv128a::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 124; shift >= 0; shift -= 4) text += kDigits[static_cast<unsigned>(hash_ >> shift) & 0xf];
  return text;
}

std::string canonical_form(const Message& message) {
  const std::unique_ptr<Message> copy(message.New());
  copy->MergeFrom(message);
  api::normalize(*copy);
  std::string out;
  write_message(*copy, out);
  return out;
}

}  // namespace keelson::static_pods
