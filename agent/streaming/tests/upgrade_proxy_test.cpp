#include "agent/streaming/upgrade_proxy.hpp"

#include <gmock/gmock.h>

#include "agent/streaming/tests/peers.hpp"

namespace keelson::streaming::testing {
namespace {

using ::testing::HasSubstr;

class UpgradeProxyTest : public StreamTest {
 protected:
  // The text of the 500 that the request is answered with.
  std::string refusal(std::string url) {
    FakeReply& reply = new_reply();
    begin(reply, std::move(url));
    EXPECT_TRUE(until([&] { return reply.answer && over(); }));
    EXPECT_FALSE(reply.taken_over);
    if (!reply.answer) return {};
    EXPECT_EQ(reply.answer->status, 500);
    return reply.answer->body;
  }
  // All that the client gets when the runtime answers so.
  std::string relayed(const std::string& answer, Behaviour::Then then) {
    runtime.behaviour.answer = answer;
    runtime.behaviour.then = then;
    FakeReply& reply = new_reply();
    reply.client->read_on();
    begin(reply, runtime.url());
    EXPECT_TRUE(until([&] { return reply.client->ended; }));
    EXPECT_FALSE(reply.answer.has_value());
    reply.client->close();
    EXPECT_TRUE(until([&] { return over(); }));
    return reply.client->received;
  }
};

TEST_F(UpgradeProxyTest, HandsTheClientsRequestToTheRuntime) {
  FakeReply& reply = new_reply();
  begin(reply, runtime.url("/exec/AbCd_-12?x=1"));
  ASSERT_TRUE(until([&] { return runtime.peer != nullptr; }));
  EXPECT_EQ(runtime.request,
            "POST /exec/AbCd_-12?x=1 HTTP/1.1\r\n"
            "Host: node-1:10250\r\n"
            "User-Agent: kubectl/v1.36\r\n"
            "Connection: Upgrade\r\n"
            "Upgrade: SPDY/3.1\r\n"
            "X-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
            "X-Stream-Protocol-Version: channel.k8s.io\r\n"
            "X-Forwarded-For: 203.0.113.7, 192.0.2.1\r\n"
            "Content-Length: 0\r\n\r\n");
}

TEST_F(UpgradeProxyTest, CopiesBytesBothWaysBeginningWithThoseThatCameEarly) {
  runtime.behaviour.answer += "early from the runtime|";
  FakeReply& reply = new_reply();
  reply.early = "early from the client|";
  reply.client->read_on();
  begin(reply, runtime.url());
  ASSERT_TRUE(until([&] { return reply.client->received == runtime.behaviour.answer; })) << reply.client->received;
  ASSERT_TRUE(until([&] { return runtime.peer->received == "early from the client|"; })) << runtime.peer->received;
  const std::string odd("\0\r\n\r\n\xff HTTP/1.1", 15);
  reply.client->send(odd);
  runtime.peer->send(odd + odd);
  EXPECT_TRUE(until([&] { return runtime.peer->received == "early from the client|" + odd; }));
  EXPECT_TRUE(until([&] { return reply.client->received == runtime.behaviour.answer + odd + odd; }));
  EXPECT_EQ(proxy.sessions(), 1u);
  EXPECT_FALSE(reply.answer.has_value());
}

TEST_F(UpgradeProxyTest, RefusesWhatIsNoUpgradeWithoutAskingTheRuntime) {
  request.headers = {{"Host", "node-1"}, {"Connection", "keep-alive"}};
  EXPECT_EQ(refusal(runtime.url()), "Upgrade request required\n");
  EXPECT_EQ(runtime.connections, 0u);
}

TEST_F(UpgradeProxyTest, AnswersInTheKubeletsWordsWhenTheRuntimeDoesNotUpgrade) {
  runtime.behaviour.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(refusal(runtime.url()), "invalid upgrade response: status code 200\n");
  runtime.behaviour.answer = "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(refusal(runtime.url()), "invalid upgrade response: status code 302\n");
  runtime.behaviour.answer = "SSH-2.0-OpenSSH_9.2\r\n\r\n";
  EXPECT_THAT(refusal(runtime.url()), HasSubstr("malformed HTTP response"));
  runtime.behaviour.answer = "HTTP/1.1 101 X\r\nA: " + std::string(100'000, 'a') + "\r\n\r\n";
  EXPECT_THAT(refusal(runtime.url()), HasSubstr("malformed HTTP response"));
}

TEST_F(UpgradeProxyTest, SaysThatTheRuntimeCannotBeReached) {
  runtime.stop_listening();
  const std::string port = std::to_string(runtime.port());
  EXPECT_EQ(refusal(runtime.url()),
            "error dialing backend: dial tcp 127.0.0.1:" + port + ": connect: connection refused\n");
  EXPECT_EQ(refusal("//127.0.0.1:" + port + "/exec/token"),
            "error dialing backend: dial tcp 127.0.0.1:" + port + ": connect: connection refused\n");
  EXPECT_EQ(refusal("unix://socket/exec/token"), "error dialing backend: unknown scheme: unix\n");
  EXPECT_THAT(refusal("http://127.0.0.1:99999/"), HasSubstr("error dialing backend: "));
}

TEST_F(UpgradeProxyTest, SaysThatTheRuntimeHasEndedBeforeItsAnswer) {
  runtime.behaviour.answer = "";
  runtime.behaviour.then = Behaviour::Then::close;
  EXPECT_EQ(refusal(runtime.url()), "unexpected EOF\n");
  runtime.behaviour.answer = "HTTP/1.1 101 Switch";
  EXPECT_EQ(refusal(runtime.url()), "unexpected EOF\n");
  runtime.behaviour.answer = "";
  runtime.behaviour.then = Behaviour::Then::reset;
  EXPECT_EQ(refusal(runtime.url()), "read from the runtime: connection reset by peer\n");
}

TEST_F(UpgradeProxyTest, DoesNotWaitForeverForTheRuntimesAnswer) {
  runtime.behaviour.answer = "HTTP/1.1 101 ";
  runtime.behaviour.then = Behaviour::Then::keep;
  FakeReply& reply = new_reply();
  begin(reply, runtime.url());
  ASSERT_TRUE(until([&] { return runtime.peer != nullptr && runtime.peer->sent > 0; }));
  clock.advance(59s);
  EXPECT_FALSE(reply.answer.has_value());
  clock.advance(1s);
  ASSERT_TRUE(until([&] { return over(); }));
  ASSERT_TRUE(reply.answer.has_value());
  EXPECT_EQ(reply.answer->status, 500);
}

TEST_F(UpgradeProxyTest, HandsOnAnErrorOfTheRuntimesServerAndCloses) {
  const std::string sized =
      "HTTP/1.1 403 Forbidden\r\nX-Accepted-Stream-Protocol-Versions: v4.channel.k8s.io\r\nContent-Length: "
      "4\r\n\r\nnope";
  EXPECT_EQ(relayed(sized, Behaviour::Then::keep), sized);
  const std::string chunked =
      "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
  EXPECT_EQ(relayed(chunked, Behaviour::Then::keep), chunked);
  const std::string empty = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(relayed(empty, Behaviour::Then::keep), empty);
  const std::string unsized = "HTTP/1.1 400 Bad Request\r\n\r\n" + pattern(0, 300'000);
  EXPECT_EQ(relayed(unsized, Behaviour::Then::close), unsized);
  const std::string cut_short = "HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\nhalf";
  EXPECT_EQ(relayed(cut_short, Behaviour::Then::close), cut_short);
}

TEST_F(UpgradeProxyTest, GivesAnErrorThatDoesNotEndTenSeconds) {
  runtime.behaviour.answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100\r\n\r\nhalf";
  runtime.behaviour.then = Behaviour::Then::keep;
  FakeReply& reply = new_reply();
  reply.client->read_on();
  begin(reply, runtime.url());
  ASSERT_TRUE(until([&] { return reply.client->received == runtime.behaviour.answer; }));
  clock.advance(9s);
  EXPECT_EQ(proxy.sessions(), 1u);
  clock.advance(1s);
  EXPECT_TRUE(until([&] { return over() && reply.client->ended; }));
}

// kubectl pings, and a runtime closes as soon as it has written its last byte: then the kernel resets the connection.
TEST_F(UpgradeProxyTest, LosesNothingOfARuntimeThatHasClosedWhileASlowClientStillSpeaks) {
  FakeReply& reply = new_reply();
  begin(reply, runtime.url());
  ASSERT_TRUE(until([&] { return runtime.peer != nullptr; }));
  // As much as the kernel takes while nobody reads, and then the end.
  runtime.peer->send_pattern(100'000'000);
  settle();
  const std::uint64_t size = runtime.peer->sent;
  ASSERT_GT(size, 500'000u);
  runtime.peer->close();
  for (int i = 0; i < 3; ++i) {
    reply.client->send("ping");
    settle();
  }
  reply.client->skip(runtime.behaviour.answer.size());
  reply.client->read_pattern();
  ASSERT_TRUE(until([&] { return reply.client->ended || reply.client->broken; }));
  EXPECT_GE(reply.client->count + runtime.behaviour.answer.size(), size);
  EXPECT_TRUE(reply.client->matches);
  reply.client->close();
  EXPECT_TRUE(until([&] { return over(); }));
}

TEST_F(UpgradeProxyTest, EndsEverySessionWhenItStops) {
  FakeReply& talking = new_reply();
  begin(talking, runtime.url());
  ASSERT_TRUE(until([&] { return runtime.peer != nullptr && talking.taken_over; }));
  const auto first = runtime.peer;
  runtime.behaviour.answer = "";
  FakeReply& waiting = new_reply();
  begin(waiting, runtime.url());
  ASSERT_TRUE(until([&] { return runtime.peer != first; }));
  EXPECT_EQ(proxy.sessions(), 2u);
  base::spawn(handlers, "stop", proxy.stop());
  ASSERT_TRUE(until([&] { return handlers.tasks() == 0; }));
  EXPECT_EQ(proxy.sessions(), 0u);
  EXPECT_TRUE(until([&] { return first->ended && runtime.peer->ended; }));
  EXPECT_EQ(refusal(runtime.url()), "the node's agent is stopping\n");
}

TEST_F(UpgradeProxyTest, LeavesNothingOpenWhenItsHandlerIsCancelled) {
  FakeReply& reply = new_reply();
  begin(reply, runtime.url());
  ASSERT_TRUE(until([&] { return runtime.peer != nullptr && reply.taken_over; }));
  handlers.cancel("handler");
  ASSERT_TRUE(until([&] { return handlers.tasks() == 0; }));
  EXPECT_EQ(proxy.sessions(), 0u);
  reply.client->read_on();
  EXPECT_TRUE(until([&] { return runtime.peer->ended && reply.client->ended; }));
}

enum class Victim { client, runtime, handler };

class UpgradeProxyDeaths : public UpgradeProxyTest, public ::testing::WithParamInterface<Victim> {
 protected:
  // One session of which the victim dies after so many turns of the loop; whether the connection was taken over by
  // then.
  bool die_after(int turns) {
    runtime.peer = nullptr;
    FakeReply& reply = new_reply();
    reply.client->read_on();
    reply.client->send(pattern(0, 100'000));
    begin(reply, runtime.url());
    for (int turn = 0; turn < turns; ++turn) {
      loop.context().restart();
      loop.context().poll_one();
      if (turn == 20 && runtime.peer != nullptr) runtime.peer->send(pattern(0, 100'000));
    }
    const bool talked = reply.taken_over;
    if (GetParam() == Victim::handler) handlers.cancel("handler");
    if (GetParam() == Victim::client) reply.client->close();
    if (GetParam() == Victim::runtime) {
      EXPECT_TRUE(until([&] { return runtime.peer != nullptr; }));
      if (runtime.peer != nullptr) runtime.peer->reset();
    }
    // Who survives leaves when it hears of it.
    const auto settled = [&] {
      if (reply.client->ended) reply.client->close();
      if (runtime.peer != nullptr && runtime.peer->ended) runtime.peer->close();
      return over() && handlers.tasks() == 0;
    };
    EXPECT_TRUE(until(settled));
    runtime.peer = nullptr;
    replies.clear();
    return talked;
  }
  bool only_the_runtime_waits() {
    return until([&] { return gate.tasks() == 1; });
  }
};

TEST_P(UpgradeProxyDeaths, LeaveNothingOpenAtAnyMoment) {
  die_after(100);
  ASSERT_TRUE(only_the_runtime_waits());
  const std::size_t before = descriptors();
  int talked = 0;
  for (int turns = 0; turns < 60; ++turns) {
    SCOPED_TRACE("after " + std::to_string(turns) + " turns of the loop");
    talked += die_after(turns) ? 1 : 0;
    ASSERT_TRUE(only_the_runtime_waits());
    ASSERT_EQ(descriptors(), before);
  }
  EXPECT_GT(talked, 10);
  EXPECT_LT(talked, 60);
}

INSTANTIATE_TEST_SUITE_P(All, UpgradeProxyDeaths, ::testing::Values(Victim::client, Victim::runtime, Victim::handler));

}  // namespace
}  // namespace keelson::streaming::testing
