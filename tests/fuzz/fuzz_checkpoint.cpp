// The checkpoints of allocated and actuated resources: the input as the file, and as the data of a file whose checksum
// is right. What was read is written back as the same.
#include <string>

#include "agent/allocation/checkpoint.hpp"
#include "agent/pod_config/go_text.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace keelson::agent;

void check(std::string_view file) {
  const auto table = decode_checkpoint(file);
  if (!table.ok()) return;
  const std::string written = encode_checkpoint(*table);
  const auto again = decode_checkpoint(written);
  KEELSON_CHECK(again.ok() && again->size() == table->size() && encode_checkpoint(*again) == written);
  for (const auto& [uid, allocation] : *table) {
    KEELSON_CHECK(again->count(uid) == 1 && same_allocation(again->at(uid), allocation));
  }
}

}  // namespace

KEELSON_FUZZ_ENTRY(keelson_fuzz_checkpoint) {
  check(input);
  const std::string data(input);
  check("{\"data\":" + go_json_string(data) + ",\"checksum\":" + std::to_string(checkpoint_checksum(data)) + "}");
}
