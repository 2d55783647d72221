// Addresses and proxies.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "kube-client/proxy.hpp"
#include "kube-client/tests/http_fixture.hpp"

namespace keelson::kube::testing {
namespace {

using Tcp = base::asio::ip::tcp;
using boost::system::error_code;

base::Task<Result<Addresses>> known(Addresses addresses) { co_return addresses; }

using TlsSocket = base::asio::ssl::stream<Tcp::socket>;

template <class From, class To>
base::Task<void> pass_on(std::shared_ptr<From> from, std::shared_ptr<To> to) {
  std::vector<char> buffer(16384);
  while (true) {
    error_code error;
    const std::size_t size = co_await from->async_read_some(
        base::asio::buffer(buffer), base::asio::redirect_error(base::asio::use_awaitable, error));
    if (error) break;
    co_await base::asio::async_write(*to, base::asio::buffer(buffer.data(), size),
                                     base::asio::redirect_error(base::asio::use_awaitable, error));
    if (error) break;
  }
  error_code ignored;
  from->lowest_layer().close(ignored);
  to->lowest_layer().close(ignored);
}

// Speaks CONNECT and passes the bytes on to a port of this machine.
class TestProxy {
 public:
  // With an identity it is spoken to by TLS.
  TestProxy(base::Loop& loop, base::Gate& gate, std::uint16_t target, std::string answer,
            std::optional<Identity> identity = {})
      : loop_(loop),
        gate_(gate),
        target_(target),
        answer_(std::move(answer)),
        acceptor_(loop.context(), Tcp::endpoint(base::asio::ip::make_address("127.0.0.1"), 0)) {
    if (identity) {
      tls_.emplace(base::asio::ssl::context::tls_server);
      tls_->use_certificate_chain(base::asio::buffer(identity->certificate_pem));
      tls_->use_private_key(base::asio::buffer(identity->key_pem), base::asio::ssl::context::pem);
    }
    base::spawn(gate_, "proxy", accept_all());
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::vector<std::string> heads;

 private:
  base::Task<void> accept_all() {
    while (true) {
      auto client = std::make_shared<Tcp::socket>(loop_.context());
      co_await acceptor_.async_accept(*client, base::asio::use_awaitable);
      if (tls_) {
        auto secured = std::make_shared<TlsSocket>(std::move(*client), *tls_);
        co_await secured->async_handshake(base::asio::ssl::stream_base::server, base::asio::use_awaitable);
        base::spawn(gate_, "proxy client", tunnel<TlsSocket>(secured));
      } else {
        base::spawn(gate_, "proxy client", tunnel<Tcp::socket>(client));
      }
    }
  }
  template <class Socket>
  base::Task<void> tunnel(std::shared_ptr<Socket> client) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      char byte = 0;
      co_await client->async_read_some(base::asio::buffer(&byte, 1), base::asio::use_awaitable);
      head.push_back(byte);
    }
    heads.push_back(head);
    co_await base::asio::async_write(*client, base::asio::buffer(answer_), base::asio::use_awaitable);
    if (answer_.find(" 200 ") == std::string::npos) co_return;
    auto server = std::make_shared<Tcp::socket>(loop_.context());
    co_await server->async_connect(Tcp::endpoint(base::asio::ip::make_address("127.0.0.1"), target_),
                                   base::asio::use_awaitable);
    base::spawn(gate_, "proxy up", pass_on<Socket, Tcp::socket>(client, server));
    base::spawn(gate_, "proxy down", pass_on<Tcp::socket, Socket>(server, client));
  }

  base::Loop& loop_;
  base::Gate& gate_;
  std::uint16_t target_;
  std::string answer_;
  Tcp::acceptor acceptor_;
  std::optional<base::asio::ssl::context> tls_;
};

class HttpDial : public HttpTest {
 protected:
  static ServerAnswer fine(const ServerRequest&) {
    ServerAnswer answer;
    answer.body = "fine";
    return answer;
  }
  HttpTransportOptions resolved(std::vector<std::string> addresses) {
    Addresses list;
    for (const auto& address : addresses) list.push_back(base::asio::ip::make_address(address));
    HttpTransportOptions options;
    options.resolve = [this, list](std::string host) {
      asked.push_back(host);
      return known(list);
    };
    return options;
  }
  std::vector<std::string> asked;
};

TEST_F(HttpDial, EveryAddressOfTheNameIsTried) {
  ServerOptions options;
  options.address = "127.0.0.2";
  serve(fine, options);
  endpoint.host = "kube.test";
  connect(resolved({"127.0.0.1", "127.0.0.2"}));
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->body, "fine");
  EXPECT_EQ(asked, std::vector<std::string>{"kube.test"});
}

