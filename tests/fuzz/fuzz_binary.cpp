// Binary: an enveloped object, and a binary watch stream fed in two pieces.
#include "api/envelope.hpp"
#include "api/objects.hpp"
#include "tests/fuzz/fuzz.hpp"

KEELSON_FUZZ_ENTRY(keelson_fuzz_binary) {
  using namespace keelson::api;
  WatchReader reader(WireFormat::protobuf, 1 << 16);
  for (const std::string_view piece : {input.substr(0, input.size() / 2), input.substr(input.size() / 2)}) {
    reader.feed(piece);
    while (true) {
      const auto event = reader.next();
      if (!event.ok() || !event->has_value()) break;
    }
  }
  auto object = decode_binary(input);
  if (!object.ok()) return;
  // Whatever a server sends can be shown, written again, and compared.
  const std::string json = encode_json(*object->message);
  KEELSON_CHECK(parse_json(json).ok());
  (void)encode_yaml(*object->message);
  const auto copy = decode_binary(encode_binary(*object->message));
  KEELSON_CHECK(copy.ok() && same(*object->message, *copy->message));
  if (const auto* pod = object->as<Pod>()) (void)pod->spec().containers_size();
  (void)take_items(std::move(*object));
}
