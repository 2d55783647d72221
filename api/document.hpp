// Document: YAML or JSON text becomes a plain tree of values, each with its line and column.
//
// Pure functions and values, any thread. JSON (first character that is not blank is '{') goes through a strict JSON
// parser, anything else through YAML, with the scalar rules of Kubernetes' YAML reader: `yes`, `on`, `0644`, `0x1f`,
// `1_000` and `1e3` mean what they mean there. No YAML library type leaves document*.cpp.
//
// Failures are `invalid` and name line, column and what was expected; text that is not UTF-8, holds control characters,
// is too large, nests too deep, or whose aliases expand too far is refused before it can cost memory.
//
// Duplicate keys are no failure here: the last one counts (as in Go), earlier ones stay in the tree marked `shadowed`,
// and the codec reports them when it is strict.
//
// Source: contract 05a "JSON <-> protobuf quirks"; YAML 1.1 scalars as sigs.k8s.io/yaml resolves them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace keelson::api {

// 1-based; 0 means unknown (a value that no text was the source of). Columns count bytes.
struct Position {
  int line = 0;
  int column = 0;
  bool known() const { return line > 0; }
};

struct Node {
  enum class Kind : std::uint8_t { null, boolean, integer, floating, string, list, map };
  struct Entry;

  Node() = default;
  explicit Node(Kind k, Position p = {});

  Kind kind = Kind::null;
  bool boolean = false;
  Position at;
  // string: its contents. integer, floating: a JSON number: the source text, or for YAML notations that JSON lacks
  // (0x1f, 0644, +1, 1_000, 1.50) the text Go's converter writes for them (31, 420, 1, 1000, 1.5).
  std::string text;
  std::vector<Node> items;     // list
  std::vector<Entry> entries;  // map, in source order, shadowed duplicates included

  // The entry that counts for `key`, or null. On anything but a map: null.
  const Node* find(std::string_view key) const;
  bool is_map() const { return kind == Kind::map; }
  bool is_list() const { return kind == Kind::list; }
  bool is_null() const { return kind == Kind::null; }
  bool is_string() const { return kind == Kind::string; }
  // "string", "number", "object" ... as used in messages.
  std::string_view kind_name() const;
};

struct Node::Entry {
  std::string key;
  Position at;            // of the key
  bool shadowed = false;  // a later entry has the same key
  Position first;         // known when an earlier entry has the same key: where that one is
  Node value;
};

// Here, where Entry is complete: clang wants the members' destructors for it.
inline Node::Node(Kind k, Position p) : kind(k), at(p) {}

struct DocumentLimits {
  std::size_t bytes = 10u << 20;  // of the text
  int depth = 100;                // of nesting
  std::size_t nodes = 1'000'000;  // of values, after aliases are expanded
};

// What to do with text that holds more than one YAML document.
enum class MultiDocument {
  refuse,      // an error that names the line of the second document
  first_only,  // what the kubelet does: the rest is not looked at for meaning (it must still be readable text)
};

// The one document in `text`. Text with nothing in it (blank, comments only) gives a null node.
Result<Node> parse_document(std::string_view text, MultiDocument multi = MultiDocument::refuse,
                            const DocumentLimits& limits = {});
// All documents; empty ones (nothing between two `---`) are left out.
Result<std::vector<Node>> parse_documents(std::string_view text, const DocumentLimits& limits = {});

// What a JSON body is read with: JSON only, never YAML.
Result<Node> parse_json(std::string_view text, const DocumentLimits& limits = {});

// Compact JSON of a tree; shadowed entries are left out. Keys stay in source order.
std::string to_json(const Node& node);

}  // namespace keelson::api
