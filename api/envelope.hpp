// Envelope: whole API objects on the wire: type registry, the binary envelope ("k8s\0" + runtime.Unknown), text objects
// whose type is found by apiVersion and kind, and watch streams, binary and JSON.
//
// Pure functions and values, any thread; WatchReader belongs to the one task that reads the stream. Bad input is
// `invalid`, a kind outside the registry `unimplemented`; nothing here aborts or throws on what comes from outside.
//
// Source: contract 05a "Envelope and streams".
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "base/result.hpp"

namespace keelson::api {

struct TypeMeta {
  std::string api_version;  // "v1", "coordination.k8s.io/v1"
  std::string kind;         // "Pod", "LeaseList"
  bool operator==(const TypeMeta&) const = default;
};

// A typed API object of any kind of the registry.
struct Object {
  TypeMeta type;
  std::unique_ptr<google::protobuf::Message> message;

  // The message as a T, or null when it is of another type.
  template <class T>
  const T* as() const {
    return message != nullptr && message->GetDescriptor() == T::descriptor() ? static_cast<const T*>(message.get())
                                                                             : nullptr;
  }
  template <class T>
  T* as() {
    return const_cast<T*>(static_cast<const Object*>(this)->as<T>());
  }
};

// --- Registry
// Type of a message that is an API object; nullptr for anything else (PodSpec, ObjectReference).
const TypeMeta* type_of(const google::protobuf::Descriptor* descriptor);
inline const TypeMeta* type_of(const google::protobuf::Message& message) { return type_of(message.GetDescriptor()); }
// A new empty message for the type; `unimplemented` names the type that nobody knows.
Result<std::unique_ptr<google::protobuf::Message>> new_object(const TypeMeta& type);
const std::vector<TypeMeta>& known_types();

// --- Binary
struct Envelope {
  TypeMeta type;
  std::string_view raw;  // a view into the bytes that were unwrapped
  std::string content_encoding;
  std::string content_type;
};
// Prefix + Unknown around `message`. `type` is needed only where the message is not in the registry or serves several
// types (DeleteOptions).
std::string encode_binary(const google::protobuf::Message& message);
std::string encode_binary(const google::protobuf::Message& message, const TypeMeta& type);
Result<Envelope> unwrap(std::string_view bytes);
// The typed object inside, normalized (see normalize()).
Result<Object> decode_binary(std::string_view bytes);
// Into a message of known type; another type inside is `invalid`. A meta.v1.Status inside when something else was
// expected is reported with the Status' message.
Status decode_binary_into(std::string_view bytes, google::protobuf::Message& message);

// --- Text
// Type by apiVersion and kind, then decode. `errors` as for decode().
Result<Object> decode_object(const Node& node, const DecodeOptions& options, std::vector<FieldError>& errors);
Result<Object> decode_object(std::string_view text, const DecodeOptions& options, std::vector<FieldError>& errors);
Result<Object> decode_object(std::string_view text, const DecodeOptions& options = {});
// A message of known type from JSON text, a server's answer; apiVersion and kind are checked when present. Fields of a
// newer server are no errors unless `options` says so.
Status decode_json_into(std::string_view text, google::protobuf::Message& message,
                        const DecodeOptions& options = {.strictness = Strictness::ignore});

// --- Lists
// The elements of a list object (PodList -> Pod...) moved out, each with its own type; anything else comes back as the
// only element. A v1 List's items are decoded from what they embed.
Result<std::vector<Object>> take_items(Object list);

// --- RawExtension
// An embedded object, binary or JSON text.
Result<Object> decode_raw(std::string_view raw);

// --- Watch
enum class WireFormat { json, protobuf };

struct WatchEvent {
  std::string type;  // ADDED MODIFIED DELETED BOOKMARK ERROR
  Object object;     // ERROR: a meta.v1.Status
};

// Cuts a stream into frames: 4-byte big-endian length + bytes (protobuf), or one value per line (JSON).
class WatchReader {
 public:
  static constexpr std::size_t kMaxFrame = 16u << 20;

  explicit WatchReader(WireFormat format, std::size_t max_frame = kMaxFrame) : format_(format), max_frame_(max_frame) {}

  void feed(std::string_view bytes);
  // The next whole event; nullopt when more bytes are needed. After a failed frame the reader stays failed: the stream
  // cannot be trusted any more. An event whose kind is unknown fails with `unimplemented` but the stream goes on.
  Result<std::optional<WatchEvent>> next();
  // True when bytes of an unfinished frame are held (a stream that ends now was cut).
  bool mid_frame() const { return pos_ < buffer_.size(); }

 private:
  Result<std::optional<std::string_view>> next_frame();

  WireFormat format_;
  std::size_t max_frame_;
  std::string buffer_;
  std::size_t pos_ = 0;      // consumed up to here
  std::size_t scanned_ = 0;  // JSON: no newline before here
  std::optional<Error> failed_;
};

Result<WatchEvent> decode_watch_event(std::string_view frame, WireFormat format);
// One frame with its length (protobuf) or newline (JSON): what a server writes.
std::string encode_watch_event(std::string_view type, const google::protobuf::Message& object, WireFormat format);

}  // namespace keelson::api
