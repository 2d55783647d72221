#include "tests/support/api/h1_upgrade.hpp"

#include <cctype>

#include "tests/support/api/node_streams.hpp"
#include "tests/support/api/server_proxy.hpp"

namespace keelson::fakes::server {
namespace {

namespace http = ::keelson::server;

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

class ClientStream final : public http::ByteStream {
 public:
  explicit ClientStream(std::shared_ptr<RawConnection> connection) : connection_(std::move(connection)) {}
  ~ClientStream() override { close(); }

  base::Task<Result<std::string>> read_some(std::size_t limit) override {
    std::string bytes = co_await connection_->take(limit);
    co_return bytes;
  }
  base::Task<Status> write(std::string bytes) override {
    const bool written = co_await connection_->put(std::move(bytes));
    if (!written) co_return Error(ErrorKind::unavailable, "the client has gone");
    co_return Ok{};
  }
  base::Task<void> shut_down_write() override {
    connection_->end_putting();
    co_return;
  }
  void close() override { connection_->close_raw(); }

 private:
  std::shared_ptr<RawConnection> connection_;
};

class UpgradeReply final : public http::Reply {
 public:
  explicit UpgradeReply(std::shared_ptr<RawConnection> connection) : connection_(std::move(connection)) {}

  base::Task<Status> send(http::Response response) override {
    outcome.answer = ApiAnswer();
    outcome.answer.status = response.status;
    for (auto& [name, value] : response.headers) outcome.answer.headers.emplace_back(lower(name), value);
    outcome.answer.body = std::move(response.body);
    co_return Ok{};
  }
  base::Task<Status> begin(http::Response) override { co_return unasked(); }
  base::Task<Status> write(std::string) override { co_return unasked(); }
  base::Task<Status> finish() override { co_return unasked(); }
  std::unique_ptr<http::ByteStream> take_over() override {
    outcome.taken_over = true;
    return std::make_unique<ClientStream>(connection_);
  }

  Upgraded outcome;

 private:
  static Error unasked() { return Error(ErrorKind::unimplemented, "upgrades are answered whole"); }

  std::shared_ptr<RawConnection> connection_;
};

}  // namespace

bool upgrades_to_node(const Host& host, const ApiRequest& request) {
  const auto* connection = kube::find_header(request.headers, "connection");
  return host.options.nodes != nullptr && connection != nullptr &&
         lower(*connection).find("upgrade") != std::string::npos && is_node_stream(request.target);
}

base::Task<Upgraded> upgrade_to_node(Host* host, PeerCertificate peer, ApiRequest request,
                                     std::shared_ptr<RawConnection> connection) {
  UpgradeReply reply(std::move(connection));
  const auto user = authenticate(host->backend, peer, request);
  if (user) {
    request.user = *user;
    co_await host->options.nodes->upgrade(std::move(request), reply);
  } else {
    reply.outcome.answer = status_answer(401, "Unauthorized", "Unauthorized");
  }
  co_return std::move(reply.outcome);
}

}  // namespace keelson::fakes::server
