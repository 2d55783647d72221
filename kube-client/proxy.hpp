// Proxy: the parts of a proxy's URL, and what is said to it and heard from it.
//
// Pure functions, any thread; used by Dialer. Fails with `invalid` for a URL that names no HTTP proxy and with
// `unavailable` for a proxy that does not let us through. Source: RFC 9110 §9.3.6, §11.7; RFC 3986.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace keelson::kube {

struct Proxy {
  bool tls = false;
  std::string host;
  std::string port;
  std::string authorization;  // "Basic ...", or empty
};

Result<Proxy> parse_proxy(std::string_view url);
std::string connect_request(const Proxy& proxy, const std::string& authority, const std::string& user_agent);
// `head` ends with the empty line.
Status check_connect_answer(std::string_view head, const std::string& authority);

}  // namespace keelson::kube
