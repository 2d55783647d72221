#include <gtest/gtest.h>
#include <openssl/pem.h>

#include "kube-client/tests/cert_support.hpp"
#include "kube-client/x509.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using testing::node_names;
using testing::TestCa;

const base::SystemTime kNow(1'767'225'600s);

TEST(X509, ANewKeyIsP256InSec1Form) {
  const auto key = make_ec_key();
  ASSERT_TRUE(key.ok()) << key.error().to_string();
  EXPECT_TRUE(key->starts_with("-----BEGIN EC PRIVATE KEY-----\n")) << *key;
  EXPECT_TRUE(key->ends_with("-----END EC PRIVATE KEY-----\n"));
  EXPECT_EQ(key->find("EC PARAMETERS"), std::string::npos);
  auto parsed = openssl::read_key(*key);
  ASSERT_TRUE(parsed.ok());
  char group[32] = "";
  ASSERT_EQ(EVP_PKEY_get_group_name(parsed->get(), group, sizeof group, nullptr), 1);
  EXPECT_STREQ(group, "prime256v1");
  EXPECT_NE(*make_ec_key(), *key);
}

TEST(X509, AClientRequestHasExactlyTheSubjectAndNoExtensions) {
  const auto key = make_ec_key();
  const auto pem = make_certificate_request(*key, node_names("n1"));
  ASSERT_TRUE(pem.ok()) << pem.error().to_string();
  EXPECT_TRUE(pem->starts_with("-----BEGIN CERTIFICATE REQUEST-----\n")) << *pem;
  const auto request = openssl::read_request(*pem);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(X509_REQ_verify(request->get(), X509_REQ_get0_pubkey(request->get())), 1);
  EXPECT_EQ(X509_REQ_get_signature_nid(request->get()), NID_ecdsa_with_SHA256);
  EXPECT_EQ(X509_REQ_get_version(request->get()), 0);
  EXPECT_EQ(X509_REQ_get_attr_count(request->get()), 0) << "no SANs and nothing else";
  const X509_NAME* subject = X509_REQ_get_subject_name(request->get());
  ASSERT_EQ(X509_NAME_entry_count(subject), 2);
  EXPECT_EQ(OBJ_obj2nid(X509_NAME_ENTRY_get_object(X509_NAME_get_entry(subject, 0))), NID_organizationName);
  EXPECT_EQ(openssl::names_of(subject, nullptr), node_names("n1"));
}

TEST(X509, AServingRequestCarriesNamesAndAddresses) {
  CertificateNames names = node_names("n1");
  names.dns_names = {"a.example", "n1"};
  names.ip_addresses = {"10.0.0.1", "fd00::1"};
  const auto key = make_ec_key();
  const auto pem = make_certificate_request(*key, names);
  ASSERT_TRUE(pem.ok()) << pem.error().to_string();
  TestCa ca;
  const auto certificates = parse_certificates(ca.sign(*pem, kNow, 1h));
  ASSERT_TRUE(certificates.ok());
  EXPECT_EQ(certificates->front().names, names);
}

TEST(X509, ACertificateTellsNamesAndTimes) {
  TestCa ca;
  const Identity identity = ca.issue(node_names("n1"), kNow, 24h);
  const auto parsed = parse_certificates(identity.certificate_pem + identity.key_pem + ca.pem());
  ASSERT_TRUE(parsed.ok()) << parsed.error().to_string();
  ASSERT_EQ(parsed->size(), 2u) << "other blocks are skipped";
  EXPECT_EQ(parsed->front().names, node_names("n1"));
  EXPECT_EQ(parsed->front().issuer_common_name, "test-ca");
  EXPECT_EQ(parsed->front().not_before, kNow);
  EXPECT_EQ(parsed->front().not_after, kNow + 24h);
}

TEST(X509, WhatIsNoCertificateIsRefused) {
  TestCa ca;
  std::string cut = ca.pem();
  cut.erase(cut.size() / 2);
  std::string spoiled = ca.pem();
  spoiled[40] = spoiled[40] == 'A' ? 'B' : 'A';
  spoiled[80] = '!';
  const std::vector<std::string> rows = {"", "no PEM", *make_ec_key(), cut, spoiled, ca.pem() + spoiled};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto parsed = parse_certificates(rows[i]);
    ASSERT_FALSE(parsed.ok()) << "row " << i;
    EXPECT_EQ(parsed.error().kind(), ErrorKind::invalid) << "row " << i;
  }
}

