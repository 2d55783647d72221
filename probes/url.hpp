// Url: the address of a request as the kubelet forms, prints and follows it.
//
// Pure functions, any thread. The rules are those of Go's net/url, for users read these addresses in events: a path is
// sent as it was written if it may be, else escaped. Source: contract 02 §17; RFC 3986 §5.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::probes {

struct Url {
  std::string scheme;  // lower case
  std::string host;    // a name or an address, without brackets
  std::string port;    // as written; may be empty
  std::string path;    // as it is sent
  std::string query;   // without '?'
  bool has_query = false;
  std::string fragment;  // without '#', only printed

  // "10.0.0.1:80", what the Host header says.
  std::string authority() const;
  // What stands in the request line.
  std::string target() const;
  std::string text() const;
  // The scheme's own when none is written; nothing for one that is no number.
  std::optional<int> port_number() const;
};

// `path` is what users write in httpGet: a path, perhaps with a query.
Url make_url(std::string scheme, std::string host, int port, std::string_view path);
// Where a redirect leads. Fails with Go's words.
Result<Url> resolve(const Url& base, std::string_view location);

}  // namespace keelson::probes
