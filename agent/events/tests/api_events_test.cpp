#include "agent/events/api_events.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/events/tee_recorder.hpp"
#include "agent/objects/tests/fake_server.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using testing::Cluster;
using testing::FakeServer;
using namespace std::chrono_literals;

kube::HttpResponse reply(int status, const std::string& body) {
  return {status, {{"content-type", "application/json"}}, body};
}

kube::HttpResponse refusal(int status, const std::string& reason) {
  return reply(status, json{{"kind", "Status"},
                            {"apiVersion", "v1"},
                            {"status", "Failure"},
                            {"reason", reason},
                            {"message", "no: " + reason},
                            {"code", status}}
                           .dump());
}

class ApiEventsTest : public ::testing::Test {
 protected:
  ApiEventsTest() {
    cluster.server.answer = [this](const FakeServer::Request& request) { return take(request); };
    events.start();
    cluster.drain();
  }
  ~ApiEventsTest() override {
    if (!stopped) cluster.run(events.stop());
  }

  // Stores events as an API server does.
  Result<kube::HttpResponse> take(const FakeServer::Request& request) {
    if (request.method == "POST") {
      json event = json::parse(request.body);
      stored[event.at("metadata").at("name")] = event;
      return reply(201, event.dump());
    }
    const std::string name = request.target.substr(request.target.rfind('/') + 1);
    if (stored.count(name) == 0) return refusal(404, "NotFound");
    stored[name].merge_patch(json::parse(request.body));
    return reply(200, stored[name].dump());
  }
  void record(const std::string& message) {
    api::Pod pod;
    pod.mutable_metadata()->set_name("p");
    pod.mutable_metadata()->set_namespace_("ns");
    pod.mutable_metadata()->set_uid("u1");
    pod.mutable_metadata()->set_resourceversion("77");
    events.record(pod, {true, "Failed", message, "spec.containers{c}"});
    cluster.drain();
  }
  std::size_t asked() const { return cluster.server.requests.size(); }

  Cluster cluster;
  std::map<std::string, json> stored;
  bool stopped = false;
  ApiEvents events{cluster.client, cluster.random, "n1", base::Logger()};
};

TEST_F(ApiEventsTest, CreatesAnEventAndThenCountsItUp) {
  record("a");
  ASSERT_EQ(asked(), 1u);
  EXPECT_EQ(cluster.server.requests[0].target, "/api/v1/namespaces/ns/events");
  const json created = json::parse(cluster.server.requests[0].body);
  EXPECT_EQ(created.at("involvedObject").at("fieldPath"), "spec.containers{c}");
  EXPECT_EQ(created.at("involvedObject").at("resourceVersion"), "77");
  EXPECT_EQ(created.at("source"), (json{{"component", "kubelet"}, {"host", "n1"}}));
  cluster.clock.advance(10s);
  record("a");
  ASSERT_EQ(asked(), 2u);
  EXPECT_EQ(cluster.server.requests[1].method, "PATCH");
  const std::string name = created.at("metadata").at("name");
  EXPECT_EQ(cluster.server.requests[1].target, "/api/v1/namespaces/ns/events/" + name);
  EXPECT_EQ(json::parse(cluster.server.requests[1].body),
            (json{{"count", 2}, {"lastTimestamp", "2026-01-01T00:00:10Z"}, {"message", "a"}}));
  EXPECT_EQ(events.sent(), 2u);
}

TEST_F(ApiEventsTest, TellsOfTheNodeInTheDefaultNamespace) {
  events.record_node(false, "Starting", "Starting kubelet.");
  cluster.drain();
  ASSERT_EQ(asked(), 1u);
  EXPECT_EQ(cluster.server.requests[0].target, "/api/v1/namespaces/default/events");
  const json created = json::parse(cluster.server.requests[0].body);
  EXPECT_EQ(created.at("involvedObject"), (json{{"kind", "Node"}, {"name", "n1"}, {"apiVersion", "v1"}}));
}

TEST_F(ApiEventsTest, AnEventOfTheNodeFoundAtAPodIsTheNodes) {
  events.record(api::Pod(), {true, "MissingClusterDNS", "none", {}, true});
  cluster.drain();
  ASSERT_EQ(asked(), 1u);
  EXPECT_EQ(cluster.server.requests[0].target, "/api/v1/namespaces/default/events");
  const json created = json::parse(cluster.server.requests[0].body);
  EXPECT_EQ(created.at("involvedObject").at("kind"), "Node");
  EXPECT_EQ(created.at("type"), "Warning");
}

TEST_F(ApiEventsTest, AnEventOfAnotherObjectFoundAtAPodIsThatObjects) {
  auto claim = std::make_shared<api::core::ObjectReference>();
  claim->set_kind("PersistentVolumeClaim");
  claim->set_namespace_("claims");
  claim->set_name("data");
  PodEvent event;
  event.reason = "FileSystemResizeSuccessful";
  event.of_object = claim;
  events.record(api::Pod(), event);
  cluster.drain();
  auto volume = std::make_shared<api::core::ObjectReference>();
  volume->set_kind("PersistentVolume");
  volume->set_name("pv-1");
  event.of_object = volume;
  events.record(api::Pod(), event);
  cluster.drain();
  ASSERT_EQ(asked(), 2u);
  EXPECT_EQ(cluster.server.requests[0].target, "/api/v1/namespaces/claims/events");
  EXPECT_EQ(json::parse(cluster.server.requests[0].body).at("involvedObject"),
            (json{{"kind", "PersistentVolumeClaim"}, {"namespace", "claims"}, {"name", "data"}}));
  EXPECT_EQ(cluster.server.requests[1].target, "/api/v1/namespaces/default/events") << "it has no namespace";
}

