// JSON text: any API object, and one event of a JSON watch.
#include "api/document.hpp"
#include "api/envelope.hpp"
#include "tests/fuzz/fuzz.hpp"

KEELSON_FUZZ_ENTRY(keelson_fuzz_json) {
  using namespace keelson::api;
  WatchReader reader(WireFormat::json, 1 << 16);
  reader.feed(input);
  while (true) {
    const auto event = reader.next();
    if (!event.ok() || !event->has_value()) break;
  }
  const auto node = parse_json(input);
  if (!node.ok()) return;
  std::vector<FieldError> errors;
  const auto object = decode_object(*node, {.strictness = Strictness::ignore}, errors);
  if (!object.ok()) return;
  // JSON -> message -> binary -> message -> JSON.
  const auto copy = decode_binary(encode_binary(*object->message));
  KEELSON_CHECK(copy.ok() && same(*object->message, *copy->message));
  const std::string text = encode_json(*copy->message);
  const auto back = decode_object(text);
  KEELSON_CHECK(back.ok() && same(*object->message, *back->message) && encode_json(*back->message) == text);
}
