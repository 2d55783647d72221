// Who the server is, and who we are to it.
#include "kube-client/tests/http_fixture.hpp"

namespace keelson::kube::testing {
namespace {

class HttpTls : public HttpTest {
 protected:
  static ServerAnswer fine(const ServerRequest& request) {
    ServerAnswer answer;
    answer.open = request.path == "/watch";
    answer.hold = request.path == "/hold";
    answer.body = "fine";
    return answer;
  }
  // The text of the failure of a request.
  std::string failure() {
    connect();
    auto answer = send(get("/"));
    if (answer.ok()) return "no failure";
    EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
    const std::string text = answer.error().to_string();
    EXPECT_EQ(text.find('\n'), std::string::npos);
    return text;
  }
  std::string server_text() const { return "127.0.0.1:" + endpoint.port; }
};

TEST_F(HttpTls, AnUnknownAuthorityIsRefused) {
  serve(fine);
  const TestAuthority other("another-ca");
  endpoint.ca_pem = other.pem();
  EXPECT_EQ(failure(), "GET https://" + server_text() + "/: TLS handshake with " + server_text() +
                           ": the server's certificate is refused: unable to get local issuer certificate");
  EXPECT_TRUE(server->requests.empty());
}

TEST_F(HttpTls, AWrongNameIsRefused) {
  serve(fine);
  endpoint.server_name = "other.test";
  EXPECT_NE(failure().find("it is not for \"other.test\" (hostname mismatch)"), std::string::npos);
}

TEST_F(HttpTls, AWrongAddressIsRefused) {
  ServerOptions options;
  const Identity identity = authority().issue("127.0.0.1", {"DNS:kube.test", "IP:127.0.0.9"});
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key_pem;
  serve(fine, options);
  EXPECT_NE(failure().find("it is not for \"127.0.0.1\" (IP address mismatch)"), std::string::npos);
}

TEST_F(HttpTls, TheCommonNameDoesNotCount) {
  ServerOptions options;
  const Identity identity = authority().issue("kube.test", {});
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key_pem;
  serve(fine, options);
  endpoint.server_name = "kube.test";
  EXPECT_NE(failure().find("it is not for \"kube.test\""), std::string::npos);
}

TEST_F(HttpTls, AnExpiredCertificateIsRefused) {
  ServerOptions options;
  const Identity identity = authority().issue("x", {"IP:127.0.0.1"}, -3600);
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key_pem;
  serve(fine, options);
  EXPECT_NE(failure().find("certificate has expired"), std::string::npos);
}

TEST_F(HttpTls, AServerNameOfItsOwnIsVerified) {
  serve(fine);
  endpoint.server_name = "kube.test";
  connect();
  EXPECT_TRUE(send(get("/")).ok());
}

TEST_F(HttpTls, InsecureVerifiesNothing) {
  serve(fine);
  endpoint.ca_pem.clear();
  endpoint.server_name = "other.test";
  endpoint.insecure = true;
  connect();
  EXPECT_TRUE(send(get("/")).ok());
}

TEST_F(HttpTls, UnusablePemIsInvalid) {
  serve(fine);
  const std::string good = endpoint.ca_pem;
  endpoint.ca_pem = "not a certificate";
  connect();
  auto answer = send(get("/"));
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
  EXPECT_NE(answer.error().to_string().find("no PEM certificate in it"), std::string::npos);
  finish(transport->stop());
  endpoint.ca_pem = good;
  credentials.own = server_identity();
  credentials.own->key_pem = authority().issue("other", {}).key_pem;
  connect();
  answer = send(get("/"));
  EXPECT_EQ(answer.error().kind(), ErrorKind::invalid);
  EXPECT_NE(answer.error().to_string().find("client key does not fit"), std::string::npos)
      << answer.error().to_string();
  // Mended, it works without a new transport.
  credentials.own = server_identity();
  EXPECT_TRUE(send(get("/")).ok());
}

TEST_F(HttpTls, OurCertificateIsPresentedAndReplaced) {
  ServerOptions options;
  options.client_ca_pem = authority().pem();
  credentials.own = authority().issue("system:node:one", {});
  serve(fine, options);
  connect();
  ASSERT_TRUE(send(get("/")).ok());
  EXPECT_EQ(server->requests.back().certificate, "system:node:one");
  auto watch = open(get("/watch"));
  ASSERT_TRUE(read(*watch).ok());
  auto held = begin<Answer>(transport->send(post("/hold", "x"), 1s));
  ASSERT_TRUE(until([this] { return server->requests.size() == 3; }));

  credentials.own = authority().issue("system:node:two", {});
  credentials.listener();
  auto piece = read(*watch);
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.error().kind(), ErrorKind::unavailable);
  ASSERT_TRUE(send(get("/")).ok());
  EXPECT_EQ(server->requests.back().certificate, "system:node:two");
  EXPECT_FALSE(held->has_value()) << "short requests may end on the old connection";
  EXPECT_EQ(transport->stats().connections, 2u);
  ASSERT_TRUE(until([held] { return held->has_value(); }));
  EXPECT_TRUE(until([this] { return transport->stats().connections == 1; }));
}

TEST_F(HttpTls, AServerThatWantsACertificateSaysSo) {
  ServerOptions options;
  options.client_ca_pem = authority().pem();
  serve(fine, options);
  connect();
  auto answer = send(post("/", "x"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable) << answer.error().to_string();
  EXPECT_NE(answer.error().to_string().find("certificate required"), std::string::npos) << answer.error().to_string();
}

TEST_F(HttpTls, AServerThatAcceptsAndSaysNothingIsGivenUp) {
  ServerOptions options;
  options.silent = true;
  serve(fine, options);
  HttpTransportOptions client;
  client.tls_limit = 100ms;
  connect(client);
  auto answer = send(get("/"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
  EXPECT_NE(answer.error().to_string().find("TLS handshake with " + server_text() + ": no answer within 100 ms"),
            std::string::npos)
      << answer.error().to_string();
}

TEST_F(HttpTls, TheEnvironmentTurnsHttp2Off) {
  serve(fine);
  setenv("DISABLE_HTTP2", "1", 1);
  connect();
  unsetenv("DISABLE_HTTP2");
  ASSERT_TRUE(send(get("/")).ok());
  EXPECT_EQ(server->requests[0].headers.front().first, "host");
}

TEST_F(HttpTls, PlainHttpWhereTlsIsExpected) {
  ServerOptions options;
  options.tls = false;
  options.raw = "HTTP/1.1 400 Bad Request\r\n\r\n";
  serve(fine, options);
  endpoint.tls = true;
  EXPECT_NE(failure().find("TLS handshake with " + server_text() + ": wrong version number"), std::string::npos);
}

}  // namespace
}  // namespace keelson::kube::testing
