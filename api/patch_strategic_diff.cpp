// The strategic merge patch that makes one object into another.
#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "api/node_edit.hpp"
#include "api/patch.hpp"
#include "api/patch_schema.hpp"

namespace keelson::api {
namespace {

using google::protobuf::Descriptor;
using internal::equal;
using internal::PatchField;

Node diff_maps(const Node& from, const Node& to, const Descriptor* type, bool retain_keys);

// Go sorts by the text of a key, whatever its kind.
std::string key_text(const Node& key) { return key.is_string() ? key.text : to_json(key); }

using Elements = std::map<std::string, const Node*>;

// The elements by their merge key. Nothing when they cannot be told apart: no key, or one key twice.
std::optional<Elements> by_key(const Node& list, std::string_view key) {
  Elements out;
  for (const Node& item : list.items) {
    const Node* value = item.find(key);
    if (value == nullptr || !out.emplace(key_text(*value), &item).second) return std::nullopt;
  }
  return out;
}

bool all_maps(const Node& list) {
  return std::all_of(list.items.begin(), list.items.end(), [](const Node& item) { return item.is_map(); });
}

Node only_key(const Node& item, std::string_view key) {
  Node out(Node::Kind::map);
  internal::set(out, key, *item.find(key));
  return out;
}

Node deletion_of(const Node& item, std::string_view key) {
  Node out = only_key(item, key);
  internal::set(out, internal::kDirective, internal::string_node("delete"));
  return out;
}

bool same_order(const Node& from, const Node& to, std::string_view key) {
  return std::equal(from.items.begin(), from.items.end(), to.items.begin(), to.items.end(),
                    [&](const Node& a, const Node& b) { return equal(*a.find(key), *b.find(key)); });
}

std::string with_prefix(std::string_view prefix, std::string_view name) {
  return std::string(prefix) + std::string(name);
}

// Replaces a merging list as a whole, for elements that cannot be merged.
void replace_list(Node& patch, std::string_view name, const Node& to) {
  Node list = to;
  Node directive(Node::Kind::map);
  internal::set(directive, internal::kDirective, internal::string_node("replace"));
  list.items.push_back(std::move(directive));
  internal::set(patch, name, std::move(list));
}

void diff_objects(Node& patch, std::string_view name, const Node& from, const Node& to, const PatchField& field) {
  const auto before = by_key(from, field.key);
  const auto after = by_key(to, field.key);
  if (!before || !after) {
    if (!equal(from, to)) replace_list(patch, name, to);
    return;
  }
  Node changes(Node::Kind::list);
  for (const Node& item : to.items) {
    const auto old = before->find(key_text(*item.find(field.key)));
    if (old == before->end()) {
      changes.items.push_back(item);
      continue;
    }
    Node change = diff_maps(*old->second, item, field.type, field.retain_keys);
    if (change.entries.empty()) continue;
    internal::set(change, field.key, *item.find(field.key));
    changes.items.push_back(std::move(change));
  }
  for (const auto& [key, item] : *before) {
    if (!after->contains(key)) changes.items.push_back(deletion_of(*item, field.key));
  }
  if (changes.items.empty() && same_order(from, to, field.key)) return;

  Node order(Node::Kind::list);
  for (const Node& item : to.items) order.items.push_back(only_key(item, field.key));
  if (!order.items.empty()) {
    internal::set(patch, with_prefix(internal::kSetElementOrder, name), std::move(order));
  }
  if (!changes.items.empty()) internal::set(patch, name, std::move(changes));
}

void diff_scalars(Node& patch, std::string_view name, const Node& from, const Node& to) {
  if (equal(from, to)) return;
  const auto missing_in = [](const Node& list, const Node& item) {
    return std::none_of(list.items.begin(), list.items.end(), [&](const Node& other) { return equal(other, item); });
  };
  Node added(Node::Kind::list);
  Node removed(Node::Kind::list);
  for (const Node& item : to.items) {
    if (missing_in(from, item)) added.items.push_back(item);
  }
  for (const Node& item : from.items) {
    if (missing_in(to, item)) removed.items.push_back(item);
  }
  std::sort(removed.items.begin(), removed.items.end(),
            [](const Node& a, const Node& b) { return key_text(a) < key_text(b); });
  if (!added.items.empty()) internal::set(patch, name, std::move(added));
  if (!removed.items.empty()) {
    internal::set(patch, with_prefix(internal::kDeleteFromPrimitiveList, name), std::move(removed));
  }
  if (!to.items.empty()) internal::set(patch, with_prefix(internal::kSetElementOrder, name), to);
}

void diff_lists(Node& patch, std::string_view name, const Node& from, const Node& to, const PatchField& field) {
  if (!field.merges || from.items.empty()) {
    if (!equal(from, to)) internal::set(patch, name, to);
  } else if (field.key.empty()) {
    diff_scalars(patch, name, from, to);
  } else if (all_maps(from) && all_maps(to)) {
    diff_objects(patch, name, from, to, field);
  } else if (!equal(from, to)) {
    replace_list(patch, name, to);
  }
}

void diff_member(Node& patch, std::string_view name, const Node& from, const Node& to, const Descriptor* type) {
  if (from.is_map() && to.is_map()) {
    Node change = diff_maps(from, to, internal::patch_field(type, name).type, false);
    if (!change.entries.empty()) internal::set(patch, name, std::move(change));
  } else if (from.is_list() && to.is_list()) {
    diff_lists(patch, name, from, to, internal::patch_field(type, name));
  } else if (!equal(from, to)) {
    internal::set(patch, name, to);
  }
}

Node diff_maps(const Node& from, const Node& to, const Descriptor* type, bool retain_keys) {
  Node patch(Node::Kind::map);
  bool vanished = false;
  for (const Node::Entry& entry : from.entries) {
    if (entry.shadowed) continue;
    if (const Node* now = to.find(entry.key)) {
      diff_member(patch, entry.key, entry.value, *now, type);
    } else {
      vanished = vanished || !entry.value.is_null();
      internal::set(patch, entry.key, Node());
    }
  }
  for (const Node::Entry& entry : to.entries) {
    if (!entry.shadowed && from.find(entry.key) == nullptr) internal::set(patch, entry.key, entry.value);
  }
  if (retain_keys && (!patch.entries.empty() || vanished)) {
    Node keys(Node::Kind::list);
    std::set<std::string, std::less<>> names;
    for (const Node::Entry& entry : to.entries) names.insert(entry.key);
    for (const std::string& name : names) keys.items.push_back(internal::string_node(name));
    if (!keys.items.empty()) internal::set(patch, internal::kRetainKeys, std::move(keys));
  }
  return patch;
}

}  // namespace

Node strategic_merge_diff(const Node& from, const Node& to, const Descriptor* type) {
  Node patch = diff_maps(from, to, type, false);
  internal::sort_keys(patch);
  return patch;
}

}  // namespace keelson::api
