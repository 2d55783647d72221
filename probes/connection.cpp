#include "probes/connection.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/go_text.hpp"

namespace keelson::probes {
namespace {

namespace asio = base::asio;
using asio::ip::tcp;

constexpr base::Duration kLeastPerAddress = std::chrono::seconds(2);

// Made here and not in coroutines (CONTRIBUTING.md about GCC 12).
Fault timeout() { return {Fault::Kind::timeout, "i/o timeout"}; }
Fault end() { return {Fault::Kind::end, "EOF"}; }
Fault plain_http() { return {Fault::Kind::plain_http, "http: server gave HTTP response to HTTPS client"}; }
Fault other(std::string text) { return {Fault::Kind::other, std::move(text)}; }

std::string shown(const tcp::endpoint& endpoint) {
  return host_and_port(endpoint.address().to_string(), endpoint.port());
}

Fault dial_fault(const tcp::endpoint& to, std::string_view call, int number) {
  return other("dial tcp " + shown(to) + ": " + std::string(call) + ": " + base::go_errno(number));
}

tcp::endpoint local_endpoint(int descriptor) {
  tcp::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(descriptor, endpoint.data(), &size) == 0) endpoint.resize(size);
  return endpoint;
}

int pending_error(int descriptor) {
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size);
  return number;
}

// OpenSSL's own socket BIO raises SIGPIPE.
int bio_write(BIO* bio, const char* data, int size) {
  const int socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(socket, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* to, int room) {
  const int socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t size = ::recv(socket, to, static_cast<std::size_t>(room), 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(size);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* make_bio_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "probe socket");
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

BIO* make_bio(int socket) {
  static BIO_METHOD* const method = make_bio_method();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  return bio;
}

struct Alert {
  int number;
  const char* text;
};
// Go's words for what the other side says when it refuses.
constexpr Alert kAlerts[] = {{10, "unexpected message"},
                             {20, "bad record MAC"},
                             {22, "record overflow"},
                             {40, "handshake failure"},
                             {42, "bad certificate"},
                             {43, "unsupported certificate"},
                             {44, "revoked certificate"},
                             {45, "expired certificate"},
                             {46, "unknown certificate"},
                             {47, "illegal parameter"},
                             {48, "unknown certificate authority"},
                             {49, "access denied"},
                             {50, "error decoding message"},
                             {51, "error decrypting message"},
                             {70, "protocol version not supported"},
                             {71, "insufficient security level"},
                             {80, "internal error"},
                             {90, "user canceled"},
                             {109, "missing extension"},
                             {110, "unsupported extension"},
                             {112, "unrecognized name"},
                             {116, "certificate required"},
                             {120, "no application protocol"}};

}  // namespace

std::string host_and_port(std::string_view host, int port) {
  const bool brackets = host.find(':') != std::string_view::npos;
  std::string text = brackets ? "[" : "";
  text += host;
  text += brackets ? "]:" : ":";
  text += std::to_string(port);
  return text;
}

void Connection::FreeTls::operator()(ssl_st* tls) const { SSL_free(tls); }

Connection::Connection(Network& network, Limit& limit)
    : network_(network), limit_(limit), socket_(network.loop().context()) {
  limit_.attach(&socket_);
}

Connection::~Connection() {
  limit_.attach(nullptr);
  close();
}

void Connection::close() {
  boost::system::error_code ignored;
  if (socket_.is_open()) {
    socket_.close(ignored);
  } else if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
  descriptor_ = -1;
}

Fault Connection::join_loop() {
  boost::system::error_code error;
  if (!socket_.is_open()) socket_.assign(peer_.protocol(), descriptor_, error);
  return error ? other("epoll: " + base::go_errno(error.value())) : Fault();
}

base::Task<Fault> Connection::connect(std::string host, int port) {
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address) {
    Fault fault = co_await connect_to(Endpoint(address, static_cast<std::uint16_t>(port)));
    co_return fault;
  }
  auto addresses = co_await network_.names().resolve(host, limit_.left());
  if (limit_.over()) co_return timeout();
  if (!addresses.ok()) co_return other("dial tcp: " + addresses.error().message());
  Fault first;
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const Endpoint to((*addresses)[i], static_cast<std::uint16_t>(port));
    const std::size_t rest = addresses->size() - i;
    Fault fault;
    if (rest == 1) {
      fault = co_await connect_to(to);
    } else {
      const base::Duration share = std::max<base::Duration>(limit_.left() / rest, kLeastPerAddress);
      auto tried = co_await base::with_timeout<Fault>(network_.clock(), share, connect_to(to));
      fault = tried ? std::move(*tried) : other("dial tcp " + shown(to) + ": i/o timeout");
    }
    if (!fault || limit_.over()) co_return fault;
    if (!first) first = std::move(fault);
  }
  co_return first;
}

