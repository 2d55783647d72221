// JsonCodec: JSON and YAML to and from every message of api/proto, by reflection; no type has code of its own.
//
// Pure functions, any thread. Decoding starts from a Node (api/document.hpp), so that every complaint has the full
// field path, line and column; it collects all complaints instead of stopping at the first. Names are case-sensitive.
// Encoding writes what the Go API writer writes (contract 05a: `always`, `nullable-always`, zero times as null), keys
// in schema order, without HTML escaping.
//
// Decoded messages are normal: fields without pointer semantics are set only when they are not zero, quantities and
// times are canonical. So a message from JSON equals the same object from binary after normalize().
//
// Source: contract 05a.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "api/document.hpp"
#include "base/result.hpp"

namespace keelson::api {

struct FieldError {
  enum class Kind { unknown_field, duplicate_field, wrong_type, bad_value };
  Kind kind = Kind::bad_value;
  std::string path;  // "spec.containers[0].ports[1].containerPort"; empty for the object itself
  Position at;
  std::string message;  // what was found and what was expected

  // "line 7, column 5: spec.containers[0].imagee: unknown field (did you mean \"image\"?)"
  std::string to_string() const;
};

// What unknown and duplicate fields are. `warn` lists them and succeeds; `error` lists them and fails.
enum class Strictness { ignore, warn, error };

struct DecodeOptions {
  Strictness strictness = Strictness::error;
  // Whether the root may carry apiVersion and kind. They are accepted always where the type is an API object.
  bool type_meta = true;
};

// Fills `message` (cleared first) from `node`. Complaints are appended to `errors` in document order. Fails when any of
// them is an error under `options`; the status then carries all of them, one per line. What could be read is in
// `message` even then.
Status decode(const Node& node, google::protobuf::Message& message, const DecodeOptions& options,
              std::vector<FieldError>& errors);
// The same for callers who only want the status.
Status decode(const Node& node, google::protobuf::Message& message, const DecodeOptions& options = {});

// All errors in one text, one line each, at most `limit` of them ("... and 12 more").
std::string join(const std::vector<FieldError>& errors, std::size_t limit = 20);

struct EncodeOptions {
  bool pretty = false;  // two spaces, one key per line
  // Whether API objects (api/envelope.hpp knows which) get `kind` and `apiVersion` at the root, never within lists.
  bool type_meta = true;
};

std::string encode_json(const google::protobuf::Message& message, const EncodeOptions& options = {});
std::string encode_yaml(const google::protobuf::Message& message, const EncodeOptions& options = {});

// The same as a tree without positions, for callers who compare or edit (patches).
Node encode_node(const google::protobuf::Message& message, const EncodeOptions& options = {});

// Clears every set field that equals its absence: zero scalars and empty sub-messages without pointer semantics; puts
// quantities into canonical form. Apply it to what came in binary before comparing.
void normalize(google::protobuf::Message& message);
// Equal in meaning: equal after normalize().
bool same(const google::protobuf::Message& a, const google::protobuf::Message& b);

}  // namespace keelson::api
