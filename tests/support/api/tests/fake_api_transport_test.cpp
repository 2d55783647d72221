// Faults, and the transport on virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

namespace core = api::core;
using base::Task;
using namespace std::chrono_literals;

const std::string kPods = "/api/v1/namespaces/default/pods";

kube::HttpRequest get(const std::string& target) { return {"GET", target, {}, ""}; }

kube::HttpRequest post_pod(const std::string& name) {
  kube::HttpRequest out;
  out.method = "POST";
  out.target = kPods;
  out.headers = {{"content-type", "application/json"}};
  out.body = api::encode_json(ApiWorld::pod(name));
  return out;
}

using SendPlace = std::shared_ptr<std::optional<Result<kube::HttpResponse>>>;
using StreamPlace = std::shared_ptr<std::optional<Result<std::unique_ptr<kube::HttpStream>>>>;
using PiecePlace = std::shared_ptr<std::optional<Result<std::string>>>;

Task<void> send_one(kube::Transport* transport, kube::HttpRequest request, base::Duration limit, SendPlace place) {
  auto answer = co_await transport->send(std::move(request), limit);
  place->emplace(std::move(answer));
}
Task<void> open_one(kube::Transport* transport, kube::HttpRequest request, StreamPlace place) {
  auto answer = co_await transport->open(std::move(request), 10s);
  place->emplace(std::move(answer));
}
Task<void> read_one(kube::HttpStream* stream, PiecePlace place) {
  auto piece = co_await stream->read();
  place->emplace(std::move(piece));
}

struct Line : ApiWorld {
  SendPlace send(kube::HttpRequest request, base::Duration limit = 10s) {
    auto place = std::make_shared<std::optional<Result<kube::HttpResponse>>>();
    base::spawn(gate, "send", send_one(&transport, std::move(request), limit, place));
    settle();
    return place;
  }
  std::unique_ptr<kube::HttpStream> open(const std::string& target) {
    auto place = std::make_shared<std::optional<Result<std::unique_ptr<kube::HttpStream>>>>();
    base::spawn(gate, "open", open_one(&transport, get(target), place));
    settle();
    if (!place->has_value() || !(*place)->ok()) return nullptr;
    return std::move(***place);
  }
  PiecePlace read(kube::HttpStream& stream) {
    auto place = std::make_shared<std::optional<Result<std::string>>>();
    base::spawn(gate, "read", read_one(&stream, place));
    settle();
    return place;
  }
  bool has_pod(const std::string& name) { return api->get<api::Pod>("default", name).has_value(); }

  FakeApiTransport transport{*api, clock, kAdmin};
};

ApiFault fault(const std::string& method) {
  ApiFault out;
  out.method = method;
  out.path_prefix = "/api/v1/";
  return out;
}

TEST(FakeApiTransport, CarriesRequestsAndAnswers) {
  Line line;
  const auto made = line.send(post_pod("x"));
  ASSERT_TRUE(made->has_value());
  ASSERT_TRUE((*made)->ok());
  EXPECT_EQ((**made)->status, 201);
  const auto found = line.send(get(kPods + "/x"));
  EXPECT_EQ((**found)->status, 200);
  EXPECT_EQ(json::parse((**found)->body)["metadata"]["name"], "x");
  EXPECT_EQ(line.api->log().back().user, "admin");
}

TEST(FakeApiTransport, StreamsAWatchPieceByPiece) {
  Line line;
  const auto stream = line.open("/api/v1/pods?watch=true");
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->status(), 200);
  const auto piece = line.read(*stream);
  EXPECT_FALSE(piece->has_value());
  ASSERT_TRUE(line.api->create(ApiWorld::pod("x")).ok());
  line.settle();
  ASSERT_TRUE(piece->has_value());
  EXPECT_EQ(json::parse(***piece)["type"], "ADDED");
  const auto end = line.read(*stream);
  line.api->cut_watches();
  line.settle();
  ASSERT_TRUE(end->has_value());
  EXPECT_EQ(***end, "");
}

TEST(FakeApiTransport, TakesTheLatencyOfTheServer) {
  Line line;
  ApiFault slow = fault("GET");
  slow.latency = 3s;
  line.api->add_fault(slow);
  const auto answer = line.send(get(kPods));
  line.clock.advance(2s);
  EXPECT_FALSE(answer->has_value());
  line.clock.advance(1s);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((**answer)->status, 200);
}

TEST(FakeApiTransport, AHangingRequestEndsByItsLimit) {
  Line line;
  ApiFault hang = fault("");
  hang.hang = true;
  line.api->add_fault(hang);
  const auto answer = line.send(get(kPods), 10s);
  line.clock.advance(9s);
  EXPECT_FALSE(answer->has_value());
  line.clock.advance(1s);
  ASSERT_TRUE(answer->has_value());
  ASSERT_FALSE((*answer)->ok());
  EXPECT_EQ((*answer)->error().kind(), ErrorKind::deadline_exceeded);
}

TEST(FakeApiTransport, AResetLeavesItOpenWhetherTheRequestTookEffect) {
  for (const bool after : {false, true}) {
    Line line;
    ApiFault reset = fault("POST");
    reset.reset = true;
    reset.after_effect = after;
    line.api->add_fault(reset);
    const auto answer = line.send(post_pod("x"));
    ASSERT_TRUE(answer->has_value());
    ASSERT_FALSE((*answer)->ok());
    EXPECT_EQ((*answer)->error().kind(), ErrorKind::maybe_applied);
    EXPECT_EQ(line.has_pod("x"), after);
    EXPECT_TRUE((*line.send(post_pod("y")))->ok()) << "the fault was for one request";
  }
}

