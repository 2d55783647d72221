// YAML text: parse, decode as a Pod, and what was decoded must survive being written as YAML and JSON.
#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "api/objects.hpp"
#include "tests/fuzz/fuzz.hpp"

KEELSON_FUZZ_ENTRY(keelson_fuzz_yaml) {
  using namespace keelson::api;
  const DocumentLimits limits{.bytes = 1 << 16, .depth = 100, .nodes = 20'000};
  (void)parse_documents(input, limits);
  const auto node = parse_document(input, MultiDocument::first_only, limits);
  if (!node.ok()) return;
  // The tree is JSON: it reads back as itself.
  const std::string json = to_json(*node);
  const auto again = parse_json(json);
  KEELSON_CHECK(again.ok() && to_json(*again) == json);
  Pod pod;
  std::vector<FieldError> errors;
  const bool decoded = decode(*node, pod, {.strictness = Strictness::ignore}, errors).ok();
  (void)join(errors);
  if (!decoded) return;
  Pod copy;
  const auto written = parse_document(encode_yaml(pod));
  KEELSON_CHECK(written.ok() && decode(*written, copy).ok() && same(pod, copy));
}
