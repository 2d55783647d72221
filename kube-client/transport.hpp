// Transport: HTTP requests to one API server, whatever carries them.
//
// HttpTransport (http_transport.hpp) is the real one; the fake API server has one without sockets for virtual time. A
// transport adds authority, authorization, user agent and content coding by itself. It neither limits nor retries: that
// is Client's (client.hpp). Owner: the agent's wiring or a test; outlives all clients. Thread: the loop. Stops: stop()
// ends every request in progress with `cancelled`. Source: contract 01 §10; RFC 9110.
//
// Error kinds: `unavailable` when the request cannot have reached the server (resolve, connect, TLS, refused stream),
// `maybe_applied` when the connection broke after it was sent, `deadline_exceeded` when time ran out, `invalid` for an
// answer that is no HTTP. An HTTP status of 400 and above is no error here.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/task.hpp"

namespace keelson::kube {

// Names in lower case.
using Headers = std::vector<std::pair<std::string, std::string>>;
// The first value of that name (lower case), or nullptr.
inline const std::string* find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // path and query below the server's base path: "/api/v1/pods?watch=true"
  Headers headers;     // content-type, accept and the like
  std::string body;
};

struct HttpResponse {
  int status = 0;
  Headers headers;
  std::string body;  // decoded (gzip)
};

// An answer whose body comes in pieces, for as long as it takes (watches). Destroying it gives up the rest.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next piece of the body, decoded; empty at the regular end. A cut connection is `unavailable`. Waits without
  // limit: a dead peer is noticed by the transport. One read at a time.
  virtual base::Task<Result<std::string>> read() = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // The whole exchange within `limit`.
  virtual base::Task<Result<HttpResponse>> send(HttpRequest request, base::Duration limit) = 0;
  // Until the head of the answer is there, within `limit`.
  virtual base::Task<Result<std::unique_ptr<HttpStream>>> open(HttpRequest request, base::Duration limit) = 0;
  // Gives up idle connections (or all), so that the next request connects anew.
  virtual void close_idle() = 0;
  virtual void close_all() = 0;
};

}  // namespace keelson::kube
