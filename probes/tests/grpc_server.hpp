// GrpcServer: an HTTP/2 server on loopback that answers health checks as a test says, on the test's own loop.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/gate.hpp"

namespace keelson::probes::testing {

struct GrpcAnswer {
  std::vector<std::pair<std::string, std::string>> headers = {{":status", "200"}, {"content-type", "application/grpc"}};
  std::optional<std::string> message;  // with its prefix
  std::vector<std::pair<std::string, std::string>> trailers = {{"grpc-status", "0"}};
  std::optional<std::uint32_t> reset;  // instead of all that
  bool silent = false;                 // nothing of all that
  bool hang_up = false;                // the connection ends instead
};

class GrpcServer {
 public:
  explicit GrpcServer(base::Loop& loop);
  int port() const { return port_; }
  base::Task<void> stop() { return gate_.stop(); }

  GrpcAnswer answer;
  std::vector<std::vector<std::pair<std::string, std::string>>> requests;  // their headers
  std::vector<std::string> bodies;

 private:
  using Socket = boost::asio::ip::tcp::socket;
  base::Task<void> accept();
  base::Task<void> serve(std::shared_ptr<Socket> socket);

  base::Loop& loop_;
  boost::asio::ip::tcp::acceptor acceptor_;
  int port_ = 0;
  base::Gate gate_;
};

}  // namespace keelson::probes::testing