base::Task<Fault> Connection::connect_to(Endpoint to) {
  close();
  peer_ = to;
  descriptor_ = ::socket(to.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0) co_return dial_fault(to, "socket", errno);
  if (::connect(descriptor_, to.data(), static_cast<socklen_t>(to.size())) != 0) {
    if (errno != EINPROGRESS) co_return dial_fault(to, "connect", errno);
    // A server on this machine has answered already, which is the rule.
    pollfd state{descriptor_, POLLOUT, 0};
    bool connected = ::poll(&state, 1, 0) == 1 && state.revents == POLLOUT;
    if (!connected && state.revents == 0) {
      Fault fault = co_await wait_for(Direction::out);
      if (fault) co_return fault;
    }
    if (const int number = connected ? 0 : pending_error(descriptor_); number != 0) {
      co_return dial_fault(to, "connect", number);
    }
  }
  // Where nobody listens on a port of the ephemeral range, a socket can connect to itself.
  if (local_endpoint(descriptor_) == to) co_return dial_fault(to, "connect", ECONNREFUSED);
  co_return Fault();
}

base::Task<Fault> Connection::wait_for(Direction direction) {
  if (limit_.over()) co_return timeout();
  Fault fault = join_loop();
  if (fault) co_return fault;
  boost::system::error_code error;
  const auto what = direction == Direction::in ? tcp::socket::wait_read : tcp::socket::wait_write;
  co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, error));
  if (limit_.over()) co_return timeout();
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  co_return Fault();
}

base::Task<Fault> Connection::write(std::string_view data) {
  while (!data.empty()) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      const int sent = SSL_write(tls_.get(), data.data(), static_cast<int>(data.size()));
      if (sent > 0) {
        data.remove_prefix(static_cast<std::size_t>(sent));
      } else {
        Fault fault = co_await wait_for_tls(sent);
        if (fault) co_return fault;
      }
      continue;
    }
    const ssize_t sent = ::send(descriptor_, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      data.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EINTR) {
      Fault fault = co_await wait_for(Direction::out);
      if (fault) co_return fault;
    } else {
      co_return io_fault("write", errno);
    }
  }
  co_return Fault();
}

base::Task<Fault> Connection::read(char* to, std::size_t room, std::size_t& size) {
  size = 0;
  while (tls_ != nullptr) {
    ERR_clear_error();
    const int got = SSL_read(tls_.get(), to, static_cast<int>(room));
    if (got > 0) {
      size = static_cast<std::size_t>(got);
      co_return Fault();
    }
    Fault fault = co_await wait_for_tls(got);
    if (fault) co_return fault;
  }
  if (limit_.over()) co_return timeout();
  Fault fault = join_loop();
  if (fault) co_return fault;
  boost::system::error_code error;
  size = co_await socket_.async_read_some(asio::buffer(to, room), asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_return Fault();
  if (error == asio::error::eof) co_return end();
  if (limit_.over()) co_return timeout();
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  co_return io_fault("read", error.value());
}

base::Task<Fault> Connection::start_tls(std::string server_name) {
  tls_.reset(SSL_new(network_.tls()));
  KEELSON_CHECK(tls_ != nullptr);
  BIO* bio = make_bio(descriptor_);
  SSL_set_bio(tls_.get(), bio, bio);
  boost::system::error_code is_a_name;
  asio::ip::make_address(server_name, is_a_name);
  if (is_a_name) SSL_set_tlsext_host_name(tls_.get(), server_name.c_str());
  bool heard = false;
  while (true) {
    ERR_clear_error();
    const int done = SSL_connect(tls_.get());
    if (done == 1) co_return Fault();
    const bool reads = SSL_get_error(tls_.get(), done) == SSL_ERROR_WANT_READ;
    Fault fault = co_await wait_for_tls(done);
    if (fault) co_return fault;
    if (reads && !std::exchange(heard, true) && peer_speaks_http()) co_return plain_http();
  }
}

// What OpenSSL waits for, or why it will not go on.
base::Task<Fault> Connection::wait_for_tls(int result) {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ: {
      Fault fault = co_await wait_for(Direction::in);
      co_return fault;
    }
    case SSL_ERROR_WANT_WRITE: {
      Fault fault = co_await wait_for(Direction::out);
      co_return fault;
    }
    case SSL_ERROR_ZERO_RETURN: co_return end();
    case SSL_ERROR_SYSCALL:
      // The stream ended where TLS had more to say: errno tells nothing then.
      if (result == 0 || errno == 0 || errno == EAGAIN) co_return end();
      co_return io_fault("read", errno);
    default: co_return tls_fault();
  }
}

bool Connection::peer_speaks_http() const {
  char first[5];
  const ssize_t size = ::recv(descriptor_, first, sizeof first, MSG_PEEK);
  return size == sizeof first && std::memcmp(first, "HTTP/", sizeof first) == 0;
}

Fault Connection::io_fault(std::string_view operation, int number) const {
  const std::string call(operation);
  return other(call + " tcp " + shown(local_endpoint(descriptor_)) + "->" + shown(peer_) + ": " + call + ": " +
               base::go_errno(number));
}

Fault Connection::tls_fault() const {
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  if (reason > SSL_AD_REASON_OFFSET) {
    const int alert = reason - SSL_AD_REASON_OFFSET;
    const auto* known =
        std::find_if(std::begin(kAlerts), std::end(kAlerts), [&](const Alert& entry) { return entry.number == alert; });
    return other("remote error: tls: " +
                 (known == std::end(kAlerts) ? "alert(" + std::to_string(alert) + ")" : std::string(known->text)));
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_PACKET_LENGTH_TOO_LONG) {
    return other("tls: first record does not look like a TLS handshake");
  }
  const char* text = ERR_reason_error_string(code);
  return other(std::string("tls: ") + (text == nullptr ? "handshake failure" : text));
}

}  // namespace keelson::probes
