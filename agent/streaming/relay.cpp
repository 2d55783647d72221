#include "agent/streaming/relay.hpp"

#include <utility>
#include <vector>

#include "base/when_all.hpp"

namespace keelson::streaming {
namespace {

class CloseAtEnd {
 public:
  CloseAtEnd(server::ByteStream& client, Backend& runtime) : client_(client), runtime_(runtime) {}
  ~CloseAtEnd() {
    client_.close();
    runtime_.close();
  }
  CloseAtEnd(const CloseAtEnd&) = delete;
  CloseAtEnd& operator=(const CloseAtEnd&) = delete;

 private:
  server::ByteStream& client_;
  Backend& runtime_;
};

}  // namespace

base::Task<void> Relay::run(std::string first) {
  const CloseAtEnd closed(client_, runtime_);
  std::vector<base::Task<void>> both;
  both.push_back(copy_to_runtime());
  both.push_back(copy_to_client(std::move(first)));
  co_await base::when_all(std::move(both));
  alarm_.reset();
}

base::Task<void> Relay::copy_to_runtime() {
  for (;;) {
    auto bytes = co_await client_.read_some(piece);
    if (!bytes.ok()) {
      close();
      co_return;
    }
    if (bytes->empty()) break;
    if (runtime_ended_) {
      // Nobody is there to hear it, but who speaks may still be reading what we sent.
      last_byte_ = clock_.steady_now();
      continue;
    }
    // Runtimes close as soon as they have written a command's last byte, and kubectl pings on: its ping would cost a
    // slow client the end of the output.
    if ((delivering_ || runtime_.has_unread()) && runtime_.has_closed()) {
      runtime_ended_ = true;
      wait_for_the_rest();
      continue;
    }
    const Status written = co_await runtime_.write(bytes->data(), bytes->size());
    if (written.ok()) {
      counts_.to_runtime += bytes->size();
    } else {
      // What it had said before it broke may still be on its way to the client.
      runtime_ended_ = true;
      wait_for_the_rest();
    }
  }
  client_ended_ = true;
  runtime_.shut_down_write();
  wait_for_the_rest();
}

base::Task<void> Relay::copy_to_client(std::string first) {
  std::vector<char> buffer(piece);
  std::size_t count = 0;
  for (std::string bytes = std::move(first);; bytes.assign(buffer.data(), count)) {
    if (!bytes.empty()) {
      const std::size_t size = bytes.size();
      delivering_ = true;
      const Status written = co_await client_.write(std::move(bytes));
      delivering_ = false;
      if (!written.ok()) {
        close();
        co_return;
      }
      counts_.to_client += size;
      last_byte_ = clock_.steady_now();
    }
    const auto read = co_await runtime_.read_some(buffer.data(), buffer.size());
    if (!read.ok() || *read == 0) break;
    count = *read;
    last_byte_ = clock_.steady_now();
  }
  runtime_ended_ = true;
  if (client_ended_) {
    close();
    co_return;
  }
  runtime_.close();
  wait_for_the_rest();
  co_await client_.shut_down_write();
}

// One side has ended; the other one's bytes put the end off.
void Relay::wait_for_the_rest() {
  if (alarm_ == nullptr) last_byte_ = clock_.steady_now();
  const base::SteadyTime until = last_byte_ + patience_;
  if (until <= clock_.steady_now()) {
    close();
    return;
  }
  alarm_ = clock_.set_alarm(until, [this] { wait_for_the_rest(); });
}

void Relay::close() {
  client_.close();
  runtime_.close();
}

}  // namespace keelson::streaming
