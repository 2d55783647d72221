// What a server may do on the wire, and what is made of it.
#include "cri-client/transport.hpp"

#include <gtest/gtest.h>

#include "cri-client/exchange.hpp"
#include "cri-client/proto/cri.pb.h"
#include "cri-client/tests/fixture.hpp"
#include "cri-client/tests/wire_server.hpp"

namespace keelson::cri {
namespace {

namespace pb = ::runtime::v1;
using namespace std::chrono_literals;

constexpr const char* kMethod = "/runtime.v1.RuntimeService/StartContainer";
constexpr const char* kEvents = "/runtime.v1.RuntimeService/GetContainerEvents";

std::shared_ptr<Exchange<pb::VersionRequest, pb::VersionResponse>> version() { return KEELSON_EXCHANGE(Version); }

std::string message(const std::string& text) {
  pb::VersionResponse out;
  out.set_version(text);
  return out.SerializeAsString();
}

std::string event(const std::string& id) {
  pb::ContainerEventResponse out;
  out.set_container_id(id);
  return out.SerializeAsString();
}

std::string shown(const Outcome& outcome) {
  return std::to_string(outcome.code) + (outcome.never_sent ? " unseen: " : ": ") + outcome.message;
}

// How a unary call of a server with this answer ends.
std::string ends(const WireAnswer& answer) {
  WireServer server([&](int, const std::string&, const std::string&) { return answer; });
  RealLoop real;
  Transport transport(real.loop, server.path());
  return shown(real.run(transport.unary(kMethod, version(), 20s)));
}

WireAnswer well(const std::string& text) {
  WireAnswer answer;
  answer.data = framed(message(text));
  return answer;
}

TEST(Transport, EndsAsTheServerSays) {
  WireAnswer answer = well("x");
  EXPECT_EQ(ends(answer), "0: ");
  answer.trailer_fields = {{"grpc-status", "5"}, {"grpc-message", "no container \"a%62c\"%20100%% %zz"}};
  EXPECT_EQ(ends(answer), "5: no container \"abc\" 100%% %zz");
  answer.trailer_fields = {{"grpc-status", "2"}, {"grpc-message", " exit status 32, output: "}};
  EXPECT_EQ(ends(answer), "2:  exit status 32, output: ") << "gRPC writes blanks as they are";
  for (const char* status : {"-1", "5x", ""}) {
    answer.trailer_fields = {{"grpc-status", status}};
    EXPECT_EQ(ends(answer), "2: ") << status;
  }
  answer = {};
  answer.only_headers = true;
  answer.headers.insert(answer.headers.end(), {{"grpc-status", "12"}, {"grpc-message", "unknown service"}});
  EXPECT_EQ(ends(answer), "12: unknown service");
}

TEST(Transport, WhatBreaksTheRulesOfGrpcFailsInOneLine) {
  WireAnswer answer;
  EXPECT_EQ(ends(answer), "13: cardinality violation: received no response message from non-server-streaming RPC");
  answer.data = framed(message("x")) + framed(message("y"));
  EXPECT_EQ(ends(answer), "13: cardinality violation: received a second message from a non-server-streaming RPC");
  answer.data = framed("\xff\xff");
  EXPECT_EQ(ends(answer), "13: grpc: failed to unmarshal the received message");
  answer.data = framed(message("x"));
  answer.data[0] = 1;
  EXPECT_EQ(ends(answer), "13: grpc: compressed flag set with identity or empty encoding");
  answer.data = framed(message("x")).substr(0, 6);
  EXPECT_EQ(ends(answer), "13: cardinality violation: received no response message from non-server-streaming RPC");
  answer.data = std::string("\0\x7f\xff\xff\xff", 5);
  EXPECT_EQ(ends(answer), "8: grpc: received message larger than max (2147483647 vs. 16777216)");
  answer = well("x");
  answer.trailers = false;
  EXPECT_EQ(ends(answer), "13: server closed the stream without sending trailers");
  answer = {};
  answer.only_headers = true;
  answer.headers = {{":status", "404"}, {"content-type", "text/html"}};
  EXPECT_EQ(ends(answer),
            "12: unexpected HTTP status code received from server: 404 (Not Found); transport: received unexpected "
            "content-type \"text/html\"");
  answer = {};
  answer.headers = {{":status", "502"}, {"content-type", "application/grpc"}};
  answer.data = "<html><body>down</body></html>";
  answer.trailers = false;
  EXPECT_EQ(ends(answer), "14: unexpected HTTP status code received from server: 502 (Bad Gateway)");
  answer.headers = {{":status", "200"}};
  EXPECT_EQ(
      ends(answer),
      "2: unexpected HTTP status code received from server: 200 (OK); malformed header: missing HTTP content-type");
  answer = {};
  answer.reset = 2;
  EXPECT_EQ(ends(answer), "13: stream terminated by RST_STREAM with error code: INTERNAL_ERROR");
  answer.reset = 8;
  EXPECT_EQ(ends(answer), "1: stream terminated by RST_STREAM with error code: CANCEL");
  answer = {};
  answer.hang_up = true;
  EXPECT_EQ(ends(answer), "14: error reading from server: EOF");
}

TEST(Transport, ACallThatTheServerHasNotSeenIsSentOnceMore) {
  const auto first = [](const WireAnswer& answer) {
    return [answer](int call, const std::string&, const std::string&) { return call == 0 ? answer : well("again"); };
  };
  WireAnswer refuses, leaves;
  refuses.reset = 7;
  leaves.go_away = true;
  for (const WireAnswer& answer : {refuses, leaves}) {
    WireServer server(first(answer));
    RealLoop real;
    Transport transport(real.loop, server.path());
    auto exchange = version();
    EXPECT_EQ(shown(real.run(transport.unary(kMethod, exchange, 20s))), "0: ");
    EXPECT_EQ(exchange->response.version(), "again");
    EXPECT_EQ(server.connections(), answer.go_away ? 2 : 1);
  }
  EXPECT_EQ(ends(refuses), "14 unseen: stream terminated by RST_STREAM with error code: REFUSED_STREAM");
}

TEST(Transport, AConnectionThatGoesBeforeItsFirstByteIsMadeAnewOnce) {
  WireServer server([](int, const std::string&, const std::string&) { return well("x"); });
  RealLoop real;
  Transport transport(real.loop, server.path());
  server.refuse(1);
  EXPECT_EQ(shown(real.run(transport.unary(kMethod, version(), 20s))), "0: ");
  EXPECT_EQ(server.connections(), 2);
  Transport other(real.loop, server.path());
  transport.stop();
  server.refuse(2);
  const std::string refused = shown(real.run(other.unary(kMethod, version(), 20s)));
  EXPECT_TRUE(refused.starts_with("14 unseen: connection error: desc = \"")) << refused;
  EXPECT_EQ(server.connections(), 4);
}

TEST(Transport, GoAwayLetsRunningCallsEndAndTheNextGetAnotherConnection) {
  WireServer server([](int, const std::string& path, const std::string&) {
    WireAnswer answer = well("x");
    if (path == kEvents) answer.go_away = true;
    return answer;
  });
  RealLoop real;
  Transport transport(real.loop, server.path());
  EXPECT_TRUE(real.run(transport.unary(kMethod, version(), 20s)).ok());
  EXPECT_EQ(shown(real.run(transport.read_stream(
                kEvents, std::make_shared<Exchange<pb::GetEventsRequest, pb::ContainerEventResponse>>(), 20s, [] {}))),
            "14 unseen: stream terminated by RST_STREAM with error code: REFUSED_STREAM");
  EXPECT_TRUE(real.run(transport.unary(kMethod, version(), 20s)).ok());
  EXPECT_EQ(server.connections(), 2);
}

TEST(Transport, CarriesLargeMessagesBothWays) {
  const std::string large(5 << 20, 'x');
  WireServer server([&](int, const std::string&, const std::string& request) {
    pb::VersionRequest asked;
    EXPECT_TRUE(asked.ParseFromString(request.substr(base::kGrpcPrefixSize)));
    return well(asked.version());
  });
  RealLoop real;
  Transport transport(real.loop, server.path());
  auto exchange = version();
  exchange->request.set_version(large);
  EXPECT_EQ(shown(real.run(transport.unary(kMethod, exchange, 20s))), "0: ");
  EXPECT_EQ(exchange->response.version(), large);
}

TEST(Transport, MessagesBeforeAStreamsEndAreHandedOver) {
  WireAnswer answer;
  for (int i = 0; i < 1000; ++i) answer.data += framed(event(std::to_string(i)));
  answer.data += std::string(2, '\0');  // of one that never comes whole
  answer.trailer_fields = {{"grpc-status", "14"}, {"grpc-message", "shutting down"}};
  WireServer server([&](int, const std::string&, const std::string&) { return answer; });
  RealLoop real;
  Transport transport(real.loop, server.path());
  auto exchange = std::make_shared<Exchange<pb::GetEventsRequest, pb::ContainerEventResponse>>();
  std::vector<std::string> seen;
  const auto outcome = real.run(transport.read_stream(kEvents, exchange, std::nullopt,
                                                      [&] { seen.push_back(exchange->response.container_id()); }));
  EXPECT_EQ(shown(outcome), "14: shutting down");
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_EQ(seen.back(), "999");
  answer.trailer_fields = {{"grpc-status", "0"}};
  EXPECT_EQ(shown(real.run(transport.read_stream(kEvents, exchange, std::nullopt, [] {}))), "13: unexpected EOF");
}

TEST(Transport, OfACallWhoseEndTheServerDoesNotTellNobodyKnowsWhatCame) {
  for (const bool resets : {true, false}) {
    WireAnswer answer;
    answer.reset = resets ? 2 : 0;
    answer.trailers = false;
    WireServer server([&](int, const std::string&, const std::string&) { return answer; });
    RealLoop real;
    Transport transport(real.loop, server.path());
    const Outcome outcome = real.run(transport.unary(kMethod, version(), 20s));
    EXPECT_TRUE(outcome.unsure);
    EXPECT_EQ(to_error(rpc::start_container, outcome).kind(), ErrorKind::maybe_applied);
    EXPECT_EQ(to_error(rpc::status, outcome).kind(), ErrorKind::internal);
  }
}

TEST(Transport, AThousandCallsShareOneConnection) {
  WireServer server([](int call, const std::string&, const std::string&) { return well(std::to_string(call)); });
  RealLoop real;
  Transport transport(real.loop, server.path());
  std::vector<std::shared_ptr<std::optional<Outcome>>> answers;
  for (int i = 0; i < 1000; ++i) answers.push_back(real.start(transport.unary(kMethod, version(), 20s)));
  EXPECT_TRUE(real.pump_until([&] { return answers.back()->has_value() && transport.running() == 0; }));
  for (const auto& answer : answers) EXPECT_EQ(shown(**answer), "0: ");
  EXPECT_EQ(server.connections(), 1);
}

// The server's clock may be the first to see that the time is over.
TEST(GrpcCall, OneThatIsCancelledAtItsDeadlineHasReachedIt) {
  RealLoop real;
  auto calls = std::make_shared<RunningCalls>(real.loop);
  GrpcCall call(calls, kMethod, framed(""), {GrpcCall::Shape::unary, std::chrono::steady_clock::now(), 1024});
  call.closed(base::kHttp2Cancel);
  EXPECT_EQ(shown(call.outcome()), "4: context deadline exceeded");
}

TEST(GrpcCall, FindsMessagesHoweverTheirBytesCome) {
  RealLoop real;
  const std::string data = framed(event("one")) + framed("") + framed(event("three"));
  for (std::size_t step = 1; step <= data.size(); ++step) {
    auto calls = std::make_shared<RunningCalls>(real.loop);
    GrpcCall call(calls, kEvents, framed(""), {GrpcCall::Shape::stream, std::nullopt, 1024});
    call.header(":status", "200");
    call.header("content-type", "application/grpc");
    std::vector<std::string> seen;
    pb::ContainerEventResponse next;
    for (std::size_t at = 0; at < data.size(); at += step) {
      call.data(std::string_view(data).substr(at, step));
      while (call.take(next)) seen.push_back(next.container_id());
    }
    EXPECT_EQ(seen, (std::vector<std::string>{"one", "", "three"})) << step;
    EXPECT_FALSE(call.done());
  }
}

}  // namespace
}  // namespace keelson::cri
