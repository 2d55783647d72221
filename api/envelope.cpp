#include "api/envelope.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>

#include "api/json_codec.hpp"
#include "api/json_text.hpp"
#include "api/proto/meta_v1.pb.h"
#include "api/proto/runtime.pb.h"

namespace keelson::api {
namespace {

using google::protobuf::Message;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::string_view kPrefix("k8s\0", 4);

Error bad(std::string message) { return Error(ErrorKind::invalid, std::move(message)); }

// Map entries sorted by key, so that equal objects give equal bytes.
void append_message(std::string& out, const Message& message) {
  google::protobuf::io::StringOutputStream stream(&out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
}

std::string type_text(const TypeMeta& type) { return type.api_version + " " + type.kind; }

// A length-delimited field as a view into `bytes`.
bool read_view(CodedInputStream& in, std::string_view bytes, std::string_view& view) {
  std::uint32_t length = 0;
  if (!in.ReadVarint32(&length)) return false;
  const auto start = static_cast<std::size_t>(in.CurrentPosition());
  if (length > bytes.size() - start || !in.Skip(static_cast<int>(length))) return false;
  view = bytes.substr(start, length);
  return true;
}

bool read_type_meta(std::string_view bytes, TypeMeta& type) {
  k8s::runtime::TypeMeta message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  type = {message.apiversion(), message.kind()};
  return true;
}

// runtime.Unknown read in place: its `raw` may be megabytes that need no copy.
bool read_unknown(std::string_view bytes, Envelope& out) {
  CodedInputStream in(reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  while (const std::uint32_t tag = in.ReadTag()) {
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    const bool delimited = WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (!delimited || field > 4) {
      if (!WireFormatLite::SkipField(&in, tag)) return false;
      continue;
    }
    std::string_view view;
    if (!read_view(in, bytes, view)) return false;
    if (field == 1 && !read_type_meta(view, out.type)) return false;
    if (field == 2) out.raw = view;
    if (field == 3) out.content_encoding = view;
    if (field == 4) out.content_type = view;
  }
  return in.ConsumedEntireMessage();
}

Status parse_body(const Envelope& envelope, Message& message) {
  if (!envelope.content_encoding.empty()) {
    return bad("content encoding \"" + envelope.content_encoding + "\" of an object is not supported");
  }
  if (!message.ParsePartialFromArray(envelope.raw.data(), static_cast<int>(envelope.raw.size()))) {
    return bad("the bytes of " + type_text(envelope.type) + " are not a valid protobuf message");
  }
  normalize(message);
  return {};
}

// What a server says instead of the object that was asked for.
Error unexpected(const Envelope& envelope, const TypeMeta* expected) {
  const std::string wanted = expected == nullptr ? "another type" : type_text(*expected);
  k8s::meta::v1::Status status;
  if (envelope.type.kind == "Status" && parse_body(envelope, status).ok()) {
    return Error(ErrorKind::invalid, "expected " + wanted + ", got a Status: " + status.message(), status.code());
  }
  return bad("expected " + wanted + ", got " + type_text(envelope.type));
}

Result<std::string> text_field(const Node& node, std::string_view name) {
  const Node* value = node.find(name);
  if (value == nullptr || value->is_null()) {
    return bad(prefix(node.at) + std::string(name) + ": missing: expected the object's " + std::string(name));
  }
  if (!value->is_string() || value->text.empty()) {
    return bad(prefix(value->at) + std::string(name) + ": expected a string, found " + describe(*value));
  }
  return value->text;
}

}  // namespace

std::string encode_binary(const Message& message, const TypeMeta& type) {
  k8s::runtime::Unknown envelope;
  envelope.mutable_typemeta()->set_apiversion(type.api_version);
  envelope.mutable_typemeta()->set_kind(type.kind);
  append_message(*envelope.mutable_raw(), message);
  envelope.set_contentencoding("");
  envelope.set_contenttype("");
  std::string out(kPrefix);
  envelope.AppendPartialToString(&out);
  return out;
}

std::string encode_binary(const Message& message) {
  const TypeMeta* type = type_of(message);
  KEELSON_CHECK(type != nullptr && "a message that is an API object");
  return encode_binary(message, *type);
}

Result<Envelope> unwrap(std::string_view bytes) {
  if (!bytes.starts_with(kPrefix)) {
    return bad("the body does not start with the bytes 107 56 115 0 (\"k8s\") of a binary object");
  }
  constexpr std::size_t kMostBytes = std::size_t{1} << 30;
  if (bytes.size() > kMostBytes) return bad("a binary object of more than 1 GiB");
  Envelope out;
  if (!read_unknown(bytes.substr(kPrefix.size()), out)) return bad("the envelope of a binary object is damaged");
  return out;
}

Result<Object> decode_binary(std::string_view bytes) {
  auto envelope = unwrap(bytes);
  if (!envelope) return std::move(envelope).error();
  auto message = new_object(envelope->type);
  if (!message) return std::move(message).error();
  KEELSON_TRY(parse_body(*envelope, **message));
  return Object{std::move(envelope->type), std::move(*message)};
}

Status decode_binary_into(std::string_view bytes, Message& message) {
  const auto envelope = unwrap(bytes);
  if (!envelope) return envelope.error();
  const TypeMeta* expected = type_of(message);
  if (expected == nullptr || envelope->type != *expected) return unexpected(*envelope, expected);
  return parse_body(*envelope, message);
}

Result<Object> decode_object(const Node& node, const DecodeOptions& options, std::vector<FieldError>& errors) {
  if (!node.is_map()) {
    return bad(prefix(node.at) + "expected an object with apiVersion and kind, found " +
               (node.is_null() ? "nothing" : describe(node)));
  }
  auto api_version = text_field(node, "apiVersion");
  if (!api_version) return std::move(api_version).error();
  auto kind = text_field(node, "kind");
  if (!kind) return std::move(kind).error();
  Object out;
  out.type = {std::move(*api_version), std::move(*kind)};
  auto message = new_object(out.type);
  if (!message) {
    return Error(message.error().kind(), prefix(node.find("kind")->at) + message.error().message());
  }
  out.message = std::move(*message);
  KEELSON_TRY(decode(node, *out.message, options, errors));
  return out;
}

Result<Object> decode_object(std::string_view text, const DecodeOptions& options, std::vector<FieldError>& errors) {
  const auto node = parse_document(text);
  if (!node) return node.error();
  return decode_object(*node, options, errors);
}

Result<Object> decode_object(std::string_view text, const DecodeOptions& options) {
  std::vector<FieldError> errors;
  return decode_object(text, options, errors);
}

Status decode_json_into(std::string_view text, Message& message, const DecodeOptions& options) {
  const auto node = parse_json(text);
  if (!node) return node.error();
  const TypeMeta* expected = type_of(message);
  const Node* kind = node->find("kind");
  const Node* api_version = node->find("apiVersion");
  if (expected != nullptr && kind != nullptr && kind->is_string() && api_version != nullptr) {
    const TypeMeta found{api_version->text, kind->text};
    if (found != *expected) {
      const Node* words = found.kind == "Status" ? node->find("message") : nullptr;
      return bad("expected " + type_text(*expected) + ", got " + type_text(found) +
                 (words != nullptr ? ": " + words->text : ""));
    }
  }
  return decode(*node, message, options);
}

Result<Object> decode_raw(std::string_view raw) {
  if (raw.starts_with(kPrefix)) return decode_binary(raw);
  const auto node = parse_json(raw);
  if (!node) return node.error();
  std::vector<FieldError> errors;
  return decode_object(*node, {.strictness = Strictness::ignore}, errors);
}

Result<std::vector<Object>> take_items(Object list) {
  std::vector<Object> out;
  if (auto* raw_list = list.as<k8s::meta::v1::List>()) {
    for (const auto& item : raw_list->items()) {
      auto object = decode_raw(item.raw());
      if (!object) return std::move(object).error().wrap("item " + std::to_string(out.size()));
      out.push_back(std::move(*object));
    }
    return out;
  }
  const auto* descriptor = list.message->GetDescriptor();
  const auto* items = list.type.kind.ends_with("List") ? descriptor->FindFieldByName("items") : nullptr;
  const TypeMeta* type = items == nullptr ? nullptr : type_of(items->message_type());
  if (type == nullptr) {
    out.push_back(std::move(list));
    return out;
  }
  const auto* reflection = list.message->GetReflection();
  const int count = reflection->FieldSize(*list.message, items);
  out.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    Message* item = reflection->MutableRepeatedMessage(list.message.get(), items, i);
    out.push_back({*type, std::unique_ptr<Message>(item->New())});
    item->GetReflection()->Swap(item, out.back().message.get());
  }
  return out;
}

}  // namespace keelson::api
