#include "agent/server/tls_contexts.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <utility>

#include "kube-client/tls.hpp"

namespace keelson::server {
namespace {

int no_password(char*, int, int, void*) { return -1; }

Error unusable(std::string what) { return Error(ErrorKind::invalid, std::move(what) + ": " + kube::last_tls_error()); }

Status present(SSL_CTX* context, const kube::Identity& identity) {
  const kube::openssl::BioPtr chain = kube::openssl::reader(identity.certificate_pem);
  const kube::openssl::CertificatePtr own(PEM_read_bio_X509(chain.get(), nullptr, no_password, nullptr));
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return unusable("serving certificate");
  while (auto* issuer = PEM_read_bio_X509(chain.get(), nullptr, no_password, nullptr)) {
    const kube::openssl::CertificatePtr held(issuer);
    SSL_CTX_add1_chain_cert(context, held.get());
  }
  ERR_clear_error();
  auto key = kube::openssl::read_key(identity.key_pem);
  if (!key.ok()) return std::move(key).error().wrap("serving key");
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1) return unusable("serving key does not fit the certificate");
  return {};
}

constexpr long kCertificateBytes = 64 << 10;  // of a client's chain, which anybody can send

// A callback that answers 0 makes OpenSSL send the alert internal_error.
int refuse(SSL*, void*) { return 0; }

// Whatever the client shows is let in; requests of one that shows nothing good are answered with 401.
int let_in(X509_STORE_CTX*, void*) { return 1; }

void ask_for_certificate(SSL_CTX* context, const ClientCa& ca) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_max_cert_list(context, kCertificateBytes);
  SSL_CTX_set_cert_verify_callback(context, let_in, nullptr);
  for (const auto& authority : ca.authorities()) SSL_CTX_add_client_CA(context, authority.get());
}

}  // namespace

Result<SslContext> make_server_context(const TlsPolicy& policy, const kube::Identity* identity, const ClientCa* ca) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX* raw = context.get();
  if (raw == nullptr) return Error(ErrorKind::internal, "cannot make a TLS context: " + kube::last_tls_error());
  // Debian's level 2 would refuse a short RSA key that an administrator has given us, level 1 what TLS 1.1 is made of.
  SSL_CTX_set_security_level(raw, policy.min_version < TLS1_2_VERSION ? 0 : 1);
  SSL_CTX_set_min_proto_version(raw, policy.ciphers.empty() ? TLS1_3_VERSION : policy.min_version);
  SSL_CTX_set_max_proto_version(raw, 0);
  SSL_CTX_set_options(
      raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!policy.ciphers.empty() && SSL_CTX_set_cipher_list(raw, policy.ciphers.c_str()) != 1) {
    return unusable("tlsCipherSuites");
  }
  if (SSL_CTX_set1_groups_list(raw, policy.groups.c_str()) != 1) return unusable("tlsCurvePreferences");
  if (identity != nullptr) {
    KEELSON_TRY(present(raw, *identity));
  } else {
    SSL_CTX_set_cert_cb(raw, refuse, nullptr);
  }
  if (ca != nullptr) ask_for_certificate(raw, *ca);
  return context;
}

TlsContexts::TlsContexts(TlsPolicy policy, ServingCredentials& credentials, ClientCa* ca, base::Logger log)
    : policy_(std::move(policy)), credentials_(credentials), ca_(ca), log_(std::move(log)) {}

SslContext TlsContexts::current() {
  if (ca_ != nullptr) ca_->refresh();
  auto identity = credentials_.identity();
  const std::uint64_t generation = ca_ == nullptr ? 0 : ca_->generation();
  if (!made_ || identity != seen_ || generation != generation_) renew(std::move(identity), generation);
  return context_;
}

void TlsContexts::renew(std::optional<kube::Identity> identity, std::uint64_t generation) {
  made_ = true;
  seen_ = identity;
  generation_ = generation;
  auto context = make_server_context(policy_, identity ? &*identity : nullptr, ca_);
  if (!context.ok()) {
    log_.error(used_ ? "Serving certificate cannot be used, the last one stays in use"
                     : "Serving certificate cannot be used, TLS handshakes fail",
               {{"err", context.error()}});
    context = make_server_context(policy_, used_ ? &*used_ : nullptr, ca_);
    if (!context.ok()) return;
  } else {
    if (!identity) log_.warning("There is no serving certificate, TLS handshakes fail until there is one");
    if (identity && identity != used_) log_.info("Serving certificate is in use");
    used_ = std::move(identity);
  }
  context_ = std::move(*context);
}

}  // namespace keelson::server
