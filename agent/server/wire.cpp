#include "agent/server/wire.hpp"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace keelson::server {
namespace {

namespace asio = base::asio;
using boost::system::error_code;

constexpr std::size_t kPiece = 16u << 10;  // a record of TLS
// So much goes through without a wait before others get their turn.
constexpr std::size_t kTurn = 256u << 10;
constexpr std::size_t kLingerLimit = 256u << 10;

bool is_passing(int error) { return error == EAGAIN || error == EINTR; }

int bio_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t sent = static_cast<Wire*>(BIO_get_data(bio))->send(data, static_cast<std::size_t>(size));
  if (sent < 0 && is_passing(errno)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* to, int room) {
  BIO_clear_retry_flags(bio);
  const ssize_t size = static_cast<Wire*>(BIO_get_data(bio))->receive(to, static_cast<std::size_t>(room));
  if (size < 0 && is_passing(errno)) BIO_set_retry_read(bio);
  return static_cast<int>(size);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* make_bio_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "server socket");
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
  return method;
}

BIO* make_bio(Wire* wire) {
  static BIO_METHOD* const method = make_bio_method();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, wire);
  BIO_set_init(bio, 1);
  return bio;
}

std::string address_of(const Wire::Socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return {};
  const auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

}  // namespace

bool Wires::close_longest_waiting() {
  if (waiting_.empty()) return false;
  Wire* longest = waiting_.front();
  longest->set_waiting(false);
  longest->close();
  return true;
}

void Wires::close_all() {
  for (Wire* wire : all_) wire->close();
}

Wire::Wire(base::Clock& clock, Socket socket, std::shared_ptr<Wires> wires)
    : clock_(clock), socket_(std::move(socket)), wires_(std::move(wires)), remote_(address_of(socket_)) {
  place_ = wires_->all_.insert(wires_->all_.end(), this);
  error_code ignored;
  socket_.non_blocking(true, ignored);
}

Wire::~Wire() {
  close();
  set_waiting(false);
  wires_->all_.erase(place_);
}

void Wire::set_waiting(bool waiting) {
  if (waiting == waiting_) return;
  waiting_ = waiting;
  if (waiting) {
    waiting_place_ = wires_->waiting_.insert(wires_->waiting_.end(), this);
  } else {
    wires_->waiting_.erase(waiting_place_);
  }
}

ssize_t Wire::receive(char* to, std::size_t room) {
  const ssize_t size = ::recv(socket_.native_handle(), to, room, 0);
  if (size == 0) ended_ = true;
  if (size < 0) error_ = errno;
  for (ssize_t i = 0; i < size && first_size_ < first_.size(); ++i) first_[first_size_++] = to[i];
  return size;
}

ssize_t Wire::send(const char* data, std::size_t size) {
  const ssize_t sent = ::send(socket_.native_handle(), data, size, MSG_NOSIGNAL);
  if (sent < 0) error_ = errno;
  return sent;
}

// The first bytes of those methods that Go's server looks for.
bool Wire::spoke_plain_http() const {
  if (established_ || first_size_ < first_.size()) return false;
  constexpr std::string_view kBeginnings[] = {"GET /", "HEAD ", "POST ", "PUT /", "OPTIO"};
  const std::string_view first(first_.data(), first_.size());
  return std::find(std::begin(kBeginnings), std::end(kBeginnings), first) != std::end(kBeginnings);
}

Error Wire::gone() const {
  if (error_ == 0 || is_passing(error_)) return Error(ErrorKind::unavailable, "the client has gone");
  return Error(ErrorKind::unavailable, std::strerror(error_), error_);
}

void Wire::set_deadline(base::SteadyTime when) {
  late_ = false;
  alarm_.reset();
  if (when == base::SteadyTime::max() || closed_) return;
  alarm_ = clock_.set_alarm(when, [this] {
    late_ = true;
    error_code ignored;
    socket_.cancel(ignored);
  });
}

base::Task<Status> Wire::wait(asio::socket_base::wait_type direction) {
  error_code error;
  turn_ = 0;
  if (!late_ && !closed_) {
    co_await socket_.async_wait(direction, asio::redirect_error(asio::use_awaitable, error));
  }
  if (closed_) co_return Error(ErrorKind::cancelled, "the connection was closed");
  if (late_) co_return Error(ErrorKind::deadline_exceeded, "the client was too slow");
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) co_return Error(ErrorKind::unavailable, error.message());
  co_return Status();
}

base::Task<void> Wire::take_turns(std::size_t size) {
  turn_ += size;
  if (turn_ < kTurn) co_return;
  turn_ = 0;
  co_await asio::post(asio::use_awaitable);
}

Wire::Io Wire::tls_outcome(int result) {
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_NONE: return Io::done;
    case SSL_ERROR_WANT_READ: return Io::want_read;
    case SSL_ERROR_WANT_WRITE: return Io::want_write;
    case SSL_ERROR_ZERO_RETURN: return Io::end;
    default: break;
  }
  broken_ = true;
  const bool ended = ended_ && ERR_peek_error() == 0;
  ERR_clear_error();
  return ended ? Io::end : Io::failed;
}

