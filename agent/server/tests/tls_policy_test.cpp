#include "agent/server/tls_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

namespace keelson::server {
namespace {

TEST(TlsPolicy, HasTheKubeletsDefaults) {
  const auto policy = tls_policy({});
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->min_version, TLS1_2_VERSION);
  EXPECT_EQ(policy->ciphers,
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
            "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
            "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA");
  EXPECT_EQ(policy->groups, "X25519:P-256:P-384:P-521");
  EXPECT_TRUE(policy->left_out.empty());
}

TEST(TlsPolicy, KnowsTheVersions) {
  const std::pair<const char*, int> rows[] = {{"VersionTLS10", TLS1_VERSION},
                                              {"VersionTLS11", TLS1_1_VERSION},
                                              {"VersionTLS12", TLS1_2_VERSION},
                                              {"VersionTLS13", TLS1_3_VERSION}};
  for (const auto& [name, number] : rows) {
    TlsSettings settings;
    settings.min_version = name;
    EXPECT_EQ(tls_policy(settings)->min_version, number) << name;
  }
  TlsSettings unknown;
  unknown.min_version = "VersionTLS14";
  EXPECT_FALSE(tls_policy(unknown).ok());
}

TEST(TlsPolicy, NarrowsTheSuites) {
  TlsSettings settings;
  settings.cipher_suites = {"TLS_RSA_WITH_AES_128_CBC_SHA",
                            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
                            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
                            "TLS_AES_128_GCM_SHA256",
                            "TLS_RSA_WITH_RC4_128_SHA"};
  const auto policy = tls_policy(settings);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->ciphers, "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:AES128-SHA");
  EXPECT_THAT(policy->left_out, testing::ElementsAre("TLS_RSA_WITH_RC4_128_SHA"));
  settings.cipher_suites = {"TLS_AES_128_GCM_SHA256"};
  EXPECT_EQ(tls_policy(settings)->ciphers, "") << "then TLS 1.3 alone is spoken";
  settings.cipher_suites = {"TLS_MADE_UP_WITH_NOTHING"};
  EXPECT_FALSE(tls_policy(settings).ok());
}

TEST(TlsPolicy, TakesTheCurvesThatAreThere) {
  TlsSettings settings;
  settings.curve_preferences = {24, 4588, 29};
  const auto policy = tls_policy(settings);
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->groups, "P-384:X25519");
  EXPECT_THAT(policy->left_out, testing::ElementsAre("curve 4588"));
  settings.curve_preferences = {4587};
  const auto none = tls_policy(settings);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.error().message(), testing::HasSubstr("tlsCurvePreferences"));
}

}  // namespace
}  // namespace keelson::server
