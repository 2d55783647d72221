#include "probes/tests/small_server.hpp"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

namespace keelson::probes::testing {
namespace {

namespace asio = base::asio;
using asio::ip::tcp;

// A certificate that nobody would believe.
SSL_CTX* make_context() {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
  X509_gmtime_adj(X509_getm_notAfter(certificate), -3600);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

template <class Stream>
base::Task<void> converse(Stream& stream, tcp::socket& socket, Answer answer, std::vector<std::string>& requests) {
  boost::system::error_code error;
  std::string request;
  while (answer.await_request && request.find("\r\n\r\n") == std::string::npos) {
    char buffer[1024];
    const std::size_t size =
        co_await stream.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    request.append(buffer, size);
  }
  if (answer.await_request) requests.push_back(request);
  for (const std::string& piece : answer.pieces) {
    co_await asio::async_write(stream, asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    for (int i = 0; i < 10; ++i) co_await asio::post(asio::use_awaitable);
  }
  if (answer.end == Answer::End::reset) socket.set_option(asio::socket_base::linger(true, 0), error);
  while (answer.end == Answer::End::keep && !error) {
    char buffer[256];
    co_await stream.async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, error));
  }
}

}  // namespace

SmallServer::SmallServer(base::Loop& loop, const std::string& address, bool tls)
    : loop_(loop), acceptor_(loop.context(), tcp::endpoint(asio::ip::make_address(address), 0)), gate_(loop) {
  port_ = acceptor_.local_endpoint().port();
  if (tls) tls_ = make_context();
  base::spawn(gate_, "accept", accept());
}

SmallServer::~SmallServer() { SSL_CTX_free(tls_); }

base::Task<void> SmallServer::accept() {
  while (true) {
    auto socket = std::make_shared<Socket>(loop_.context());
    boost::system::error_code error;
    co_await acceptor_.async_accept(*socket, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    Answer answer = answers_.empty() ? Answer() : answers_.front();
    if (answers_.size() > 1) answers_.erase(answers_.begin());
    ++connections_;
    base::spawn(gate_, "serve",
                tls_ == nullptr ? serve(socket, std::move(answer)) : serve_tls(socket, std::move(answer)));
  }
}

base::Task<void> SmallServer::serve(std::shared_ptr<Socket> socket, Answer answer) {
  co_await converse(*socket, *socket, std::move(answer), requests_);
  boost::system::error_code ignored;
  socket->close(ignored);
}

base::Task<void> SmallServer::serve_tls(std::shared_ptr<Socket> socket, Answer answer) {
  SSL_CTX_up_ref(tls_);
  asio::ssl::context context(tls_);
  asio::ssl::stream<Socket&> stream(*socket, context);
  boost::system::error_code error;
  co_await stream.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_await converse(stream, *socket, std::move(answer), requests_);
  socket->close(error);
}

int free_port(base::Loop& loop) {
  tcp::acceptor acceptor(loop.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  return acceptor.local_endpoint().port();
}

}  // namespace keelson::probes::testing