TEST_F(HttpDial, AnAddressThatIsSilentIsLeftForTheNext) {
  ServerOptions options;
  options.address = "127.0.0.2";
  serve(fine, options);
  endpoint.host = "kube.test";
  // The test network: nothing answers there, or the kernel knows no way to it.
  HttpTransportOptions client = resolved({"192.0.2.1", "127.0.0.2"});
  client.address_limit = 100ms;
  connect(client);
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
}

TEST_F(HttpDial, AfterTroubleWithTlsTheNextAddressComesFirst) {
  serve(fine);
  // The same port on another address, by a server that says nothing.
  endpoint.host = "kube.test";
  ServerOptions options;
  options.silent = true;
  auto& other = add(make_server(fine, options));
  endpoint.port = std::to_string(other.port());
  HttpTransportOptions client = resolved({"127.0.0.1", "127.0.0.3"});
  client.tls_limit = 100ms;
  connect(client);
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.error().to_string().find("kube.test:" + endpoint.port + " (127.0.0.1:" + endpoint.port + ")"),
            std::string::npos)
      << answer.error().to_string();
  EXPECT_EQ(other.accepted(), 1u);
  answer = send(get("/"));  // 127.0.0.3 refuses, then the first again
  EXPECT_EQ(other.accepted(), 2u);
}

TEST_F(HttpDial, AllAddressesAreNamedWhenNoneAnswers) {
  serve(fine);
  finish(server->stop());
  endpoint.host = "kube.test";
  connect(resolved({"127.0.0.1", "127.0.0.2"}));
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
  EXPECT_EQ(answer.error().message(), "cannot connect to kube.test:" + endpoint.port + ": 127.0.0.1:" + endpoint.port +
                                          ": Connection refused; 127.0.0.2:" + endpoint.port + ": Connection refused");
}

TEST_F(HttpDial, LocalhostIsResolvedByTheSystem) {
  serve(fine);
  endpoint.host = "localhost";
  endpoint.server_name = "kube.test";
  connect();
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
}

TEST_F(HttpDial, ANameThatIsNotKnown) {
  serve(fine);
  endpoint.host = "kube..invalid";  // needs no name server to be wrong
  connect();
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
  EXPECT_NE(answer.error().to_string().find("cannot resolve kube..invalid"), std::string::npos);
}

