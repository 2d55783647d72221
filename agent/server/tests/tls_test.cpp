// The HTTPS port's TLS against a real client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "agent/server/tests/server_fixture.hpp"
#include "base/file.hpp"
#include "kube-client/serving_certificate.hpp"

namespace keelson::server::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class TlsTest : public ServerTest {
 protected:
  // Empty: the handshake went well.
  std::string problem_with(const ClientTls& tls) {
    TestClient client(loop_, server_->port());
    // With TLS 1.3 a client is done before the server has looked at its certificate: only an answer shows.
    if (client.start_tls(tls) && client.ask(get("/healthz")).status != 0) return {};
    return client.problem();
  }
  std::string serving_name(const ClientTls& tls = {}) {
    TestClient client(loop_, server_->port());
    if (!client.start_tls(tls)) return client.problem();
    X509* certificate = SSL_get0_peer_certificate(client.session());
    return kube::openssl::describe(certificate).names.common_name;
  }
};

TEST_F(TlsTest, SpeaksOnly12And13) {
  start();
  struct Row {
    int version;
    bool spoken;
  };
  for (const Row& row :
       {Row{TLS1_VERSION, false}, Row{TLS1_1_VERSION, false}, Row{TLS1_2_VERSION, true}, Row{TLS1_3_VERSION, true}}) {
    ClientTls tls;
    tls.min_version = tls.max_version = row.version;
    tls.ciphers = "ALL:@SECLEVEL=0";
    EXPECT_EQ(problem_with(tls).empty(), row.spoken) << std::hex << row.version;
  }
}

TEST_F(TlsTest, SpeaksOlderOrNewerVersionsWhenToldTo) {
  tls_settings_.min_version = "VersionTLS13";
  start();
  ClientTls tls;
  tls.max_version = TLS1_2_VERSION;
  EXPECT_NE(problem_with(tls), "");
  EXPECT_EQ(problem_with({}), "");
}

TEST_F(TlsTest, SpeaksTls11WhenToldTo) {
  tls_settings_.min_version = "VersionTLS11";
  start();
  ClientTls tls;
  tls.min_version = tls.max_version = TLS1_1_VERSION;
  tls.ciphers = "ALL:@SECLEVEL=0";
  EXPECT_EQ(problem_with(tls), "");
}

TEST_F(TlsTest, TakesTheUsualSuitesAndNoOthers) {
  credentials_.current = Authority("serving").issue_rsa(server("rsa"));
  start();
  const std::pair<const char*, bool> rows[] = {
      {"ECDHE-RSA-AES128-GCM-SHA256", true}, {"ECDHE-RSA-AES256-GCM-SHA384", true},
      {"ECDHE-RSA-CHACHA20-POLY1305", true}, {"ECDHE-RSA-AES128-SHA", true},
      {"ECDHE-RSA-AES256-SHA", true},        {"ECDHE-RSA-AES128-SHA256", false},
      {"AES128-GCM-SHA256", false},          {"AES256-SHA", false},
      {"DHE-RSA-AES128-GCM-SHA256", false},  {"ECDHE-ECDSA-AES128-GCM-SHA256", false}};
  for (const auto& [suite, taken] : rows) {
    ClientTls tls;
    tls.max_version = TLS1_2_VERSION;
    tls.ciphers = suite;
    EXPECT_EQ(problem_with(tls).empty(), taken) << suite;
  }
}

TEST_F(TlsTest, SuitesAndCurvesCanBeNarrowed) {
  tls_settings_.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"};
  tls_settings_.curve_preferences = {24};
  start();
  ClientTls tls;
  tls.max_version = TLS1_2_VERSION;
  EXPECT_EQ(problem_with(tls), "");
  tls.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  EXPECT_NE(problem_with(tls), "");
  tls.ciphers.clear();
  tls.groups = "X25519:P-256";
  EXPECT_NE(problem_with(tls), "");
  ClientTls newest;
  newest.min_version = TLS1_3_VERSION;
  newest.groups = "P-256:P-384";
  EXPECT_EQ(problem_with(newest), "") << "suites of 1.3 are all there; the curve is asked for again";
}

