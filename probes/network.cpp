#include "probes/network.hpp"

#include <openssl/ssl.h>

#include <utility>

namespace keelson::probes {

void Network::FreeTls::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

Network::Network(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, LookUp look_up)
    : loop_(loop), clock_(clock), deadlines_(loop, clock), names_(loop, clock, pool, std::move(look_up)) {}

Network::~Network() = default;

base::Task<void> Network::stop() {
  co_await names_.stop();
  co_await deadlines_.stop();
}

ssl_ctx_st* Network::tls() {
  if (tls_ != nullptr) return tls_.get();
  tls_.reset(SSL_CTX_new(TLS_client_method()));
  KEELSON_CHECK(tls_ != nullptr);
  SSL_CTX_set_verify(tls_.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_min_proto_version(tls_.get(), TLS1_2_VERSION);
  SSL_CTX_set_security_level(tls_.get(), 0);
  SSL_CTX_set_session_cache_mode(tls_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(tls_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  // A server that ends without a farewell has still said what it had to say.
  SSL_CTX_set_options(tls_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  static constexpr unsigned char kProtocols[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  SSL_CTX_set_alpn_protos(tls_.get(), kProtocols, sizeof kProtocols);
  return tls_.get();
}

}  // namespace keelson::probes
