// JSON merge patch (RFC 7386) and JSON patch (RFC 6902).
#include "api/patch.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/json_text.hpp"
#include "api/node_edit.hpp"

namespace keelson::api {
namespace {

using internal::equal;

Node merge_diff_maps(const Node& from, const Node& to) {
  Node patch(Node::Kind::map);
  for (const Node::Entry& entry : from.entries) {
    if (!entry.shadowed && to.find(entry.key) == nullptr) internal::set(patch, entry.key, Node());
  }
  for (const Node::Entry& entry : to.entries) {
    if (entry.shadowed) continue;
    const Node* old = from.find(entry.key);
    if (old != nullptr && equal(*old, entry.value)) continue;
    Node change = old == nullptr ? entry.value : merge_diff(*old, entry.value);
    internal::set(patch, entry.key, std::move(change));
  }
  return patch;
}

// --- JSON patch ---

Error wrong(std::size_t operation, const std::string& what) {
  return Error(ErrorKind::invalid, "operation " + std::to_string(operation) + ": " + what);
}

// RFC 6901. `~2` and a pointer that does not start with a slash are refused.
Result<std::vector<std::string>> parse_pointer(const std::string& text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  if (text.front() != '/') return Error(ErrorKind::invalid, "pointer \"" + text + "\" does not start with /");
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      out.emplace_back();
    } else if (text[i] != '~') {
      out.back() += text[i];
    } else if (i + 1 < text.size() && (text[i + 1] == '0' || text[i + 1] == '1')) {
      out.back() += text[++i] == '0' ? '~' : '/';
    } else {
      return Error(ErrorKind::invalid, "pointer \"" + text + "\": ~ is followed by neither 0 nor 1");
    }
  }
  return out;
}

std::optional<std::size_t> parse_index(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 10 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return std::stoul(text);
}

Node* child(Node& parent, const std::string& token) {
  if (parent.is_map()) return internal::find(parent, token);
  if (!parent.is_list()) return nullptr;
  const auto index = parse_index(token);
  return index && *index < parent.items.size() ? &parent.items[*index] : nullptr;
}

using Pointer = std::vector<std::string>;

// The value at the first `depth` tokens, or null.
Node* walk(Node& document, const Pointer& pointer, std::size_t depth) {
  Node* at = &document;
  for (std::size_t i = 0; i < depth && at != nullptr; ++i) at = child(*at, pointer[i]);
  return at;
}

Status add(Node& document, const Pointer& pointer, Node value) {
  if (pointer.empty()) {
    document = std::move(value);
    return {};
  }
  Node* parent = walk(document, pointer, pointer.size() - 1);
  const std::string& token = pointer.back();
  if (parent != nullptr && parent->is_map()) {
    internal::set(*parent, token, std::move(value));
    return {};
  }
  if (parent == nullptr || !parent->is_list()) return Error(ErrorKind::invalid, "there is nothing to add to");
  const auto index = token == "-" ? std::optional(parent->items.size()) : parse_index(token);
  if (!index || *index > parent->items.size()) {
    return Error(ErrorKind::invalid,
                 "\"" + token + "\" is no index of a list of " + std::to_string(parent->items.size()) + " elements");
  }
  parent->items.insert(parent->items.begin() + static_cast<std::ptrdiff_t>(*index), std::move(value));
  return {};
}

Result<Node> take(Node& document, const Pointer& pointer) {
  Node* at = walk(document, pointer, pointer.size());
  if (at == nullptr) return Error(ErrorKind::invalid, "there is no such value");
  Node out = std::move(*at);
  if (pointer.empty()) {
    document = Node();
    return out;
  }
  Node* parent = walk(document, pointer, pointer.size() - 1);
  if (parent->is_map()) {
    internal::erase(*parent, pointer.back());
  } else {
    parent->items.erase(parent->items.begin() + static_cast<std::ptrdiff_t>(*parse_index(pointer.back())));
  }
  return out;
}

