#include "api/node_edit.hpp"

#include <cstdlib>

namespace keelson::api::internal {
namespace {

bool is_number(const Node& node) { return node.kind == Node::Kind::integer || node.kind == Node::Kind::floating; }

bool equal_numbers(const Node& a, const Node& b) {
  if (a.text == b.text) return true;
  // Whole numbers may be too large for a double to tell apart.
  if (a.kind == Node::Kind::integer && b.kind == Node::Kind::integer) return false;
  return std::strtod(a.text.c_str(), nullptr) == std::strtod(b.text.c_str(), nullptr);
}

std::size_t count(const Node& map) {
  return static_cast<std::size_t>(
      std::count_if(map.entries.begin(), map.entries.end(), [](const Node::Entry& entry) { return !entry.shadowed; }));
}

bool equal_maps(const Node& a, const Node& b) {
  if (count(a) != count(b)) return false;
  for (const Node::Entry& entry : a.entries) {
    if (entry.shadowed) continue;
    const Node* other = b.find(entry.key);
    if (other == nullptr || !equal(entry.value, *other)) return false;
  }
  return true;
}

}  // namespace

bool equal(const Node& a, const Node& b) {
  if (is_number(a) && is_number(b)) return equal_numbers(a, b);
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Node::Kind::null: return true;
    case Node::Kind::boolean: return a.boolean == b.boolean;
    case Node::Kind::list: return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), equal);
    case Node::Kind::map: return equal_maps(a, b);
    default: return a.text == b.text;
  }
}

Node* find(Node& map, std::string_view key) { return const_cast<Node*>(std::as_const(map).find(key)); }

void set(Node& map, std::string_view key, Node value) {
  if (Node* there = find(map, key)) {
    *there = std::move(value);
    return;
  }
  Node::Entry entry;
  entry.key = key;
  entry.value = std::move(value);
  map.entries.push_back(std::move(entry));
}

bool erase(Node& map, std::string_view key) {
  return std::erase_if(map.entries, [&](const Node::Entry& entry) { return entry.key == key; }) != 0;
}

void sort_keys(Node& node) {
  for (Node& item : node.items) sort_keys(item);
  std::erase_if(node.entries, [](const Node::Entry& entry) { return entry.shadowed; });
  for (Node::Entry& entry : node.entries) sort_keys(entry.value);
  std::sort(node.entries.begin(), node.entries.end(),
            [](const Node::Entry& a, const Node::Entry& b) { return a.key < b.key; });
}

Node string_node(std::string_view text) {
  Node out(Node::Kind::string);
  out.text = text;
  return out;
}

}  // namespace keelson::api::internal
