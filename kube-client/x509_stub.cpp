// Keys of pods and the requests for their certificates.
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "kube-client/x509.hpp"
#include "kube-client/x509_openssl.hpp"

namespace keelson::kube {
namespace {

openssl::KeyPtr generate(std::string_view type) {
  if (type == "RSA3072") return openssl::KeyPtr(EVP_RSA_gen(3072));
  if (type == "RSA4096") return openssl::KeyPtr(EVP_RSA_gen(4096));
  if (type == "ECDSAP256") return openssl::KeyPtr(EVP_EC_gen("P-256"));
  if (type == "ECDSAP384") return openssl::KeyPtr(EVP_EC_gen("P-384"));
  if (type == "ECDSAP521") return openssl::KeyPtr(EVP_EC_gen("P-521"));
  if (type == "ED25519") return openssl::KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  return nullptr;
}

// As Go chooses it by the key.
const EVP_MD* digest_for(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) return nullptr;
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) return EVP_sha256();
  const int bits = EVP_PKEY_get_bits(key);
  return bits > 384 ? EVP_sha512() : bits > 256 ? EVP_sha384() : EVP_sha256();
}

}  // namespace

Result<std::string> make_key(std::string_view type) {
  const openssl::KeyPtr key = generate(type);
  if (key == nullptr) return openssl::failure(ErrorKind::invalid, "cannot make a key of type " + std::string(type));
  const openssl::BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl::failure(ErrorKind::internal, "cannot write a key");
  }
  return openssl::text_of(bio.get());
}

Result<std::string> make_stub_request(std::string_view key_pem) {
  const auto key = openssl::read_key(key_pem);
  if (!key.ok()) return key.error();
  const openssl::RequestPtr request(X509_REQ_new());
  const bool made = request != nullptr && X509_REQ_set_version(request.get(), 0) == 1 &&
                    X509_REQ_set_pubkey(request.get(), key->get()) == 1 &&
                    X509_REQ_sign(request.get(), key->get(), digest_for(key->get())) > 0;
  unsigned char* der = nullptr;
  const int length = made ? i2d_X509_REQ(request.get(), &der) : -1;
  if (length < 0) return openssl::failure(ErrorKind::internal, "cannot make a certificate request for a pod");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<std::size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace keelson::kube
