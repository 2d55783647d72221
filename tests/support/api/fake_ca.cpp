#include "tests/support/api/fake_ca.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <utility>

#include "kube-client/x509_openssl.hpp"

namespace keelson::fakes {
namespace {

using kube::openssl::text_of;
using Key = kube::openssl::KeyPtr;
using Certificate = kube::openssl::CertificatePtr;
using Bio = kube::openssl::BioPtr;
using Extension = kube::openssl::ExtensionPtr;

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  KEELSON_CHECK(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  KEELSON_CHECK(PEM_write_bio_PrivateKey_traditional(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

void add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str()));
  KEELSON_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void add_name(X509_NAME* name, const char* field, const std::string& value) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
  KEELSON_CHECK(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, bytes, static_cast<int>(value.size()), -1, 0) ==
                1);
}

bool is_address(const std::string& name) {
  in6_addr place{};
  return inet_pton(AF_INET, name.c_str(), &place) == 1 || inet_pton(AF_INET6, name.c_str(), &place) == 1;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    if (!out.empty()) out += ",";
    out += (is_address(name) ? "IP:" : "DNS:") + name;
  }
  return out;
}

Certificate blank(const CertificateWish& wish, EVP_PKEY* key) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -static_cast<long>(wish.begins_before.count()));
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), static_cast<long>(wish.lifetime.count()));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (const auto& organization : wish.organizations) add_name(subject, "O", organization);
  add_name(subject, "CN", wish.common_name);
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  KEELSON_CHECK(key != nullptr);
  return key;
}

}  // namespace

struct FakeCa::State {
  Key key;
  Certificate certificate;
  std::string pem;
};

FakeCa::FakeCa(std::unique_ptr<State> state) : state_(std::move(state)) {}
FakeCa::~FakeCa() = default;
FakeCa::FakeCa(FakeCa&&) noexcept = default;
FakeCa& FakeCa::operator=(FakeCa&&) noexcept = default;

FakeCa FakeCa::create() {
  auto state = std::make_unique<State>();
  state->key = new_key();
  CertificateWish wish;
  wish.common_name = "kubernetes";
  wish.lifetime = std::chrono::hours(24 * 3650);
  state->certificate = blank(wish, state->key.get());
  X509* certificate = state->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, certificate, NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  KEELSON_CHECK(X509_sign(certificate, state->key.get(), EVP_sha256()) > 0);
  state->pem = pem_of(certificate);
  return FakeCa(std::move(state));
}

Result<FakeCa> FakeCa::load(const kube::Identity& identity) {
  auto state = std::make_unique<State>();
  const Bio certificate(BIO_new_mem_buf(identity.certificate_pem.data(), -1));
  const Bio key(BIO_new_mem_buf(identity.key_pem.data(), -1));
  state->certificate.reset(PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
  state->key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  if (state->certificate == nullptr || state->key == nullptr) {
    return Error(ErrorKind::invalid, "the authority: expected a certificate and its key as PEM");
  }
  state->pem = identity.certificate_pem;
  return FakeCa(std::move(state));
}

const std::string& FakeCa::certificate_pem() const { return state_->pem; }

kube::Identity FakeCa::issue(const CertificateWish& wish) const {
  const Key key = new_key();
  const Certificate certificate = blank(wish, key.get());
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(state_->certificate.get()));
  X509* issuer = state_->certificate.get();
  add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), issuer, NID_ext_key_usage, wish.server ? "serverAuth" : "clientAuth");
  add_extension(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  if (!wish.names.empty()) {
    add_extension(certificate.get(), issuer, NID_subject_alt_name, alternative_names(wish.names));
  }
  KEELSON_CHECK(X509_sign(certificate.get(), state_->key.get(), EVP_sha256()) > 0);
  return {pem_of(certificate.get()), pem_of(key.get())};
}

}  // namespace keelson::fakes
