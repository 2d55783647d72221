#include "agent/streaming/tests/peers.hpp"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <filesystem>

#include "base/tests/tasks.hpp"

namespace keelson::streaming::testing {
namespace {

namespace asio = base::asio;
using Tcp = asio::ip::tcp;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kBlock = 64 * 1024;
constexpr std::size_t kPeriod = 65521;

const std::string& period() {
  static const std::string bytes = [] {
    std::string out(kPeriod, '\0');
    std::uint32_t value = 12345;
    for (auto& c : out) {
      value = value * 1664525 + 1013904223;
      c = static_cast<char>(value >> 24);
    }
    return out;
  }();
  return bytes;
}

void throw_if_cancelled(const boost::system::error_code& error, bool closed) {
  if (error == asio::error::operation_aborted && !closed) throw boost::system::system_error(error);
}

}  // namespace

std::string pattern(std::uint64_t offset, std::size_t size) {
  std::string out;
  out.reserve(size);
  while (out.size() < size) {
    const std::size_t at = (offset + out.size()) % kPeriod;
    out.append(period(), at, std::min(size - out.size(), kPeriod - at));
  }
  return out;
}

// --- Peer

void Peer::read_on() { base::spawn(gate_, "peer reads", read(shared_from_this(), false)); }
void Peer::read_pattern() { base::spawn(gate_, "peer reads", read(shared_from_this(), true)); }

base::Task<void> Peer::read(std::shared_ptr<Peer> self, bool compare) {
  std::string buffer(kBlock, '\0');
  for (;;) {
    const auto [error, size] = co_await self->socket_.async_read_some(asio::buffer(buffer), kTuple);
    if (error) {
      self->ended = error == asio::error::eof;
      self->broken = error != asio::error::eof;
      co_return;
    }
    std::string_view bytes(buffer.data(), size);
    if (compare) {
      const std::size_t skipped = std::min(self->skip_, size);
      self->skip_ -= skipped;
      bytes.remove_prefix(skipped);
      self->matches = self->matches && bytes == pattern(self->count, bytes.size());
    } else {
      self->received += bytes;
    }
    self->count += bytes.size();
  }
}

void Peer::send(std::string bytes) {
  to_send_.push_back(std::move(bytes));
  begin_writing();
}

void Peer::send_pattern(std::uint64_t size) {
  pattern_left_ = size;
  begin_writing();
}

void Peer::end() {
  end_wanted_ = true;
  begin_writing();
}

void Peer::begin_writing() {
  if (std::exchange(writing_, true)) return;
  base::spawn(gate_, "peer writes", write(shared_from_this()));
}

base::Task<void> Peer::write(std::shared_ptr<Peer> self) {
  for (;;) {
    std::string bytes;
    if (!self->to_send_.empty()) {
      bytes = std::move(self->to_send_.front());
      self->to_send_.pop_front();
    } else if (self->pattern_left_ > 0) {
      bytes = pattern(self->pattern_at_, std::min<std::uint64_t>(kBlock, self->pattern_left_));
      self->pattern_at_ += bytes.size();
      self->pattern_left_ -= bytes.size();
    } else {
      break;
    }
    for (std::size_t at = 0; at < bytes.size();) {
      const auto [error, size] =
          co_await self->socket_.async_write_some(asio::buffer(bytes.data() + at, bytes.size() - at), kTuple);
      if (error) co_return;
      at += size;
      self->sent += size;
    }
  }
  self->writing_ = false;
  boost::system::error_code ignored;
  if (self->end_wanted_) self->socket_.shutdown(asio::socket_base::shutdown_send, ignored);
}

void Peer::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Peer::reset() {
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

// --- FakeStream and FakeReply

std::size_t FakeStream::largest_read = 0;
std::size_t FakeStream::largest_write = 0;

base::Task<Result<std::string>> FakeStream::read_some(std::size_t limit) {
  largest_read = std::max(largest_read, limit);
  if (!early_.empty()) co_return std::exchange(early_, {});
  std::string bytes(limit, '\0');
  const auto [error, size] = co_await socket_.async_read_some(asio::buffer(bytes), kTuple);
  throw_if_cancelled(error, closed_);
  if (error && error != asio::error::eof) co_return Error(ErrorKind::unavailable, error.message());
  bytes.resize(size);
  co_return bytes;
}

base::Task<Status> FakeStream::write(std::string bytes) {
  largest_write = std::max(largest_write, bytes.size());
  const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(bytes), kTuple);
  throw_if_cancelled(error, closed_);
  if (error) co_return Error(ErrorKind::unavailable, error.message());
  co_return Ok{};
}

base::Task<void> FakeStream::shut_down_write() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  co_return;
}