TEST_F(TlsTest, WithSuitesOf13AloneNothingOlderIsSpoken) {
  tls_settings_.cipher_suites = {"TLS_AES_128_GCM_SHA256"};
  start();
  ClientTls tls;
  tls.max_version = TLS1_2_VERSION;
  EXPECT_NE(problem_with(tls), "");
  EXPECT_EQ(problem_with({}), "");
}

TEST_F(TlsTest, NegotiatesNoProtocol) {
  start();
  ClientTls tls;
  tls.offer_http2 = true;
  TestClient client(loop_, server_->port());
  ASSERT_TRUE(client.start_tls(tls));
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(client.session(), &protocol, &size);
  EXPECT_EQ(size, 0u);
}

TEST_F(TlsTest, TellsPlainHttpThatItIsWrongHere) {
  start();
  for (const char* method : {"GET", "HEAD", "POST", "OPTIONS", "PUT"}) {
    TestClient client(loop_, server_->port());
    client.send(request(method, "/pods"));
    EXPECT_EQ(client.read_to_end(), "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
        << method;
  }
  TestClient other(loop_, server_->port());
  other.send("SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_EQ(other.read_to_end().find("HTTP"), std::string::npos);
}

TEST_F(TlsTest, AsksForACertificateOfItsAuthorities) {
  start();
  TestClient client(loop_, server_->port());
  ClientTls tls;
  tls.max_version = TLS1_2_VERSION;
  ASSERT_TRUE(client.start_tls(tls));
  const STACK_OF(X509_NAME)* names = SSL_get_client_CA_list(client.session());
  ASSERT_EQ(sk_X509_NAME_num(names), 1);
  EXPECT_EQ(kube::openssl::names_of(sk_X509_NAME_value(names, 0), nullptr).common_name, "clients");
}

TEST_F(TlsTest, WithoutACertificateEveryHandshakeEndsWithAnInternalError) {
  credentials_.current.reset();
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ClientTls tls;
    tls.min_version = tls.max_version = version;
    TestClient client(loop_, server_->port());
    EXPECT_FALSE(client.start_tls(tls));
    EXPECT_THAT(client.problem(), HasSubstr("alert internal error"));
  }
  credentials_.current = Authority("serving").issue(server("late"));
  EXPECT_EQ(serving_name(), "late") << "and the server has stayed up";
}

TEST_F(TlsTest, ANewCertificateCountsForNewConnectionsAndDropsNoneOfTheOld) {
  start();
  TestClient old = connect();
  EXPECT_EQ(old.ask(get("/healthz")).status, 200);
  credentials_.current = Authority("serving").issue(server("second"));
  EXPECT_EQ(serving_name(), "second");
  EXPECT_EQ(old.ask(get("/healthz")).status, 200);
  credentials_.current = Authority("serving").issue_rsa(server("third"));
  EXPECT_EQ(serving_name(), "third") << "of another kind of key";
  EXPECT_EQ(old.ask(get("/healthz")).status, 200);
}

TEST_F(TlsTest, ACertificateThatCannotBeUsedLeavesTheLastOne) {
  start();
  EXPECT_EQ(serving_name(), "node");
  const auto good = credentials_.current;
  credentials_.current->key_pem = Authority("x").issue(server("x")).key_pem;
  EXPECT_EQ(serving_name(), "node");
  credentials_.current->certificate_pem = "nothing";
  EXPECT_EQ(serving_name(), "node");
  const auto complaints = std::count_if(log_lines_.begin(), log_lines_.end(), [](const std::string& line) {
    return line.find("Serving certificate cannot be used") != std::string::npos;
  });
  EXPECT_EQ(complaints, 2) << "told once for each";
  EXPECT_EQ(serving_name(), "node");
  credentials_.current.reset();  // expired: nothing is better than that
  EXPECT_THAT(serving_name(), HasSubstr("internal error"));
  credentials_.current = good;
  EXPECT_EQ(serving_name(), "node");
}

class FilesOnDisk final : public ServingCredentials {
 public:
  explicit FilesOnDisk(kube::Credentials& credentials) : credentials_(credentials) {}
  std::optional<kube::Identity> identity() override { return credentials_.identity(); }

 private:
  kube::Credentials& credentials_;
};

TEST_F(TlsTest, FilesAreReadAgainWhenBothHaveChanged) {
  const std::string certificate = folder_ + "/tls.crt";
  const std::string key = folder_ + "/tls.key";
  const auto write = [](const std::string& path, const std::string& text) {
    ASSERT_TRUE(base::write_file_atomically(path, text, 0600).ok());
  };
  const kube::Identity first = Authority("serving").issue(server("first"));
  const kube::Identity second = Authority("serving").issue(server("second"));
  write(certificate, first.certificate_pem);
  write(key, first.key_pem);
  kube::UserConfig files;
  files.certificate_file = certificate;
  files.key_file = key;
  kube::ConfiguredCredentials configured(clock_, files, log_);
  FilesOnDisk serving(configured);
  TlsContexts contexts(*tls_policy({}), serving, nullptr, log_);
  const auto name_now = [&] {
    const SslContext context = contexts.current();
    return kube::openssl::describe(SSL_CTX_get0_certificate(context.get())).names.common_name;
  };
  EXPECT_EQ(name_now(), "first");
  write(certificate, second.certificate_pem);
  EXPECT_EQ(name_now(), "first") << "half a pair";
  write(key, second.key_pem);
  EXPECT_EQ(name_now(), "second");
  write(certificate, "nothing");
  EXPECT_EQ(name_now(), "second");
}

TEST_F(TlsTest, TheSelfSignedPairIsServed) {
  const auto files = kube::ensure_self_signed_pair(folder_, "node-1", clock_.now());
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  kube::Identity pair;
  pair.certificate_pem = *base::read_file(files->certificate);
  pair.key_pem = *base::read_file(files->key);
  credentials_.current = pair;
  start();
  TestClient client(loop_, server_->port());
  ASSERT_TRUE(client.start_tls()) << client.problem();
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.session())), 2);
  EXPECT_EQ(kube::openssl::describe(SSL_get0_peer_certificate(client.session())).names.dns_names,
            (std::vector<std::string>{"node-1"}));
}

