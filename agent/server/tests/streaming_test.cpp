// Answers in pieces, clients that go, and connections that change hands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "agent/server/tests/server_fixture.hpp"
#include "base/tests/tasks.hpp"

namespace keelson::server::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// What a handler tells of itself.
struct Trace {
  bool began = false;
  bool cancelled = false;
  bool ended = false;
  std::vector<std::string> problems;
  std::size_t written = 0;
};

struct Notice {
  explicit Notice(Trace* t) : trace(t) {}
  ~Notice() { trace->cancelled = !trace->ended; }
  Trace* trace;
};

// Writes what the mailbox brings until it brings "end".
base::Task<void> follow(Reply* reply, base::Mailbox<std::string>* lines, Trace* trace, Response head) {
  Notice notice(trace);
  Status status = co_await reply->begin(std::move(head));
  trace->began = status.ok();
  while (status.ok()) {
    std::string line = co_await lines->receive();
    if (line == "end") break;
    status = co_await reply->write(std::move(line));
  }
  if (status.ok()) status = co_await reply->finish();
  if (!status.ok()) trace->problems.push_back(status.error().message());
  trace->ended = true;
}

base::Task<void> wait_then_answer(Reply* reply, base::Notification* bell, Trace* trace) {
  Notice notice(trace);
  trace->began = true;
  co_await bell->wait();
  Response response = plain_text(200, "done");
  const Status sent = co_await reply->send(std::move(response));
  if (!sent.ok()) trace->problems.push_back(sent.error().message());
  trace->ended = true;
}

