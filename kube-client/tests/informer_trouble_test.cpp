// What an informer does about a server in trouble.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "kube-client/tests/informer_bench.hpp"

namespace keelson::kube {
namespace {

using api::Pod;
using testing::Bench;
using testing::bookmark;
using testing::InformerBench;
using testing::kJsonAnswer;
using testing::pod;
using testing::status;
using namespace std::chrono_literals;
using Story = std::vector<std::string>;

struct Lines {
  std::vector<std::string> lines;
  base::Logger logger() {
    return base::Logger(std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                        [this](std::string_view line) { lines.emplace_back(line); }));
  }
  int count(const std::string& part) const {
    return static_cast<int>(std::count_if(
        lines.begin(), lines.end(), [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
};

TEST(InformerTrouble, IsRetriedForEverWithGrowingPauses) {
  InformerBench bench;
  bench.transport.handler = [](const HttpRequest&) {
    testing::Planned planned;
    planned.error = Error(ErrorKind::deadline_exceeded, "no route");
    return planned;
  };
  bench.informer.start(bench.gate);
  bench.advance(1h);
  const auto& seen = bench.transport.seen;
  ASSERT_GT(seen.size(), 60U);
  base::Duration expected = 800ms;
  for (std::size_t i = 1; i < seen.size(); ++i) {
    const base::Duration pause = seen[i].at - seen[i - 1].at;
    EXPECT_GE(pause, expected) << i;
    EXPECT_LE(pause, 2 * expected) << i;
    expected = std::min<base::Duration>(2 * expected, 30s);
  }
  EXPECT_EQ(bench.informer.problem(), "no route");
  EXPECT_FALSE(bench.informer.synced());
}

TEST(InformerTrouble, IsOverWithTheNextStream) {
  Lines lines;
  InformerBench bench(api::WireFormat::json, {}, lines.logger());
  auto stream = bench.begin({pod("a", "1")});
  for (int i = 0; i < 6; ++i) bench.transport.fail(ErrorKind::unavailable, "connection refused");
  auto next = bench.plan_stream();
  stream->cut();
  bench.pump();
  EXPECT_EQ(bench.informer.problem(), "connection refused");
  bench.advance(20s);
  EXPECT_EQ(bench.informer.problem(), "");
  EXPECT_TRUE(next->open());
  EXPECT_EQ(lines.count("connection refused"), 1) << "one line for one cause";
  EXPECT_EQ(lines.count("Watching again"), 1);
  EXPECT_EQ(bench.take_story(), (Story{"+ns/a@1", "synced"}));
}

TEST(InformerTrouble, IsLoggedAnewAfterAStreamThatLived) {
  Lines lines;
  InformerBench bench(api::WireFormat::json, {}, lines.logger());
  auto stream = bench.begin({});
  for (int outage = 1; outage <= 3; ++outage) {
    for (int i = 0; i < 4; ++i) bench.transport.fail(ErrorKind::unavailable, "connection refused");
    auto next = bench.plan_stream();
    std::exchange(stream, next)->cut();
    bench.advance(2min);
    EXPECT_TRUE(next->open());
    EXPECT_EQ(lines.count("connection refused"), outage);
    EXPECT_EQ(lines.count("Watching again"), outage);
  }
}

TEST(InformerTrouble, OfASecretThatMayNotBeReadYetPasses) {
  Bench bench;
  Informer<api::core::Secret> informer(
      bench.client, bench.random,
      {.ns = "ns", .field_selector = "metadata.name=s", .shortest = 1800s, .longest = 3600s}, base::Logger());
  bench.transport.answer(
      403, api::encode_json(status(403, "Forbidden", "no relationship found between node and this object")),
      kJsonAnswer);
  auto stream = bench.transport.stream();
  informer.start(bench.gate);
  bench.pump();
  EXPECT_EQ(informer.problem(), "no relationship found between node and this object");
  bench.advance(1600ms);
  ASSERT_EQ(bench.transport.seen.size(), 2U);
  EXPECT_THAT(
      bench.transport.target(1),
      ::testing::MatchesRegex("/api/v1/namespaces/ns/secrets\\?allowWatchBookmarks=true&fieldSelector=metadata\\.name"
                              "%3Ds&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeout=.*m.*s&"
                              "timeoutSeconds=[0-9]+&watch=true"));
  api::core::Secret secret;
  secret.mutable_metadata()->set_name("s");
  secret.mutable_metadata()->set_namespace_("ns");
  secret.mutable_metadata()->set_resourceversion("9");
  stream->send(api::encode_watch_event("ADDED", secret, api::WireFormat::json));
  api::core::Secret end;
  end.mutable_metadata()->set_resourceversion("10");
  (*end.mutable_metadata()->mutable_annotations())["k8s.io/initial-events-end"] = "true";
  stream->send(api::encode_watch_event("BOOKMARK", end, api::WireFormat::json));
  bench.pump();
  EXPECT_TRUE(informer.synced());
  EXPECT_NE(informer.find("ns/s"), nullptr);
  bench.stop();
}

TEST(InformerTrouble, OfASilentServerIsNoticedHalfAMinuteAfterTheStreamsTime) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "1")});
  const std::string target = bench.transport.target(0);
  const std::chrono::seconds length(std::stoi(target.substr(target.find("timeoutSeconds=") + 15)));
  bench.advance(length + 29s);
  EXPECT_TRUE(stream->open());
  auto next = bench.plan_stream();
  bench.advance(2s);
  EXPECT_FALSE(stream->open());
  EXPECT_THAT(bench.informer.problem(), ::testing::HasSubstr("said nothing"));
  bench.advance(2s);
  EXPECT_TRUE(next->open());
  EXPECT_EQ(bench.transport.seen.size(), 2U);
  EXPECT_EQ(bench.informer.problem(), "");
}

TEST(InformerTrouble, IsNotAStreamThatOutlivesItsTimeButTalks) {
  InformerBench bench;
  auto stream = bench.begin({pod("a", "1")});
  for (int i = 0; i < 100; ++i) {
    bench.advance(20s);
    bench.send(stream, "BOOKMARK", bookmark(std::to_string(200 + i)));
  }
  EXPECT_TRUE(stream->open());
  EXPECT_EQ(bench.transport.seen.size(), 1U);
}

TEST(InformerTrouble, EndsAtOnceTheFirstTimesAndThenBacksOff) {
  InformerBench bench;
  bench.begin({pod("a", "1")})->cut();
  std::vector<testing::StreamPtr> streams;
  for (int i = 0; i < 5; ++i) streams.push_back(bench.plan_stream());
  for (int i = 0; i < 5; ++i) {
    streams[i]->send(bench.event("BOOKMARK", bookmark(std::to_string(200 + i))));
    streams[i]->cut();
  }
  bench.pump();
  EXPECT_EQ(bench.transport.seen.size(), 4U);
  bench.advance(1600ms);
  EXPECT_EQ(bench.transport.seen.size(), 5U);
  EXPECT_EQ(bench.asked(4), "resume@202");
}

TEST(InformerTrouble, WithAFrameIsLoggedOnceAndTheWatchBeginsAgain) {
  Lines lines;
  InformerBench bench(api::WireFormat::json, {}, lines.logger());
  auto stream = bench.begin({pod("a", "1")});
  bench.send(stream, "MODIFIED", pod("a", "101"));
  bench.take_story();
  std::vector<testing::StreamPtr> next;
  for (int i = 0; i < 3; ++i) next.push_back(bench.plan_stream());
  const std::string bad = "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"spec\":7}}\n";
  stream->send(bad);
  bench.advance(2s);
  EXPECT_EQ(bench.asked(1), "resume@101");
  next[0]->send(bad);
  bench.advance(4s);
  EXPECT_EQ(bench.asked(2), "initial@101") << "the second time a set is asked for";
  EXPECT_EQ(lines.count("trying again"), 1);
  EXPECT_EQ(bench.held(), Story{"ns/a@101"}) << "what is known stays";
  bench.send(next[1], "ADDED", pod("a", "105"));
  bench.send(next[1], "BOOKMARK", bookmark("110", true));
  EXPECT_EQ(bench.take_story(), Story{"~ns/a@105 was 101"});
}

struct BadEvent {
  const char* name;
  std::string bytes;
};

TEST(InformerTrouble, WithAnyEventLeavesTheObjectsAsTheyAre) {
  api::core::Node node;
  node.mutable_metadata()->set_name("n");
  node.mutable_metadata()->set_resourceversion("300");
  const auto json = api::WireFormat::json;
  const BadEvent rows[] = {
      {"no JSON", "nonsense\n"},
      {"no object", "{\"type\":\"ADDED\"}\n"},
      {"another kind", api::encode_watch_event("MODIFIED", node, json)},
      {"an unknown kind", "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Foo\",\"apiVersion\":\"v9\"}}\n"},
      {"an error without a status", api::encode_watch_event("ERROR", node, json)},
      {"a nameless object", api::encode_watch_event("ADDED", bookmark("300"), json)},
      {"an internal error", api::encode_watch_event("ERROR", status(500, "InternalError", "etcd is gone"), json)},
  };
  for (const BadEvent& row : rows) {
    InformerBench bench;
    auto stream = bench.begin({pod("a", "1")});
    bench.take_story();
    auto next = bench.plan_stream();
    stream->send(row.bytes);
    bench.pump();
    EXPECT_NE(bench.informer.problem(), "") << row.name;
    EXPECT_FALSE(stream->open()) << row.name;
    bench.advance(1600ms);
    EXPECT_EQ(bench.asked(1), "resume@100") << row.name;
    EXPECT_EQ(bench.take_story(), Story()) << row.name;
    bench.send(next, "DELETED", pod("a", "301"));
    EXPECT_EQ(bench.take_story(), Story{"-ns/a@301"}) << row.name;
  }
}

TEST(InformerTrouble, IsNotAnEventOfAFutureType) {
  Lines lines;
  InformerBench bench(api::WireFormat::json, {}, lines.logger());
  auto stream = bench.begin({pod("a", "1")});
  bench.take_story();
  bench.send(stream, "RENAMED", pod("a", "101"));
  bench.send(stream, "MODIFIED", pod("a", "102"));
  EXPECT_EQ(bench.take_story(), Story{"~ns/a@102 was 1"});
  EXPECT_EQ(lines.count("RENAMED"), 1);
}

TEST(InformerTrouble, OfACutDuringTheInitialEventsBeginsThemAgain) {
  InformerBench bench;
  auto stream = bench.plan_stream();
  auto next = bench.plan_stream();
  bench.informer.start(bench.gate);
  bench.send(stream, "ADDED", pod("half", "1"));
  stream->cut();
  bench.pump();
  EXPECT_EQ(bench.asked(1), "initial@");
  bench.send(next, "ADDED", pod("whole", "2"));
  bench.send(next, "BOOKMARK", bookmark("3", true));
  EXPECT_EQ(bench.take_story(), (Story{"+ns/whole@2", "synced"}));
}

TEST(InformerTrouble, HundredsOfThemStartWithinTheRateLimit) {
  Bench bench;
  std::vector<std::unique_ptr<Informer<Pod>>> informers;
  std::vector<testing::StreamPtr> streams;
  for (int i = 0; i < 500; ++i) {
    streams.push_back(bench.transport.stream());
    streams.back()->send(api::encode_watch_event("ADDED", pod("p", "1"), api::WireFormat::json) +
                         api::encode_watch_event("BOOKMARK", bookmark("2", true), api::WireFormat::json));
    informers.push_back(std::make_unique<Informer<Pod>>(
        bench.client, bench.random, Selection{.field_selector = "metadata.name=" + std::to_string(i)}, base::Logger()));
    informers.back()->start(bench.gate);
  }
  bench.pump();
  EXPECT_EQ(bench.transport.seen.size(), 100U) << "the burst";
  bench.advance(8s);
  EXPECT_EQ(bench.transport.seen.size(), 500U) << "and fifty a second";
  for (const auto& informer : informers) EXPECT_TRUE(informer->synced() && informer->objects().size() == 1);
  bench.stop();
}

}  // namespace
}  // namespace keelson::kube
