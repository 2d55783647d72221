// Connection: one TCP connection of a probe or hook, with TLS where wanted, and its failures in Go's words.
//
// Users read those words in events, as the kubelet's ("dial tcp 10.0.0.1:80: connect: connection refused"). Owner: the
// exchange, a coroutine on the loop. Stops: when destroyed; the kernel ends the connection by itself. The kubelet sets
// SO_LINGER to 1 s, whose only effect on Linux is that close() waits up to that long; nobody is to wait here. All that
// is awaited ends when the limit is over (Fault::timeout) or by the cancellation of the task. Source: contract 02 §17.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "base/task.hpp"
#include "probes/network.hpp"

struct ssl_st;

namespace keelson::probes {

// Why something did not work; `none` when it did.
struct Fault {
  enum class Kind { none, timeout, end, plain_http, other };
  Kind kind = Kind::none;
  std::string text;
  explicit operator bool() const { return kind != Kind::none; }
};

// "10.0.0.1:80", "[fd00::1]:80".
std::string host_and_port(std::string_view host, int port);

class Connection {
 public:
  // Both outlive the connection.
  Connection(Network& network, Limit& limit);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // All addresses of a name are tried in turn, and each has its share of the time.
  base::Task<Fault> connect(std::string host, int port);
  // Fault::plain_http: the server has answered in plain HTTP.
  base::Task<Fault> start_tls(std::string server_name);
  base::Task<Fault> write(std::string_view data);
  // At least one byte, or Fault::end.
  base::Task<Fault> read(char* to, std::size_t room, std::size_t& size);

 private:
  using Endpoint = boost::asio::ip::tcp::endpoint;
  struct FreeTls {
    void operator()(ssl_st* tls) const;
  };
  enum class Direction { in, out };

  base::Task<Fault> connect_to(Endpoint to);
  void close();
  Fault join_loop();
  base::Task<Fault> wait_for(Direction direction);
  base::Task<Fault> wait_for_tls(int result);
  bool peer_speaks_http() const;
  // "read tcp LOCAL->REMOTE: read: connection reset by peer".
  Fault io_fault(std::string_view operation, int number) const;
  Fault tls_fault() const;

  Network& network_;
  Limit& limit_;
  int descriptor_ = -1;
  // Owns the descriptor once something must be awaited: what never waits costs the loop nothing.
  boost::asio::ip::tcp::socket socket_;
  Endpoint peer_;
  std::unique_ptr<ssl_st, FreeTls> tls_;
};

}  // namespace keelson::probes