base::Task<void> write_without_end(Reply* reply, Trace* trace) {
  Notice notice(trace);
  Response head;
  Status status = co_await reply->begin(std::move(head));
  while (status.ok()) {
    std::string piece(100'000, 'x');
    trace->written += piece.size();
    status = co_await reply->write(std::move(piece));
  }
  trace->problems.push_back(status.error().message());
  trace->ended = true;
}

// Sends every line back; "half" half-closes, "close" closes.
base::Task<void> echo_stream(Reply* reply, Trace* trace, std::unique_ptr<ByteStream>* keep) {
  Notice notice(trace);
  std::unique_ptr<ByteStream> stream = reply->take_over();
  trace->began = true;
  Status status = co_await stream->write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
  while (status.ok()) {
    auto bytes = co_await stream->read_some(100);
    if (!bytes.ok()) trace->problems.push_back(bytes.error().message());
    if (!bytes.ok() || bytes->empty()) break;
    if (*bytes == "keep") {
      *keep = std::move(stream);
      break;
    }
    if (*bytes == "half") {
      co_await stream->shut_down_write();
    } else if (*bytes == "close") {
      stream->close();
    } else {
      status = co_await stream->write("[" + *bytes + "]");
    }
  }
  trace->ended = true;
}

class StreamingTest : public ServerTest {
 protected:
  void plug_follow(Response head = {}) {
    plug(endpoint::container_logs,
         [this, head](const Request&, Reply& reply) { return follow(&reply, &lines_, &trace_, head); });
    plug(endpoint::metrics,
         [this, head](const Request&, Reply& reply) { return follow(&reply, &lines_, &trace_, head); });
  }
  void plug_echo() {
    plug(endpoint::exec, [this](const Request&, Reply& reply) { return echo_stream(&reply, &trace_, &kept_); });
  }
  ~StreamingTest() override {
    kept_.reset();
    stop();
  }

  base::Mailbox<std::string> lines_{loop_};
  base::Notification bell_{loop_};
  Trace trace_;
  std::unique_ptr<ByteStream> kept_;
};

TEST_F(StreamingTest, PiecesArriveAsTheyAreWritten) {
  plug_follow();
  start();
  TestClient client = connect();
  client.send(get("/containerLogs/a/b/c?follow=true"));
  pump(loop_, [&] { return trace_.began; });
  const std::string head = client.received();
  EXPECT_THAT(head, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n")) << "the head comes at once";
  EXPECT_EQ(head.find("Content-Type"), std::string::npos);
  lines_.send("one\n");
  EXPECT_EQ(client.read(9), "4\r\none\n\r\n");
  clock_.advance(1h);
  lines_.send("two\n");
  EXPECT_EQ(client.read(9), "4\r\ntwo\n\r\n");
  lines_.send("end");
  EXPECT_EQ(client.read(5), "0\r\n\r\n");
  pump(loop_, [&] { return trace_.ended; });
  EXPECT_TRUE(trace_.problems.empty());
  EXPECT_EQ(client.ask(get("/healthz")).status, 200) << "the connection is kept";
}

TEST_F(StreamingTest, AFollowerWhoGoesEndsTheHandler) {
  plug_follow();
  start();
  for (const bool secure : {true, false}) {
    for (const bool politely : {true, false}) {
      SCOPED_TRACE(std::string(secure ? "TLS" : "plain") + (politely ? ", closed" : ", reset"));
      trace_ = Trace();
      TestClient client = secure ? connect() : connect_plain();
      client.send(get("/metrics"));
      pump(loop_, [&] { return trace_.began; });
      if (politely) {
        client.close();
      } else {
        client.reset();
      }
      pump(loop_, [&] { return trace_.cancelled; });
      EXPECT_FALSE(trace_.ended);
      pump(loop_, [&] { return server_->connections() + read_only_->connections() == 0; });
      for (const auto& [kind, requests] : metrics_.requests) EXPECT_EQ(requests.in_flight, 0u);
    }
  }
}

TEST_F(StreamingTest, AFollowerWhoSendsMoreIsStillWatched) {
  plug_follow();
  start();
  TestClient client = connect();
  client.send(get("/containerLogs/a/b/c") + get("/pods"));
  pump(loop_, [&] { return trace_.began; });
  lines_.send("x");
  EXPECT_THAT(client.read(1), HasSubstr("H"));
  client.close();
  pump(loop_, [&] { return trace_.cancelled; });
  EXPECT_EQ(echo_.calls, 0);
}

TEST_F(StreamingTest, AFollowedLogEndsAfterFourHours) {
  plug_follow();
  start();
  TestClient client = connect();
  client.send(get("/containerLogs/a/b/c"));
  pump(loop_, [&] { return trace_.began; });
  clock_.advance(4h - 1s);
  EXPECT_FALSE(trace_.cancelled);
  clock_.advance(1s);
  pump(loop_, [&] { return trace_.cancelled; });
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.whole) << "cut off, not ended";
}

TEST_F(StreamingTest, AnAnnouncedLengthIsSentAsItIs) {
  Response head;
  head.headers = {{"Content-Length", "6"}, {"Content-Type", "text/x"}};
  plug_follow(head);
  start();
  TestClient client = connect_plain();
  client.send(get("/metrics"));
  lines_.send("abc");
  lines_.send("def");
  lines_.send("end");
  const Answer answer = client.answer();
  EXPECT_FALSE(answer.chunked);
  EXPECT_EQ(answer.body, "abcdef");
  lines_.send("end");
  EXPECT_FALSE(client.ask(get("/metrics")).whole) << "less than announced";
  EXPECT_THAT(trace_.problems.back(), HasSubstr("shorter"));
  TestClient other = connect_plain();
  other.send(get("/metrics"));
  lines_.send("abcdefg");
  EXPECT_FALSE(other.answer().whole);
  EXPECT_THAT(trace_.problems.back(), HasSubstr("longer"));
}

TEST_F(StreamingTest, OldClientsGetAStreamThatTheEndOfTheConnectionEnds) {
  plug_follow();
  start();
  TestClient client = connect_plain();
  client.send("GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  lines_.send("one");
  lines_.send("end");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.body, "one");
  EXPECT_EQ(answer.header("Connection"), "close");
}

TEST_F(StreamingTest, ASlowReaderHoldsUpItsHandlerAndNobodyElse) {
  plug(endpoint::container_logs, [this](const Request&, Reply& reply) { return write_without_end(&reply, &trace_); });
  start();
  TestClient slow = connect();
  slow.send(get("/containerLogs/a/b/c"));
  pump(loop_, [&] { return trace_.written > 0; });
  std::size_t before = 0;
  while (before != trace_.written) {  // until the kernel takes no more
    before = trace_.written;
    base::testing::drain(loop_);
  }
  EXPECT_LT(trace_.written, 50'000'000u);
  TestClient other = connect();
  EXPECT_EQ(other.ask(get("/pods")).status, 200);
  EXPECT_EQ(before, trace_.written);
  (void)slow.read(1'000'000);
  pump(loop_, [&] { return trace_.written > before; });
  slow.reset();
  pump(loop_, [&] { return trace_.cancelled || trace_.ended; });
}

// Takes what comes as fast as it comes, until the connection ends.
void read_all(int fd) {
  std::vector<char> room(1u << 20);
  pollfd ready{fd, POLLIN, 0};
  while (::poll(&ready, 1, -1) == 1) {
    const ssize_t size = ::recv(fd, room.data(), room.size(), 0);
    if (size == 0 || (size < 0 && errno != EAGAIN)) return;
  }
}

TEST_F(StreamingTest, AFastReaderLeavesTheLoopToOthers) {
  plug(endpoint::metrics, [this](const Request&, Reply& reply) { return write_without_end(&reply, &trace_); });
  start();
  TestClient fast = connect_plain();
  fast.send(get("/metrics"));
  std::thread reader(read_all, fast.descriptor());
  pump(loop_, [&] { return trace_.written > 1'000'000; });
  TestClient other = connect_plain();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(other.ask(get("/pods")).status, 200);
  ::shutdown(fast.descriptor(), SHUT_RDWR);
  reader.join();
  pump(loop_, [&] { return trace_.cancelled || trace_.ended; });
}

TEST_F(StreamingTest, AClientWhoWasGoneAtOnceIsNotWaitedFor) {
  plug(endpoint::pods, [this](const Request&, Reply& reply) { return wait_then_answer(&reply, &bell_, &trace_); });
  start();
  TestClient client = connect_plain();
  pump(loop_, [&] { return read_only_->connections() == 1; });
  client.send_some(get("/pods"));
  client.reset();
  pump(loop_, [&] { return read_only_->connections() == 0; });
  EXPECT_FALSE(trace_.ended);
}

TEST_F(StreamingTest, AClientWhoHasEndedItsSideStillGetsAShortAnswer) {
  plug(endpoint::pods, [this](const Request&, Reply& reply) { return wait_then_answer(&reply, &bell_, &trace_); });
  start();
  TestClient client = connect_plain();
  client.send(get("/pods"));
  client.end_output();
  pump(loop_, [&] { return trace_.began; });
  clock_.advance(9s);
  bell_.notify();
  EXPECT_EQ(client.answer().body, "done");

  trace_ = Trace();
  TestClient again = connect_plain();
  again.send(get("/pods"));
  again.end_output();
  pump(loop_, [&] { return trace_.began; });
  EXPECT_EQ(again.received(), "");
  clock_.advance(10s);
  pump(loop_, [&] { return trace_.cancelled; });
  EXPECT_EQ(again.answer().status, 0);
}

TEST_F(StreamingTest, AClientWhoGoesWhileItsTokenIsReviewedIsForgotten) {
  tokens_.gate = &bell_;
  start();
  TestClient client = connect(ClientTls());
  client.send(get("/pods", "Authorization: Bearer t\r\n"));
  pump(loop_, [&] { return tokens_.calls == 1; });
  client.reset();
  pump(loop_, [&] { return server_->connections() == 0; });
  bell_.notify();
}

TEST_F(StreamingTest, AHandlerTakesTheConnectionOverWithWhatHasCome) {
  plug_echo();
  start();
  for (const bool early : {true, false}) {
    trace_ = Trace();
    TestClient client = connect();
    const std::string head = get("/exec/a/b/c", "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n");
    client.send(early ? head + "hello" : head);
    EXPECT_EQ(client.answer().status, 101);
    if (!early) client.send("hello");
    EXPECT_EQ(client.read(7), "[hello]");
    client.send("again");
    EXPECT_EQ(client.read(7), "[again]");
    clock_.advance(5h);
    client.send("later");
    EXPECT_EQ(client.read(7), "[later]") << "no limit of the server counts any more";
    EXPECT_EQ(server_->connections(), 1u);
    client.end_output();
    pump(loop_, [&] { return trace_.ended; });
    EXPECT_TRUE(trace_.problems.empty());
    EXPECT_EQ(client.read_to_end(), "");
    EXPECT_EQ(client.problem(), "") << "TLS was ended in words";
    pump(loop_, [&] { return server_->connections() == 0; });
  }
}

TEST_F(StreamingTest, AStreamIsReadInPiecesOfTheWantedSize) {
  plug_echo();
  start();
  TestClient client = connect();
  client.send(get("/exec/a/b/c") + std::string(150, 'a'));
  EXPECT_EQ(client.answer().status, 101);
  EXPECT_EQ(client.read(154), "[" + std::string(100, 'a') + "][" + std::string(50, 'a') + "]");
  client.send(std::string(150, 'b'));
  EXPECT_EQ(client.read(154), "[" + std::string(100, 'b') + "][" + std::string(50, 'b') + "]");
}

TEST_F(StreamingTest, AStreamIsHalfClosedOrClosed) {
  plug_echo();
  start();
  TestClient client = connect();
  client.send(get("/exec/a/b/c"));
  EXPECT_EQ(client.answer().status, 101);
  client.send("half");
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_FALSE(trace_.ended) << "the other direction is still open";
  client.send("close");
  pump(loop_, [&] { return trace_.ended; });
  EXPECT_EQ(trace_.problems.size(), 1u) << "a read after close() fails";
}

TEST_F(StreamingTest, AStreamMayOutliveItsHandlerButNotTheServer) {
  plug_echo();
  start();
  TestClient client = connect();
  client.send(get("/exec/a/b/c"));
  EXPECT_EQ(client.answer().status, 101);
  client.send("keep");
  pump(loop_, [&] { return trace_.ended; });
  ASSERT_NE(kept_, nullptr);
  EXPECT_EQ(server_->connections(), 1u);
  EXPECT_FALSE(client.ended());
  stop();
  EXPECT_TRUE(client.ended());
  EXPECT_FALSE(run(kept_->read_some(10)).ok());
}

TEST_F(StreamingTest, StoppingCancelsEveryHandlerAtOnce) {
  plug_follow();
  plug(endpoint::pods, [this](const Request&, Reply& reply) { return wait_then_answer(&reply, &bell_, &trace_); });
  start();
  TestClient follower = connect();
  follower.send(get("/containerLogs/a/b/c"));
  TestClient waiting = connect();
  waiting.send(get("/pods"));
  TestClient idle = connect();
  TestClient silent(loop_, server_->port());
  TestClient half = connect_plain();
  half.send("GET /po");
  pump(loop_, [&] { return server_->connections() == 4 && read_only_->connections() == 1; });
  stop();
  for (TestClient* client : {&follower, &waiting, &idle, &silent, &half}) {
    (void)client->read_to_end();
    EXPECT_TRUE(client->ended());
  }
}

}  // namespace
}  // namespace keelson::server::testing