TEST_F(HttpDial, ThroughAProxyWithAPassword) {
  serve(fine);
  TestProxy proxy(loop, gate, server->port(), "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
  endpoint.host = "kube.test";
  endpoint.port = "6443";
  endpoint.proxy_url = "http://me:p%40ss@127.0.0.1:" + std::to_string(proxy.port());
  connect();
  auto answer = send(get("/"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->body, "fine");
  ASSERT_EQ(proxy.heads.size(), 1u);
  EXPECT_EQ(proxy.heads[0],
            "CONNECT kube.test:6443 HTTP/1.1\r\nHost: kube.test:6443\r\nUser-Agent: keelson-test/1\r\n"
            "Proxy-Authorization: Basic bWU6cEBzcw==\r\n\r\n");
  finish(transport->stop());
  finish(gate.stop());
}

TEST_F(HttpDial, ThroughAProxyThatIsSpokenToByTls) {
  serve(fine);
  TestProxy proxy(loop, gate, server->port(), "HTTP/1.1 200 OK\r\n\r\n", server_identity());
  endpoint.host = "kube.test";
  endpoint.port = "6443";
  endpoint.proxy_url = "https://127.0.0.1:" + std::to_string(proxy.port());
  connect();
  for (int i = 0; i < 3; ++i) {
    auto answer = send(get("/"));
    ASSERT_TRUE(answer.ok()) << answer.error().to_string();
    EXPECT_EQ(answer->body, "fine");
  }
  EXPECT_EQ(server->requests[0].headers.front().first, ":method") << "HTTP/2";
  EXPECT_EQ(proxy.heads.size(), 1u);
  finish(transport->stop());
  finish(gate.stop());
}

TEST_F(HttpDial, AProxyThatRefuses) {
  serve(fine);
  TestProxy proxy(loop, gate, server->port(), "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  endpoint.proxy_url = "http://127.0.0.1:" + std::to_string(proxy.port());
  connect();
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
  EXPECT_EQ(answer.error().code(), 407);
  EXPECT_NE(answer.error().to_string().find("does not let us through to 127.0.0.1:" + endpoint.port +
                                            ": 407 Proxy Authentication Required"),
            std::string::npos)
      << answer.error().to_string();
  finish(transport->stop());
  finish(gate.stop());
}

TEST_F(HttpDial, APlainServerThroughAProxyGetsAbsoluteTargets) {
  ServerOptions options;
  options.tls = false;
  serve(fine, options);
  endpoint.proxy_url = "http://me:pw@127.0.0.1:" + endpoint.port;
  endpoint.host = "kube.test";
  endpoint.port = "80";
  connect();
  auto answer = send(get("/api"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(server->requests[0].path, "http://kube.test/api");
  EXPECT_EQ(*find_header(server->requests[0].headers, "proxy-authorization"), "Basic bWU6cHc=");
}

TEST_F(HttpDial, AProxyThatIsSpokenToByTlsFailsByItsCertificate) {
  serve(fine);
  endpoint.proxy_url = "https://localhost:" + endpoint.port;
  connect();
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_NE(answer.error().to_string().find("proxy: TLS handshake with localhost:" + endpoint.port), std::string::npos)
      << answer.error().to_string();
  EXPECT_NE(answer.error().to_string().find("it is not for \"localhost\""), std::string::npos);
}

TEST_F(HttpDial, AProxyUrlThatIsWrongIsInvalidAndKeepsItsPassword) {
  serve(fine);
  endpoint.proxy_url = "socks5://me:secret@127.0.0.1:1080";
  connect();
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
  EXPECT_EQ(answer.error().to_string().find("secret"), std::string::npos);
}

TEST(ProxyUrl, IsTakenApart) {
  struct Row {
    const char* url;
    bool good;
    bool tls;
    const char* host;
    const char* port;
    const char* authorization;
  };
  const Row rows[] = {
      {"http://proxy", true, false, "proxy", "80", ""},
      {"https://proxy", true, true, "proxy", "443", ""},
      {"http://proxy:3128/", true, false, "proxy", "3128", ""},
      {"http://[fd00::1]:3128", true, false, "fd00::1", "3128", ""},
      {"http://user@proxy:1", true, false, "proxy", "1", "Basic dXNlcjo="},
      {"http://a%3ab:c@proxy", true, false, "proxy", "80", "Basic YTpiOmM="},
      {"proxy:3128", false, false, "", "", ""},
      {"ftp://proxy", false, false, "", "", ""},
      {"http://", false, false, "", "", ""},
      {"http://proxy:0", false, false, "", "", ""},
      {"http://proxy:70000", false, false, "", "", ""},
      {"http://[fd00::1", false, false, "", "", ""},
      {"http://[fd00::1]x", false, false, "", "", ""},
  };
  for (const auto& row : rows) {
    auto proxy = parse_proxy(row.url);
    ASSERT_EQ(proxy.ok(), row.good) << row.url;
    if (!row.good) {
      EXPECT_EQ(proxy.error().kind(), ErrorKind::invalid);
      continue;
    }
    EXPECT_EQ(proxy->tls, row.tls) << row.url;
    EXPECT_EQ(proxy->host, row.host) << row.url;
    EXPECT_EQ(proxy->port, row.port) << row.url;
    EXPECT_EQ(proxy->authorization, row.authorization) << row.url;
  }
}

TEST(ProxyAnswer, OnlyA2xxLetsUsThrough) {
  EXPECT_TRUE(check_connect_answer("HTTP/1.1 200 OK\r\n\r\n", "a:1").ok());
  EXPECT_TRUE(check_connect_answer("HTTP/1.0 200\r\n\r\n", "a:1").ok());
  for (const char* head : {"HTTP/1.1 403 No\r\n\r\n", "HTTP/2 200\r\n\r\n", "garbage\r\n\r\n", "", "HTTP/1.1 2"}) {
    EXPECT_FALSE(check_connect_answer(head, "a:1").ok()) << head;
  }
}

}  // namespace
}  // namespace keelson::kube::testing
