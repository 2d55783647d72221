#include "api/document.hpp"

#include <algorithm>
#include <unordered_map>

#include "api/document_internal.hpp"
#include "api/json_text.hpp"

namespace keelson::api {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

Position position_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto newlines = std::count(before.begin(), before.end(), '\n');
  const std::size_t last = before.rfind('\n');
  const std::size_t column = last == std::string_view::npos ? offset : offset - last - 1;
  return {static_cast<int>(newlines) + 1, static_cast<int>(column) + 1};
}

// What no document may hold. DEL is fine in JSON, and only there.
Status check_text(std::string_view text, const DocumentLimits& limits, bool json) {
  if (text.size() > limits.bytes) {
    return Error(ErrorKind::invalid, "document of " + std::to_string(text.size()) +
                                         " bytes is larger than the limit of " + std::to_string(limits.bytes) +
                                         " bytes");
  }
  for (std::size_t pos = 0; pos < text.size();) {
    const unsigned char c = static_cast<unsigned char>(text[pos]);
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || (c == 0x7f && !json)) {
      return internal::at(position_of(text, pos), "control character " + std::to_string(c) + " is not allowed");
    }
    const std::size_t length = utf8_length(text, pos);
    if (length == 0) return internal::at(position_of(text, pos), "invalid UTF-8: expected text in UTF-8");
    pos += length;
  }
  return {};
}

bool looks_like_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

}  // namespace

namespace internal {

Error at(Position where, std::string_view message) {
  return Error(ErrorKind::invalid, prefix(where) + std::string(message));
}

void mark_duplicates(Node& map) {
  if (map.entries.size() < 2) return;
  std::unordered_map<std::string_view, std::size_t> latest;
  latest.reserve(map.entries.size());
  for (std::size_t i = 0; i < map.entries.size(); ++i) {
    Node::Entry& entry = map.entries[i];
    const auto [found, added] = latest.try_emplace(entry.key, i);
    if (added) continue;
    Node::Entry& earlier = map.entries[found->second];
    earlier.shadowed = true;
    entry.first = earlier.first.known() ? earlier.first : earlier.at;
    found->second = i;
  }
}

}  // namespace internal

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (!entry.shadowed && entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string_view Node::kind_name() const {
  switch (kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "boolean";
    case Kind::integer:
    case Kind::floating: return "number";
    case Kind::string: return "string";
    case Kind::list: return "list";
    case Kind::map: return "object";
  }
  return "value";
}

Result<Node> parse_document(std::string_view text, MultiDocument multi, const DocumentLimits& limits) {
  if (looks_like_json(text)) return parse_json(text, limits);
  KEELSON_TRY(check_text(text, limits, false));
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const bool only_first = multi == MultiDocument::first_only;
  auto documents = internal::read_yaml(text, limits, only_first);
  if (!documents) return std::move(documents).error();
  if (!only_first) std::erase_if(*documents, [](const Node& node) { return node.is_null(); });
  if (documents->empty()) return Node(Node::Kind::null, {1, 1});
  if (documents->size() > 1) {
    return internal::at((*documents)[1].at, "a second document starts here: expected one object per file");
  }
  return std::move(documents->front());
}

Result<std::vector<Node>> parse_documents(std::string_view text, const DocumentLimits& limits) {
  const bool json = looks_like_json(text);
  KEELSON_TRY(check_text(text, limits, json));
  if (json) return internal::read_json(text, limits, true);
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  auto documents = internal::read_yaml(text, limits, false);
  if (documents) std::erase_if(*documents, [](const Node& node) { return node.is_null(); });
  return documents;
}

Result<Node> parse_json(std::string_view text, const DocumentLimits& limits) {
  KEELSON_TRY(check_text(text, limits, true));
  auto values = internal::read_json(text, limits, false);
  if (!values) return std::move(values).error();
  return std::move(values->front());
}

}  // namespace keelson::api
