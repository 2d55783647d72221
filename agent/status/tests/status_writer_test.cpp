// StatusWriter on virtual time: what it asks the API server for, and when.
#include "agent/status/tests/status_writer_fixture.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using base::testing::drain;
using testing::FakePodApi;
using testing::kUnavailable;
using testing::parse_status;
using testing::Texts;
using StatusWriterTest = testing::StatusWriterTest;

TEST_F(StatusWriterTest, PatchesAtOnceWithoutReadingBefore) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(api.log, Texts{"PATCH n/a"});
  EXPECT_EQ(api.bodies, Texts{R"({"metadata":{"uid":"u-a"},"status":{"phase":"Running"}})"});
  EXPECT_EQ(written, Texts{"u-a ok"});
  EXPECT_EQ(last_latency, 0ns);
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, SendsNothingWhenTheApiKnows) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Pending"})");
  publish(p, R"({"phase":"Pending"})");
  EXPECT_TRUE(api.log.empty());
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, GoesOnFromItsOwnAnswerBeforeTheWatchTells) {
  const auto p = pod("a");
  watching = false;
  publish(p, R"({"phase":"Running"})");
  publish(p, R"({"phase":"Running","podIP":"1"})");
  EXPECT_EQ(api.bodies.back(), R"({"metadata":{"uid":"u-a"},"status":{"podIP":"1"}})");
  // What the watch tells later is older than the last answer and hides nothing.
  watching = true;
  writer->on_api_pod(p);
  publish(p, R"({"phase":"Running","podIP":"1","message":"m"})");
  EXPECT_EQ(api.bodies.back(), R"({"metadata":{"uid":"u-a"},"status":{"message":"m"}})");
  EXPECT_EQ(api.log.size(), 3u);
}

// A node of a hundred pods has each of them in memory as often as somebody holds on to it.
TEST_F(StatusWriterTest, KeepsNoOlderCopyOfAPodThanTheWatch) {
  auto first = pod("a");
  const std::weak_ptr<const api::Pod> kept = first;
  publish(first, R"({"phase":"Running"})");
  first.reset();
  EXPECT_TRUE(kept.expired()) << "its own patch came back by the watch";
  auto second = pod("a");
  publish(second, R"({"phase":"Running","podIP":"1"})");
  EXPECT_EQ(phase("a"), "Running") << "it goes on from the newer one";
}

TEST_F(StatusWriterTest, KeepsOneRequestPerPodAndSendsTheNewestAfterIt) {
  const auto p = pod("a");
  api.latency = 100ms;
  publish(p, R"({"phase":"Running","message":"1"})");
  publish(p, R"({"phase":"Running","message":"2"})");
  publish(p, R"({"phase":"Running","message":"3"})");
  EXPECT_EQ(api.log.size(), 1u);
  EXPECT_EQ(writer->pending(), 1u);
  clock.advance(100ms);
  EXPECT_EQ(api.log.size(), 2u);
  clock.advance(1s);
  EXPECT_EQ(api.log.size(), 2u);
  EXPECT_EQ(api.pods.at("n/a").status().message(), "3");
  EXPECT_EQ(api.most_in_flight, 1u);
}

