// Keys of pods and the requests that show that they are had.
#include <gtest/gtest.h>

#include "kube-client/x509.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::kube {
namespace {

TEST(X509Stub, EachTypeOfKeySignsARequestThatNamesNobody) {
  struct Row {
    const char* type;
    int kind;
    int bits;
    int signature;
  };
  const Row rows[] = {
      {"RSA3072", EVP_PKEY_RSA, 3072, NID_sha256WithRSAEncryption},
      {"ECDSAP256", EVP_PKEY_EC, 256, NID_ecdsa_with_SHA256},
      {"ECDSAP384", EVP_PKEY_EC, 384, NID_ecdsa_with_SHA384},
      {"ECDSAP521", EVP_PKEY_EC, 521, NID_ecdsa_with_SHA512},
      {"ED25519", EVP_PKEY_ED25519, 256, NID_ED25519},
  };
  for (const Row& row : rows) {
    const auto key = make_key(row.type);
    ASSERT_TRUE(key.ok()) << row.type << ": " << key.error().to_string();
    EXPECT_TRUE(key->starts_with("-----BEGIN PRIVATE KEY-----\n")) << row.type;
    const auto read = openssl::read_key(*key);
    ASSERT_TRUE(read.ok()) << row.type;
    EXPECT_EQ(EVP_PKEY_get_base_id(read->get()), row.kind) << row.type;
    // Ed25519 has 253 bits that count.
    EXPECT_NEAR(EVP_PKEY_get_bits(read->get()), row.bits, 3) << row.type;
    const auto der = make_stub_request(*key);
    ASSERT_TRUE(der.ok()) << row.type << ": " << der.error().to_string();
    const auto* bytes = reinterpret_cast<const unsigned char*>(der->data());
    const openssl::RequestPtr request(d2i_X509_REQ(nullptr, &bytes, static_cast<long>(der->size())));
    ASSERT_NE(request, nullptr) << row.type;
    EXPECT_EQ(X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())), 1) << row.type;
    EXPECT_EQ(X509_REQ_get_signature_nid(request.get()), row.signature) << row.type;
    EXPECT_EQ(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())), 0) << row.type;
    EXPECT_EQ(EVP_PKEY_eq(X509_REQ_get0_pubkey(request.get()), read->get()), 1) << row.type;
  }
}

TEST(X509Stub, AnUnknownTypeAndTextThatIsNoKeyAreRefused) {
  EXPECT_EQ(make_key("DSA").error().kind(), ErrorKind::invalid);
  EXPECT_EQ(make_key("").error().kind(), ErrorKind::invalid);
  EXPECT_EQ(make_stub_request("no key").error().kind(), ErrorKind::invalid);
}

}  // namespace
}  // namespace keelson::kube
