// Many streams, limits of the server, connections that go away or fall silent.
#include "kube-client/connection_pool.hpp"
#include "kube-client/tests/http_fixture.hpp"

namespace keelson::kube::testing {
namespace {

class HttpStreams : public HttpTest {
 protected:
  static ServerAnswer answer_to(const ServerRequest& request) {
    ServerAnswer answer;
    answer.open = request.path.find("watch") != std::string::npos;
    answer.hold = request.path.find("hold") != std::string::npos;
    answer.body = answer.open ? "event" : request.path;
    return answer;
  }
  void start(std::uint32_t max_streams, HttpTransportOptions client = HttpTransportOptions(), bool http2 = true) {
    ServerOptions options;
    options.max_streams = max_streams;
    options.http2 = http2;
    serve(answer_to, options);
    connect(std::move(client));
  }
  // Opens without waiting.
  void begin_watches(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string path = "/watch/" + std::to_string(watches.size() + 1);
      watches.push_back(begin<Opened>(transport->open(get(path), 30s)));
    }
  }
  std::size_t opened() const {
    return static_cast<std::size_t>(std::count_if(
        watches.begin(), watches.end(), [](const auto& watch) { return watch->has_value() && (*watch)->ok(); }));
  }
  std::vector<Later<Opened>> watches;
};

TEST(ConnectionsAllowed, AreTwoUnlessTheServerAllowsTooFewStreams) {
  const HttpTransportOptions options;
  const std::pair<std::size_t, std::size_t> rows[] = {{1000, 2}, {500, 2}, {250, 2}, {249, 3},
                                                      {100, 5},  {10, 32}, {0, 32}};
  for (const auto& [streams, expected] : rows) EXPECT_EQ(connections_allowed(options, streams), expected) << streams;
  EXPECT_EQ(streams_reserved(options, 250), 8u);
  EXPECT_EQ(streams_reserved(options, 10), 5u);
  EXPECT_EQ(streams_reserved(options, 1), 0u);
}

TEST_F(HttpStreams, FiveHundredStreamsShareTwoConnectionsOf250) {
  start(250);
  begin_watches(492);
  ASSERT_TRUE(until([this] { return opened() == 492; }));
  for (int i = 0; i < 8; ++i) begin<Answer>(transport->send(get("/hold"), 30s));
  ASSERT_TRUE(until([this] { return server->open_streams() == 500; }));
  EXPECT_EQ(server->accepted(), 2u);
  EXPECT_EQ(transport->stats().connections, 2u);
  EXPECT_EQ(transport->stats().streams, 500u);
  for (auto& watch : watches) {
    auto piece = read(****watch);
    ASSERT_TRUE(piece.ok());
    EXPECT_EQ(*piece, "event");
  }
}

TEST_F(HttpStreams, MoreWatchesThanFitGetAnotherConnectionAndAreNotLeftDeaf) {
  start(250);
  begin_watches(510);
  ASSERT_TRUE(until([this] { return opened() == 510; }));
  EXPECT_EQ(server->accepted(), 3u);
  EXPECT_EQ(transport->stats().waiting, 0u);
}

TEST_F(HttpStreams, WatchesLeaveStreamsForShortRequests) {
  HttpTransportOptions options;
  options.connections_limit = 2;
  start(250, options);
  begin_watches(510);
  ASSERT_TRUE(until([this] { return opened() == 492 && transport->stats().waiting == 18; }));
  for (int i = 0; i < 20; ++i) {
    auto answer = send(get("/short"));
    ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  }
  EXPECT_EQ(opened(), 492u);
  // An end lets the next one in.
  server->finish("/watch/7");
  watches[6]->reset();
  EXPECT_TRUE(until([this] { return opened() == 492 && transport->stats().waiting == 17; }));
  EXPECT_EQ(server->accepted(), 2u);
}

TEST_F(HttpStreams, ShortRequestsWaitForAFreeStreamInOrder) {
  HttpTransportOptions options;
  options.connections_limit = 2;
  start(2, options);
  for (int i = 0; i < 4; ++i) begin<Answer>(transport->send(get("/hold"), 1s));
  ASSERT_TRUE(until([this] { return server->open_streams() == 4; }));
  auto late = send(get("/short"), 100ms);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_NE(late.error().to_string().find("waiting for a connection"), std::string::npos);
  auto answer = send(get("/short"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(transport->stats().waiting, 0u);
  EXPECT_EQ(server->accepted(), 2u);
}

TEST_F(HttpStreams, OneConnectionIsEnoughWhileItHasRoom) {
  start(250);
  begin_watches(200);  // more than is assumed before the server has told its limit
  ASSERT_TRUE(until([this] { return opened() == 200; }));
  EXPECT_EQ(server->accepted(), 1u);
}

TEST_F(HttpStreams, AServerThatAllowsFewStreamsGetsMoreConnections) {
  start(100);
  begin_watches(320);
  ASSERT_TRUE(until([this] { return opened() == 320; }));
  EXPECT_EQ(server->accepted(), 4u);
  ASSERT_TRUE(send(get("/short")).ok());
}

TEST_F(HttpStreams, ARefusedStreamIsSentOnceMore) {
  int refusals = 1;
  serve([&refusals](const ServerRequest&) {
    ServerAnswer answer;
    answer.body = "fine";
    if (refusals-- > 0) {
      answer.no_head = true;
      answer.reset = 7;
    }
    return answer;
  });
  connect();
  auto answer = send(post("/", "x"));
  ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  EXPECT_EQ(answer->body, "fine");
  refusals = 10;
  answer = send(post("/", "x"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::unavailable);
  EXPECT_EQ(server->requests.size(), 4u);
}

TEST_F(HttpStreams, GoAwayLetsOldStreamsFinishAndNewOnesGoElsewhere) {
  start(250);
  begin_watches(1);
  ASSERT_TRUE(until([this] { return opened() == 1; }));
  auto& watch = ****watches[0];
  ASSERT_TRUE(read(watch).ok());
  server->go_away(1);
  ASSERT_TRUE(send(get("/short")).ok());
  EXPECT_TRUE(until([this] { return server->accepted() == 2; }));
  server->push("/watch/1", "more");
  EXPECT_EQ(*read(watch), "more");
  server->finish("/watch/1");
  EXPECT_EQ(*read(watch), "");
  EXPECT_TRUE(until([this] { return transport->stats().connections == 1; }));
}

TEST_F(HttpStreams, GoAwayResendsWhatTheServerWillNotServe) {
  start(250);
  begin_watches(1);
  ASSERT_TRUE(until([this] { return opened() == 1; }));
  begin<Answer>(transport->send(post("/hold", "x"), 30s));
  ASSERT_TRUE(until([this] { return server->requests.size() == 2; }));
  server->go_away(1);
  ASSERT_TRUE(until([this] { return server->requests.size() == 3; }));
  EXPECT_EQ(server->requests[2].path, "/hold");
  EXPECT_EQ(server->requests[2].connection, 2u);
  EXPECT_EQ(transport->stats().resent, 1u);
}

TEST_F(HttpStreams, ACutConnectionEndsItsWatchesAndTheNextConnectsAtOnce) {
  start(250);
  begin_watches(50);
  ASSERT_TRUE(until([this] { return opened() == 50; }));
  server->cut_all();
  for (auto& watch : watches) {
    ASSERT_TRUE(read(****watch).ok()) << "the event that had come";
    auto piece = read(****watch);
    ASSERT_FALSE(piece.ok());
    EXPECT_EQ(piece.error().kind(), ErrorKind::unavailable);
  }
  ASSERT_TRUE(send(get("/short")).ok());
  EXPECT_EQ(server->accepted(), 2u);
}

HttpTransportOptions impatient() {
  HttpTransportOptions options;
  options.silence = 100ms;
  options.ping_limit = 100ms;
  return options;
}

TEST_F(HttpStreams, ASilentServerThatLivesIsPingedAndKept) {
  start(250, impatient());
  begin_watches(1);
  ASSERT_TRUE(until([this] { return server->pings >= 3; }));
  EXPECT_EQ(server->accepted(), 1u);
  EXPECT_EQ(transport->stats().connections, 1u);
}

TEST_F(HttpStreams, ADeadPeerIsNoticedUnderAWatch) {
  start(250, impatient());
  begin_watches(2);
  ASSERT_TRUE(until([this] { return opened() == 2; }));
  ASSERT_TRUE(read(****watches[0]).ok());
  ASSERT_TRUE(read(****watches[1]).ok());
  server->freeze();
  const auto before = clock.steady_now();
  for (auto& watch : watches) {
    auto piece = read(****watch);
    ASSERT_FALSE(piece.ok());
    EXPECT_EQ(piece.error().kind(), ErrorKind::unavailable);
    EXPECT_NE(piece.error().to_string().find("no sign of life"), std::string::npos);
  }
  EXPECT_GE(clock.steady_now() - before, 100ms);
}

TEST_F(HttpStreams, AnIdleConnectionCostsNoPingAndIsProbedByTheNextRequest) {
  start(250, impatient());
  ASSERT_TRUE(send(get("/short")).ok());
  run<bool>(base::with_timeout(clock, 350ms, clock.sleep_for(1h)));
  EXPECT_EQ(server->pings, 0u);
  server->freeze();
  auto answer = send(post("/short", "x"), 5s);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().kind(), ErrorKind::maybe_applied) << answer.error().to_string();
  EXPECT_EQ(transport->stats().connections, 0u);
}

TEST(HttpSilence, EightSecondsOfSilenceAreTheEndWithTheDefaults) {
  base::Loop loop;
  base::VirtualClock clock(loop);
  base::BlockingPool pool(loop, clock, 1);
  base::Gate gate(loop);
  const TestAuthority authority("ca");
  const Identity identity = authority.issue("server", {"IP:127.0.0.1"});
  ServerOptions options;
  options.certificate_pem = identity.certificate_pem;
  options.key_pem = identity.key_pem;
  TestServer server(loop, options, [](const ServerRequest&) {
    ServerAnswer answer;
    answer.open = true;
    answer.body = "event";
    return answer;
  });
  Endpoint endpoint;
  endpoint.host = "127.0.0.1";
  endpoint.port = std::to_string(server.port());
  endpoint.ca_pem = authority.pem();
  TestCredentials credentials;
  HttpTransport transport(loop, clock, pool, endpoint, credentials, "", base::Logger());
  using Opened = Result<std::unique_ptr<HttpStream>>;
  auto opened = later<Opened>();
  base::spawn(gate, "open", keep<Opened>(transport.open(get("/watch"), 1h), opened));
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return opened->has_value(); }));
  ASSERT_TRUE((*opened)->ok());
  auto first = later<Result<std::string>>();
  base::spawn(gate, "read", keep<Result<std::string>>((***opened)->read(), first));
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return first->has_value(); }));
  server.freeze();
  auto piece = later<Result<std::string>>();
  base::spawn(gate, "read", keep<Result<std::string>>((***opened)->read(), piece));
  clock.advance(7999ms);
  EXPECT_FALSE(piece->has_value());
  clock.advance(2ms);
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return piece->has_value(); }));
  EXPECT_FALSE((*piece)->ok());
  bool done = false;
  base::spawn(gate, "stop", base::testing::await_stop(&gate, &done));
  base::Gate last(loop);
  base::spawn(last, "stop", transport.stop());
  base::spawn(last, "stop", server.stop());
  ASSERT_TRUE(base::testing::pump_until(loop, [&] { return last.tasks() == 0 && gate.tasks() <= 1; }));
}