TEST_F(TlsTest, SendsTheWholeChain) {
  Wish between = server("between");
  between.authority = true;
  between.usage.clear();
  const Authority below = Authority("root").intermediate(between);
  credentials_.current = below.issue(server("leaf"));
  credentials_.current->certificate_pem += below.pem();
  start();
  TestClient client(loop_, server_->port());
  ASSERT_TRUE(client.start_tls());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.session())), 2);
}

TEST_F(TlsTest, NewClientAuthoritiesCountAtOnceAndForOldConnectionsToo) {
  start();
  TestClient old = connect();
  EXPECT_EQ(old.ask(get("/healthz")).status, 200);
  const Authority other("others");
  ASSERT_TRUE(base::write_file_atomically(ca_file_, other.pem(), 0644).ok());
  EXPECT_EQ(old.ask(get("/healthz")).status, 401);
  ClientTls tls;
  tls.identity = other.issue(client("admin"));
  TestClient fresh = connect(tls);
  EXPECT_EQ(fresh.ask(get("/healthz")).status, 200);
  tls.max_version = TLS1_2_VERSION;
  TestClient older = connect(tls);
  const STACK_OF(X509_NAME)* names = SSL_get_client_CA_list(older.session());
  EXPECT_EQ(kube::openssl::names_of(sk_X509_NAME_value(names, 0), nullptr).common_name, "others");
}

TEST_F(TlsTest, ABadClientCertificateDoesNotBreakTheHandshake) {
  start();
  Wish expired = client("admin");
  expired.to = kBeginning - 1h;
  Wish wrong = client("admin");
  wrong.usage = "serverAuth";
  for (const auto& identity :
       {Authority("strangers").issue(client("admin")), authority_.issue(expired), authority_.issue(wrong)}) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      ClientTls tls;
      tls.identity = identity;
      tls.min_version = tls.max_version = version;
      TestClient client = connect(tls);
      EXPECT_EQ(client.ask(get("/healthz")).status, 401);
    }
  }
}

TEST_F(TlsTest, HandshakesHaveTenSeconds) {
  start();
  TestClient silent(loop_, server_->port());
  pump(loop_, [&] { return server_->connections() == 1; });
  clock_.advance(9s);
  EXPECT_FALSE(silent.ended());
  clock_.advance(1s);
  EXPECT_TRUE(silent.ended());
  EXPECT_EQ(server_->connections(), 0u);
}

}  // namespace
}  // namespace keelson::server::testing
