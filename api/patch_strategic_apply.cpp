// A strategic merge patch applied to an object.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/json_text.hpp"
#include "api/node_edit.hpp"
#include "api/patch.hpp"
#include "api/patch_schema.hpp"

namespace keelson::api {
namespace {

using google::protobuf::Descriptor;
using internal::equal;
using internal::has_prefix;
using internal::PatchField;

Result<Node> merge_maps(Node original, Node patch, const Descriptor* type, const std::string& path);

Error wrong(const std::string& path, std::string what) {
  return Error(ErrorKind::invalid, (path.empty() ? std::string("patch") : path) + ": " + std::move(what));
}

std::string below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

bool is_directive(std::string_view key) {
  return key == internal::kDirective || key == internal::kRetainKeys || has_prefix(key, internal::kSetElementOrder) ||
         has_prefix(key, internal::kDeleteFromPrimitiveList);
}

bool is_special(const Node& item) { return item.is_map() && item.find(internal::kDirective) != nullptr; }

// A value that meets nothing in the original: what only has meaning against an original goes.
void strip(Node& value) {
  std::erase_if(value.entries, [](const Node::Entry& entry) {
    return entry.shadowed || entry.value.is_null() || is_directive(entry.key);
  });
  for (Node::Entry& entry : value.entries) strip(entry.value);
  std::erase_if(value.items, is_special);
  for (Node& item : value.items) strip(item);
}

// --- order of merging lists ---

bool same_element(const Node& a, const Node& b, std::string_view key) {
  if (key.empty()) return equal(a, b);
  const Node* left = a.find(key);
  const Node* right = b.find(key);
  return left != nullptr && right != nullptr && equal(*left, *right);
}

int index_of(const std::vector<Node>& list, const Node& item, std::string_view key) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Node& n) { return same_element(n, item, key); });
  return found == list.end() ? -1 : static_cast<int>(found - list.begin());
}

// Sorted as `order` has them, what it lacks at the end.
void sort_as(std::vector<Node>& items, const std::vector<Node>& order, std::string_view key) {
  std::stable_sort(items.begin(), items.end(), [&](const Node& a, const Node& b) {
    return static_cast<unsigned>(index_of(order, a, key)) < static_cast<unsigned>(index_of(order, b, key));
  });
}

// What `order` names stands as it says; the rest keeps its place relative to them in the original, where that is known.
std::vector<Node> in_order(std::vector<Node> merged, const std::vector<Node>& order, const std::vector<Node>& original,
                           std::string_view key) {
  const auto named = [&](const Node& item) { return index_of(order, item, key) >= 0; };
  const auto rest = std::stable_partition(merged.begin(), merged.end(), named);
  std::vector<Node> others(std::make_move_iterator(rest), std::make_move_iterator(merged.end()));
  merged.erase(rest, merged.end());
  sort_as(merged, order, key);
  sort_as(others, original, key);

  std::vector<Node> out;
  auto left = others.begin();
  auto right = merged.begin();
  while (left != others.end() || right != merged.end()) {
    const bool take_left = right == merged.end() || (left != others.end() && [&] {
                             const int l = index_of(original, *left, key);
                             const int r = index_of(original, *right, key);
                             return l >= 0 && r >= 0 && l < r;
                           }());
    out.push_back(std::move(take_left ? *left++ : *right++));
  }
  return out;
}

// --- merging lists ---

Result<std::vector<Node>> merge_objects(std::vector<Node> original, std::vector<Node> patch, const PatchField& field,
                                        const std::string& path) {
  for (const Node& item : patch) {
    if (!item.is_map()) return wrong(path, "expected objects in the list, got " + describe(item));
    if (item.find(field.key) == nullptr) {
      return wrong(path, "an element lacks its merge key \"" + std::string(field.key) + "\"");
    }
    const Node* directive = item.find(internal::kDirective);
    if (directive == nullptr || directive->text == "merge") continue;
    if (directive->text != "delete") return wrong(path, "unknown $patch " + describe(*directive));
    std::erase_if(original, [&](const Node& old) { return same_element(old, item, field.key); });
  }
  for (Node& item : patch) {
    const Node* directive = item.find(internal::kDirective);
    if (directive != nullptr && directive->text == "delete") continue;
    const int at = index_of(original, item, field.key);
    Node before = at < 0 ? Node(Node::Kind::map) : std::move(original[static_cast<std::size_t>(at)]);
    auto merged = merge_maps(std::move(before), std::move(item), field.type, path);
    if (!merged.ok()) return std::move(merged).error();
    if (at < 0) {
      original.push_back(std::move(*merged));
    } else {
      original[static_cast<std::size_t>(at)] = std::move(*merged);
    }
  }
  return original;
}

