#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube-client/watch_plan.hpp"

namespace keelson::kube {
namespace {

using namespace std::chrono_literals;
using Step = WatchPlan::Step;
using End = WatchPlan::End;
using Round = WatchPlan::Round;

Error http(int code, const std::string& text = "no") {
  return Error(code >= 500 ? ErrorKind::unavailable : ErrorKind::invalid, text, code);
}
Error nonsense() { return Error(ErrorKind::invalid, "a frame that makes no sense"); }

Round round_of(End end, Error error, bool delivered = false, base::Duration lived = 0s) {
  return {end, std::move(error), delivered, lived};
}
Round failed(Error error, base::Duration lived = 0s) { return round_of(End::failed, std::move(error), false, lived); }

// A plan with a clock and the random numbers it needs.
struct Tried {
  WatchPlan plan;
  base::Random random{7};
  base::SteadyTime now{std::chrono::hours(1)};

  base::Duration after(const Round& round) { return plan.ended(round, now, random); }
  std::string next() const {
    const char* names[] = {"initial", "list", "resume"};
    return std::string(names[static_cast<int>(plan.step())]) + "@" + plan.version();
  }
};

TEST(WatchPlan, BeginsWithInitialEventsAndGoesOnFromTheirVersion) {
  Tried t;
  EXPECT_EQ(t.next(), "initial@");
  t.plan.complete("100");
  EXPECT_EQ(t.next(), "resume@100");
  t.plan.advance("105");
  t.plan.advance("99");
  t.plan.advance("");
  EXPECT_EQ(t.next(), "resume@105");
}

TEST(WatchPlan, ListsWhenInitialEventsAreRefused) {
  for (const int code : {400, 422}) {
    Tried t;
    EXPECT_EQ(t.after(failed(http(code))), 0s);
    EXPECT_EQ(t.next(), "list@0");
    t.plan.complete("7");
    EXPECT_EQ(t.next(), "resume@7");
    EXPECT_EQ(t.after(failed(http(410), 5s)), 0s);
    EXPECT_EQ(t.next(), "list@7") << "the refusal is remembered";
  }
}

TEST(WatchPlan, BeginsAnewFromTheLastVersionAndThenFromNothing) {
  Tried t;
  t.plan.complete("100");
  EXPECT_EQ(t.after(failed(http(410))), 0s);
  EXPECT_EQ(t.next(), "initial@100");
  EXPECT_EQ(t.after(failed(http(410))), 0s);
  EXPECT_EQ(t.next(), "initial@");
  EXPECT_GT(t.after(failed(http(410))), 0s);
  t.plan.complete("200");
  EXPECT_EQ(t.next(), "resume@200");
}

TEST(WatchPlan, ForgetsAVersionThatTheServerHasNotReached) {
  Tried t;
  t.plan.complete("100");
  EXPECT_EQ(t.after(failed(http(504, "Timeout: Too large resource version: 100, current: 50"))), 0s);
  EXPECT_EQ(t.next(), "initial@");
  t.plan.complete("50");
  EXPECT_EQ(t.next(), "resume@50");
}

TEST(WatchPlan, TriesAListOnceWhenInitialEventsNeverEndOrTheServerFails) {
  struct Row {
    const char* name;
    Round round;
    bool at_once;
  };
  const Row rows[] = {
      {"silent", round_of(End::silent, http(0), true, 10s), true},
      {"ended", round_of(End::ended, http(0), true, 300s), true},
      {"server error", failed(http(500)), false},
  };
  for (const Row& row : rows) {
    Tried t;
    EXPECT_EQ(t.after(row.round) == 0s, row.at_once) << row.name;
    EXPECT_EQ(t.next(), "list@0") << row.name;
    EXPECT_GT(t.after(failed(http(500))), 0s) << row.name;
    EXPECT_EQ(t.next(), "initial@") << row.name;
  }
}

TEST(WatchPlan, StaysWithInitialEventsWhenTheConnectionBreaksOrAccessIsDenied) {
  for (const int code : {0, 401, 403, 404}) {
    Tried t;
    EXPECT_GT(t.after(failed(Error(ErrorKind::unavailable, "x", code))), 0s);
    EXPECT_EQ(t.next(), "initial@") << code;
    t.plan.complete("5");
    EXPECT_GT(t.after(failed(Error(ErrorKind::unavailable, "x", code))), 0s);
    EXPECT_EQ(t.next(), "resume@5") << code;
  }
}

TEST(WatchPlan, ResumesAtOnceAfterAStreamThatDidAnything) {
  struct Row {
    const char* name;
    Round round;
    bool at_once;
  };
  const Error none(ErrorKind::unavailable, "cut");
  const Row rows[] = {
      {"ended with events", round_of(End::ended, none, true, 100ms), true},
      {"cut with events", round_of(End::cut, none, true, 100ms), true},
      {"ended, lived", round_of(End::ended, none, false, 2s), true},
      {"cut, lived", round_of(End::cut, none, false, 2s), true},
      {"ended at once", round_of(End::ended, none, false, 10ms), false},
      {"cut at once", round_of(End::cut, none, false, 10ms), false},
      {"hung", round_of(End::silent, none, true, 400s), false},
      {"failed after long", failed(http(500), 400s), false},
  };
  for (const Row& row : rows) {
    Tried t;
    t.plan.complete("5");
    EXPECT_EQ(t.after(row.round) == 0s, row.at_once) << row.name;
    EXPECT_EQ(t.next(), "resume@5") << row.name;
  }
}

TEST(WatchPlan, DoesNotGoInCirclesAtOnce) {
  Tried t;
  t.plan.complete("5");
  const Round cut = round_of(End::cut, Error(ErrorKind::unavailable, "cut"), true, 100ms);
  for (int i = 0; i < WatchPlan::kMostAtOnce; ++i) EXPECT_EQ(t.after(cut), 0s);
  EXPECT_GE(t.after(cut), 800ms);
  EXPECT_GE(t.after(cut), 1600ms);
  Round long_lived = cut;
  long_lived.lived = 5s;
  EXPECT_EQ(t.after(long_lived), 0s);
  EXPECT_EQ(t.after(cut), 0s);
}

TEST(WatchPlan, PausesTwiceAsLongEachTimeUpToHalfAMinuteWithFullJitter) {
  double least = 2;
  double most = 1;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Tried t;
    t.random.seed(seed);
    base::Duration expected = 800ms;
    for (int i = 0; i < 9; ++i) {
      const base::Duration pause = t.after(failed(http(403)));
      ASSERT_GE(pause, expected);
      ASSERT_LE(pause, 2 * expected);
      const double part = std::chrono::duration<double>(pause) / std::chrono::duration<double>(expected);
      least = std::min(least, part);
      most = std::max(most, part);
      t.now += pause;
      expected = std::min<base::Duration>(2 * expected, 30s);
    }
  }
  EXPECT_LT(least, 1.01) << "the jitter uses its whole range";
  EXPECT_GT(most, 1.99);
}

TEST(WatchPlan, ForgetsItsPausesAfterTwoQuietMinutes) {
  Tried t;
  for (int i = 0; i < 8; ++i) t.after(failed(http(403)));
  t.now += 119s;
  EXPECT_GE(t.after(failed(http(403))), 30s);
  t.now += 121s;
  EXPECT_LE(t.after(failed(http(403))), 1600ms);
}

TEST(WatchPlan, TakesANewSetWhenItIsStuckAtWhatItCannotUnderstand) {
  Tried t;
  t.plan.complete("5");
  EXPECT_GT(t.after(failed(nonsense())), 0s);
  EXPECT_EQ(t.next(), "resume@5");
  t.plan.advance("6");
  EXPECT_GT(t.after(failed(nonsense())), 0s);
  EXPECT_EQ(t.next(), "resume@6") << "it had got on in between";
  EXPECT_GT(t.after(failed(nonsense())), 0s);
  EXPECT_EQ(t.next(), "initial@6");
}

TEST(WatchPlan, BeginsFromNothingWhenItsVersionIsRefused) {
  Tried t;
  t.plan.complete("abc");
  EXPECT_GT(t.after(failed(http(400, "Invalid value: \"abc\""))), 0s);
  EXPECT_EQ(t.next(), "initial@");
}

}  // namespace
}  // namespace keelson::kube
