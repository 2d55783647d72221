// The engines on bytes that a test gives them: how HTTP/1.1 is written and read, and that nothing read brings us down.
#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <random>

#include "base/tests/tasks.hpp"
#include "kube-client/http1_connection.hpp"
#include "kube-client/http2_connection.hpp"

namespace keelson::kube {
namespace {

struct Script {
  explicit Script(base::Loop& loop) : bell(loop) {}
  std::string input;
  bool end = false;
  bool closed = false;
  std::size_t step = 1 << 20;  // how much one read gives
  std::string written;
  base::Notification bell;
};

class ScriptedChannel final : public Channel {
 public:
  explicit ScriptedChannel(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  base::Task<std::size_t> read_some(char* data, std::size_t size, boost::system::error_code& error) override {
    const auto script = script_;
    while (script->input.empty() && !script->end && !script->closed) co_await script->bell.wait();
    if (script->input.empty()) {
      error = boost::asio::error::eof;
      co_return 0;
    }
    const std::size_t count = std::min({size, script->step, script->input.size()});
    script->input.copy(data, count);
    script->input.erase(0, count);
    co_return count;
  }
  base::Task<void> write(const char* data, std::size_t size, boost::system::error_code&) override {
    script_->written.append(data, size);
    co_return;
  }
  void close() override {
    script_->closed = true;
    script_->bell.notify();
  }

 private:
  std::shared_ptr<Script> script_;
};

class HttpConnection : public ::testing::Test {
 protected:
  HttpConnection() {
    context.scheme = "https";
    context.authority = "kube.test";
    context.changed = [] {};
    context.suspicious = [] {};
  }
  ~HttpConnection() override {
    if (connection) connection->close(Error(ErrorKind::cancelled, "the test ends"));
    base::testing::drain(loop);
    EXPECT_TRUE(base::testing::stop_now(loop, gate));
  }

  void make_http1() { start(std::make_shared<Http1Connection>(context, channel())); }
  void make_http2() { start(std::make_shared<Http2Connection>(context, channel())); }
  std::unique_ptr<Channel> channel() {
    script = std::make_shared<Script>(loop);
    return std::make_unique<ScriptedChannel>(script);
  }
  void start(std::shared_ptr<Connection> made) {
    connection = std::move(made);
    connection->start(gate);
    base::testing::drain(loop);
  }
  std::shared_ptr<Exchange> ask(std::string method, std::string body = {}) {
    HttpRequest request;
    request.method = std::move(method);
    request.target = "/api";
    request.headers = {{"accept", "text/plain"}};
    request.body = std::move(body);
    auto exchange = std::make_shared<Exchange>(loop, std::move(request), false);
    EXPECT_TRUE(connection->carry(exchange));
    base::testing::drain(loop);
    return exchange;
  }
  void receive(std::string text, bool end = false) {
    script->input += text;
    script->end = script->end || end;
    script->bell.notify();
    base::testing::drain(loop);
  }

