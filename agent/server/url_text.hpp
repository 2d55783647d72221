// What a request's target says: its path, cleaned and decoded, and its query, as Go's net/url and ServeMux read them.
//
// Pure functions, any thread; text that is no URL is refused, never guessed at. Source: contract 05 §5 (unclean paths);
// RFC 3986, RFC 9112 §3.2; the WHATWG form encoding of queries.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/server/fields.hpp"

namespace keelson::server {

struct Target {
  std::string_view path;   // as sent; "*" for a request about the server as a whole, "" for CONNECT
  std::string_view query;  // as sent, without the question mark
};
// Nothing for what is neither a path, an absolute URL, "*" nor, with CONNECT, a host.
std::optional<Target> split_target(std::string_view method, std::string_view target);

// Nothing when a percent sign is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_blank = false);
// The path without empty, "." and ".." segments; a slash at its end stays. Begins with a slash.
std::string clean_path(std::string_view path);
// Pairs that are not well encoded, or hold a semicolon, are left out.
Fields parse_query(std::string_view query);
// What may not stand in a URL is percent-encoded; what is encoded already stays.
std::string url_for_header(std::string_view url);

}  // namespace keelson::server
