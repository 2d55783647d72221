// What the parts of FakeApiServer share: the TLS connection, who the client is, and how a request becomes an answer.
//
// Owner: FakeApiServer; connections are owned by their own tasks. Thread: the loop.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/gate.hpp"
#include "base/sync.hpp"
#include "tests/support/api/fake_api_server.hpp"

namespace keelson::fakes::server {

namespace asio = boost::asio;

// --- Who the client is (server_tls.cpp)

// A client's certificate, judged once for its chain and at each request for its time.
class PeerCertificate {
 public:
  PeerCertificate() = default;
  PeerCertificate(SSL* session, X509* authority);

  bool present() const { return certificate_ != nullptr; }
  // Nothing when it is not signed by the authority, not for clients, or not valid now.
  std::optional<ApiUser> user() const;

 private:
  std::shared_ptr<X509> certificate_;
  bool trusted_ = false;
};

// Server context with the identity, ALPN, and the request for a client certificate.
std::shared_ptr<asio::ssl::context> make_tls(const kube::Identity& identity, const std::string& ca_pem, bool http2);
std::shared_ptr<X509> read_certificate(const std::string& pem);

// --- Shared by all connections

class Host {
 public:
  Host(base::Loop& event_loop, ApiHandler& api, FakeApiServerOptions wanted)
      : loop(event_loop), backend(api), options(std::move(wanted)), light(event_loop) {}

  base::Loop& loop;
  ApiHandler& backend;
  FakeApiServerOptions options;
  std::unique_ptr<base::Gate> gate;
  FakeApiServerCounts counts;
  bool dark = false;
  base::Notification light;

  base::Task<void> while_dark();
};

// Counts a request for as long as it lives.
class InProgress {
 public:
  explicit InProgress(FakeApiServerCounts& counts);
  ~InProgress() { --counts_.in_progress; }
  InProgress(const InProgress&) = delete;
  InProgress& operator=(const InProgress&) = delete;

 private:
  FakeApiServerCounts& counts_;
};

// --- Requests to answers (server_answer.cpp)

// Nothing: credentials were shown and are worth nothing.
std::optional<ApiUser> authenticate(const ApiHandler& backend, const PeerCertificate& peer, const ApiRequest& request);
// Authenticates, asks the backend (or the node), adds what every answer has, compresses.
base::Task<ApiAnswer> answer_request(Host* host, PeerCertificate peer, ApiRequest request);
// A metav1.Status as JSON.
ApiAnswer status_answer(int code, const std::string& reason, const std::string& message);
bool may_have_body(const std::string& method, int status);

// --- Connections

// A TLS connection with the server's faults in it. One read and one write at a time.
class Wire {
 public:
  Wire(Host& host, asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> tls);

  base::Task<bool> handshake();
  // The bytes read; 0 when the other side has gone.
  base::Task<std::size_t> read(char* place, std::size_t size);
  base::Task<bool> write(std::string bytes);
  bool http2() const;
  PeerCertificate peer(X509* authority);
  bool open() const { return open_; }
  // Nothing more is sent; what was sent arrives.
  void end_sending();
  void close();
  void reset();

 private:
  Host& host_;
  std::shared_ptr<asio::ssl::context> tls_;
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  bool open_ = true;
};

class Connection {
 public:
  virtual ~Connection() = default;
  virtual void reset() = 0;
  virtual void go_away() = 0;
};

// Both serve until the connection ends (h2_connection.cpp, h1_connection.cpp).
std::shared_ptr<Connection> make_h2(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name);
std::shared_ptr<Connection> make_h1(Host& host, std::unique_ptr<Wire> wire, PeerCertificate peer, std::string name);
base::Task<void> serve_h2(std::shared_ptr<Connection> connection);
base::Task<void> serve_h1(std::shared_ptr<Connection> connection);

}  // namespace keelson::fakes::server
