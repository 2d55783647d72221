#include "agent/sync/user_namespaces.hpp"

#include <charconv>
#include <limits>
#include <utility>

#include "api/document.hpp"

namespace keelson::agent {
namespace {

constexpr char kFile[] = "userns";

std::string map_json(const UserNamespaceRange& range) {
  return "[{\"hostId\":" + std::to_string(range.host_first) +
         ",\"containerId\":0,\"length\":" + std::to_string(range.length) + "}]";
}

Error bad_file(const std::string& what) {
  return Error(ErrorKind::invalid, "invalid user namespace mappings file: " + what);
}

Result<std::uint32_t> number(const api::Node& map, std::string_view key) {
  const api::Node* value = map.find(key);
  std::uint32_t out = 0;
  if (value != nullptr && value->kind == api::Node::Kind::integer) {
    const char* end = value->text.data() + value->text.size();
    if (std::from_chars(value->text.data(), end, out).ptr == end) return out;
  }
  return bad_file("expected " + std::string(key) + " to be a number of 32 bits");
}

Result<UserNamespaceRange> one_map(const api::Node& file, std::string_view key) {
  const api::Node* maps = file.find(key);
  if (maps == nullptr || maps->items.size() != 1) return bad_file("expected exactly one map in " + std::string(key));
  const api::Node& map = maps->items.front();
  const auto first = number(map, "hostId");
  if (!first.ok()) return first.error();
  const auto inside = number(map, "containerId");
  if (!inside.ok()) return inside.error();
  const auto length = number(map, "length");
  if (!length.ok()) return length.error();
  if (*inside != 0) return bad_file("expected the map in " + std::string(key) + " to begin with ID 0");
  return UserNamespaceRange{*first, *length};
}

}  // namespace

std::string write_user_namespace(const UserNamespaceRange& range) {
  const std::string map = map_json(range);
  return "{\"uidMappings\":" + map + ",\"gidMappings\":" + map + "}";
}

Result<UserNamespaceRange> read_user_namespace(std::string_view text) {
  const auto file = api::parse_json(text);
  if (!file.ok()) return bad_file(file.error().to_string());
  const auto users = one_map(*file, "uidMappings");
  if (!users.ok()) return users.error();
  const auto groups = one_map(*file, "gidMappings");
  if (!groups.ok()) return groups.error();
  if (!(*users == *groups)) return bad_file("expected the same map for users and groups");
  return *users;
}

base::Task<void> UserNamespaces::load() {
  auto files = co_await files_.pod_files(kFile);
  if (!files.ok()) {
    log_.error("The user namespaces of pods cannot be read", {{"err", files.error()}});
    co_return;
  }
  for (const auto& [uid, text] : *files) {
    const Status adopted = text.ok() ? adopt(uid, *text) : Status(text.error());
    if (adopted.ok()) continue;
    unreadable_.insert_or_assign(uid, adopted.error());
    log_.error("The user namespace of a pod cannot be read", {{"uid", uid}, {"err", adopted.error()}});
  }
}

// What an earlier agent gave out, perhaps under another configuration.
Status UserNamespaces::adopt(const std::string& uid, std::string_view text) {
  const auto range = read_user_namespace(text);
  if (!range.ok()) return range.error();
  const std::string what = std::to_string(range->length) + " IDs from " + std::to_string(range->host_first) + " on";
  const std::uint64_t end = std::uint64_t{range->host_first} + range->length;
  if (range->length != pool_.length || range->host_first < pool_.first ||
      (range->host_first - pool_.first) % pool_.length != 0 || end > std::uint64_t{pool_.first} + pool_.count) {
    return bad_file(what + " are no slot of the node's range");
  }
  if (!taken_.insert(slot_of(*range)).second) return bad_file(what + " belong to another pod, too");
  given_[uid] = {*range, true};
  return {};
}

std::optional<UserNamespaceRange> UserNamespaces::pick() {
  const std::uint32_t slots = pool_.count / pool_.length;
  if (taken_.size() >= slots) return std::nullopt;
  // The n-th of the free ones.
  auto slot =
      std::uniform_int_distribution<std::uint32_t>(0, slots - static_cast<std::uint32_t>(taken_.size()) - 1)(random_);
  for (const std::uint32_t other : taken_) {
    if (other > slot) break;
    ++slot;
  }
  taken_.insert(slot);
  return UserNamespaceRange{pool_.first + slot * pool_.length, pool_.length};
}

base::Task<Result<std::optional<UserNamespaceRange>>> UserNamespaces::of(api::PodPtr pod) {
  if (!wants_user_namespace(*pod)) co_return std::optional<UserNamespaceRange>();
  const std::string uid = pod->metadata().uid();
  if (const auto bad = unreadable_.find(uid); bad != unreadable_.end()) co_return bad->second.wrap("user namespace");
  auto given = given_.find(uid);
  if (given == given_.end()) {
    const auto range = pick();
    if (!range) {
      co_return Error(ErrorKind::exhausted,
                      "create user namespace: could not find an empty slot to allocate a user namespace");
    }
    given = given_.emplace(uid, Given{*range, false}).first;
  }
  const UserNamespaceRange range = given->second.range;
  if (!given->second.written) {
    auto written = co_await files_.write_pod_file(uid, kFile, write_user_namespace(range));
    if (!written.ok()) co_return written.error().wrap("create user namespace");
    // It may have been released meanwhile.
    if (const auto still = given_.find(uid); still != given_.end()) still->second.written = true;
  }
  co_return std::optional<UserNamespaceRange>(range);
}

base::Task<void> UserNamespaces::release(std::string uid) {
  const auto given = given_.find(uid);
  if (given == given_.end() && unreadable_.erase(uid) == 0) co_return;
  // First the file: while it is there, the next agent takes the range for taken.
  auto removed = co_await files_.remove_pod_file(uid, kFile);
  if (!removed.ok()) {
    log_.warning("The user namespace of a pod stays taken", {{"uid", uid}, {"err", removed.error()}});
    co_return;
  }
  const auto still = given_.find(uid);
  if (still == given_.end()) co_return;
  taken_.erase(slot_of(still->second.range));
  given_.erase(still);
}

}  // namespace keelson::agent
