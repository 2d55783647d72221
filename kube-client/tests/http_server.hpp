// TestServer: an HTTP/2 and HTTP/1.1 server on the test's loop, with TLS or without, that does what a test tells it.
//
// Its connections run in its own gate; stop() must be awaited before it goes.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/gate.hpp"
#include "base/loop.hpp"
#include "base/sync.hpp"
#include "kube-client/transport.hpp"

namespace keelson::kube::testing {

struct ServerRequest {
  std::string method;
  std::string path;
  Headers headers;
  std::string body;
  std::string certificate;  // common name of the client's certificate
  std::size_t connection = 0;
};

struct ServerAnswer {
  int status = 200;
  Headers headers;
  std::string body;
  bool open = false;  // the body goes on by push(), until finish()
  bool hold = false;  // no answer at all
  std::optional<std::uint32_t>
      reset;             // after head and body: RST_STREAM with that code; HTTP/1.1: the connection breaks
  bool no_head = false;  // with reset: nothing before it
};

struct ServerOptions {
  bool tls = true;
  bool http2 = true;
  std::uint32_t max_streams = 1000;
  std::string certificate_pem;
  std::string key_pem;
  std::string client_ca_pem;  // client certificates are then required
  std::string address = "127.0.0.1";
  std::string raw;       // the answer to whatever comes first, word for word; then the connection is closed
  bool silent = false;   // accepts and says nothing, not even by TLS
  bool no_keep = false;  // HTTP/1.1: closes after each answer, without telling
};

class TestServer {
 public:
  using Handler = std::function<ServerAnswer(const ServerRequest&)>;

  TestServer(base::Loop& loop, ServerOptions options, Handler handler);
  ~TestServer();

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  base::Task<void> stop();

  // To all open answers of that path.
  void push(const std::string& path, const std::string& piece);
  void finish(const std::string& path);
  // GOAWAY on all connections; streams above `last` are not served.
  void go_away(std::int32_t last);
  // Neither reads nor writes from now on.
  void freeze();
  void cut_all();

  std::size_t accepted() const { return accepted_; }
  std::size_t connections() const;
  std::size_t open_streams() const;
  // What the clients' flow control lets through right now, for the newest stream.
  std::int32_t window() const;

  std::vector<ServerRequest> requests;
  std::vector<std::uint32_t> resets;  // codes of RST_STREAM frames that came
  std::size_t pings = 0;
  std::size_t body_bytes_sent = 0;

  class Peer;

 private:
  friend class Peer;
  friend struct ServerCallbacks;
  base::Task<void> accept_all();
  base::Task<void> serve(boost::asio::ip::tcp::socket socket);

  base::Loop& loop_;
  ServerOptions options_;
  Handler handler_;
  base::Gate gate_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::shared_ptr<void> tls_;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::size_t accepted_ = 0;
  bool frozen_ = false;
};

}  // namespace keelson::kube::testing
