#include "kube-client/watch_query.hpp"

#include <algorithm>

#include "base/duration.hpp"

namespace keelson::kube {
namespace {

Query selected(const Selection& selection) {
  Query query;
  if (!selection.field_selector.empty()) query.emplace_back("fieldSelector", selection.field_selector);
  if (!selection.label_selector.empty()) query.emplace_back("labelSelector", selection.label_selector);
  return query;
}

Query watched(const Selection& selection, std::chrono::seconds length) {
  Query query = selected(selection);
  query.emplace_back("allowWatchBookmarks", "true");
  if (selection.repeat_timeout) query.emplace_back("timeout", base::format_duration(length));
  query.emplace_back("timeoutSeconds", std::to_string(length.count()));
  query.emplace_back("watch", "true");
  return query;
}

}  // namespace

std::chrono::seconds watch_length(const Selection& selection, base::Random& random) {
  const auto shortest = std::chrono::duration_cast<std::chrono::seconds>(selection.shortest);
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(selection.longest);
  std::uniform_int_distribution<std::int64_t> between(shortest.count(), std::max(shortest, longest).count());
  return std::chrono::seconds(between(random));
}

Query watch_list_query(const Selection& selection, const std::string& version, std::chrono::seconds length) {
  Query query = watched(selection, length);
  if (!version.empty()) query.emplace_back("resourceVersion", version);
  query.emplace_back("resourceVersionMatch", "NotOlderThan");
  query.emplace_back("sendInitialEvents", "true");
  return query;
}

Query watch_query(const Selection& selection, const std::string& version, std::chrono::seconds length) {
  Query query = watched(selection, length);
  query.emplace_back("resourceVersion", version);
  return query;
}

Query list_query(const Selection& selection, const std::string& version, bool paged) {
  Query query = selected(selection);
  // A server pages only what it reads from storage; a version of its own would make it do so needlessly.
  if (paged && (version.empty() || version == "0")) query.emplace_back("limit", std::to_string(kPageSize));
  if (!version.empty()) query.emplace_back("resourceVersion", version);
  return query;
}

Query continue_query(const Selection& selection, const std::string& token) {
  Query query = selected(selection);
  query.emplace_back("continue", token);
  query.emplace_back("limit", std::to_string(kPageSize));
  return query;
}

}  // namespace keelson::kube
