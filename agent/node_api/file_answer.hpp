// What a file server decides before it sends: conditions, ranges, types and listings, as Go's file server does.
//
// Pure functions, any thread. Files have no entity tags here. Source: contract 05 §7; RFC 9110 §13, §14; Go, packages
// net/http, mime and path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace keelson::node_api {

// "/a/b" of "/a//b/", "/a/./b", "/../a/x/../b"; begins with a slash and has no "..".
std::string clean_path(std::string_view path);
// The last part of "/a/b/" is "b"; "/" of one that has none.
std::string last_part(std::string_view path);

// "Mon, 02 Jan 2006 15:04:05 GMT"
std::string http_time(base::SystemTime time);
// The same and the two older forms that HTTP still knows; in seconds since 1970, as years may be beyond a clock's.
std::optional<std::int64_t> parse_http_time(const std::string& text);

// Header values; empty: not sent.
struct Conditions {
  std::string if_match;
  std::string if_none_match;
  std::string if_modified_since;
  std::string if_unmodified_since;
  std::string if_range;
  std::string range;
};
enum class Verdict { send, not_modified, precondition_failed };
Verdict judge(const Conditions& conditions, base::SystemTime modified);
// For a directory, of which a client can only ask whether it has changed.
bool is_unchanged(const Conditions& conditions, base::SystemTime modified);
// Whether the range is to be kept, since the client has the rest of this very content.
bool range_holds(const Conditions& conditions, base::SystemTime modified);

struct ByteRange {
  std::int64_t start = 0;
  std::int64_t length = 0;
  // "bytes 0-99/1000"
  std::string content_range(std::int64_t size) const;
  bool operator==(const ByteRange&) const = default;
};
// Of content of that size; none: all of it is to be sent. An error is for 416; its message is Go's.
Result<std::vector<ByteRange>> parse_ranges(std::string_view header, std::int64_t size);

// By the name's extension, else by how the content begins (512 bytes tell).
std::string content_type(std::string_view name, std::string_view beginning);
bool is_typed_by_name(std::string_view name);

struct ListedName {
  std::string name;
  bool directory = false;
};
// The page of a directory; `names` in any order.
std::string directory_page(std::vector<ListedName> names);

}  // namespace keelson::node_api
