// Url: the parts of a server's or a proxy's address.
//
// Pure, any thread. `invalid` says what is wrong, without any password in it. Source: RFC 3986; client-go's reading of
// `server` (a bare host:port is allowed).
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::kube {

struct Url {
  std::string scheme;     // lower case
  std::string user_info;  // "user:password", still encoded
  std::string host;       // lower case, without brackets
  std::string port;       // empty: none was given
  std::string path;       // as it is
  std::string query;
};

Result<Url> parse_url(std::string_view text);
// "host:port", the host in brackets when it is an IPv6 address.
std::string join_host_port(const std::string& host, const std::string& port);

}  // namespace keelson::kube
