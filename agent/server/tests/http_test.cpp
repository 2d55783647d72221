// HTTP on the plain port: what is the same on both is easier to see without TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/server/tests/server_fixture.hpp"

namespace keelson::server::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

base::Task<void> answer_with(Reply* reply, Response response) { (void)co_await reply->send(std::move(response)); }
base::Task<void> answer_nothing() { co_return; }
base::Task<void> throw_up() {
  throw std::runtime_error("a bug");
  co_return;
}

class HttpTest : public ServerTest {
 protected:
  // POST is taken by no endpoint of the read-only port but this one.
  std::string post(const std::string& more, const std::string& body = {}) {
    return request("POST", "/stats/summary", more, body);
  }
};

TEST_F(HttpTest, AHandlerSeesTheRequestAsItWasSent) {
  start();
  TestClient client = connect_plain();
  const Answer answer = client.ask(request("POST", "/stats/summary?a=1&b=x%20y&a=2", "X-Y: z\r\nx-y: w\r\n", "hello"));
  EXPECT_EQ(answer.status, 200);
  ASSERT_TRUE(echo_.last.has_value());
  const Request& seen = *echo_.last;
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/stats/summary?a=1&b=x%20y&a=2");
  EXPECT_EQ(seen.path, "/stats/summary");
  EXPECT_EQ(seen.query, (Fields{{"a", "1"}, {"b", "x y"}, {"a", "2"}}));
  EXPECT_EQ(seen.headers, (Fields{{"Host", "node"}, {"X-Y", "z"}, {"x-y", "w"}, {"Content-Length", "5"}}));
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.remote, "127.0.0.1");
  EXPECT_EQ(seen.user, User());
}

TEST_F(HttpTest, ConnectionsAreKept) {
  start();
  TestClient client = connect_plain();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.ask(get("/pods")).status, 200);
  EXPECT_EQ(client.ask(get("/nothing")).status, 404);
  EXPECT_EQ(client.ask(post({}, "body")).status, 200);
  EXPECT_EQ(read_only_->connections(), 1u);
  const Answer last = client.ask(get("/pods", "Connection: close\r\n"));
  EXPECT_EQ(last.header("Connection"), "close");
  EXPECT_EQ(client.read_to_end(), "");
}

TEST_F(HttpTest, IdleConnectionsEndAfterNinetySeconds) {
  start();
  TestClient client = connect_plain();
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  clock_.advance(89s);
  EXPECT_FALSE(client.ended());
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
  clock_.advance(89s);
  EXPECT_FALSE(client.ended());
  clock_.advance(1s);
  EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, RequestsMayBeSentAhead) {
  start();
  TestClient client = connect_plain();
  client.send(get("/pods") + post({}, "first") + get("/nothing") + post("Transfer-Encoding: chunked\r\n") +
              "3\r\nabc\r\n0\r\n\r\n" + get("/healthz"));
  EXPECT_THAT(client.answer().body, HasSubstr("/pods"));
  EXPECT_THAT(client.answer().body, HasSubstr("first"));
  EXPECT_EQ(client.answer().status, 404);
  EXPECT_THAT(client.answer().body, HasSubstr("abc"));
  EXPECT_THAT(client.answer().body, HasSubstr("/healthz"));
}