TEST_F(HttpStreams, Http1HasAConnectionPerStreamAndKeepsFewIdle) {
  HttpTransportOptions options;
  options.idle_http1 = 3;
  start(250, options, false);
  begin_watches(12);
  ASSERT_TRUE(until([this] { return opened() == 12; }));
  EXPECT_EQ(transport->stats().connections, 12u);
  for (std::size_t i = 1; i <= 12; ++i) server->finish("/watch/" + std::to_string(i));
  for (auto& watch : watches) {
    EXPECT_EQ(*read(****watch), "event");
    EXPECT_EQ(*read(****watch), "");
  }
  EXPECT_TRUE(until([this] { return transport->stats().connections == 3; }));
  ASSERT_TRUE(send(get("/short")).ok());
  EXPECT_LE(server->accepted(), 13u);
  transport->close_idle();
  EXPECT_EQ(transport->stats().connections, 0u);
}

TEST_F(HttpStreams, Http1ServerThatClosesIdleConnectionsUnderOurFeet) {
  ServerOptions options;
  options.http2 = false;
  options.no_keep = true;
  serve(answer_to, options);
  connect();
  for (int i = 0; i < 20; ++i) {
    auto answer = send(get("/short"));
    ASSERT_TRUE(answer.ok()) << answer.error().to_string();
  }
}

}  // namespace
}  // namespace keelson::kube::testing