TEST_F(StatusWriterTest, WritesPodsSideBySideUpToItsLimit) {
  StatusWriterOptions options;
  options.in_flight = 4;
  restart(options);
  api.latency = 100ms;
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 10; ++i) pods.push_back(pod("p" + std::to_string(i)));
  for (const auto& p : pods) publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(api.log.size(), 4u);
  EXPECT_EQ(writer->pending(), 10u);
  clock.advance(300ms);
  EXPECT_EQ(api.log.size(), 10u);
  EXPECT_EQ(api.most_in_flight, 4u);
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, LetsEndsAndReadinessGoFirst) {
  StatusWriterOptions options;
  options.in_flight = 1;
  restart(options);
  api.latency = 10ms;
  std::vector<api::PodPtr> pods;
  for (const char* name : {"first", "plain", "ready", "late", "ended"}) pods.push_back(pod(name));
  for (int i : {0, 1, 3}) publish(pods[i], R"({"phase":"Running"})");
  publish(pods[2], R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  publish(pods[4], R"({"phase":"Failed"})", false);
  // What waits already moves to the front when it becomes urgent.
  publish(pods[3], R"({"phase":"Succeeded"})", false);
  clock.advance(1s);
  EXPECT_EQ(api.log, (Texts{"PATCH n/first", "PATCH n/ready", "PATCH n/ended", "PATCH n/late", "PATCH n/plain"}));
}

TEST_F(StatusWriterTest, TriesAgainWithGrowingDelays) {
  const auto p = pod("a");
  api.faults["PATCH n/a"] = {kUnavailable, kUnavailable, kUnavailable};
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(api.log.size(), 1u);
  EXPECT_EQ(writer->pending(), 1u);
  clock.advance(199ms);
  EXPECT_EQ(api.log.size(), 1u);
  clock.advance(50ms);
  EXPECT_EQ(api.log.size(), 2u);
  // The newest is what is sent then.
  publish(p, R"({"phase":"Running","podIP":"1"})");
  clock.advance(399ms);
  EXPECT_EQ(api.log.size(), 2u);
  clock.advance(2s);
  EXPECT_EQ(api.log.size(), 4u);
  EXPECT_EQ(api.pods.at("n/a").status().podip(), "1");
  EXPECT_EQ(written, (Texts{"u-a failed", "u-a failed", "u-a failed", "u-a ok"}));
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, OutlastsAnHourWithoutApiServerAndSendsTheNewestOfEachPodAtItsReturn) {
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 20; ++i) pods.push_back(pod("p" + std::to_string(i)));
  api.down = true;
  for (const auto& p : pods) publish(p, R"({"phase":"Running"})");
  clock.advance(30min);
  for (const auto& p : pods) publish(p, R"({"phase":"Running","podIP":"1"})");
  clock.advance(30min);
  EXPECT_EQ(writer->pending(), 20u);
  const std::size_t tries = api.log.size();
  EXPECT_LT(tries, 20u + 3700 / 9) << "about one try in ten seconds";
  EXPECT_GT(tries, 20u + 3500 / 12);
  api.down = false;
  writer->api_is_back();
  drain(loop);
  EXPECT_EQ(api.log.size(), tries + 20);
  EXPECT_EQ(writer->pending(), 0u);
  for (const auto& p : pods) EXPECT_EQ(api.pods.at(FakePodApi::key_of(*p)).status().podip(), "1");
}

TEST_F(StatusWriterTest, TakesTheFirstSuccessAsASignForAll) {
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 5; ++i) pods.push_back(pod("p" + std::to_string(i)));
  api.down = true;
  for (const auto& p : pods) publish(p, R"({"phase":"Running"})");
  clock.advance(1min);
  api.down = false;
  const std::size_t tries = api.log.size();
  clock.advance(12s);
  EXPECT_EQ(writer->pending(), 0u);
  EXPECT_EQ(api.log.size(), tries + 5);
  // And nothing is held back from then on.
  const auto other = pod("other");
  publish(other, R"({"phase":"Running"})");
  EXPECT_EQ(phase("other"), "Running");
}

TEST_F(StatusWriterTest, SendsEndsFirstWhenTheServerIsBack) {
  StatusWriterOptions options;
  options.in_flight = 1;
  restart(options);
  api.down = true;
  const auto first = pod("first");
  const auto last = pod("last");
  const auto ended = pod("ended");
  for (const auto& p : {first, last}) publish(p, R"({"phase":"Running"})");
  clock.advance(1min);
  publish(ended, R"({"phase":"Failed"})", false);
  api.down = false;
  api.log.clear();
  clock.advance(12s);
  EXPECT_EQ(api.log.size(), 3u);
  EXPECT_EQ(api.log.front(), "PATCH n/ended");
}

TEST_F(StatusWriterTest, LooksForTheServerThoughThePodThatMissedItIsForgotten) {
  const auto p = pod("a");
  const auto q = pod("b");
  api.down = true;
  publish(p, R"({"phase":"Running"})");
  clock.advance(1min);
  writer->forget("u-a");
  clock.advance(1min);
  api.down = false;
  publish(q, R"({"phase":"Running"})");
  clock.advance(12s);
  EXPECT_EQ(phase("b"), "Running");
  EXPECT_EQ(phase("a"), "Pending");
}

TEST_F(StatusWriterTest, DoesNotLetOnePodThatHangsDelayTheOthers) {
  const auto stuck = pod("stuck");
  const auto fine = pod("fine");
  api.hangs = {"n/stuck"};
  publish(stuck, R"({"phase":"Running"})");
  publish(fine, R"({"phase":"Running"})");
  EXPECT_EQ(phase("fine"), "Running");
  EXPECT_EQ(phase("stuck"), "Pending");
  api.hangs.clear();
  clock.advance(16s);
  EXPECT_EQ(phase("stuck"), "Running");
}