Result<std::vector<Node>> merge_scalars(std::vector<Node> original, std::vector<Node> patch) {
  std::vector<Node> out;
  for (std::vector<Node>* list : {&original, &patch}) {
    for (Node& item : *list) {
      if (index_of(out, item, "") < 0) out.push_back(std::move(item));
    }
  }
  return out;
}

// An element {"$patch": "replace"} makes the others the whole list.
bool replaces_all(const std::vector<Node>& patch) {
  return std::any_of(patch.begin(), patch.end(), [](const Node& item) {
    const Node* directive = item.find(internal::kDirective);
    return directive != nullptr && directive->text == "replace";
  });
}

// The elements merged, those that `order` names in that order.
Result<Node> merge_list(std::vector<Node> original, std::vector<Node> patch, const std::vector<Node>& order,
                        const PatchField& field, const std::string& path) {
  Node out(Node::Kind::list);
  if (!field.merges || replaces_all(patch)) {
    std::erase_if(patch, is_special);
    out.items = std::move(patch);
    return out;
  }
  auto merged = field.key.empty() ? merge_scalars(original, std::move(patch))
                                  : merge_objects(original, std::move(patch), field, path);
  if (!merged.ok()) return std::move(merged).error();
  out.items = in_order(std::move(*merged), order, original, field.key);
  return out;
}

// Without $setElementOrder the patch's own order counts.
Result<Node> merge_list(Node original, Node patch, const PatchField& field, const std::string& path) {
  std::vector<Node> order = patch.items;
  std::erase_if(order, is_special);
  return merge_list(std::move(original.items), std::move(patch.items), order, field, path);
}

// The elements of the patch must stand in the order that $setElementOrder gives.
Status check_order(const std::vector<Node>& patch, const std::vector<Node>& order, std::string_view key,
                   const std::string& path) {
  auto next = order.begin();
  for (const Node& item : patch) {
    if (is_special(item)) continue;
    next = std::find_if(next, order.end(), [&](const Node& named) { return same_element(named, item, key); });
    if (next == order.end()) {
      return wrong(path, "the order of the elements does not match $setElementOrder; " + describe(item) +
                             " is not named or stands elsewhere");
    }
    ++next;
  }
  return {};
}

// --- directives of an object ---

// One $setElementOrder and the list it is about; both leave the patch.
Status apply_order(Node& original, Node& patch, const std::string& name, const Node& order, const Descriptor* type,
                   const std::string& path) {
  const PatchField field = internal::patch_field(type, name);
  const std::string here = below(path, name);
  if (!order.is_list()) return wrong(here, "$setElementOrder must be a list, got " + describe(order));
  Node* old = internal::find(original, name);
  Node* change = internal::find(patch, name);
  if (old != nullptr && !old->is_list()) old = nullptr;
  if (change != nullptr && !change->is_list()) return {};  // null or nonsense: handled as any member
  if (change != nullptr) {
    Status checked = check_order(change->items, order.items, field.key, here);
    if (!checked.ok()) return checked;
  }
  if (old == nullptr && change == nullptr) return {};

  if (change == nullptr) {
    const std::vector<Node> before = old->items;
    old->items = in_order(std::move(old->items), order.items, before, field.key);
    return {};
  }
  std::vector<Node> before = old == nullptr ? std::vector<Node>() : std::move(old->items);
  auto merged = merge_list(std::move(before), std::move(change->items), order.items, field, here);
  if (!merged.ok()) return std::move(merged).error();
  internal::erase(patch, name);
  internal::set(original, name, std::move(*merged));
  return {};
}

Status apply_orders(Node& original, Node& patch, const Descriptor* type, const std::string& path) {
  std::vector<std::pair<std::string, Node>> orders;
  for (Node::Entry& entry : patch.entries) {
    if (entry.shadowed || !has_prefix(entry.key, internal::kSetElementOrder)) continue;
    orders.emplace_back(entry.key.substr(internal::kSetElementOrder.size()), std::move(entry.value));
  }
  std::erase_if(patch.entries,
                [](const Node::Entry& entry) { return has_prefix(entry.key, internal::kSetElementOrder); });
  for (const auto& [name, order] : orders) {
    Status done = apply_order(original, patch, name, order, type, path);
    if (!done.ok()) return done;
  }
  return {};
}