base::Task<Status> Wire::handshake(SslContext context) {
  tls_.reset(context == nullptr ? nullptr : SSL_new(context.get()));
  if (tls_ == nullptr) co_return Error(ErrorKind::internal, "cannot begin TLS");
  BIO* bio = make_bio(this);
  SSL_set_bio(tls_.get(), bio, bio);
  SSL_set_accept_state(tls_.get());
  while (true) {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    const unsigned long reason = ERR_peek_last_error();
    const Io outcome = tls_outcome(result);
    if (outcome == Io::done) break;
    if (outcome == Io::end) co_return gone();
    if (outcome == Io::failed) {
      const char* text = reason == 0 ? nullptr : ERR_reason_error_string(reason);
      co_return text == nullptr ? gone() : Error(ErrorKind::invalid, std::string("TLS handshake: ") + text);
    }
    auto direction = asio::socket_base::wait_read;
    if (outcome == Io::want_write) direction = asio::socket_base::wait_write;
    const Status ready = co_await wait(direction);
    if (!ready.ok()) co_return ready.error();
  }
  established_ = true;
  peer_ = PeerCertificates::of(tls_.get());
  co_return Status();
}

Wire::Io Wire::try_read(std::string& into, std::size_t limit) {
  if (closed_) return Io::failed;
  std::array<char, kPiece> piece;
  const std::size_t room = std::min(limit, piece.size());
  if (tls_ != nullptr) {
    if (broken_) return Io::failed;
    ERR_clear_error();
    std::size_t size = 0;
    const int result = SSL_read_ex(tls_.get(), piece.data(), room, &size);
    if (result != 1) return tls_outcome(result);
    into.append(piece.data(), size);
    return Io::done;
  }
  const ssize_t size = receive(piece.data(), room);
  if (size == 0) return Io::end;
  if (size < 0) return is_passing(error_) ? Io::want_read : Io::failed;
  into.append(piece.data(), static_cast<std::size_t>(size));
  return Io::done;
}

base::Task<Result<std::size_t>> Wire::read_some(std::string& into, std::size_t limit) {
  const std::size_t before = into.size();
  while (true) {
    const Io outcome = try_read(into, limit);
    if (outcome == Io::done) {
      const std::size_t size = into.size() - before;
      co_await take_turns(size);
      co_return size;
    }
    if (outcome == Io::end) co_return std::size_t{0};
    if (outcome == Io::failed) co_return gone();
    auto direction = asio::socket_base::wait_read;
    if (outcome == Io::want_write) direction = asio::socket_base::wait_write;
    const Status ready = co_await wait(direction);
    if (!ready.ok()) co_return ready.error();
  }
}

Wire::Io Wire::try_write(std::string_view bytes, std::size_t& sent) {
  sent = 0;
  if (closed_) return Io::failed;
  if (tls_ != nullptr) {
    if (broken_) return Io::failed;
    ERR_clear_error();
    const int result = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &sent);
    return result == 1 ? Io::done : tls_outcome(result);
  }
  const ssize_t size = send(bytes.data(), bytes.size());
  if (size < 0) return is_passing(error_) ? Io::want_write : Io::failed;
  sent = static_cast<std::size_t>(size);
  return Io::done;
}

base::Task<Status> Wire::write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    const Io outcome = try_write(bytes, sent);
    if (outcome == Io::end || outcome == Io::failed) co_return gone();
    bytes.remove_prefix(sent);
    if (outcome == Io::done) {
      co_await take_turns(sent);
      continue;
    }
    auto direction = asio::socket_base::wait_write;
    if (outcome == Io::want_read) direction = asio::socket_base::wait_read;
    const Status ready = co_await wait(direction);
    if (!ready.ok()) co_return ready.error();
  }
  co_return Status();
}

base::Task<void> Wire::shut_down_write() {
  if (closed_) co_return;
  if (tls_ == nullptr) {
    error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    co_return;
  }
  while (established_ && !broken_) {
    ERR_clear_error();
    const int result = SSL_shutdown(tls_.get());
    if (result >= 0) co_return;
    if (tls_outcome(result) != Io::want_write) co_return;
    const Status ready = co_await wait(asio::socket_base::wait_write);
    if (!ready.ok()) co_return;
  }
}

base::Task<void> Wire::linger() {
  if (closed_) co_return;
  if (tls_ != nullptr && established_ && !broken_) SSL_shutdown(tls_.get());
  ERR_clear_error();
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  std::array<char, 2048> rest;  // is part of this task's frame
  std::size_t thrown_away = 0;
  while (thrown_away < kLingerLimit) {
    const ssize_t size = receive(rest.data(), rest.size());
    if (size == 0 || (size < 0 && !is_passing(error_))) co_return;
    if (size > 0) {
      thrown_away += static_cast<std::size_t>(size);
      continue;
    }
    const Status ready = co_await wait(asio::socket_base::wait_read);
    if (!ready.ok()) co_return;
  }
}

void Wire::close() {
  if (std::exchange(closed_, true)) return;
  alarm_.reset();
  // A client that gets no word of the end takes what it has for cut off.
  if (tls_ != nullptr && established_ && !broken_) SSL_shutdown(tls_.get());
  ERR_clear_error();
  error_code ignored;
  socket_.close(ignored);
}

namespace {

class Watch final : public Wire::Readable {
 public:
  Watch(Wire::Socket& socket, std::function<void()> then) {
    socket.async_wait(asio::socket_base::wait_read,
                      asio::bind_cancellation_slot(stop_.slot(), [alive = std::weak_ptr(alive_),
                                                                  then = std::move(then)](const error_code& error) {
                        if (!error && !alive.expired()) then();
                      }));
  }
  ~Watch() override {
    alive_.reset();
    stop_.emit(asio::cancellation_type::terminal);
  }

 private:
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  asio::cancellation_signal stop_;
};

}  // namespace

std::unique_ptr<Wire::Readable> Wire::when_readable(std::function<void()> then) {
  return std::make_unique<Watch>(socket_, std::move(then));
}

}  // namespace keelson::server
