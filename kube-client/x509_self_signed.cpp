#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "kube-client/x509.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::kube {
namespace {

using openssl::CertificatePtr;
using openssl::KeyPtr;

constexpr int kRsaBits = 2048;
constexpr std::chrono::seconds kBackdate = std::chrono::hours(1);
constexpr std::chrono::seconds kLifetime = std::chrono::hours(24 * 365);

struct Extension {
  int kind;
  const char* value;
};

bool fill(X509* certificate, EVP_PKEY* key, const CertificateNames& names, std::chrono::seconds now) {
  unsigned char serial[8];
  if (RAND_bytes(serial, sizeof serial) != 1) return false;
  serial[0] &= 0x7f;  // positive
  serial[7] |= 0x01;  // and never zero
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  const bool numbered = number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  const auto from = now - kBackdate;
  return numbered && X509_set_version(certificate, X509_VERSION_3) == 1 &&
         ASN1_TIME_set(X509_getm_notBefore(certificate), from.count()) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), (from + kLifetime).count()) != nullptr &&
         openssl::fill_subject(X509_get_subject_name(certificate), names) && X509_set_pubkey(certificate, key) == 1;
}

bool extend(X509* certificate, X509* issuer, std::initializer_list<Extension> extensions) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const auto& [kind, value] : extensions) {
    const openssl::ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    if (extension == nullptr || X509_add_ext(certificate, extension.get(), -1) != 1) return false;
  }
  return true;
}

}  // namespace

Result<SelfSigned> make_self_signed(const std::string& host, base::SystemTime when) {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(when.time_since_epoch());
  const std::string stamp = "@" + std::to_string(now.count());
  const KeyPtr ca_key(EVP_RSA_gen(kRsaBits));
  const KeyPtr key(EVP_RSA_gen(kRsaBits));
  const CertificatePtr ca(X509_new());
  const CertificatePtr certificate(X509_new());
  const openssl::BioPtr key_text(BIO_new(BIO_s_mem()));
  const auto failed = [&] {
    return openssl::failure(ErrorKind::internal, "cannot make a self-signed certificate for " + host);
  };
  if (ca_key == nullptr || key == nullptr || ca == nullptr || certificate == nullptr || key_text == nullptr) {
    return failed();
  }

  const bool ca_made = fill(ca.get(), ca_key.get(), {.common_name = host + "-ca" + stamp}, now) &&
                       X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get())) == 1 &&
                       extend(ca.get(), ca.get(),
                              {{NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign"},
                               {NID_basic_constraints, "critical,CA:TRUE"},
                               {NID_subject_key_identifier, "hash"}}) &&
                       X509_sign(ca.get(), ca_key.get(), EVP_sha256()) > 0;
  if (!ca_made) return failed();

  CertificateNames names{.common_name = host + stamp};
  const std::string address = canonical_ip(host);
  (address.empty() ? names.dns_names : names.ip_addresses).push_back(address.empty() ? host : address);
  const openssl::ExtensionPtr alternatives = openssl::make_alternatives(names);
  const bool made =
      alternatives != nullptr && fill(certificate.get(), key.get(), names, now) &&
      X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca.get())) == 1 &&
      extend(certificate.get(), ca.get(),
             {{NID_key_usage, "critical,digitalSignature,keyEncipherment"},
              {NID_ext_key_usage, "serverAuth"},
              {NID_basic_constraints, "critical,CA:FALSE"},
              {NID_authority_key_identifier, "keyid"}}) &&
      X509_add_ext(certificate.get(), alternatives.get(), -1) == 1 &&
      X509_sign(certificate.get(), ca_key.get(), EVP_sha256()) > 0 &&
      PEM_write_bio_PrivateKey_traditional(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!made) return failed();
  return SelfSigned{openssl::to_pem(certificate.get()) + openssl::to_pem(ca.get()), openssl::text_of(key_text.get())};
}

}  // namespace keelson::kube
