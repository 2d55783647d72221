// SmallServer: a server on loopback that answers as a test says, on the test's own loop.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/gate.hpp"

struct ssl_ctx_st;

namespace keelson::probes::testing {

// What one connection meets: after its request (or at once) these pieces, then the end.
struct Answer {
  enum class End { close, reset, keep };  // keep: the connection stays open, silent
  std::vector<std::string> pieces;        // sent one after another, each when the loop is idle
  End end = End::close;
  bool await_request = true;  // reads until an empty line first
};

class SmallServer {
 public:
  // "127.0.0.1" or "::1".
  explicit SmallServer(base::Loop& loop, const std::string& address = "127.0.0.1", bool tls = false);
  ~SmallServer();

  int port() const { return port_; }
  // Answers in turn, the last one again and again.
  void answers(std::vector<Answer> answers) { answers_ = std::move(answers); }
  void answers(const std::string& text) { answers({Answer{{text}}}); }
  // The requests so far, as they came.
  const std::vector<std::string>& requests() const { return requests_; }
  std::size_t connections() const { return connections_; }
  base::Task<void> stop() { return gate_.stop(); }

 private:
  using Socket = boost::asio::ip::tcp::socket;
  base::Task<void> accept();
  base::Task<void> serve(std::shared_ptr<Socket> socket, Answer answer);
  base::Task<void> serve_tls(std::shared_ptr<Socket> socket, Answer answer);

  base::Loop& loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  int port_ = 0;
  ssl_ctx_st* tls_ = nullptr;
  std::vector<Answer> answers_;
  std::vector<std::string> requests_;
  std::size_t connections_ = 0;
  base::Gate gate_;
};

// A port of loopback on which nobody listens.
int free_port(base::Loop& loop);

}  // namespace keelson::probes::testing
