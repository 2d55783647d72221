#include "tests/support/api/tests/server_world.hpp"

namespace keelson::fakes::testing {
namespace {

CertificateWish node_certificate() {
  CertificateWish wish;
  wish.common_name = "system:node:n1";
  wish.organizations = {"system:nodes", "others"};
  return wish;
}

using Identity = ServerWorld;

TEST_F(Identity, ComesFromAClientCertificate) {
  const auto answer = curl(certificate(ca_, node_certificate()) + " $URL/echo");
  EXPECT_EQ(answer.out, "GET system:node:n1 system:nodes others system:authenticated []");
}

TEST_F(Identity, ComesFromATokenOnHttp1AndOnHttp2) {
  for (const std::string version : {"--http2", "--http1.1"}) {
    const auto answer = curl(version + " -H 'Authorization: Bearer secret' $URL/echo");
    EXPECT_EQ(answer.out, "GET token-user token-group system:authenticated []") << version;
  }
}

TEST_F(Identity, OfAnUnknownTokenIsRefused) {
  const auto answer = curl("-w ' %{http_code}' -H 'Authorization: Bearer wrong' $URL/echo");
  EXPECT_NE(answer.out.find("\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401"), std::string::npos)
      << answer.out;
  EXPECT_NE(answer.out.find(" 401"), std::string::npos) << answer.out;
}

TEST_F(Identity, OfAnotherAuthorityIsRefused) {
  const auto answer = curl("-w ' %{http_code}' " + certificate(FakeCa::create(), node_certificate()) + " $URL/echo");
  EXPECT_NE(answer.out.find(" 401"), std::string::npos) << answer.out;
}

TEST_F(Identity, OfAnExpiredCertificateIsRefused) {
  auto wish = node_certificate();
  wish.begins_before = std::chrono::seconds(7200);
  wish.lifetime = std::chrono::seconds(-3600);
  const auto answer = curl("-w ' %{http_code}' " + certificate(ca_, wish) + " $URL/echo");
  EXPECT_NE(answer.out.find(" 401"), std::string::npos) << answer.out;
}

TEST_F(Identity, OfAServersCertificateIsRefused) {
  auto wish = node_certificate();
  wish.server = true;
  const auto answer = curl("-w ' %{http_code}' " + certificate(ca_, wish) + " $URL/echo");
  EXPECT_NE(answer.out.find(" 401"), std::string::npos) << answer.out;
}

TEST_F(Identity, OfTheServerIsOneThatOurAuthorityIssued) {
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}' $URL/echo").out, "200");
  const auto port = std::to_string(server_->port());
  EXPECT_EQ(curl("-o /dev/null -w '%{http_code}' https://localhost:" + port + "/echo").out, "200");
  const auto other = curl("--resolve other.test:" + port + ":127.0.0.1 https://other.test:" + port + "/echo");
  EXPECT_EQ(other.exit_code, 60) << other.out;
}

TEST_F(Identity, NeedsTls12) {
  const auto old = curl("--tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 $URL/echo");
  EXPECT_EQ(old.exit_code, 35) << old.out;
  EXPECT_EQ(curl("--tls-max 1.2 -o /dev/null -w '%{http_code}' $URL/echo").out, "200");
}

TEST(FakeCa, LoadsWhatItIssued) {
  const auto ca = FakeCa::create();
  EXPECT_FALSE(FakeCa::load({"no certificate", "no key"}).ok());
  const auto identity = ca.issue(node_certificate());
  const auto loaded = FakeCa::load(identity);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->certificate_pem(), identity.certificate_pem);
}

}  // namespace
}  // namespace keelson::fakes::testing
