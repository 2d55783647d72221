#include "kube-client/channel.hpp"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <type_traits>
#include <utility>

namespace keelson::kube {
namespace {

namespace asio = base::asio;
using Tcp = asio::ip::tcp;
using TlsOverTcp = asio::ssl::stream<Tcp::socket>;
using TlsOverTls = asio::ssl::stream<TlsOverTcp>;

template <class Stream>
class ChannelOver final : public Channel {
 public:
  template <class... Args>
  explicit ChannelOver(TlsContext context, Args&&... args)
      : context_(std::move(context)), stream_(std::forward<Args>(args)...) {}

  base::Task<std::size_t> read_some(char* data, std::size_t size, boost::system::error_code& error) override {
    const std::size_t count =
        co_await stream_.async_read_some(asio::buffer(data, size), asio::redirect_error(asio::use_awaitable, error));
    co_return count;
  }

  base::Task<void> write(const char* data, std::size_t size, boost::system::error_code& error) override {
    co_await asio::async_write(stream_, asio::buffer(data, size), asio::redirect_error(asio::use_awaitable, error));
  }

  void close() override {
    boost::system::error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

  std::string protocol() const override {
    if constexpr (!std::is_same_v<Stream, Tcp::socket>) {
      const unsigned char* name = nullptr;
      unsigned int size = 0;
      SSL_get0_alpn_selected(const_cast<Stream&>(stream_).native_handle(), &name, &size);
      return std::string(reinterpret_cast<const char*>(name), size);
    }
    return {};
  }

  Stream& stream() { return stream_; }

 private:
  TlsContext context_;
  Stream stream_;
};

// Our settings of the socket are wishes: a kernel without one of them still carries the connection.
void keep_watch(Tcp::socket& socket, base::Duration dead_after) {
  boost::system::error_code ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  const auto set = [fd](int option, int value) { setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value); };
  set(TCP_KEEPIDLE, 5);
  set(TCP_KEEPINTVL, 2);
  set(TCP_KEEPCNT, 2);
  set(TCP_USER_TIMEOUT, static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(dead_after).count()));
}

Status expect_name(SSL* ssl, const std::string& name, bool verify) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(name, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (!verify) return {};
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  // The common name has not counted for many years.
  X509_VERIFY_PARAM_set_hostflags(parameters,
                                  X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int set = not_an_address ? X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size())
                                 : X509_VERIFY_PARAM_set1_ip_asc(parameters, address.to_string().c_str());
  if (set == 1) return {};
  return Error(ErrorKind::invalid, "\"" + name + "\" is no name that a certificate could be for");
}

// Cancelled by our own task, which is no failure of the other side.
void stop_if_cancelled(const boost::system::error_code& error) {
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
}

Error handshake_error(SSL* ssl, const boost::system::error_code& error, const std::string& name,
                      const std::string& what) {
  const long verdict = SSL_get_verify_result(ssl);
  ERR_clear_error();
  if (verdict == X509_V_OK) {
    return Error(ErrorKind::unavailable, "TLS handshake with " + what + ": " + describe(error));
  }
  std::string reason = X509_verify_cert_error_string(verdict);
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    reason = "it is not for \"" + name + "\" (" + reason + ")";
  }
  return Error(ErrorKind::unavailable,
               "TLS handshake with " + what + ": the server's certificate is refused: " + reason);
}

template <class Stream, class Below>
base::Task<Result<std::unique_ptr<Channel>>> handshake(ChannelOver<Below>* below, TlsContext context, std::string name,
                                                       std::string what) {
  auto channel = std::make_unique<ChannelOver<Stream>>(context, std::move(below->stream()), *context);
  SSL* ssl = channel->stream().native_handle();
  const bool verify = SSL_CTX_get_verify_mode(context->native_handle()) != SSL_VERIFY_NONE;
  KEELSON_CO_TRY(expect_name(ssl, name, verify));
  boost::system::error_code error;
  co_await channel->stream().async_handshake(asio::ssl::stream_base::client,
                                             asio::redirect_error(asio::use_awaitable, error));
  stop_if_cancelled(error);
  if (error) co_return handshake_error(ssl, error, name, what);
  std::unique_ptr<Channel> done = std::move(channel);
  co_return done;
}

}  // namespace

std::string describe(const boost::system::error_code& error) {
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return "the other side closed the connection";
  }
  if (error.category() == asio::error::get_ssl_category()) {
    const char* reason = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
    if (reason != nullptr) return reason;
  }
  return error.message();
}

bool is_tls_alert(const boost::system::error_code& error) {
  return error.category() == asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) >= SSL_AD_REASON_OFFSET;
}

base::Task<Result<std::unique_ptr<Channel>>> connect_tcp(base::Loop& loop, Tcp::endpoint to,
                                                         base::Duration dead_after) {
  Tcp::socket socket(loop.context());
  boost::system::error_code error;
  co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, error));
  stop_if_cancelled(error);
  if (error) co_return Error(ErrorKind::unavailable, error.message(), error.value());
  keep_watch(socket, dead_after);
  std::unique_ptr<Channel> channel = std::make_unique<ChannelOver<Tcp::socket>>(nullptr, std::move(socket));
  co_return channel;
}

base::Task<Result<std::unique_ptr<Channel>>> start_tls(std::unique_ptr<Channel> below, TlsContext context,
                                                       std::string server_name, std::string what) {
  if (auto* tcp = dynamic_cast<ChannelOver<Tcp::socket>*>(below.get())) {
    auto done = co_await handshake<TlsOverTcp>(tcp, std::move(context), std::move(server_name), std::move(what));
    co_return done;
  }
  if (auto* tls = dynamic_cast<ChannelOver<TlsOverTcp>*>(below.get())) {
    auto done = co_await handshake<TlsOverTls>(tls, std::move(context), std::move(server_name), std::move(what));
    co_return done;
  }
  co_return Error(ErrorKind::internal, "TLS over more than one other TLS");
}

}  // namespace keelson::kube