TEST(FakeApiFaults, AnswerWithTheirStatusBeforeOrAfterTheEffect) {
  for (const bool after : {false, true}) {
    ApiWorld world;
    ApiFault busy = fault("POST");
    busy.status = 429;
    busy.retry_after = 7;
    busy.after_effect = after;
    world.api->add_fault(busy);
    const Reply reply = world.ask(kAdmin, "POST", kPods, api::encode_json(ApiWorld::pod("x")));
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.reason(), "TooManyRequests");
    EXPECT_EQ(reply.body["details"]["retryAfterSeconds"], 7);
    ASSERT_NE(kube::find_header(reply.headers, "retry-after"), nullptr);
    EXPECT_EQ(*kube::find_header(reply.headers, "retry-after"), "7");
    EXPECT_EQ(world.api->get<api::Pod>("default", "x").has_value(), after);
  }
}

TEST(FakeApiFaults, StayUntilTheyAreRemovedWhenTheyHaveNoEnd) {
  ApiWorld world;
  ApiFault broken = fault("GET");
  broken.path_contains = "/pods";
  broken.status = 503;
  broken.times = -1;
  broken.id = "outage";
  world.api->add_fault(broken);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(world.ask(kAdmin, "GET", kPods).status, 503);
  EXPECT_EQ(world.ask(kAdmin, "GET", "/api/v1/nodes").status, 200);
  world.api->remove_fault("outage");
  EXPECT_EQ(world.ask(kAdmin, "GET", kPods).status, 200);
}

TEST(FakeApiFaults, AStaleReadSeesTheStateBeforeTheLastChange) {
  ApiWorld world;
  auto pod = *world.api->create(ApiWorld::pod("x"));
  pod.mutable_status()->set_phase("Running");
  ASSERT_TRUE(world.api->update_status(pod).ok());
  ApiFault stale = fault("GET");
  stale.stale = true;
  stale.times = 2;
  world.api->add_fault(stale);
  EXPECT_EQ(world.ask(kAdmin, "GET", kPods + "/x").body["status"]["phase"], "Pending");
  EXPECT_EQ(world.ask(kAdmin, "GET", kPods).body["items"][0]["status"]["phase"], "Pending");
  EXPECT_EQ(world.ask(kAdmin, "GET", kPods + "/x").body["status"]["phase"], "Running");
}

TEST(FakeApiTransport, HalfABodyIsABrokenConnection) {
  Line line;
  ApiFault half = fault("");
  half.half_body = true;
  line.api->add_fault(half);
  const auto answer = line.send(get(kPods));
  ASSERT_TRUE(answer->has_value());
  ASSERT_FALSE((*answer)->ok());
  EXPECT_EQ((*answer)->error().kind(), ErrorKind::maybe_applied);

  line.api->add_fault(half);
  const auto stream = line.open("/api/v1/nodes?watch=true");
  ASSERT_NE(stream, nullptr);
  const auto piece = line.read(*stream);
  ASSERT_TRUE(line.api->create(ApiWorld::node("n")).ok());
  line.settle();
  ASSERT_TRUE(piece->has_value());
  EXPECT_FALSE((***piece).ends_with('\n')) << "half a frame";
  const auto rest = line.read(*stream);
  ASSERT_TRUE(rest->has_value());
  EXPECT_EQ((*rest)->error().kind(), ErrorKind::unavailable);
}

TEST(FakeApiTransport, AServerThatIsDownRefusesAndCutsWhatIsOpen) {
  Line line;
  const auto stream = line.open("/api/v1/pods?watch=true");
  ASSERT_NE(stream, nullptr);
  const auto piece = line.read(*stream);
  ApiFault hang = fault("");
  hang.hang = true;
  line.api->add_fault(hang);
  const auto pending = line.send(get(kPods));
  line.transport.set_down(true);
  line.settle();
  ASSERT_TRUE(piece->has_value());
  EXPECT_EQ((*piece)->error().kind(), ErrorKind::unavailable);
  ASSERT_TRUE(pending->has_value());
  EXPECT_EQ((*pending)->error().kind(), ErrorKind::maybe_applied);
  const auto refused = line.send(get(kPods));
  ASSERT_TRUE(refused->has_value());
  EXPECT_EQ((*refused)->error().kind(), ErrorKind::unavailable);
  EXPECT_EQ(line.open(kPods), nullptr);
  line.transport.set_down(false);
  EXPECT_TRUE((*line.send(get(kPods)))->ok());
}

TEST(FakeApiTransport, ClosingAllCutsWhatIsOpenButNotTheServer) {
  Line line;
  const auto stream = line.open("/api/v1/pods?watch=true");
  const auto piece = line.read(*stream);
  line.transport.close_all();
  line.settle();
  ASSERT_TRUE(piece->has_value());
  EXPECT_FALSE((*piece)->ok());
  EXPECT_TRUE((*line.send(get(kPods)))->ok());
}

}  // namespace
}  // namespace keelson::fakes::testing
