// HttpTest: a TestServer and an HttpTransport to it, on one loop in real time.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/blocking_pool.hpp"
#include "base/tests/tasks.hpp"
#include "kube-client/http_transport.hpp"
#include "kube-client/tests/http_certificates.hpp"
#include "kube-client/tests/http_server.hpp"

namespace keelson::kube::testing {

using namespace std::chrono_literals;

class TestCredentials final : public Credentials {
 public:
  std::optional<Identity> identity() override { return own; }
  base::Task<Result<std::string>> authorization() override {
    if (broken) co_return Error(ErrorKind::internal, "the plugin failed");
    co_return token.empty() ? "" : "Bearer " + token;
  }
  void rejected() override {
    ++rejections;
    token = next_token;
  }
  void on_identity_change(std::function<void()> change) override { listener = std::move(change); }

  std::optional<Identity> own;
  std::string token;
  std::string next_token;
  bool broken = false;
  int rejections = 0;
  std::function<void()> listener;
};

// The answer of a task that may outlive the scope it was begun in.
template <class T>
using Later = std::shared_ptr<std::optional<T>>;

template <class T>
Later<T> later() {
  return std::make_shared<std::optional<T>>();
}

template <class T>
base::Task<void> keep(base::Task<T> task, Later<T> place) {
  T value = co_await std::move(task);
  place->emplace(std::move(value));
}

inline std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

inline HttpRequest get(std::string target) {
  HttpRequest request;
  request.target = std::move(target);
  return request;
}

inline HttpRequest post(std::string target, std::string body) {
  HttpRequest request;
  request.method = "POST";
  request.target = std::move(target);
  request.body = std::move(body);
  return request;
}

class HttpTest : public ::testing::Test {
 protected:
  using Answer = Result<HttpResponse>;
  using Opened = Result<std::unique_ptr<HttpStream>>;

  ~HttpTest() override {
    for (auto& own : others_) finish(own->stop());
    if (transport) finish(transport->stop());
    if (server) finish(server->stop());
    finish(gate.stop());
  }

  static const TestAuthority& authority() {
    static const TestAuthority one("test-ca");
    return one;
  }
  static const Identity& server_identity() {
    static const Identity one = authority().issue("server", {"DNS:kube.test", "IP:127.0.0.1"});
    return one;
  }

  void serve(TestServer::Handler handler, ServerOptions options = {}) {
    server = make_server(std::move(handler), std::move(options));
    endpoint.tls = server_tls_;
    endpoint.host = "127.0.0.1";
    endpoint.port = std::to_string(server->port());
    endpoint.ca_pem = authority().pem();
  }
  std::unique_ptr<TestServer> make_server(TestServer::Handler handler, ServerOptions options) {
    server_tls_ = options.tls;
    if (options.certificate_pem.empty()) {
      options.certificate_pem = server_identity().certificate_pem;
      options.key_pem = server_identity().key_pem;
    }
    return std::make_unique<TestServer>(loop, std::move(options), std::move(handler));
  }
  void connect(HttpTransportOptions options = HttpTransportOptions()) {
    transport = std::make_unique<HttpTransport>(loop, clock, pool, endpoint, credentials, "keelson-test/1",
                                                base::Logger(), std::move(options));
  }
  // Stopped with the rest.
  TestServer& add(std::unique_ptr<TestServer> other) {
    others_.push_back(std::move(other));
    return *others_.back();
  }

  bool until(const std::function<bool()>& done) { return base::testing::pump_until(loop, done); }

  template <class T>
  T run(base::Task<T> task) {
    auto place = begin<T>(std::move(task));
    KEELSON_CHECK(until([place] { return place->has_value(); }) && "the task did not end within 10 s");
    return std::move(**place);
  }
  void finish(base::Task<void> task) {
    base::Gate own(loop);
    base::spawn(own, "finish", std::move(task));
    KEELSON_CHECK(until([&own] { return own.tasks() == 0; }) && "a stop did not end within 10 s");
  }
  template <class T>
  Later<T> begin(base::Task<T> task, std::string name = "test") {
    auto place = later<T>();
    base::spawn(gate, std::move(name), keep<T>(std::move(task), place));
    return place;
  }

  Answer send(HttpRequest request, base::Duration limit = 5s) {
    return run<Answer>(transport->send(std::move(request), limit));
  }
  std::unique_ptr<HttpStream> open(HttpRequest request, base::Duration limit = 5s) {
    auto opened = run<Opened>(transport->open(std::move(request), limit));
    if (opened.ok()) return std::move(*opened);
    ADD_FAILURE() << opened.error().to_string();
    return nullptr;
  }
  Result<std::string> read(HttpStream& stream) { return run<Result<std::string>>(stream.read()); }

  base::Loop loop;
  base::RealClock clock{loop};
  base::BlockingPool pool{loop, clock, 2};
  base::Gate gate{loop};
  TestCredentials credentials;
  Endpoint endpoint;
  std::unique_ptr<TestServer> server;
  std::unique_ptr<HttpTransport> transport;

 private:
  bool server_tls_ = true;
  std::vector<std::unique_ptr<TestServer>> others_;
};

}  // namespace keelson::kube::testing
