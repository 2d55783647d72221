#include "kube-client/connection.hpp"

#include <utility>

namespace keelson::kube {
namespace {

constexpr std::size_t read_size = 16 * 1024;
constexpr std::size_t kept_output = 64 * 1024;

}  // namespace

Connection::Connection(ConnectionContext& context, std::unique_ptr<Channel> channel)
    : context_(context),
      heard_at_(context.clock.steady_now()),
      channel_(std::move(channel)),
      incoming_(context.loop),
      outgoing_(context.loop) {}

void Connection::start(base::Gate& gate) {
  base::spawn(gate, "API server connection: read", read_all(shared_from_this()));
  base::spawn(gate, "API server connection: write", write_all(shared_from_this()));
}

void Connection::retire(const Error& why, bool cut_long) {
  if (closed_) return;
  retired_ = true;
  if (cut_long) {
    for (const auto& exchange : exchanges()) {
      if (!exchange->long_lived) continue;
      exchange->broken(why);
      exchange->give_up();
    }
  }
  if (streams() == 0) close(why);
  context_.changed();
}

void Connection::close(const Error& why) {
  if (std::exchange(closed_, true)) return;
  channel_->close();
  for (const auto& exchange : exchanges()) {
    exchange->carrier = nullptr;
    exchange->broken(why);
  }
  on_closed();
  incoming_.notify();
  outgoing_.notify();
  context_.changed();
}

void Connection::on_room() {
  if (retired_ && !closed_ && streams() == 0) {
    close(Error(ErrorKind::unavailable, "the connection is no longer needed"));
  }
  context_.changed();
}

Error Connection::lost(const boost::system::error_code& error) const {
  return Error(ErrorKind::unavailable, "the connection to " + context_.authority + " broke: " + describe(error),
               error.value());
}

base::Task<void> Connection::read_all(std::shared_ptr<Connection> self) {
  std::vector<char> buffer(read_size);
  while (!self->closed_) {
    if (!self->wants_input()) {
      co_await self->incoming_.wait();
      continue;
    }
    boost::system::error_code error;
    const std::size_t size = co_await self->channel_->read_some(buffer.data(), buffer.size(), error);
    if (self->closed_) break;
    if (error) {
      const Error why = self->lost(error);
      // A server that dislikes our certificate says so only after the handshake, and has done nothing for us.
      if (!self->received_ && is_tls_alert(error)) {
        for (const auto& exchange : self->exchanges()) exchange->fail(why, false);
      }
      self->on_end_of_input(why);
      self->close(why);
      break;
    }
    self->received_ = true;
    self->heard_at_ = self->context_.clock.steady_now();
    self->on_input(std::string_view(buffer.data(), size));
    if (self->has_output()) self->flush();
  }
}

base::Task<void> Connection::write_all(std::shared_ptr<Connection> self) {
  std::string out;
  while (!self->closed_) {
    out.clear();
    self->next_output(out);
    if (self->closed_) break;
    if (out.empty()) {
      if (out.capacity() > kept_output) out = {};
      co_await self->outgoing_.wait();
      continue;
    }
    boost::system::error_code error;
    co_await self->channel_->write(out.data(), out.size(), error);
    // What made the write fail may be told by what is still to be read; the reader closes.
    if (error && !self->closed_) {
      co_await self->context_.clock.sleep_for(std::chrono::milliseconds(100));
      self->close(self->lost(error));
    }
  }
}

}  // namespace keelson::kube
