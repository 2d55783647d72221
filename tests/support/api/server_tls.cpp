#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "tests/support/api/server_internal.hpp"

namespace keelson::fakes::server {
namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr unsigned char kBoth[] = "\x02h2\x08http/1.1";
constexpr unsigned char kOne[] = "\x08http/1.1";

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned int in_size, void* http2) {
  const unsigned char* ours = http2 != nullptr ? kBoth : kOne;
  const auto size = static_cast<unsigned int>(http2 != nullptr ? sizeof kBoth - 1 : sizeof kOne - 1);
  auto* chosen = const_cast<unsigned char*>(*out);
  if (SSL_select_next_proto(&chosen, out_size, ours, size, in, in_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool signed_by(X509* certificate, STACK_OF(X509) * chain, X509* authority) {
  X509_STORE* store = X509_STORE_new();
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_add_cert(store, authority);
  X509_STORE_CTX_init(context, store, certificate, chain);
  X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT);
  // Time is judged at each request.
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_NO_CHECK_TIME);
  const bool good = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return good;
}

std::vector<std::string> subject_fields(X509* certificate, int id) {
  std::vector<std::string> out;
  X509_NAME* subject = X509_get_subject_name(certificate);
  for (int at = X509_NAME_get_index_by_NID(subject, id, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, id, at)) {
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) continue;
    out.emplace_back(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
  }
  return out;
}

}  // namespace

PeerCertificate::PeerCertificate(SSL* session, X509* authority)
    : certificate_(SSL_get1_peer_certificate(session), X509_free) {
  if (certificate_ != nullptr) trusted_ = signed_by(certificate_.get(), SSL_get_peer_cert_chain(session), authority);
}

std::optional<ApiUser> PeerCertificate::user() const {
  if (certificate_ == nullptr || !trusted_) return std::nullopt;
  if (X509_cmp_current_time(X509_get0_notAfter(certificate_.get())) < 0) return std::nullopt;
  if (X509_cmp_current_time(X509_get0_notBefore(certificate_.get())) > 0) return std::nullopt;
  const auto names = subject_fields(certificate_.get(), NID_commonName);
  if (names.empty()) return std::nullopt;
  return ApiUser{names.front(), subject_fields(certificate_.get(), NID_organizationName)};
}

std::shared_ptr<X509> read_certificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  std::shared_ptr<X509> certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), X509_free);
  BIO_free(bio);
  return certificate;
}

std::shared_ptr<asio::ssl::context> make_tls(const kube::Identity& identity, const std::string& ca_pem, bool http2) {
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* raw = tls->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  tls->use_certificate_chain(asio::buffer(identity.certificate_pem));
  tls->use_private_key(asio::buffer(identity.key_pem), asio::ssl::context::pem);
  if (const auto authority = read_certificate(ca_pem)) SSL_CTX_add_client_CA(raw, authority.get());
  // Whatever the client shows is let in; answer_request() says 401 to what is worth nothing.
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
  SSL_CTX_set_alpn_select_cb(raw, select_protocol, http2 ? raw : nullptr);
  return tls;
}

base::Task<void> Host::while_dark() {
  while (dark) co_await light.wait();
}

Wire::Wire(Host& host, asio::ip::tcp::socket socket, std::shared_ptr<asio::ssl::context> tls)
    : host_(host), tls_(std::move(tls)), stream_(std::move(socket), *tls_) {}

base::Task<bool> Wire::handshake() {
  co_await host_.while_dark();
  const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kTuple);
  co_return !error;
}

base::Task<std::size_t> Wire::read(char* place, std::size_t size) {
  co_await host_.while_dark();
  const auto [error, count] = co_await stream_.async_read_some(asio::buffer(place, size), kTuple);
  co_await host_.while_dark();
  co_return error || !open_ ? 0 : count;
}

base::Task<bool> Wire::write(std::string bytes) {
  co_await host_.while_dark();
  if (!open_) co_return false;
  const auto [error, count] = co_await asio::async_write(stream_, asio::buffer(bytes), kTuple);
  co_return !error;
}

bool Wire::http2() const {
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(const_cast<Wire*>(this)->stream_.native_handle(), &protocol, &size);
  return size == 2 && std::memcmp(protocol, "h2", 2) == 0;
}

PeerCertificate Wire::peer(X509* authority) { return {stream_.native_handle(), authority}; }

void Wire::end_sending() {
  boost::system::error_code ignored;
  stream_.lowest_layer().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Wire::close() {
  open_ = false;
  boost::system::error_code ignored;
  stream_.lowest_layer().close(ignored);
}

void Wire::reset() {
  if (!open_) return;
  boost::system::error_code ignored;
  stream_.lowest_layer().set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

}  // namespace keelson::fakes::server
