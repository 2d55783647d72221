#include "agent/streaming/upgrade_proxy.hpp"

#include <utility>
#include <vector>

#include "agent/server/endpoints.hpp"
#include "agent/streaming/relay.hpp"
#include "agent/streaming/stream_request.hpp"
#include "base/gate.hpp"

namespace keelson::streaming {
namespace {

constexpr int kSwitchingProtocols = 101;
constexpr int kFirstError = 400;

// The client hears that we have ended, and we hear when it has, so that its last bytes reset nothing.
base::Task<void> part_from(server::ByteStream* client) {
  co_await client->shut_down_write();
  for (;;) {
    const auto bytes = co_await client->read_some(Relay::piece);
    if (!bytes.ok() || bytes->empty()) co_return;
  }
}

// More of the answer than its head: until it is whole, or the runtime ends.
base::Task<void> copy_answer(Backend* runtime, server::ByteStream* client, BackendAnswer answer) {
  std::vector<char> buffer(Relay::piece);
  for (;;) {
    std::string bytes = answer.take_bytes();
    if (!bytes.empty()) {
      const Status written = co_await client->write(std::move(bytes));
      if (!written.ok()) co_return;
    }
    if (answer.is_whole()) break;
    const auto count = co_await runtime->read_some(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) break;
    // What is no HTTP any more goes on as it is; then only its end ends it.
    (void)answer.put(std::string_view(buffer.data(), *count));
  }
  runtime->close();
  co_await part_from(client);
}

}  // namespace

// One of the sessions that stop() ends.
class UpgradeProxy::Session {
 public:
  explicit Session(UpgradeProxy& proxy) : proxy_(proxy) {
    place_ = proxy_.sessions_.insert(proxy_.sessions_.end(), &interruption_);
  }
  ~Session() {
    proxy_.sessions_.erase(place_);
    proxy_.left_.notify();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  base::Interruption& interruption() { return interruption_; }

 private:
  UpgradeProxy& proxy_;
  base::Interruption interruption_;
  std::list<base::Interruption*>::iterator place_;
};

base::Task<void> UpgradeProxy::forward(const server::Request& request, server::Reply& reply, std::string url) {
  if (!is_upgrade(request)) {
    co_await refuse(&reply, "Upgrade request required");
    co_return;
  }
  if (stopping_) {
    co_await refuse(&reply, "the node's agent is stopping");
    co_return;
  }
  Session session(*this);
  co_await session.interruption().run(serve(&request, &reply, std::move(url)));
}

base::Task<void> UpgradeProxy::stop() {
  stopping_ = true;
  for (auto* session : sessions_) session->request();
  while (!sessions_.empty()) co_await left_.wait();
}

base::Task<void> UpgradeProxy::serve(const server::Request* request, server::Reply* reply, std::string url) {
  const auto to = destination_of(url);
  if (!to.ok()) {
    co_await refuse(reply, "error dialing backend: " + to.error().to_string());
    co_return;
  }
  auto dialed = co_await dial(loop_, clock_, pool_, *to, limits_.dial, tls_);
  if (!dialed.ok()) {
    co_await refuse(reply, "error dialing backend: " + dialed.error().to_string());
    co_return;
  }
  const std::unique_ptr<Backend> runtime = std::move(*dialed);
  std::string message = upgrade_request(*request, *to);
  auto answer = co_await base::with_timeout<Result<BackendAnswer>>(clock_, limits_.answer,
                                                                   ask(runtime.get(), std::move(message)));
  if (!answer) {
    co_await refuse(reply, "the runtime's streaming server has not answered in time");
    co_return;
  }
  if (!answer->ok()) {
    co_await refuse(reply, answer->error().to_string());
    co_return;
  }
  const int status = (*answer)->status();
  if (status != kSwitchingProtocols && status < kFirstError) {
    co_await refuse(reply, "invalid upgrade response: status code " + std::to_string(status));
    co_return;
  }
  const auto client = reply->take_over();
  if (status == kSwitchingProtocols) {
    Relay relay(clock_, *client, *runtime, limits_.after_end);
    co_await relay.run((*answer)->take_bytes());
    log_.debug(4, "A stream has ended",
               {{"target", request->path},
                {"bytesToRuntime", relay.counts().to_runtime},
                {"bytesToClient", relay.counts().to_client}});
  } else {
    co_await hand_on_error(runtime.get(), client.get(), std::move(**answer));
  }
}

// The request to the runtime and at least the head of what it answers.
base::Task<Result<BackendAnswer>> UpgradeProxy::ask(Backend* runtime, std::string message) {
  const Status sent = co_await runtime->write(message.data(), message.size());
  if (!sent.ok()) co_return Error(sent.error()).wrap("error sending request");
  BackendAnswer answer;
  std::vector<char> buffer(Relay::piece);
  while (!answer.has_head()) {
    const auto count = co_await runtime->read_some(buffer.data(), buffer.size());
    if (!count.ok()) co_return count.error();
    if (*count == 0) co_return Error(ErrorKind::unavailable, "unexpected EOF");
    KEELSON_CO_TRY(answer.put(std::string_view(buffer.data(), *count)));
  }
  co_return std::move(answer);
}

base::Task<void> UpgradeProxy::hand_on_error(Backend* runtime, server::ByteStream* client, BackendAnswer answer) {
  log_.debug(2, "The runtime's streaming server has refused a stream", {{"status", answer.status()}});
  co_await base::with_timeout(clock_, limits_.error, copy_answer(runtime, client, std::move(answer)));
  client->close();
}

base::Task<void> UpgradeProxy::refuse(server::Reply* reply, std::string text) {
  log_.warning("Error while proxying request", {{"error", text}});
  auto response = server::error_text(500, std::move(text));
  (void)co_await reply->send(std::move(response));
}

}  // namespace keelson::streaming
