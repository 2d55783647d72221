#include "agent/server/tests/certificates.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

namespace keelson::server::testing {
namespace {

using namespace kube::openssl;

std::string key_pem(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  KEELSON_CHECK(PEM_write_bio_PrivateKey_traditional(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

void extend(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  KEELSON_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void fill_name(X509_NAME* name, const Wish& wish) {
  kube::CertificateNames names;
  names.common_name = wish.common_name;
  names.organizations = wish.organizations;
  KEELSON_CHECK(fill_subject(name, names));
  for (const auto& uid : wish.uids) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(uid.data());
    ASN1_OBJECT* object = OBJ_txt2obj("1.3.6.1.4.1.57683.2", 1);
    KEELSON_CHECK(
        X509_NAME_add_entry_by_OBJ(name, object, V_ASN1_UTF8STRING, bytes, static_cast<int>(uid.size()), -1, 0) == 1);
    ASN1_OBJECT_free(object);
  }
}

}  // namespace

CertificatePtr Authority::sign(const Wish& wish, EVP_PKEY* key) const {
  CertificatePtr certificate(X509_new());
  X509* raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw), serial >> 1);
  ASN1_TIME_set(X509_getm_notBefore(raw), std::chrono::system_clock::to_time_t(wish.from));
  ASN1_TIME_set(X509_getm_notAfter(raw), std::chrono::system_clock::to_time_t(wish.to));
  fill_name(X509_get_subject_name(raw), wish);
  X509* issuer = certificate_ == nullptr ? raw : certificate_.get();
  X509_set_issuer_name(raw, X509_get_subject_name(issuer));
  X509_set_pubkey(raw, key);
  if (wish.old_authority) {
    extend(raw, issuer, NID_key_usage, "critical,keyCertSign");
  } else {
    extend(raw, issuer, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  }
  if (!wish.usage.empty()) extend(raw, issuer, NID_ext_key_usage, wish.usage.c_str());
  KEELSON_CHECK(X509_sign(raw, key_.get(), wish.sha1 ? EVP_sha1() : EVP_sha256()) > 0);
  return certificate;
}

Authority::Authority(const std::string& name) : key_(EVP_EC_gen("P-256")) {
  Wish wish;
  wish.common_name = name;
  wish.usage.clear();
  wish.authority = true;
  wish.to = kBeginning + std::chrono::hours(24 * 365);
  auto own = sign(wish, key_.get());
  certificate_ = std::move(own);
  pem_ = to_pem(certificate_.get());
}

kube::Identity Authority::issue(const Wish& wish) const {
  const KeyPtr key(EVP_EC_gen("P-256"));
  return {to_pem(sign(wish, key.get()).get()), key_pem(key.get())};
}

kube::Identity Authority::issue_rsa(const Wish& wish) const {
  const KeyPtr key(EVP_RSA_gen(2048));
  return {to_pem(sign(wish, key.get()).get()), key_pem(key.get())};
}

Authority Authority::intermediate(const Wish& wish) const {
  Authority below;
  below.key_.reset(EVP_EC_gen("P-256"));
  below.certificate_ = sign(wish, below.key_.get());
  below.pem_ = to_pem(below.certificate_.get());
  return below;
}

Wish client(std::string name, std::vector<std::string> groups) {
  Wish wish;
  wish.common_name = std::move(name);
  wish.organizations = std::move(groups);
  return wish;
}

Wish server(std::string name) {
  Wish wish;
  wish.common_name = std::move(name);
  wish.usage = "serverAuth";
  return wish;
}

}  // namespace keelson::server::testing
