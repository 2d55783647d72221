#include "agent/streaming/backend.hpp"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <functional>
#include <utility>
#include <vector>

#include "agent/streaming/peer_state.hpp"
#include "base/gate.hpp"
#include "base/go_text.hpp"
#include "kube-client/channel.hpp"
#include "kube-client/url.hpp"

namespace keelson::streaming {
namespace {

namespace asio = base::asio;
using Tcp = asio::ip::tcp;
using Addresses = std::vector<asio::ip::address>;
using Dialed = Result<std::unique_ptr<Backend>>;

constexpr int kKernelBuffer = 128 * 1024;

Error unavailable(std::string text) { return Error(ErrorKind::unavailable, std::move(text)); }

std::string text_of(const boost::system::error_code& error) {
  if (error.category() == boost::system::system_category()) return base::go_errno(error.value());
  return kube::describe(error);
}

bool is_end(const boost::system::error_code& error) {
  return error == asio::error::eof || error == asio::ssl::error::stream_truncated;
}

template <class Stream>
class BackendOver final : public Backend {
 public:
  template <class... Args>
  explicit BackendOver(kube::TlsContext context, Args&&... args)
      : context_(std::move(context)), stream_(std::forward<Args>(args)...) {}

  base::Task<Result<std::size_t>> read_some(char* to, std::size_t room) override {
    boost::system::error_code error;
    const std::size_t count =
        co_await stream_.async_read_some(asio::buffer(to, room), asio::redirect_error(asio::use_awaitable, error));
    throw_if_cancelled(error);
    if (is_end(error)) co_return std::size_t(0);
    if (error) co_return unavailable("read from the runtime: " + text_of(error));
    co_return count;
  }

  base::Task<Status> write(const char* data, std::size_t size) override {
    boost::system::error_code error;
    co_await asio::async_write(stream_, asio::buffer(data, size), asio::redirect_error(asio::use_awaitable, error));
    throw_if_cancelled(error);
    if (error) co_return unavailable("write to the runtime: " + text_of(error));
    co_return Ok{};
  }

  bool has_unread() const override {
    int bytes = 0;
    return !closed_ && ::ioctl(socket(), FIONREAD, &bytes) == 0 && bytes > 0;
  }
  bool has_closed() const override { return closed_ || peer_has_closed(socket()); }

  // Of TLS, too: saying goodbye there would need the other side's leave while we still read.
  void shut_down_write() override {
    boost::system::error_code ignored;
    stream_.lowest_layer().shutdown(Tcp::socket::shutdown_send, ignored);
  }

  void close() override {
    closed_ = true;
    boost::system::error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

  Stream& stream() { return stream_; }

 private:
  int socket() const { return const_cast<Stream&>(stream_).lowest_layer().native_handle(); }
  // Our own close() aborts what is pending, too, which is no cancellation.
  void throw_if_cancelled(const boost::system::error_code& error) const {
    if (error == asio::error::operation_aborted && !closed_) throw boost::system::system_error(error);
  }

  kube::TlsContext context_;
  Stream stream_;
  bool closed_ = false;
};

using OverTcp = BackendOver<Tcp::socket>;
using OverTls = BackendOver<asio::ssl::stream<Tcp::socket>>;

// Runs on the blocking pool.
Result<Addresses> look_up(const std::string& host) {
  asio::io_context own;
  Tcp::resolver resolver(own);
  boost::system::error_code error;
  const auto found = resolver.resolve(host, "", error);
  if (error) return unavailable("dial tcp: lookup " + host + ": " + error.message());
  Addresses addresses;
  for (const auto& entry : found) addresses.push_back(entry.endpoint().address());
  return addresses;
}

std::function<Result<Addresses>()> look_up_later(std::string host) {
  return [host = std::move(host)] { return look_up(host); };
}

base::Task<Result<Addresses>> resolve(base::BlockingPool& pool, std::string host, base::Duration limit) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return Addresses(1, address);
  std::function<Result<Addresses>()> work = look_up_later(host);
  auto found = co_await pool.run<Addresses>("resolve " + host, limit, std::move(work));
  co_return found;
}

// As Go's dialer does: small pieces go at once, a dead machine is noticed while nothing is to be said. The runtime is
// on this machine, where large buffers win nothing, but the kernel's would grow to what the machine allows for each
// stream.
void set_options(Tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::receive_buffer_size(kKernelBuffer), ignored);
  socket.set_option(asio::socket_base::send_buffer_size(kKernelBuffer), ignored);
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  const auto set = [fd](int option, int value) { setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value); };
  set(TCP_KEEPIDLE, 15);
  set(TCP_KEEPINTVL, 15);
  set(TCP_KEEPCNT, 9);
}