TEST_F(HttpTest, Http10IsSpoken) {
  start();
  TestClient plain = connect_plain();
  const Answer answer = plain.ask("GET /pods HTTP/1.0\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(plain.read_to_end(), "");
  TestClient kept = connect_plain();
  for (int i = 0; i < 2; ++i) {
    const Answer again = kept.ask("GET /pods HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(again.header("Connection"), "keep-alive");
  }
}

TEST_F(HttpTest, LongAnswersAreChunkedAndShortOnesAreNot) {
  Response long_one = plain_text(200, std::string(100'000, 'x'));
  Response short_one = plain_text(200, std::string(2048, 'y'));
  plug(endpoint::pods, [&](const Request&, Reply& reply) { return answer_with(&reply, long_one); });
  plug(endpoint::healthz, [&](const Request&, Reply& reply) { return answer_with(&reply, short_one); });
  start();
  TestClient client = connect_plain();
  const Answer first = client.ask(get("/pods"));
  EXPECT_TRUE(first.chunked && first.whole);
  EXPECT_EQ(first.body, long_one.body);
  EXPECT_EQ(first.header("Content-Length"), "");
  const Answer second = client.ask(get("/healthz"));
  EXPECT_FALSE(second.chunked);
  EXPECT_EQ(second.header("Content-Length"), "2048");
  EXPECT_EQ(second.header("Date"), "Thu, 01 Jan 2026 00:00:00 GMT");
  client.send(request("HEAD", "/healthz"));
  const Answer head = client.answer(true);
  EXPECT_EQ(head.header("Content-Length"), "2048");
  EXPECT_EQ(client.ask(get("/healthz")).status, 200) << "no body came after the answer to HEAD";
}

TEST_F(HttpTest, VeryLongAnswersGoToSlowReaders) {
  Response big = plain_text(200, std::string(30'000'000, 'z'));
  plug(endpoint::pods, [&](const Request&, Reply& reply) { return answer_with(&reply, big); });
  start();
  TestClient plain = connect_plain();
  EXPECT_EQ(plain.ask(get("/pods")).body.size(), big.body.size());
  TestClient secure = connect();
  EXPECT_EQ(secure.ask(get("/pods")).body.size(), big.body.size());
}

TEST_F(HttpTest, OtherWordsForBadRequests) {
  start();
  const std::pair<std::string, std::string> rows[] = {
      {"nonsense\r\n\r\n", "400 Bad Request"},
      {"GET /pods HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"},
      {"GET /pods HTTP/3.0\r\nHost: n\r\n\r\n", "505 HTTP Version Not Supported: unsupported protocol version"},
      {"GET /%zz HTTP/1.1\r\nHost: n\r\n\r\n", "400 Bad Request"},
      {"GET pods HTTP/1.1\r\nHost: n\r\n\r\n", "400 Bad Request"},
      {"POST /stats/summary HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"}};
  for (const auto& [text, words] : rows) {
    TestClient client = connect_plain();
    const Answer answer = client.ask(text);
    EXPECT_EQ(answer.body, words) << text;
    EXPECT_EQ(answer.header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(answer.header("Connection"), "close");
    EXPECT_EQ(client.read_to_end(), "");
  }
  TestClient options = connect_plain();
  EXPECT_EQ(options.ask("OPTIONS * HTTP/1.1\r\nHost: n\r\n\r\n").status, 200);
  EXPECT_EQ(options.ask("GET * HTTP/1.1\r\nHost: n\r\n\r\n").status, 400);
  TestClient absolute = connect_plain();
  EXPECT_EQ(absolute.ask("GET http://other/pods?x=1 HTTP/1.1\r\nHost: n\r\n\r\n").status, 200);
  EXPECT_EQ(absolute.ask("CONNECT other:443 HTTP/1.1\r\nHost: n\r\n\r\n").status, 404);
}

TEST_F(HttpTest, BodiesHaveALimit) {
  ServerOptions options;
  options.body_limit = 1000;
  start({}, options);
  TestClient fits = connect_plain();
  EXPECT_EQ(fits.ask(post({}, std::string(1000, 'x'))).status, 200);
  TestClient announced = connect_plain();
  announced.send("POST /stats/summary HTTP/1.1\r\nHost: n\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_EQ(announced.answer().status, 413);
  TestClient chunked = connect_plain();
  const Answer answer =
      chunked.ask(post("Transfer-Encoding: chunked\r\n") + "3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_EQ(chunked.read_to_end(), "");
}

TEST_F(HttpTest, ABodyThatStopsComingIsAnswered) {
  start();
  TestClient slow = connect_plain();
  slow.send("POST /stats/summary HTTP/1.1\r\nHost: n\r\nContent-Length: 10\r\n\r\n12345");
  pump(loop_, [&] { return clock_.next_deadline() < clock_.after(61s); });
  EXPECT_EQ(slow.received(), "");
  clock_.advance(60s);
  EXPECT_EQ(slow.answer().status, 408);
  TestClient cut = connect_plain();
  cut.send("POST /stats/summary HTTP/1.1\r\nHost: n\r\nContent-Length: 10\r\n\r\n12345");
  cut.end_output();
  EXPECT_EQ(cut.answer().status, 400);
  EXPECT_EQ(echo_.calls, 0);
}

TEST_F(HttpTest, ClientsThatWaitAreToldToGoOn) {
  start();
  TestClient client = connect_plain();
  client.send("POST /stats/summary HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(client.answer().status, 100);
  EXPECT_EQ(echo_.calls, 0);
  client.send("body");
  EXPECT_THAT(client.answer().body, HasSubstr("body"));
  EXPECT_EQ(client.ask(get("/pods")).status, 200) << "the connection is kept";
  EXPECT_EQ(client.ask(get("/pods", "Expect: miracles\r\n")).status, 417);
}

TEST_F(HttpTest, WhoMayNotAskIsNotToldToGoOn) {
  start();
  TestClient client = connect(ClientTls());
  client.send("POST /run/a/b/c HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  const Answer answer = client.answer();
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.header("Connection"), "close");
}

TEST_F(HttpTest, AShortBodyOfARefusedRequestIsPassedOver) {
  start();
  TestClient client = connect(ClientTls());
  EXPECT_EQ(client.ask(request("POST", "/run/a/b/c", {}, std::string(100'000, 'x'))).status, 401);
  client.send("POST /run/a/b/c HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
  EXPECT_EQ(client.answer().status, 401);
  EXPECT_EQ(client.ask(get("/nothing")).status, 404) << "the connection is kept";
  client.send("POST /run/a/b/c HTTP/1.1\r\nHost: n\r\nContent-Length: 10000000\r\n\r\n" + std::string(200'000, 'x'));
  const Answer last = client.answer();
  EXPECT_EQ(last.status, 401);
  EXPECT_EQ(last.header("Connection"), "close");
}

TEST_F(HttpTest, HandlersThatDoNotAnswerAreAnsweredFor) {
  plug(endpoint::pods, [](const Request&, Reply&) { return answer_nothing(); });
  plug(endpoint::healthz, [](const Request&, Reply&) { return throw_up(); });
  start();
  TestClient client = connect_plain();
  EXPECT_EQ(client.ask(get("/pods")).status, 500);
  EXPECT_EQ(client.ask(get("/healthz")).status, 500);
  EXPECT_EQ(client.ask(get("/metrics")).status, 200);
}

TEST_F(HttpTest, RequestsAreCounted) {
  base::Notification gate(loop_);
  start();
  TestClient client = connect();
  (void)client.ask(get("/pods"));
  (void)client.ask(get("/pods?x"));
  (void)client.ask(get("/exec/a/b/c"));
  (void)client.ask(request("PATCH", "/nothing"));
  TestClient plain = connect_plain();
  (void)plain.ask(get("/metrics/cadvisor"));
  std::vector<std::string> seen;
  for (const auto& [kind, requests] : metrics_.requests) {
    seen.push_back(kind.method + " " + kind.path + (kind.read_only ? " readonly" : " readwrite") +
                   (kind.long_running ? " long " : " ") + std::to_string(requests.total));
    EXPECT_EQ(requests.in_flight, 0u);
    EXPECT_EQ(requests.duration.count, requests.total);
    EXPECT_EQ(requests.duration.buckets[0], requests.total) << "no time has passed";
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("GET exec readwrite long 1", "GET metrics/cadvisor readonly 1",
                                           "GET pods readwrite 2", "other other readwrite 1"));
}

TEST_F(HttpTest, AConnectionSentToHasNoLeftovers) {
  start();
  TestClient client = connect_plain();
  EXPECT_EQ(client.ask(post("Connection: keep-alive, Upgrade\r\nUpgrade: SPDY/3.1\r\n")).status, 200)
      << "an upgrade that no handler takes is an ordinary request";
  EXPECT_EQ(client.ask(get("/pods")).status, 200);
}

}  // namespace
}  // namespace keelson::server::testing
