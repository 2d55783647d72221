#include "kube-client/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <utility>

namespace keelson::kube {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> open_pem(const std::string& pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// A key with a pass phrase is refused instead of asking at the terminal.
int no_password(char*, int, int, void*) { return -1; }

Owned<X509> next_certificate(BIO* bio) { return Owned<X509>(PEM_read_bio_X509(bio, nullptr, no_password, nullptr)); }

Status trust(SSL_CTX* context, const std::string& pem) {
  if (pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return Error(ErrorKind::unavailable, "the system's certificate authorities: " + last_tls_error());
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  auto bio = open_pem(pem);
  std::size_t count = 0;
  while (auto certificate = next_certificate(bio.get())) {
    X509_STORE_add_cert(store, certificate.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return Error(ErrorKind::invalid, "certificate authority: no PEM certificate in it");
  return {};
}

Status present(SSL_CTX* context, const Identity& identity) {
  auto bio = open_pem(identity.certificate_pem);
  auto own = next_certificate(bio.get());
  if (own == nullptr) {
    return Error(ErrorKind::invalid, "client certificate: expected a PEM certificate: " + last_tls_error());
  }
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return Error(ErrorKind::invalid, "client certificate: " + last_tls_error());
  }
  while (auto issuer = next_certificate(bio.get())) SSL_CTX_add1_chain_cert(context, issuer.get());
  ERR_clear_error();
  auto key_bio = open_pem(identity.key_pem);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_password, nullptr));
  if (key == nullptr) {
    return Error(ErrorKind::invalid,
                 "client key: expected a PEM private key without a pass phrase: " + last_tls_error());
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return Error(ErrorKind::invalid, "client key does not fit the client certificate: " + last_tls_error());
  }
  return {};
}

std::string alpn_list(const std::vector<std::string>& protocols) {
  std::string list;
  for (const auto& protocol : protocols) {
    list.push_back(static_cast<char>(protocol.size()));
    list += protocol;
  }
  return list;
}

}  // namespace

std::string last_tls_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "unknown reason" : reason;
}

Result<TlsContext> make_tls_context(const TlsSettings& settings) {
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client);
  SSL_CTX* raw = context->native_handle();
  ERR_clear_error();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // Idle connections, which is most of the time, then hold no record buffers.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(raw, settings.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  // Whatever is in the bundle is trusted, an intermediate authority as well.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(raw), X509_V_FLAG_PARTIAL_CHAIN);
  if (!settings.insecure) KEELSON_TRY(trust(raw, settings.ca_pem));
  if (settings.identity) KEELSON_TRY(present(raw, *settings.identity));
  const std::string protocols = alpn_list(settings.protocols);
  if (!protocols.empty()) {
    SSL_CTX_set_alpn_protos(raw, reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned int>(protocols.size()));
  }
  return context;
}

}  // namespace keelson::kube