base::Task<Result<Tcp::socket>> connect(base::Loop& loop, Tcp::endpoint to) {
  Tcp::socket socket(loop.context());
  boost::system::error_code error;
  socket.open(to.protocol(), error);
  if (error) co_return unavailable("dial tcp: socket: " + text_of(error));
  set_options(socket);
  co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) {
    const auto peer = kube::join_host_port(to.address().to_string(), std::to_string(to.port()));
    co_return unavailable("dial tcp " + peer + ": connect: " + text_of(error));
  }
  co_return std::move(socket);
}

base::Task<Result<Tcp::socket>> connect_any(base::Loop& loop, base::BlockingPool& pool, Destination to,
                                            base::Duration limit) {
  auto addresses = co_await resolve(pool, to.host, limit);
  if (!addresses.ok()) co_return std::move(addresses).error();
  Error last = unavailable("dial tcp: lookup " + to.host + ": no such host");
  for (const auto& address : *addresses) {
    const Tcp::endpoint endpoint(address, static_cast<unsigned short>(std::stoi(to.port)));
    auto socket = co_await connect(loop, endpoint);
    if (socket.ok()) co_return std::move(socket);
    last = std::move(socket).error();
  }
  co_return last;
}

Result<kube::TlsContext> system_context() {
  const kube::TlsSettings settings;
  return kube::make_tls_context(settings);
}

base::Task<Dialed> start_tls(Tcp::socket socket, std::string host, kube::TlsContext context) {
  if (context == nullptr) {
    auto made = system_context();
    if (!made.ok()) co_return std::move(made).error();
    context = std::move(*made);
  }
  auto backend = std::make_unique<OverTls>(context, std::move(socket), *context);
  auto& stream = backend->stream();
  boost::system::error_code error;
  asio::ip::make_address(host, error);
  if (error) SSL_set_tlsext_host_name(stream.native_handle(), host.c_str());  // it is a name
  const bool verify = SSL_CTX_get_verify_mode(context->native_handle()) != SSL_VERIFY_NONE;
  if (verify) stream.set_verify_callback(asio::ssl::host_name_verification(host), error);
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) co_return unavailable("tls: " + text_of(error));
  std::unique_ptr<Backend> done = std::move(backend);
  co_return done;
}

base::Task<Dialed> dial_now(base::Loop& loop, base::BlockingPool& pool, Destination to, base::Duration limit,
                            kube::TlsContext tls) {
  auto socket = co_await connect_any(loop, pool, to, limit);
  if (!socket.ok()) co_return std::move(socket).error();
  if (to.tls) {
    auto secured = co_await start_tls(std::move(*socket), to.host, std::move(tls));
    co_return secured;
  }
  std::unique_ptr<Backend> done = std::make_unique<OverTcp>(nullptr, std::move(*socket));
  co_return done;
}

}  // namespace

base::Task<Dialed> dial(base::Loop& loop, base::Clock& clock, base::BlockingPool& pool, Destination to,
                        base::Duration limit, kube::TlsContext tls) {
  const std::string peer = kube::join_host_port(to.host, to.port);
  auto attempt = dial_now(loop, pool, std::move(to), limit, std::move(tls));
  auto dialed = co_await base::with_timeout<Dialed>(clock, limit, std::move(attempt));
  if (!dialed) co_return unavailable("dial tcp " + peer + ": i/o timeout");
  co_return std::move(*dialed);
}

}  // namespace keelson::streaming