Status apply_retain_keys(Node& original, Node& patch, const std::string& path) {
  const Node* given = patch.find(internal::kRetainKeys);
  if (given == nullptr) return {};
  const Node keep = *given;
  internal::erase(patch, internal::kRetainKeys);
  if (!keep.is_list()) return wrong(path, "$retainKeys must be a list, got " + describe(keep));
  const auto kept = [&](const Node::Entry& entry) {
    return index_of(keep.items, internal::string_node(entry.key), "") >= 0;
  };
  for (const Node::Entry& entry : patch.entries) {
    if (entry.value.is_null() || is_directive(entry.key) || kept(entry)) continue;
    return wrong(below(path, entry.key), "is in the patch, but not in $retainKeys");
  }
  std::erase_if(original.entries, [&](const Node::Entry& entry) { return !kept(entry); });
  return {};
}

Status delete_scalars(Node& original, const std::string& key, const Node& value, const std::string& path) {
  const std::string name = key.substr(internal::kDeleteFromPrimitiveList.size());
  if (!value.is_list()) return wrong(below(path, name), "a list of deletions was expected, got " + describe(value));
  Node* list = internal::find(original, name);
  if (list == nullptr || !list->is_list()) return {};
  std::erase_if(list->items, [&](const Node& item) { return index_of(value.items, item, "") >= 0; });
  return {};
}

Status apply_member(Node& original, Node::Entry& change, const Descriptor* type, const std::string& path) {
  if (change.value.is_null()) {
    internal::erase(original, change.key);
    return {};
  }
  Node* old = internal::find(original, change.key);
  const bool both_maps = old != nullptr && old->is_map() && change.value.is_map();
  const bool both_lists = old != nullptr && old->is_list() && change.value.is_list();
  const PatchField field = both_maps || both_lists ? internal::patch_field(type, change.key) : PatchField{};
  if (both_maps || (both_lists && field.merges)) {
    const std::string here = below(path, change.key);
    auto merged = both_maps ? merge_maps(std::move(*old), std::move(change.value), field.type, here)
                            : merge_list(std::move(*old), std::move(change.value), field, here);
    if (!merged.ok()) return std::move(merged).error();
    *old = std::move(*merged);
    return {};
  }
  // A list that is replaced is taken as it is, with its nulls.
  if (!both_lists) strip(change.value);
  internal::set(original, change.key, std::move(change.value));
  return {};
}

Result<Node> merge_maps(Node original, Node patch, const Descriptor* type, const std::string& path) {
  std::erase_if(patch.entries, [](const Node::Entry& entry) { return entry.shadowed; });
  if (const Node* directive = patch.find(internal::kDirective)) {
    const std::string what = directive->text;
    if (what == "delete") return Node(Node::Kind::map);
    if (what != "replace" && what != "merge") return wrong(path, "unknown $patch " + describe(*directive));
    internal::erase(patch, internal::kDirective);
    if (what == "replace") return patch;
  }
  std::erase_if(original.entries, [](const Node::Entry& entry) { return entry.shadowed; });
  Status done = apply_retain_keys(original, patch, path);
  if (!done.ok()) return std::move(done).error();
  done = apply_orders(original, patch, type, path);
  if (!done.ok()) return std::move(done).error();
  for (Node::Entry& change : patch.entries) {
    if (has_prefix(change.key, internal::kDeleteFromPrimitiveList)) {
      done = delete_scalars(original, change.key, change.value, path);
    }
    if (!done.ok()) return std::move(done).error();
  }
  for (Node::Entry& change : patch.entries) {
    if (has_prefix(change.key, internal::kDeleteFromPrimitiveList)) continue;
    done = apply_member(original, change, type, path);
    if (!done.ok()) return std::move(done).error();
  }
  return original;
}

}  // namespace

Result<Node> strategic_merge_apply(const Node& original, const Node& patch, const Descriptor* type) {
  if (!patch.is_map()) return wrong("", "expected an object, got " + describe(patch));
  if (!original.is_map()) return Error(ErrorKind::invalid, "only an object can be patched, got " + describe(original));
  return merge_maps(original, patch, type, "");
}

}  // namespace keelson::api