TEST_F(StatusWriterTest, DropsTheStatusOfAPodThatIsGone) {
  const auto p = pod("a");
  watching = false;
  api.drop("n/a");
  publish(p, R"({"phase":"Running"})");
  publish(p, R"({"phase":"Running","podIP":"1"})");
  clock.advance(1min);
  EXPECT_EQ(api.log, Texts{"PATCH n/a"});
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, SendsNothingOfAPodThatTheWatchSawGo) {
  const auto p = pod("a");
  api.drop("n/a");
  publish(p, R"({"phase":"Running"})");
  writer->on_api_pod_removed("u-a");
  finish(p, R"({"phase":"Failed"})");
  EXPECT_LE(api.log.size(), 1u);
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, GoesOnWithAPodThatWasOnlyThoughtToBeGone) {
  const auto p = pod("a");
  api.down = true;
  publish(p, R"({"phase":"Running"})");
  writer->on_api_pod_removed("u-a");
  EXPECT_EQ(writer->pending(), 0u);
  clock.advance(1min);
  api.down = false;
  writer->on_api_pod(p);
  publish(p, R"({"phase":"Running","podIP":"1"})");
  clock.advance(12s);
  EXPECT_EQ(api.pods.at("n/a").status().podip(), "1");
}

TEST_F(StatusWriterTest, LooksAgainWhenTheUidIsAnotherOne) {
  const auto p = pod("a", "old");
  watching = false;
  pod("a", "new");
  publish(p, R"({"phase":"Running"})");
  clock.advance(1min);
  EXPECT_EQ(api.log, (Texts{"PATCH n/a", "GET n/a"}));
  EXPECT_EQ(phase("a"), "Pending") << "the new pod is not touched";
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, LooksAgainAfterAConflictAndGoesOn) {
  const auto p = pod("a");
  api.faults["PATCH n/a"] = {Error(ErrorKind::conflict, "modified", 409)};
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(api.log, (Texts{"PATCH n/a", "GET n/a"}));
  clock.advance(300ms);
  EXPECT_EQ(api.log, (Texts{"PATCH n/a", "GET n/a", "PATCH n/a"}));
  EXPECT_EQ(phase("a"), "Running");
}

TEST_F(StatusWriterTest, TakesARefusalForTheEndOnlyWhenTheWatchDoesNotKnowThePod) {
  const Error forbidden(ErrorKind::permission_denied, "not bound to this node", 403);
  const auto known = pod("known");
  watching = false;
  const auto unknown = pod("unknown");
  for (const char* name : {"known", "unknown"}) {
    api.faults[std::string("PATCH n/") + name] = {forbidden};
    api.faults[std::string("GET n/") + name] = {forbidden};
  }
  publish(known, R"({"phase":"Running"})");
  publish(unknown, R"({"phase":"Running"})");
  clock.advance(1s);
  EXPECT_EQ(phase("known"), "Running");
  EXPECT_EQ(phase("unknown"), "Pending");
  EXPECT_EQ(writer->pending(), 0u);
}

TEST_F(StatusWriterTest, HoldsBackTheEndWhileContainersMayRun) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Failed","reason":"Evicted"})", true);
  EXPECT_TRUE(api.log.empty());
  publish(p, R"({"phase":"Failed","reason":"Evicted"})", false);
  EXPECT_EQ(phase("a"), "Failed");
}

TEST_F(StatusWriterTest, CorrectsWhoChangesOurFieldsButNotWithoutPause) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running"})");
  const auto meddle = [&] {
    api::Pod other = api.pods.at("n/a");
    other.mutable_status()->set_phase("Pending");
    api.put(std::move(other));
    drain(loop);
  };
  meddle();
  EXPECT_EQ(phase("a"), "Running") << "the first time at once";
  EXPECT_EQ(api.log.size(), 2u);
  meddle();
  EXPECT_EQ(phase("a"), "Pending");
  clock.advance(1100ms);
  EXPECT_EQ(phase("a"), "Running");
  // Against somebody who never gives up the pauses grow.
  for (int i = 0; i < 600; ++i) {
    meddle();
    clock.advance(1s);
  }
  EXPECT_LT(api.log.size(), 25u);
  EXPECT_GT(api.log.size(), 10u);
  // A status of our own goes at once, whatever was waiting.
  meddle();
  publish(p, R"({"phase":"Running","podIP":"1"})");
  EXPECT_EQ(api.pods.at("n/a").status().podip(), "1");
}

