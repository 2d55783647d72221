// The PLEG with a stream of the runtime's events: when it looks, and when it does not. Source: contract 02 §12.
#include <gtest/gtest.h>

#include "pleg/tests/pleg_fixture.hpp"

namespace keelson::pleg {
namespace {

using namespace std::chrono_literals;

TEST_F(PlegTest, WithEventsItListsOnlyEveryFiveMinutes) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  start();
  take();
  clock.advance(5s);
  EXPECT_TRUE(pleg->evented());
  EXPECT_EQ(pleg->metrics().connection_success, 1u);
  const int before = runtime.lists;
  clock.advance(299s);
  EXPECT_EQ(runtime.lists, before);
  runtime.set("a", "c1", State::exited);
  runtime.send("a", "c1");
  clock.advance(0s);
  EXPECT_EQ(take(), Told{"a ContainerDied c1"}) << "told by the event, at once";
  EXPECT_EQ(runtime.lists, before);
  runtime.set("a", "c1", State::running);  // an event that got lost
  clock.advance(2s);
  EXPECT_EQ(runtime.lists, before + 1);
  EXPECT_EQ(take(), Told{"a ContainerStarted c1"}) << "the safety net";
  clock.advance(9min);
  EXPECT_TRUE(pleg->healthy().ok()) << "the threshold is ten minutes";
}

TEST_F(PlegTest, ItsFirstEventShowsThatTheStreamStands) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  start();
  EXPECT_FALSE(pleg->evented());
  runtime.send("a", "c1");
  EXPECT_TRUE(pleg->evented());
}

TEST_F(PlegTest, TheTimeThatEventsTakeIsCounted) {
  runtime.stream_error.reset();
  start();
  runtime.send("a", "c1");
  EXPECT_EQ(pleg->metrics().event_latency.count, 0u) << "this runtime does not say when it was";
  const base::Duration now = clock.now().time_since_epoch();
  runtime.event_made_at = (now - base::Duration(20ms)).count();
  runtime.send("a", "c1");
  runtime.event_made_at = (now + base::Duration(1h)).count();
  runtime.send("a", "c1");
  EXPECT_EQ(pleg->metrics().event_latency.count, 2u);
  EXPECT_DOUBLE_EQ(pleg->metrics().event_latency.sum, .02) << "one of the future took no time";
}

// Started by the agent, mostly, which looks at its pod itself.
TEST_F(PlegTest, EventsThatTellNoEndWaitForCompany) {
  runtime.stream_error.reset();
  start();
  clock.advance(10s);
  for (const RuntimeEventType type : {RuntimeEventType::created, RuntimeEventType::started}) {
    runtime.set("a", "s1", State::running);
    runtime.send("a", "s1", type);
    clock.advance(20ms);
    runtime.set("a", "c1", State::running);
    runtime.send("a", "c1", type);
    clock.advance(20ms);
  }
  EXPECT_EQ(runtime.pod_lists, 0);
  EXPECT_FALSE(pleg->settled());
  clock.advance(1s);
  EXPECT_EQ(runtime.pod_lists, 1) << "four events are one look";
  EXPECT_EQ(take(), (Told{"a ContainerStarted c1", "a ContainerStarted s1"}));
  EXPECT_TRUE(pleg->settled());
}

TEST_F(PlegTest, AnEventIsNothingNewToWhoHasLookedSince) {
  runtime.stream_error.reset();
  start();
  clock.advance(10s);
  runtime.set("a", "c1", State::running);
  runtime.send("a", "c1", RuntimeEventType::started);
  clock.advance(10ms);
  pleg->request_relist("a");
  clock.advance(2s);
  EXPECT_EQ(runtime.pod_lists, 1);
  EXPECT_EQ(take(), Told{"a ContainerStarted c1"});
  runtime.items.clear();
  runtime.send("a", "c1", RuntimeEventType::deleted);
  clock.advance(2s);
  EXPECT_EQ(runtime.pod_lists, 2);
  EXPECT_EQ(take(), (Told{"a ContainerDied c1", "a ContainerRemoved c1"}));
  EXPECT_FALSE(pleg->latest("a").has_value()) << "its record has gone, too";
}