TEST_F(ApiEventsTest, CreatesAnewWhatHasExpiredInTheApi) {
  record("a");
  stored.clear();
  record("a");
  ASSERT_EQ(asked(), 3u);
  EXPECT_EQ(cluster.server.requests[2].method, "POST");
  EXPECT_EQ(json::parse(cluster.server.requests[2].body).at("count"), 2);
}

TEST_F(ApiEventsTest, TriesTwelveTimesWhenTheServerIsOutOfReach) {
  cluster.server.answer = [](const auto&) { return Error(ErrorKind::maybe_applied, "connection reset"); };
  record("a");
  const auto first = cluster.server.requests.at(0).at;
  cluster.clock.advance(10min);
  ASSERT_EQ(asked(), 12u);
  EXPECT_LT(cluster.server.requests[1].at - first, 10s) << "the first wait is random";
  for (int i = 2; i < 12; ++i) EXPECT_EQ(cluster.server.requests[i].at - cluster.server.requests[i - 1].at, 10s) << i;
  EXPECT_EQ(events.dropped(), 1u);
}

TEST_F(ApiEventsTest, SendsWhatWaitedInOrderOnceTheServerIsBack) {
  bool down = true;
  cluster.server.answer = [&](const FakeServer::Request& request) -> Result<kube::HttpResponse> {
    if (down) return Error(ErrorKind::maybe_applied, "connection reset");
    return take(request);
  };
  for (const char* message : {"a", "b", "c"}) record(message);
  cluster.clock.advance(30s);
  EXPECT_EQ(events.queued(), 2u) << "one after another";
  down = false;
  cluster.server.requests.clear();
  cluster.clock.advance(10s);
  ASSERT_EQ(asked(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(json::parse(cluster.server.requests[i].body).at("message"), std::string(1, static_cast<char>('a' + i)));
  }
}

TEST_F(ApiEventsTest, DoesNotRepeatWhatTheServerRefuses) {
  for (const auto& [status, reason] : std::vector<std::pair<int, std::string>>{
           {403, "Forbidden"}, {409, "AlreadyExists"}, {422, "Invalid"}, {500, "InternalError"}}) {
    cluster.server.requests.clear();
    cluster.server.answer = [status = status, reason = reason](const auto&) { return refusal(status, reason); };
    record(reason);
    cluster.clock.advance(5min);
    EXPECT_EQ(asked(), 1u) << reason;
  }
  EXPECT_EQ(events.dropped(), 4u);
  cluster.server.answer = [this](const FakeServer::Request& request) { return take(request); };
  record("next");
  EXPECT_EQ(events.sent(), 1u) << "what comes after is sent";
}

TEST_F(ApiEventsTest, DropsBeyondAThousandInTheQueue) {
  cluster.server.answer = [](const auto&) { return Error(ErrorKind::maybe_applied, "connection reset"); };
  record("in progress");
  for (int i = 0; i < 1003; ++i) record("m" + std::to_string(i));
  EXPECT_EQ(events.queued(), 1000u);
  EXPECT_EQ(events.dropped(), 3u);
}

TEST_F(ApiEventsTest, DropsWhatTheSpamFilterHoldsBack) {
  for (int i = 0; i < 40; ++i) record("a");
  EXPECT_EQ(asked(), 25u);
  EXPECT_EQ(events.dropped(), 15u);
}

TEST_F(ApiEventsTest, StopSendsWhatIsQueuedWithinASecond) {
  cluster.server.latency = 200ms;
  for (const char* message : {"a", "b", "c"}) record(message);
  stopped = true;
  cluster.run(events.stop());
  EXPECT_EQ(events.sent(), 3u);
  record("too late");
  EXPECT_EQ(events.queued(), 0u);
  EXPECT_EQ(events.dropped(), 1u);
}

TEST_F(ApiEventsTest, StopDoesNotWaitForAServerThatDoesNotAnswer) {
  cluster.server.latency = 1h;
  for (const char* message : {"a", "b"}) record(message);
  stopped = true;
  const auto before = cluster.clock.now();
  cluster.run(events.stop());
  EXPECT_LE(cluster.clock.now() - before, 1100ms);
  EXPECT_EQ(events.sent(), 0u);
  EXPECT_EQ(events.dropped(), 2u);
}

class Keeper final : public EventRecorder {
 public:
  std::vector<std::string> messages;
  void record(const api::Pod&, PodEvent event) override { messages.push_back(std::move(event.message)); }
};

TEST(TeeRecorder, TellsBoth) {
  Keeper first, second;
  TeeRecorder(first, second).record(api::Pod(), {false, "R", "m", ""});
  EXPECT_EQ(first.messages, std::vector<std::string>{"m"});
  EXPECT_EQ(second.messages, std::vector<std::string>{"m"});
}

}  // namespace
}  // namespace keelson::agent