TEST(X509, AKeyPairMustBelongTogether) {
  TestCa ca;
  const Identity one = ca.issue(node_names("n1"), kNow, 1h);
  const Identity other = ca.issue(node_names("n1"), kNow, 1h);
  EXPECT_TRUE(check_key_pair(one.certificate_pem, one.key_pem).ok());
  EXPECT_FALSE(check_key_pair(one.certificate_pem, other.key_pem).ok());
  EXPECT_FALSE(check_key_pair(one.certificate_pem, "").ok());
  EXPECT_FALSE(check_key_pair("", one.key_pem).ok());
  EXPECT_TRUE(check_key(one.key_pem).ok());
  EXPECT_FALSE(check_key(one.certificate_pem).ok());
}

TEST(X509, AnEncryptedKeyIsRefusedAndNobodyIsAsked) {
  const auto key = openssl::read_key(*make_ec_key());
  const openssl::BioPtr bio(BIO_new(BIO_s_mem()));
  unsigned char password[] = "secret";
  ASSERT_EQ(PEM_write_bio_PrivateKey(bio.get(), key->get(), EVP_aes_128_cbc(), password, 6, nullptr, nullptr), 1);
  EXPECT_FALSE(check_key(openssl::text_of(bio.get())).ok());
}

TEST(X509, TheSelfSignedPairIsOneOfAServerWithItsCa) {
  const auto pair = make_self_signed("node-1", kNow);
  ASSERT_TRUE(pair.ok()) << pair.error().to_string();
  EXPECT_TRUE(pair->key_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----")) << pair->key_pem;
  EXPECT_TRUE(check_key_pair(pair->certificate_pem, pair->key_pem).ok());
  const auto parsed = parse_certificates(pair->certificate_pem);
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->size(), 2u);
  const auto& [server, ca] = std::tie(parsed->at(0), parsed->at(1));
  EXPECT_EQ(server.names, (CertificateNames{.common_name = "node-1@1767225600", .dns_names = {"node-1"}}));
  EXPECT_EQ(server.issuer_common_name, "node-1-ca@1767225600");
  EXPECT_EQ(ca.names.common_name, "node-1-ca@1767225600");
  EXPECT_EQ(server.not_before, kNow - 1h);
  EXPECT_EQ(server.not_after, kNow - 1h + 24h * 365);

  const auto certificate = openssl::read_certificate(pair->certificate_pem);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(certificate->get())), 2048);
  EXPECT_EQ(X509_get_extended_key_usage(certificate->get()), XKU_SSL_SERVER);
  const auto ca_certificate =
      openssl::read_certificate(pair->certificate_pem.substr(pair->certificate_pem.find("-----BEGIN", 1)));
  EXPECT_EQ(X509_verify(certificate->get(), X509_get0_pubkey(ca_certificate->get())), 1);
  EXPECT_EQ(X509_check_ca(ca_certificate->get()), 1);
  EXPECT_EQ(X509_check_ca(certificate->get()), 0);
}

TEST(X509, TheSelfSignedPairOfAnAddressNamesTheAddress) {
  const auto pair = make_self_signed("10.0.0.7", kNow);
  ASSERT_TRUE(pair.ok());
  const auto parsed = parse_certificates(pair->certificate_pem);
  EXPECT_EQ(parsed->front().names.ip_addresses, std::vector<std::string>{"10.0.0.7"});
  EXPECT_TRUE(parsed->front().names.dns_names.empty());
}

TEST(X509, AddressesHaveOneTextForm) {
  EXPECT_EQ(canonical_ip("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(canonical_ip("FD00:0:0::1"), "fd00::1");
  EXPECT_EQ(canonical_ip("n1"), "");
  EXPECT_EQ(canonical_ip("10.0.0"), "");
}

}  // namespace
}  // namespace keelson::kube
