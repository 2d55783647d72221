// Reading: get, list in pages, watch. Source: contract 01 §10 (watch pattern); the API's rules for resourceVersion.
#include <algorithm>
#include <charconv>

#include "api/base64.hpp"
#include "tests/support/api/fake_api_backend.hpp"

namespace keelson::fakes {
namespace {

// nullopt: not a number.
std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t out = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return out;
}

ApiFailure bad_version(const std::string& text) {
  return failure(422, "Invalid", "resourceVersion: Invalid value: \"" + text + "\": must be a non-negative integer");
}

std::string fields_of(const RequestInfo& info) { return info.option("fieldSelector"); }

Outcome<Selection> selection_of(const RequestInfo& info) {
  return Selection::parse(*info.kind, info.ns, info.name, fields_of(info), info.option("labelSelector"));
}

// Where a list goes on: its version and the last key that was given.
std::string make_token(std::uint64_t version, const std::string& key) {
  return api::base64_encode(std::to_string(version) + ":" + key);
}

std::optional<std::pair<std::uint64_t, std::string>> read_token(const std::string& token) {
  const auto text = api::base64_decode(token);
  if (!text.ok()) return std::nullopt;
  const std::size_t colon = text->find(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto version = number(text->substr(0, colon));
  if (!version) return std::nullopt;
  return std::pair(*version, text->substr(colon + 1));
}

ApiFailure continue_too_old() {
  return expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list "
      "without "
      "the continue parameter.");
}

ApiFailure too_old(std::uint64_t version, std::uint64_t oldest) {
  return expired("too old resource version: " + std::to_string(version) + " (" + std::to_string(oldest) + ")");
}

ApiFailure watch_list_refused(const std::string& why) {
  return failure(422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: " + why);
}

}  // namespace

Outcome<ApiAnswer> ApiBackend::serve_get(const RequestInfo& info, const Rendering& how, bool stale) {
  const ApiKind& kind = *info.kind;
  ObjectPtr object;
  if (stale) {
    const auto objects = store_.at(kind, store_.version_before_last_change(kind));
    const auto found = objects->find(ApiStore::key_of(kind, info.ns, info.name));
    if (found != objects->end()) object = found->second;
  } else {
    object = store_.get(kind, info.ns, info.name);
  }
  if (object == nullptr) return not_found(kind, info.name);
  return render_object(how, kind, 200, object, clock_.now());
}

Outcome<ApiAnswer> ApiBackend::serve_list(const RequestInfo& info, const Rendering& how, bool stale) {
  const ApiKind& kind = *info.kind;
  auto selection = selection_of(info);
  if (!selection.ok()) return selection.failure();
  const std::string asked = info.option("resourceVersion");
  const auto wanted = number(asked);
  if (!asked.empty() && !wanted) return bad_version(asked);
  if (wanted.value_or(0) > store_.version()) return too_large_version(*wanted, store_.version());

  std::uint64_t version = stale ? store_.version_before_last_change(kind) : store_.version();
  if (info.option("resourceVersionMatch") == "Exact" && wanted) version = *wanted;
  std::string after;
  if (const std::string token = info.option("continue"); !token.empty()) {
    const auto read = read_token(token);
    if (!read) return bad_request("continue key is not valid");
    version = read->first;
    after = read->second;
  }
  const auto objects = store_.at(kind, version);
  if (!objects) return after.empty() ? too_old(version, store_.oldest_resumable()) : continue_too_old();

  std::vector<ObjectPtr> items;
  std::vector<const std::string*> keys;
  for (const auto& [key, object] : *objects) {
    if (!after.empty() && key <= after) continue;
    if (!selection->matches(*object)) continue;
    items.push_back(object);
    keys.push_back(&key);
  }
  ListMeta meta;
  meta.version = version;
  const auto limit = number(info.option("limit")).value_or(0);
  if (limit > 0 && items.size() > limit) {
    meta.remaining = static_cast<std::int64_t>(items.size() - limit);
    items.resize(limit);
    meta.next = make_token(version, *keys[limit - 1]);
  }
  return render_list(how, kind, items, meta, clock_.now());
}

Outcome<ApiAnswer> ApiBackend::serve_watch(const RequestInfo& info, const Rendering& how) {
  const ApiKind& kind = *info.kind;
  auto selection = selection_of(info);
  if (!selection.ok()) return selection.failure();
  const std::string asked = info.option("resourceVersion");
  const auto wanted = number(asked);
  if (!asked.empty() && !wanted) return bad_version(asked);
  const bool initial = info.flag("sendInitialEvents");
  if (!info.option("sendInitialEvents").empty()) {
    if (!switches.watch_list) {
      return watch_list_refused(
          "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
    }
    if (info.option("resourceVersionMatch") != "NotOlderThan") {
      return watch_list_refused("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
  }

  ApiAnswer answer;
  answer.headers = {{"content-type", how.content_type(true)}};
  const bool from_now = initial || wanted.value_or(0) == 0;
  std::vector<ObjectPtr> first;
  std::vector<const ApiChange*> changes;
  if (from_now) {
    // Without initial events a stream "from anywhere" begins with what there is, too.
    const bool skip = !info.option("sendInitialEvents").empty() && !initial;
    for (const auto& [key, object] : store_.all(kind)) {
      if (!skip && selection->matches(*object)) first.push_back(object);
    }
  } else {
    auto known = store_.since(*wanted);
    if (!known) {
      answer.stream = watches_.failed(how, kind, too_old(*wanted, store_.oldest_resumable()));
      return answer;
    }
    changes = std::move(*known);
  }
  WatchWish wish;
  wish.kind = &kind;
  wish.selection = std::move(*selection);
  wish.rendering = how;
  wish.bookmarks = info.flag("allowWatchBookmarks");
  if (const auto seconds = number(info.option("timeoutSeconds")); seconds && *seconds > 0) {
    wish.timeout = std::chrono::seconds(*seconds);
  }
  const bool mark = initial && wish.bookmarks;
  answer.stream = watches_.open(std::move(wish), first, mark, changes);
  return answer;
}

}  // namespace keelson::fakes
