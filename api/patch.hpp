// Patch: the three patch languages of the API, as differences and as edits of trees.
//
// Pure functions, any thread. A strategic merge patch follows the types' own rules (which lists merge, and by which
// key); they are a table in patch_schema.cpp for the types that a node reads or writes. What cannot be applied is
// `invalid` and names the path. Source: RFC 7386, RFC 6902; contract 01 §8.2 (shapes of the node's patch), contract 02
// §15.5 (of a pod's); the recorded patches in tests/golden.
#pragma once

#include <google/protobuf/descriptor.h>

#include "api/document.hpp"
#include "base/result.hpp"

namespace keelson::api {

// What makes `from` into `to`: changed members only, vanished ones as null, merging lists with their order
// ($setElementOrder/...), replaced ones whole. An empty map when nothing differs.
Node strategic_merge_diff(const Node& from, const Node& to, const google::protobuf::Descriptor* type);
Result<Node> strategic_merge_apply(const Node& original, const Node& patch, const google::protobuf::Descriptor* type);

Node merge_diff(const Node& from, const Node& to);                       // RFC 7386
Node merge_apply(const Node& original, const Node& patch);               // RFC 7386
Result<Node> json_patch_apply(const Node& original, const Node& patch);  // RFC 6902

}  // namespace keelson::api
