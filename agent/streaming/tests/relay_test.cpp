#include "agent/streaming/relay.hpp"

#include "agent/streaming/tests/peers.hpp"

namespace keelson::streaming::testing {
namespace {

constexpr std::uint64_t kMegabyte = 1'000'000;
// What the kernel's buffers of both connections and our two pieces hold at most.
constexpr std::uint64_t kInFlight = 4 * kMegabyte;

class RelayTest : public StreamTest {
 protected:
  // A session that is under way, with the head of the runtime's answer behind it.
  void connect() {
    begin(reply, runtime.url());
    ASSERT_TRUE(until([&] { return runtime.peer != nullptr && reply.taken_over; }));
  }
  // Nobody reads yet, on either side.
  void connect_raw() {
    runtime.behaviour.then = Behaviour::Then::keep;
    reply.client->skip(runtime.behaviour.answer.size());
    connect();
  }

  FakeReply& reply = new_reply();
};

TEST_F(RelayTest, DeliversAllThatTheRuntimeSaidBeforeItEnded) {
  connect_raw();
  runtime.peer->send_pattern(3 * kMegabyte);
  runtime.peer->end();
  settle();
  reply.client->read_pattern();
  ASSERT_TRUE(until([&] { return reply.client->ended; }));
  EXPECT_EQ(reply.client->count, 3 * kMegabyte);
  EXPECT_TRUE(reply.client->matches);
  reply.client->close();
  EXPECT_TRUE(until([&] { return over(); }));
}

TEST_F(RelayTest, TellsTheRuntimeOfTheClientsHalfCloseAndDeliversWhatItStillSays) {
  connect_raw();
  reply.client->read_pattern();
  reply.client->send("last words");
  reply.client->end();
  runtime.peer->read_on();
  ASSERT_TRUE(until([&] { return runtime.peer->ended; }));
  EXPECT_EQ(runtime.peer->received, "last words");
  runtime.peer->send_pattern(3 * kMegabyte);
  runtime.peer->end();
  ASSERT_TRUE(until([&] { return reply.client->ended; }));
  EXPECT_EQ(reply.client->count, 3 * kMegabyte);
  EXPECT_TRUE(reply.client->matches);
  EXPECT_TRUE(until([&] { return over(); }));
}

TEST_F(RelayTest, ClosesARuntimeThatDoesNotMindTheClientsEnd) {
  connect();
  reply.client->read_on();
  reply.client->end();
  ASSERT_TRUE(until([&] { return runtime.peer->ended; }));
  clock.advance(9s);
  runtime.peer->send("still here");
  ASSERT_TRUE(until([&] { return reply.client->received.ends_with("still here"); }));
  clock.advance(9s);
  EXPECT_EQ(proxy.sessions(), 1u) << "it has spoken nine seconds ago";
  EXPECT_FALSE(reply.client->ended);
  clock.advance(1s);
  EXPECT_TRUE(until([&] { return over() && reply.client->ended; }));
}

TEST_F(RelayTest, ClosesAClientThatDoesNotMindTheRuntimesEnd) {
  connect();
  reply.client->read_on();
  runtime.peer->send("bye");
  runtime.peer->end();
  ASSERT_TRUE(until([&] { return reply.client->ended; }));
  EXPECT_TRUE(reply.client->received.ends_with("bye"));
  EXPECT_EQ(proxy.sessions(), 1u);
  clock.advance(9s);
  EXPECT_EQ(proxy.sessions(), 1u);
  clock.advance(1s);
  EXPECT_TRUE(until([&] { return over(); }));
}

TEST_F(RelayTest, EndsTheClientWhenTheRuntimeDies) {
  connect();
  reply.client->read_on();
  reply.client->send("hello");
  ASSERT_TRUE(until([&] { return runtime.peer->received == "hello"; }));
  runtime.peer->reset();
  ASSERT_TRUE(until([&] { return reply.client->ended; }));
  reply.client->send(pattern(0, kMegabyte));  // it has not noticed yet
  reply.client->end();
  EXPECT_TRUE(until([&] { return over(); }));
}

TEST_F(RelayTest, EndsTheRuntimeWhenTheClientDies) {
  connect();
  runtime.peer->send_pattern(100 * kMegabyte);
  settle();
  reply.client->close();
  EXPECT_TRUE(until([&] { return over(); }));
  EXPECT_TRUE(until([&] { return runtime.peer->ended || runtime.peer->broken; }));
  EXPECT_LT(runtime.peer->sent, kInFlight);
}

TEST_F(RelayTest, ASlowClientHoldsTheRuntimeUpAndMissesNothing) {
  connect_raw();
  runtime.peer->send_pattern(100 * kMegabyte);
  runtime.peer->end();
  settle();
  EXPECT_GT(runtime.peer->sent, 0u);
  EXPECT_LT(runtime.peer->sent, kInFlight);
  clock.advance(std::chrono::hours(3));
  EXPECT_EQ(proxy.sessions(), 1u) << "how slow it may be is not ours to say";
  reply.client->read_pattern();
  ASSERT_TRUE(until([&] { return reply.client->ended; })) << reply.client->count;
  EXPECT_EQ(reply.client->count, 100 * kMegabyte);
  EXPECT_TRUE(reply.client->matches);
}

TEST_F(RelayTest, ASlowRuntimeHoldsTheClientUpAndMissesNothing) {
  connect_raw();
  reply.client->send_pattern(100 * kMegabyte);
  settle();
  EXPECT_GT(reply.client->sent, 0u);
  EXPECT_LT(reply.client->sent, kInFlight);
  clock.advance(std::chrono::hours(3));
  EXPECT_EQ(proxy.sessions(), 1u);
  runtime.peer->read_pattern();
  ASSERT_TRUE(until([&] { return runtime.peer->count == 100 * kMegabyte; })) << runtime.peer->count;
  EXPECT_TRUE(runtime.peer->matches);
}

TEST_F(RelayTest, CarriesAHundredMegabytesEachWayAtOnceInSmallPieces) {
  FakeStream::largest_read = 0;
  FakeStream::largest_write = 0;
  connect_raw();
  reply.client->read_pattern();
  runtime.peer->read_pattern();
  reply.client->send_pattern(100 * kMegabyte);
  runtime.peer->send_pattern(100 * kMegabyte);
  const auto arrived = [&] { return reply.client->count == 100 * kMegabyte && runtime.peer->count == 100 * kMegabyte; };
  ASSERT_TRUE(until(arrived)) << reply.client->count << ", " << runtime.peer->count;
  EXPECT_TRUE(reply.client->matches);
  EXPECT_TRUE(runtime.peer->matches);
  EXPECT_EQ(FakeStream::largest_read, Relay::piece);
  EXPECT_EQ(FakeStream::largest_write, Relay::piece);
}

}  // namespace
}  // namespace keelson::streaming::testing
