// Proxy: which HTTP proxy the environment wants between us and a server.
//
// Pure, any thread. HTTPS_PROXY for https, HTTP_PROXY for http, each also in lower case (upper case first); NO_PROXY
// lists exceptions: "*", addresses, networks, names with their sub-domains, each with an optional port. localhost and
// loopback addresses never go through a proxy. Source: Go's golang.org/x/net/http/httpproxy.
#pragma once

#include <map>
#include <string>

#include "base/result.hpp"
#include "kube-client/url.hpp"

namespace keelson::kube {

using Environment = std::map<std::string, std::string>;

// This process' environment.
Environment process_environment();

// The proxy for `server` as scheme://[user:password@]host:port; empty for none. `invalid` names the variable.
Result<std::string> proxy_for(const Url& server, const Environment& environment);
// Checks an address of a proxy and gives it its default port.
Result<std::string> normal_proxy(const std::string& text);

}  // namespace keelson::kube
