#include "agent/events/event_correlator.hpp"

#include <gtest/gtest.h>

#include "agent/events/event_object.hpp"
#include "api/time.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;

class Correlator : public ::testing::Test {
 protected:
  base::Random random{7};
  EventCorrelator correlator{random};
  base::SystemTime now{std::chrono::seconds(1'767'225'600)};
  base::SteadyTime steady{};

  void advance(base::Duration duration) {
    now += std::chrono::duration_cast<base::SystemTime::duration>(duration);
    steady += duration;
  }
  api::core::Event event(const std::string& message, const std::string& pod = "p", const std::string& field = "",
                         bool warning = true, const std::string& reason = "Failed") {
    api::core::ObjectReference object;
    object.set_kind("Pod");
    object.set_apiversion("v1");
    object.set_namespace_("ns");
    object.set_name(pod);
    object.set_uid("uid-" + pod);
    object.set_fieldpath(field);
    return make_event(object, {warning, reason, message}, "n1", now, random);
  }
  CorrelatedEvent correlate(const api::core::Event& event) { return correlator.correlate(event, now, steady); }
};

TEST_F(Correlator, CreatesWhatItSeesFirst) {
  const auto first = event("a");
  const auto out = correlate(first);
  EXPECT_FALSE(out.dropped);
  EXPECT_EQ(out.patch, "");
  EXPECT_EQ(out.event.SerializeAsString(), first.SerializeAsString());
}

TEST_F(Correlator, CountsUpWhatItKnows) {
  const auto first = correlate(event("a"));
  advance(65s);
  const auto second = correlate(event("a"));
  EXPECT_EQ(second.patch, "{\"count\":2,\"lastTimestamp\":\"2026-01-01T00:01:05Z\",\"message\":\"a\"}");
  EXPECT_EQ(second.event.metadata().name(), first.event.metadata().name());
  EXPECT_EQ(api::format_time(second.event.firsttimestamp()), "2026-01-01T00:00:00Z");
  EXPECT_EQ(second.event.count(), 2);
  advance(1h);
  EXPECT_EQ(correlate(event("a")).event.count(), 3);
}

TEST_F(Correlator, KeepsApartWhatDiffersInAnyField) {
  correlate(event("a"));
  EXPECT_EQ(correlate(event("b")).patch, "");
  EXPECT_EQ(correlate(event("a", "q")).patch, "");
  EXPECT_EQ(correlate(event("a", "p", "spec.containers{c}")).patch, "");
  EXPECT_EQ(correlate(event("a", "p", "", false)).patch, "");
  EXPECT_EQ(correlate(event("a", "p", "", true, "Other")).patch, "");
}

TEST_F(Correlator, GoesOnFromWhatTheServerAnswered) {
  auto answer = correlate(event("a")).event;
  answer.set_count(7);
  answer.mutable_metadata()->set_name("given");
  correlator.sent(answer);
  const auto next = correlate(event("a"));
  EXPECT_EQ(next.event.metadata().name(), "given");
  EXPECT_EQ(next.event.count(), 8);
}

TEST_F(Correlator, CombinesFromTheTenthDistinctMessageOn) {
  for (int i = 1; i <= 9; ++i) {
    const auto out = correlate(event("m" + std::to_string(i)));
    EXPECT_EQ(out.event.message(), "m" + std::to_string(i));
    advance(1s);
  }
  const auto tenth = correlate(event("m10", "p", "spec.containers{c}"));
  EXPECT_EQ(tenth.event.message(), "(combined from similar events): m10");
  EXPECT_EQ(tenth.event.involvedobject().fieldpath(), "spec.containers{c}");
  EXPECT_EQ(tenth.patch, "");
  EXPECT_EQ(tenth.event.count(), 1);
  advance(1s);
  const auto next = correlate(event("m11"));
  EXPECT_EQ(next.event.count(), 2);
  EXPECT_EQ(next.event.metadata().name(), tenth.event.metadata().name());
  EXPECT_NE(next.patch.find("(combined from similar events): m11"), std::string::npos);
  // One of those that made it full still counts by itself.
  EXPECT_NE(correlate(event("m3")).patch.find("\"message\":\"m3\""), std::string::npos);
}

TEST_F(Correlator, CombinesOnlyWithinTenMinutes) {
  for (int i = 1; i <= 9; ++i) correlate(event("m" + std::to_string(i)));
  advance(600s);
  EXPECT_EQ(correlate(event("m1")).event.message(), "m1");  // which keeps the group alive
  advance(600s);
  EXPECT_NE(correlate(event("m10")).event.message(), "m10");
  advance(601s);
  EXPECT_EQ(correlate(event("m11")).event.message(), "m11");
}

TEST_F(Correlator, SameMessagesAreNeverCombined) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(correlate(event("a")).event.message(), "a");
}

TEST_F(Correlator, LetsTwentyFivePassAndThenOneEveryFiveMinutes) {
  for (int i = 0; i < 25; ++i) EXPECT_FALSE(correlate(event("a", "p", "f" + std::to_string(i))).dropped) << i;
  EXPECT_TRUE(correlate(event("a", "p", "g")).dropped);
  // Other objects and types have their own.
  EXPECT_FALSE(correlate(event("a", "q")).dropped);
  EXPECT_FALSE(correlate(event("a", "p", "", false)).dropped);
  advance(299s);
  EXPECT_TRUE(correlate(event("a")).dropped);
  advance(2s);
  const auto passed = correlate(event("a"));
  EXPECT_FALSE(passed.dropped);
  EXPECT_EQ(passed.event.count(), 2) << "what was dropped is counted";
  EXPECT_NE(passed.patch, "");
  EXPECT_TRUE(correlate(event("a")).dropped);
}

TEST_F(Correlator, ForgetsTheOldestKeysBeyondItsLimit) {
  EventCorrelator small(random, {.cache = 2});
  small.correlate(event("a", "p1"), now, steady);
  small.correlate(event("a", "p2"), now, steady);
  EXPECT_NE(small.correlate(event("a", "p1"), now, steady).patch, "");
  small.correlate(event("a", "p3"), now, steady);
  EXPECT_NE(small.correlate(event("a", "p1"), now, steady).patch, "") << "was used last";
  EXPECT_EQ(small.correlate(event("a", "p2"), now, steady).patch, "");
}

}  // namespace
}  // namespace keelson::agent
