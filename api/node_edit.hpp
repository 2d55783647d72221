// Edits and comparison of trees (api/document.hpp), for the patches; internal to api.
//
// Pure functions, any thread. Positions and shadowed entries do not count: comparison skips them, edits drop the
// latter.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/document.hpp"

namespace keelson::api::internal {

// Equal in meaning: maps without regard to order, numbers by value.
bool equal(const Node& a, const Node& b);

Node* find(Node& map, std::string_view key);
// Replaces the value of `key` where it stands, or adds it at the end.
void set(Node& map, std::string_view key, Node value);
bool erase(Node& map, std::string_view key);
// Of all maps below `node`, as Go writes maps; duplicates that do not count go.
void sort_keys(Node& node);

Node string_node(std::string_view text);

inline bool has_prefix(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace keelson::api::internal