// The watch is behind, so that its events are older than the answer.
TEST_F(StatusWriterTest, CorrectsWhatOnlyTheAnswerToItsPatchShows) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running","hostIP":"1"})");
  watching = false;
  api::Pod other = api.pods.at("n/a");
  other.mutable_status()->set_hostip("2");
  api.put(std::move(other));
  publish(p, R"({"phase":"Running","hostIP":"1","podIP":"3"})");
  EXPECT_EQ(api.pods.at("n/a").status().podip(), "3");
  EXPECT_EQ(api.pods.at("n/a").status().hostip(), "1");
  EXPECT_EQ(api.log.size(), 3u);
}

TEST_F(StatusWriterTest, DoesNotAnswerForeignConditions) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  api::Pod other = api.pods.at("n/a");
  other.mutable_status()->add_conditions()->set_type("example.com/gate");
  api.put(std::move(other));
  clock.advance(1min);
  EXPECT_EQ(api.log.size(), 1u);
}

TEST_F(StatusWriterTest, KnowsAfterARestartWhatTheApiWasTold) {
  const auto p = pod("a");
  EXPECT_EQ(writer->known_status("u-a")->phase(), "Pending");
  publish(p, R"({"phase":"Running"})");
  restart();
  ASSERT_TRUE(writer->known_status("u-a").has_value());
  EXPECT_EQ(writer->known_status("u-a")->phase(), "Running");
  EXPECT_EQ(writer->known_status(*p)->phase(), "Running");
  EXPECT_FALSE(writer->known_status("nobody").has_value());
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(api.log.size(), 1u) << "nothing is told twice";
}

// --- static pods ---

TEST_F(StatusWriterTest, WritesAStaticPodsStatusToItsMirror) {
  const auto p = static_pod("web", "h1");
  publish(p, R"({"phase":"Running"})");
  EXPECT_TRUE(api.log.empty());
  EXPECT_EQ(writer->pending(), 0u) << "it waits for a mirror";
  EXPECT_FALSE(writer->known_status(*p).has_value());

  api.put(mirror(p, "m1"));
  drain(loop);
  EXPECT_EQ(api.bodies, Texts{R"({"metadata":{"uid":"m1"},"status":{"phase":"Running"}})"});
  EXPECT_EQ(writer->known_status(*p)->phase(), "Running");

  // Made anew: the new one is told everything, without a pause.
  api.drop("n/web");
  api.put(mirror(p, "m2"));
  drain(loop);
  EXPECT_EQ(api.bodies.back(), R"({"metadata":{"uid":"m2"},"status":{"phase":"Running"}})");
  EXPECT_EQ(phase("web"), "Running");
}

TEST_F(StatusWriterTest, DoesNotWriteToTheMirrorOfAnotherManifestOrOneThatIsBeingDeleted) {
  const auto old = static_pod("web", "h1");
  api.put(mirror(old, "m1"));
  const auto p = static_pod("web", "h2");
  publish(p, R"({"phase":"Running"})");
  EXPECT_TRUE(api.log.empty());
  api.drop("n/web");
  api::Pod dying = mirror(p, "m2");
  dying.mutable_metadata()->mutable_deletiontimestamp()->set_seconds(1);
  api.put(std::move(dying));
  drain(loop);
  EXPECT_TRUE(api.log.empty());
}

TEST_F(StatusWriterTest, NeverDeletesAMirror) {
  const auto p = static_pod("web", "h1");
  api.put(mirror(p, "m1"));
  api.ask_deletion("n/web");
  finish(p, R"({"phase":"Failed"})");
  clock.advance(1min);
  EXPECT_TRUE(api.log.empty());
  // A mirror that vanishes under the request is no end of the static pod.
  const auto q = static_pod("other", "h1");
  api.put(mirror(q, "m2"));
  watching = false;
  api.drop("n/other");
  publish(q, R"({"phase":"Running"})");
  EXPECT_EQ(api.log, Texts{"PATCH n/other"});
  watching = true;
  api.put(mirror(q, "m3"));
  drain(loop);
  EXPECT_EQ(phase("other"), "Running");
}

}  // namespace
}  // namespace keelson::agent