void FakeStream::close() {
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

FakeReply::FakeReply(base::Gate& gate) : agent_end_(gate.loop().context()) {
  asio::local::stream_protocol::socket one(gate.loop().context());
  asio::local::stream_protocol::socket other(gate.loop().context());
  asio::local::connect_pair(one, other);
  agent_end_ = std::move(one);
  client = std::make_shared<Peer>(gate, Socket(std::move(other)));
}

base::Task<Status> FakeReply::send(server::Response response) {
  answer = std::move(response);
  co_return Ok{};
}

base::Task<Status> FakeReply::begin(server::Response) { co_return Error(ErrorKind::unimplemented, "begin"); }
base::Task<Status> FakeReply::write(std::string) { co_return Error(ErrorKind::unimplemented, "write"); }
base::Task<Status> FakeReply::finish() { co_return Error(ErrorKind::unimplemented, "finish"); }

std::unique_ptr<server::ByteStream> FakeReply::take_over() {
  taken_over = true;
  return std::make_unique<FakeStream>(std::move(agent_end_), early);
}

// --- RuntimeServer

RuntimeServer::RuntimeServer(base::Gate& gate)
    : gate_(gate), acceptor_(gate.loop().context(), Tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
  port_ = acceptor_.local_endpoint().port();
  base::spawn(gate_, "runtime", accept(this));
}

std::string RuntimeServer::url(const std::string& target) const {
  return "http://127.0.0.1:" + std::to_string(port_) + target;
}

void RuntimeServer::stop_listening() { acceptor_.close(); }

base::Task<void> RuntimeServer::accept(RuntimeServer* self) {
  for (;;) {
    auto [error, socket] = co_await self->acceptor_.async_accept(kTuple);
    if (error) co_return;
    ++self->connections;
    base::spawn(self->gate_, "runtime's connection", serve(self, std::move(socket)));
  }
}

base::Task<void> RuntimeServer::serve(RuntimeServer* self, Tcp::socket socket) {
  std::string request;
  const auto [error, size] = co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n", kTuple);
  if (error) co_return;
  self->request = request;
  // Or the kernel would take megabytes from whoever sends, and nothing would be seen of being held up.
  socket.set_option(asio::socket_base::send_buffer_size(kBlock));
  self->peer = std::make_shared<Peer>(self->gate_, Socket(std::move(socket)));
  const auto peer = self->peer;
  if (!self->behaviour.answer.empty()) peer->send(self->behaviour.answer);
  switch (self->behaviour.then) {
    case Behaviour::Then::talk: peer->read_on(); break;
    case Behaviour::Then::close: peer->end(); break;
    case Behaviour::Then::reset: peer->reset(); break;
    case Behaviour::Then::keep: break;
  }
}

// --- StreamTest

server::Request upgrade_to(const std::string& path) {
  server::Request out;
  out.method = "POST";
  out.target = path + "?command=ls&output=1";
  out.path = path;
  out.query = {{"command", "ls"}, {"output", "1"}};
  out.headers = {{"Host", "node-1:10250"},
                 {"User-Agent", "kubectl/v1.36"},
                 {"Content-Length", "0"},
                 {"Authorization", "Bearer secret"},
                 {"Connection", "Upgrade"},
                 {"Upgrade", "SPDY/3.1"},
                 {"X-Forwarded-For", "203.0.113.7"},
                 {"X-Stream-Protocol-Version", "v4.channel.k8s.io"},
                 {"X-Stream-Protocol-Version", "channel.k8s.io"}};
  out.remote = "192.0.2.1";
  return out;
}

std::size_t descriptors() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    (void)entry;
    ++count;
  }
  return count;
}

StreamTest::~StreamTest() {
  EXPECT_TRUE(base::testing::stop_now(loop, handlers));
  EXPECT_TRUE(base::testing::stop_now(loop, gate));
  EXPECT_EQ(proxy.sessions(), 0u);
}

bool StreamTest::until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  auto work = asio::make_work_guard(loop.context());
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.context().restart();
    loop.context().run_one_for(20ms);
  }
  return true;
}

void StreamTest::settle() {
  auto work = asio::make_work_guard(loop.context());
  do {
    loop.context().restart();
  } while (loop.context().run_one_for(100ms) > 0);
}

void StreamTest::begin(server::Reply& reply, std::string url) {
  base::spawn(handlers, "handler", proxy.forward(request, reply, std::move(url)));
}

}  // namespace keelson::streaming::testing