  base::Loop loop;
  base::VirtualClock clock{loop};
  base::Gate gate{loop};
  ConnectionContext context{loop, clock, base::Logger(), HttpTransportOptions()};
  std::shared_ptr<Script> script;
  std::shared_ptr<Connection> connection;
};

TEST_F(HttpConnection, Http1RequestsAreWritten) {
  make_http1();
  auto exchange = ask("POST", "content");
  EXPECT_EQ(script->written,
            "POST /api HTTP/1.1\r\nHost: kube.test\r\naccept: text/plain\r\nContent-Length: 7\r\n\r\ncontent");
  EXPECT_TRUE(exchange->sent);
  EXPECT_FALSE(connection->carry(exchange)) << "one at a time";
}

TEST_F(HttpConnection, Http1AnswersAreReadInWhateverPiecesTheyCome) {
  struct Row {
    const char* method;
    const char* text;
    bool end;
    int status;
    const char* body;
    bool kept;
  };
  const Row rows[] = {
      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", false, 200, "hello", true},
      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrail: er\r\n\r\n",
       false, 200, "hello", true},
      {"GET", "HTTP/1.1 200 OK\r\n\r\nhello", true, 200, "hello", false},
      {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", false},
      {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello", false},
      {"GET", "HTTP/1.1 204 No Content\r\n\r\n", false, 204, "", true},
      {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 200, "", true},
      {"POST",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX-A: no\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0"
       "\r\n\r\n",
       false, 201, "", true},
      {"GET", "HTTP/1.1 404 \r\nContent-Length: 1\r\n\r\nx", false, 404, "x", true},
      {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", false, 200, "x", false},
  };
  for (const auto& row : rows) {
    for (const std::size_t step : {1, 7, 1 << 20}) {
      make_http1();
      script->step = step;
      auto exchange = ask(row.method);
      receive(row.text, row.end);
      EXPECT_TRUE(exchange->ended) << row.text << (exchange->failure ? exchange->failure->to_string() : "");
      EXPECT_EQ(exchange->status, row.status) << row.text;
      EXPECT_EQ(exchange->take(), row.body) << row.text;
      EXPECT_EQ(connection->usable(), row.kept) << row.text << " in steps of " << step;
      for (const auto& [name, value] : exchange->headers) EXPECT_NE(value, "no") << "of an interim answer";
      connection->close(Error(ErrorKind::cancelled, "done"));
      base::testing::drain(loop);
    }
  }
}

TEST_F(HttpConnection, Http1AnswersThatAreNoneAreRefused) {
  const std::pair<const char*, ErrorKind> rows[] = {
      {"nonsense\r\n\r\n", ErrorKind::invalid},
      {"HTTP/1.1 abc OK\r\n\r\n", ErrorKind::invalid},
      {"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", ErrorKind::invalid},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorKind::invalid},
      {"HTTP/1.1 200 OK\r\nContent-Len", ErrorKind::unavailable},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", ErrorKind::unavailable},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ErrorKind::unavailable},
      {"", ErrorKind::unavailable},
  };
  for (const auto& [text, kind] : rows) {
    make_http1();
    auto exchange = ask("GET");
    receive(text, true);
    ASSERT_TRUE(exchange->failure.has_value()) << text;
    EXPECT_EQ(exchange->failure->kind(), kind) << text << exchange->failure->to_string();
    EXPECT_FALSE(connection->usable());
    base::testing::drain(loop);
  }
}

TEST_F(HttpConnection, AnIdleHttp1ConnectionThatSpeaksOrEndsIsNotUsedAgain) {
  make_http1();
  receive("HTTP/1.1 408 Request Timeout\r\n\r\n");
  EXPECT_FALSE(connection->usable());
  make_http1();
  receive("", true);
  EXPECT_FALSE(connection->usable());
}

TEST_F(HttpConnection, DamagedAnswersNeverBringUsDown) {
  const std::string good =
      "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n";
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text = good;
    for (int i = 0; i < 3; ++i) text[random() % text.size()] = static_cast<char>(random());
    make_http1();
    script->step = 1 + random() % 20;
    auto exchange = ask("GET");
    receive(text, true);
    EXPECT_TRUE(exchange->over()) << round;
    base::testing::drain(loop);
  }
}

TEST_F(HttpConnection, DamagedFramesNeverBringUsDown) {
  // SETTINGS, then HEADERS (:status 200), DATA, WINDOW_UPDATE, RST_STREAM, PING, GOAWAY of stream 1.
  const std::string frames[] = {
      std::string("\0\0\0\4\0\0\0\0\0", 9),
      std::string("\0\0\1\1\4\0\0\0\1\x88", 10),
      std::string("\0\0\5\0\0\0\0\0\1hello", 14),
      std::string("\0\0\4\10\0\0\0\0\1\0\0\1\0", 13),
      std::string("\0\0\4\3\0\0\0\0\1\0\0\0\2", 13),
      std::string("\0\0\10\6\0\0\0\0\0abcdefgh", 17),
      std::string("\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\0", 17),
  };
  std::mt19937 random(11);
  for (int round = 0; round < 2000; ++round) {
    make_http2();
    auto exchange = ask(round % 2 == 0 ? "GET" : "POST", round % 2 == 0 ? "" : "body");
    std::string text = frames[0];
    for (int i = 0; i < 6; ++i) text += frames[random() % std::size(frames)];
    for (int i = 0; i < round % 4; ++i) text[random() % text.size()] = static_cast<char>(random());
    script->step = 1 + random() % 30;
    receive(text, true);
    EXPECT_TRUE(exchange->over()) << round;
    EXPECT_TRUE(connection->closed()) << round;
    base::testing::drain(loop);
  }
}

TEST_F(HttpConnection, AConnectionOfHttp2AsksForASignOfLifeOnlyWhileItCarriesSomething) {
  make_http2();
  clock.advance(std::chrono::hours(1));
  const std::string ping("\0\0\10\6\0", 5);
  EXPECT_EQ(script->written.find(ping), std::string::npos);
  auto exchange = ask("GET");
  EXPECT_NE(script->written.find(ping), std::string::npos) << "beside the request, after such a silence";
  clock.advance(std::chrono::milliseconds(2999));
  EXPECT_FALSE(exchange->over());
  clock.advance(std::chrono::milliseconds(1));
  ASSERT_TRUE(exchange->failure.has_value());
  EXPECT_EQ(exchange->failure->kind(), ErrorKind::unavailable);
  EXPECT_TRUE(connection->closed());
}

}  // namespace
}  // namespace keelson::kube