Result<Pointer> pointer_of(const Node& operation, std::string_view member) {
  const Node* text = operation.find(member);
  if (text == nullptr || !text->is_string()) {
    return Error(ErrorKind::invalid, "\"" + std::string(member) + "\" must be a string");
  }
  return parse_pointer(text->text);
}

bool is_below(const Pointer& inner, const Pointer& outer) {
  return inner.size() > outer.size() && std::equal(outer.begin(), outer.end(), inner.begin());
}

// What copy and move put at their path.
Result<Node> fetch(Node& document, const Node& operation, const Pointer& path, bool move) {
  auto from = pointer_of(operation, "from");
  if (!from.ok()) return std::move(from).error();
  if (!move) {
    const Node* at = walk(document, *from, from->size());
    if (at == nullptr) return Error(ErrorKind::invalid, "there is nothing at \"from\"");
    return *at;
  }
  if (is_below(path, *from)) return Error(ErrorKind::invalid, "a value cannot be moved into itself");
  return take(document, *from);
}

Status apply_operation(Node& document, const Node& operation) {
  const Node* op = operation.find("op");
  if (op == nullptr || !op->is_string()) return Error(ErrorKind::invalid, "\"op\" must be a string");
  auto path = pointer_of(operation, "path");
  if (!path.ok()) return std::move(path).error();
  const std::string& name = op->text;

  if (name == "remove") {
    auto gone = take(document, *path);
    if (!gone.ok()) return std::move(gone).error();
    return {};
  }
  if (name == "copy" || name == "move") {
    auto value = fetch(document, operation, *path, name == "move");
    if (!value.ok()) return std::move(value).error();
    return add(document, *path, std::move(*value));
  }
  if (name != "add" && name != "replace" && name != "test") {
    return Error(ErrorKind::invalid, "unknown op \"" + name + "\"");
  }
  const Node* value = operation.find("value");
  if (value == nullptr) return Error(ErrorKind::invalid, "\"value\" is missing");
  if (name == "add") return add(document, *path, *value);
  Node* at = walk(document, *path, path->size());
  if (at == nullptr) return Error(ErrorKind::invalid, "there is no such value");
  if (name == "replace") {
    *at = *value;
  } else if (!equal(*at, *value)) {
    return Error(ErrorKind::invalid, "test failed: found " + describe(*at) + ", expected " + describe(*value));
  }
  return {};
}

}  // namespace

Node merge_diff(const Node& from, const Node& to) {
  if (!from.is_map() || !to.is_map()) return to;
  Node patch = merge_diff_maps(from, to);
  internal::sort_keys(patch);
  return patch;
}

Node merge_apply(const Node& original, const Node& patch) {
  if (!patch.is_map()) return patch;
  Node out = original.is_map() ? original : Node(Node::Kind::map);
  std::erase_if(out.entries, [](const Node::Entry& entry) { return entry.shadowed; });
  for (const Node::Entry& change : patch.entries) {
    if (change.shadowed) continue;
    if (change.value.is_null()) {
      internal::erase(out, change.key);
      continue;
    }
    const Node* old = out.find(change.key);
    Node merged = merge_apply(old == nullptr ? Node() : *old, change.value);
    internal::set(out, change.key, std::move(merged));
  }
  return out;
}

Result<Node> json_patch_apply(const Node& original, const Node& patch) {
  if (!patch.is_list()) return Error(ErrorKind::invalid, "a list of operations was expected, got " + describe(patch));
  Node document = original;
  for (std::size_t i = 0; i < patch.items.size(); ++i) {
    const Node& operation = patch.items[i];
    const Status done = apply_operation(document, operation);
    if (done.ok()) continue;
    const Node* path = operation.find("path");
    const std::string where = path == nullptr ? "" : "path " + describe(*path) + ": ";
    return wrong(i, where + done.error().message());
  }
  return document;
}

}  // namespace keelson::api
