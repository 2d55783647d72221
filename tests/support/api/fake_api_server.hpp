// FakeApiServer: HTTPS in front of a FakeApi (or of anything that answers ApiRequests), as kube-apiserver speaks it.
//
// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. Client certificates are asked for and judged per request, as there: a
// good one makes CN the user and O the groups, a bad one (or an unknown token) is 401, none at all is anonymous.
// Answers of 128 KiB and more are gzipped for those who accept it. Flow control holds back whoever produces faster than
// the client reads. Faults of single requests come from the backend (ApiAnswer's reset and cut_after), faults of the
// connections from here. Owner: a test or the fake API server's program. Thread: the loop. Stops: stop() cuts all
// connections and awaits their tasks; start() may follow. What fails: start(): an address that cannot be bound.
// Source: RFC 9110, 9112, 9113; contract 01 §10.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "tests/support/api/fake_api.hpp"
#include "tests/support/api/fake_ca.hpp"

namespace keelson::fakes {

class NodeStreams;

// What stands behind the sockets.
class ApiHandler {
 public:
  virtual ~ApiHandler() = default;
  virtual base::Task<ApiAnswer> handle(ApiRequest request) = 0;
  virtual std::optional<ApiUser> user_of_token(const std::string& token) const = 0;
};

struct FakeApiServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;          // 0: any; the same one again after a restart
  std::vector<std::string> names;  // of the serving certificate, besides 127.0.0.1 and localhost
  bool http2 = true;               // offered by ALPN
  std::uint32_t max_streams = 250;
  std::size_t gzip_from = 128 * 1024;           // bytes of a body
  std::size_t buffered_per_answer = 64 * 1024;  // read ahead from a stream before the client takes it
  NodeStreams* nodes = nullptr;                 // none: requests that need a node are answered with 501
};

struct FakeApiServerCounts {
  std::size_t accepted = 0;     // connections ever
  std::size_t connections = 0;  // now
  std::size_t requests = 0;     // ever
  std::size_t in_progress = 0;  // requests now, watches included
  std::size_t most_in_progress = 0;
};

class FakeApiServer {
 public:
  // `ca` signs the serving certificate and is what client certificates are checked against.
  FakeApiServer(base::Loop& loop, ApiHandler& backend, const FakeCa& ca, FakeApiServerOptions options = {});
  ~FakeApiServer();
  FakeApiServer(const FakeApiServer&) = delete;
  FakeApiServer& operator=(const FakeApiServer&) = delete;

  Status start();
  base::Task<void> stop();

  std::uint16_t port() const;
  std::string url() const;  // "https://127.0.0.1:PORT"
  FakeApiServerCounts counts() const;

  // --- Faults of connections
  // Connections stay, and new ones are made by the kernel, but nothing is read, answered or sent until `false`.
  void blackhole(bool on);
  // New connections are refused by the kernel until `false`; it fails when the port has gone to somebody else.
  Status refuse(bool on);
  // Breaks all connections (RST).
  void close_all();
  // HTTP/2: GOAWAY, open streams go on. HTTP/1.1: closed after the answer in progress.
  void go_away();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keelson::fakes