TEST_F(PlegTest, ManyEndsOfOnePodAreLookedAtEveryFiftyMilliseconds) {
  runtime.stream_error.reset();
  for (int i = 0; i < 8; ++i) runtime.set("a", "c" + std::to_string(i), State::running);
  start();
  clock.advance(10s);
  take();
  runtime.pod_lists = 0;
  for (int i = 0; i < 8; ++i) {
    runtime.set("a", "c" + std::to_string(i), State::exited);
    runtime.send("a", "c" + std::to_string(i));
    clock.advance(10ms);
    EXPECT_EQ(take().size(), i == 0 ? 1u : i == 4 ? 4u : 0u) << i;
  }
  clock.advance(50ms);
  EXPECT_EQ(take().size(), 3u);
  EXPECT_EQ(runtime.pod_lists, 3);
}

TEST_F(PlegTest, AnEndIsNotKeptWaitingByAStart) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  runtime.set("a", "c2", State::created);
  start();
  clock.advance(10s);
  take();
  runtime.set("a", "c2", State::running);
  runtime.send("a", "c2", RuntimeEventType::started);
  clock.advance(10ms);
  runtime.set("a", "c1", State::exited);
  runtime.send("a", "c1");
  clock.advance(0s);
  EXPECT_EQ(take(), (Told{"a ContainerDied c1", "a ContainerStarted c2"}));
}

TEST_F(PlegTest, EndsOfAPodThatIsBeingEndedWaitForWhoEndsIt) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  runtime.set("b", "c2", State::running);
  start();
  pleg->when_ending([](const std::string& uid) { return uid == "a"; });
  clock.advance(10s);
  take();
  for (const char* pod : {"a", "b"}) {
    const std::string id = pod == std::string("a") ? "c1" : "c2";
    runtime.set(pod, id, State::exited);
    runtime.send(pod, id);
  }
  clock.advance(900ms);
  EXPECT_EQ(take(), Told{"b ContainerDied c2"});
  clock.advance(100ms);
  EXPECT_EQ(take(), Told{"a ContainerDied c1"}) << "nobody has looked: the event is not lost";
}

TEST_F(PlegTest, EventsWithoutAPodFindItByTheContainer) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  start();
  take();
  runtime.remove("c1");
  clock.advance(100ms);
  runtime.send("", "c1");
  runtime.send("", "never-seen");
  clock.advance(0s);
  EXPECT_EQ(take(), (Told{"a ContainerDied c1", "a ContainerRemoved c1"}));
}

TEST_F(PlegTest, ABrokenStreamMeansListingAtOnceAndEverySecondUntilItStandsAgain) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  start();
  clock.advance(200s);
  take();
  const int before = runtime.lists;
  runtime.stream_error = Error(ErrorKind::unavailable, "gone");
  runtime.set("a", "c1", State::exited);  // its event goes down with the stream
  runtime.break_stream();
  clock.advance(0s);
  EXPECT_FALSE(pleg->evented());
  EXPECT_EQ(take(), Told{"a ContainerDied c1"});
  EXPECT_EQ(runtime.lists, before + 1);
  clock.advance(3s);
  EXPECT_EQ(runtime.lists, before + 4);
  EXPECT_TRUE(pleg->healthy().ok());
  const int streams = runtime.streams;
  clock.advance(1min);
  EXPECT_LE(runtime.streams, streams + 2) << "after five errors it is left alone for a while";
  runtime.stream_error.reset();
  clock.advance(5min + 6s);
  EXPECT_TRUE(pleg->evented()) << "and tried again";
}

TEST_F(PlegTest, ARestartedRuntimeGetsItsStreamBackSoon) {
  runtime.stream_error.reset();
  start();
  clock.advance(10s);
  runtime.stream_error = runtime.list_error = Error(ErrorKind::unavailable, "restarting");
  runtime.break_stream();
  clock.advance(1min);
  runtime.stream_error.reset();
  runtime.list_error.reset();
  clock.advance(7s);
  EXPECT_TRUE(pleg->evented());
}

TEST_F(PlegTest, HealthIsNotBetterForAStreamThatFlapsWhileListingFails) {
  runtime.stream_error.reset();
  start();
  clock.advance(10s);
  runtime.list_error = Error(ErrorKind::internal, "broken");
  for (int i = 0; i < 30; ++i) {
    runtime.break_stream();
    clock.advance(10s);
  }
  runtime.break_stream();
  clock.advance(0s);
  EXPECT_FALSE(pleg->evented());
  EXPECT_FALSE(pleg->healthy().ok());
}

}  // namespace
}  // namespace keelson::pleg
