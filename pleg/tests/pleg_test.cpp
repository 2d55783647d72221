#include <gtest/gtest.h>

#include <ctime>

#include "pleg/tests/pleg_fixture.hpp"

namespace keelson::pleg {
namespace {

using namespace std::chrono_literals;

TEST(Transitions, FollowTheContractsTable) {
  using E = EventType;
  const struct {
    const char* what;
    std::optional<State> before;
    std::optional<State> now;
    std::vector<E> events;
  } rows[] = {
      {"new and running", std::nullopt, State::running, {E::container_started}},
      {"new and exited", std::nullopt, State::exited, {E::container_died}},
      {"new and created", std::nullopt, State::created, {E::container_changed}},
      {"new and unknown", std::nullopt, State::unknown, {E::container_changed}},
      {"created to running", State::created, State::running, {E::container_started}},
      {"created to exited", State::created, State::exited, {E::container_died}},
      {"running to exited", State::running, State::exited, {E::container_died}},
      {"running to unknown", State::running, State::unknown, {E::container_changed}},
      {"unknown to exited", State::unknown, State::exited, {E::container_died}},
      {"exited to running", State::exited, State::running, {E::container_started}},
      {"exited and gone", State::exited, std::nullopt, {E::container_removed}},
      {"running and gone", State::running, std::nullopt, {E::container_died, E::container_removed}},
      {"created and gone", State::created, std::nullopt, {E::container_died, E::container_removed}},
      {"unknown and gone", State::unknown, std::nullopt, {E::container_died, E::container_removed}},
      {"unchanged", State::running, State::running, {}},
      {"never there", std::nullopt, std::nullopt, {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(events_between(row.before, row.now), row.events);
  }
}

TEST_F(PlegTest, TellsEachChangeWithTheNewSnapshot) {
  runtime.set("a", "s1", State::running);
  runtime.set("a", "c1", State::created);
  start();
  EXPECT_EQ(take(), Told{"a ContainerStarted s1"});
  runtime.set("a", "c1", State::running);
  clock.advance(1s);
  EXPECT_EQ(take(), Told{"a ContainerStarted c1"});
  EXPECT_EQ(last->name, "pod-a");
  EXPECT_EQ(last->ns, "ns");
  EXPECT_EQ(state_in(last->snapshot, "c1"), State::running);
  runtime.set("a", "c1", State::exited);
  clock.advance(1s);
  EXPECT_EQ(take(), Told{"a ContainerDied c1"});
  runtime.remove("c1");
  clock.advance(1s);
  EXPECT_EQ(take(), Told{"a ContainerRemoved c1"});
  runtime.remove("s1");
  clock.advance(1s);
  EXPECT_EQ(take(), (Told{"a ContainerDied s1", "a ContainerRemoved s1"}));
  EXPECT_EQ(last->snapshot.inspection, nullptr);
  EXPECT_TRUE(pleg->pods().empty());
  EXPECT_FALSE(pleg->latest("a").has_value());
}

TEST_F(PlegTest, ListsEverySecondFromTheEndOfTheLastListing) {
  start();
  EXPECT_EQ(runtime.lists, 1);
  clock.advance(999ms);
  EXPECT_EQ(runtime.lists, 1);
  clock.advance(1ms);
  EXPECT_EQ(runtime.lists, 2);
  runtime.list_hangs = true;
  clock.advance(1s);
  EXPECT_EQ(runtime.lists, 3);
  clock.advance(2min + 999ms);
  EXPECT_EQ(runtime.lists, 3) << "the listing hung for two minutes, the second counts from its end";
  clock.advance(1ms);
  EXPECT_EQ(runtime.lists, 4);
}

TEST_F(PlegTest, InspectsNothingWhileNothingChanges) {
  for (int i = 0; i < 10; ++i) runtime.set("p" + std::to_string(i), "s" + std::to_string(i), State::running);
  start();
  EXPECT_EQ(runtime.inspections, 10);
  clock.advance(60s);
  EXPECT_EQ(runtime.inspections, 10);
}

TEST_F(PlegTest, ARuntimeThatIsAwayLosesNoContainers) {
  runtime.set("a", "c1", State::running);
  start();
  take();
  runtime.list_error = Error(ErrorKind::unavailable, "gone");
  clock.advance(60s);
  EXPECT_EQ(take(), Told{});
  EXPECT_EQ(pleg->pods(), std::vector<std::string>{"a"});
  runtime.list_error.reset();
  runtime.set("a", "c1", State::exited);
  clock.advance(1s);
  EXPECT_EQ(take(), Told{"a ContainerDied c1"});
}

TEST_F(PlegTest, OneHungPodStopsNobodyElse) {
  runtime.hanging = {"a"};
  runtime.set("a", "c1", State::running);
  runtime.set("b", "c2", State::running);
  start();
  EXPECT_EQ(take(), Told{"b ContainerStarted c2"});
  runtime.set("b", "c2", State::exited);
  clock.advance(1s);
  EXPECT_EQ(take(), Told{"b ContainerDied c2"});
  clock.advance(10min);
  EXPECT_TRUE(pleg->healthy().ok());
  EXPECT_FALSE(pleg->settled());
  runtime.hanging.clear();
  clock.advance(3min);
  EXPECT_EQ(take(), Told{"a ContainerStarted c1"}) << "it is tried again, and its event is not lost";
  EXPECT_TRUE(pleg->settled());
}

TEST_F(PlegTest, EvenManyHungPodsGiveUpTheirPlaces) {
  PlegOptions options;
  options.concurrency = 2;
  for (const char* pod : {"a", "b", "c"}) {
    runtime.hanging.insert(pod);
    runtime.set(pod, std::string("c") + pod, State::running);
  }
  runtime.set("z", "cz", State::running);
  start(options);
  EXPECT_EQ(take(), Told{});
  clock.advance(4s);
  EXPECT_EQ(take(), Told{"z ContainerStarted cz"});
}

TEST_F(PlegTest, KeepsTheOldSnapshotOfAPodThatCannotBeInspected) {
  runtime.set("a", "c1", State::running);
  start();
  take();
  runtime.failing = {"a"};
  runtime.set("a", "c1", State::exited);
  clock.advance(1s);
  EXPECT_EQ(take(), Told{});
  EXPECT_EQ(state_in(*pleg->latest("a"), "c1"), State::running);
  runtime.remove("c1");
  runtime.set("a", "c2", State::running);
  clock.advance(1s);
  runtime.failing.clear();
  clock.advance(4s);
  EXPECT_EQ(take(), (Told{"a ContainerDied c1", "a ContainerRemoved c1", "a ContainerStarted c2"}))
      << "told late, in order, each once";
}

TEST_F(PlegTest, TriesAFailingPodAgainLessAndLessOften) {
  runtime.failing = {"a"};
  runtime.set("a", "c1", State::running);
  start();
  const int expected_at_seconds[] = {0, 1, 3, 7, 15, 31, 61, 91};
  int tries = 1;
  for (int second = 0; second <= 91; ++second) {
    if (tries < 8 && second == expected_at_seconds[tries]) ++tries;
    EXPECT_EQ(runtime.inspections, tries) << "after " << second << " s";
    clock.advance(1s);
  }
}

TEST_F(PlegTest, WhatWaitedForTheRuntimeIsTriedAsSoonAsItIsBack) {
  runtime.set("a", "c1", State::running);
  start();
  runtime.list_error = Error(ErrorKind::unavailable, "gone");
  pleg->request_relist("a");
  clock.advance(70s);  // its next try is up to 30 s away
  const int before = runtime.pod_lists;
  runtime.list_error.reset();
  clock.advance(1s);
  EXPECT_EQ(runtime.pod_lists, before + 1);
  EXPECT_TRUE(pleg->settled());
}

TEST_F(PlegTest, RelistOnRequestTellsChangesAtOnce) {
  runtime.set("a", "c1", State::running);
  start();
  take();
  pleg->request_relist("a");
  clock.advance(0s);
  EXPECT_EQ(take(), Told{}) << "nothing changed, nothing to tell";
  EXPECT_EQ(runtime.pod_lists, 1);
  runtime.set("a", "c1", State::exited);
  pleg->request_relist("a");
  pleg->request_relist("a");
  clock.advance(0s);
  EXPECT_EQ(take(), Told{"a ContainerDied c1"});
  EXPECT_EQ(runtime.pod_lists, 2) << "two requests of one moment are one look";
  EXPECT_EQ(runtime.lists, 1);
}

TEST_F(PlegTest, ReinspectionOnRequestIsToldEvenWithoutAChange) {
  runtime.set("a", "c1", State::running);
  start();
  take();
  pleg->request_reinspect("a");
  clock.advance(0s);
  EXPECT_EQ(take(), Told{"a PodSync"});
  runtime.set("a", "c1", State::exited);
  pleg->request_reinspect("a");
  clock.advance(0s);
  EXPECT_EQ(take(), Told{"a ContainerDied c1"}) << "a change needs no PodSync";
}

TEST_F(PlegTest, RequestsBeyondTheQueueBecomeOneWholeListing) {
  PlegOptions options;
  options.queue = 3;
  start(options);
  for (int i = 0; i < 5; ++i) {
    runtime.set("p" + std::to_string(i), "c" + std::to_string(i), State::running);
    pleg->request_relist("p" + std::to_string(i));
  }
  clock.advance(0s);
  EXPECT_EQ(pleg->metrics().discard_events, 2u);
  EXPECT_EQ(take().size(), 5u) << "nothing is lost";
  EXPECT_EQ(runtime.lists, 2);
}

TEST_F(PlegTest, GivesASnapshotNewerThanTheAskedTime) {
  runtime.set("a", "c1", State::running);
  start();
  const auto began = clock.steady_now();
  clock.advance(500ms);
  auto old_enough = ask("a", began - 1s);
  ASSERT_TRUE(old_enough->has_value());
  EXPECT_EQ(runtime.pod_lists, 0) << "the present one will do";
  runtime.set("a", "c1", State::exited);
  auto newer = ask("a", clock.steady_now());
  ASSERT_TRUE(newer->has_value()) << "it looks at once instead of waiting for the next listing";
  EXPECT_EQ(state_in(***newer, "c1"), State::exited);
  EXPECT_EQ(runtime.pod_lists, 1);
}

// Else who has just started a container would be shown a pod without it, and start it again.
TEST_F(PlegTest, ASnapshotIsNoNewerThanTheListingThatNamedItsContainers) {
  runtime.set("a", "c1", State::exited);
  start();
  runtime.set("a", "c2", State::running);
  runtime.list_takes = 300ms;
  clock.advance(1100ms);  // a listing that shows c2 is on its way
  runtime.set("a", "c3", State::running);
  const auto started = clock.steady_now();
  clock.advance(250ms);
  auto answer = ask("a", started);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(state_in(***answer, "c3"), State::running);
}

TEST_F(PlegTest, AWholeListingWithoutAChangeMakesTheSnapshotNew) {
  runtime.set("a", "c1", State::running);
  start();
  const auto asked = clock.steady_now() + 500ms;
  clock.advance(1s);
  auto answer = ask("a", asked);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ(runtime.pod_lists, 0);
  EXPECT_EQ(runtime.inspections, 1);
}

TEST_F(PlegTest, AnUnknownPodHasAnEmptySnapshot) {
  start();
  auto answer = ask("nobody", clock.steady_now());
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE((*answer)->ok());
  EXPECT_EQ((**answer)->inspection, nullptr);
  EXPECT_TRUE(pleg->pods().empty());
}

TEST_F(PlegTest, APodThatCannotBeLookedAtIsListedAllTheSame) {
  runtime.set("a", "c1", State::running);
  runtime.failing = {"a"};
  start();
  EXPECT_TRUE(pleg->lists("a"));
  EXPECT_FALSE(pleg->latest("a"));
  EXPECT_FALSE(pleg->lists("b"));
}

TEST_F(PlegTest, SaysWhyThereIsNoNewerSnapshot) {
  runtime.set("a", "c1", State::running);
  start();
  runtime.failing = {"a"};
  auto failed = ask("a", clock.steady_now());
  ASSERT_TRUE(failed->has_value());
  EXPECT_EQ((*failed)->error().to_string(), "cannot inspect a");
  runtime.list_error = Error(ErrorKind::unavailable, "the runtime is away");
  auto away = ask("a", clock.steady_now());
  ASSERT_TRUE(away->has_value());
  EXPECT_EQ((*away)->error().kind(), ErrorKind::unavailable);
}

TEST_F(PlegTest, WaitsForTheSnapshotOfAHungPodUntilItsDeadline) {
  runtime.set("a", "c1", State::running);
  runtime.hanging = {"a"};
  start();
  auto answer = ask("a", clock.steady_now());
  auto other = ask("a", clock.steady_now());
  clock.advance(119s);
  EXPECT_FALSE(answer->has_value());
  clock.advance(4min);
  ASSERT_TRUE(answer->has_value());
  ASSERT_TRUE(other->has_value());
  EXPECT_EQ((*answer)->error().kind(), ErrorKind::deadline_exceeded);
}

TEST_F(PlegTest, ManyWaitersOfOnePodAllWake) {
  start();
  runtime.set("a", "c1", State::running);
  std::vector<std::shared_ptr<std::optional<Result<Snapshot>>>> answers;
  for (int i = 0; i < 3; ++i) {
    answers.push_back(std::make_shared<std::optional<Result<Snapshot>>>());
    base::spawn(gate, "ask", keep(pleg->get_newer_than("a", clock.steady_now()), answers.back()));
  }
  clock.advance(0s);
  for (const auto& answer : answers) EXPECT_TRUE(answer->has_value());
}

TEST_F(PlegTest, IsHealthyWhileTheLastGoodListingBeganLessThanThreeMinutesAgo) {
  runtime.list_hangs = true;
  start();
  EXPECT_EQ(pleg->healthy().error().to_string(), "pleg has yet to be successful");
  runtime.list_hangs = false;
  clock.advance(3min);
  ASSERT_TRUE(pleg->healthy().ok());
  clock.advance(500ms);
  runtime.list_error = Error(ErrorKind::unavailable, "gone");
  clock.advance(500ms);
  const auto last_good = pleg->metrics().last_seen;
  while (clock.now() - last_good < 3min - 100ms) clock.advance(100ms);
  EXPECT_TRUE(pleg->healthy().ok());
  while (clock.now() - last_good < 3min) clock.advance(100ms);
  const auto elapsed = clock.now() - last_good;
  ASSERT_EQ(elapsed, 3min);
  EXPECT_EQ(pleg->healthy().error().to_string(), "pleg was last seen active 3m0s ago; threshold is 3m0s");
  runtime.list_error.reset();
  clock.advance(1s);
  EXPECT_TRUE(pleg->healthy().ok());
}

TEST_F(PlegTest, MeasuresItsListings) {
  start();
  clock.advance(3s);
  EXPECT_EQ(pleg->metrics().relist_duration.count, 4u);
  EXPECT_EQ(pleg->metrics().relist_interval.count, 3u);
  EXPECT_DOUBLE_EQ(pleg->metrics().relist_interval.sum, 3.0);
  pleg->request_relist("a");
  clock.advance(0s);
  EXPECT_EQ(pleg->metrics().pod_relist_duration.count, 1u);
  EXPECT_EQ(pleg->metrics().last_seen, clock.now());
}

TEST_F(PlegTest, CountsWhatRuns) {
  runtime.set("a", "s1", State::running);
  runtime.set("a", "s2", State::running);
  runtime.set("b", "s3", State::exited);
  runtime.set("a", "c1", State::running);
  runtime.set("a", "c2", State::exited);
  runtime.set("b", "c3", State::created);
  start();
  const Counts counts = pleg->counts();
  EXPECT_EQ(counts.running_pods, 1u);
  EXPECT_EQ(counts.containers[static_cast<int>(State::running)], 1u);
  EXPECT_EQ(counts.containers[static_cast<int>(State::exited)], 1u);
  EXPECT_EQ(counts.containers[static_cast<int>(State::created)], 1u);
}

TEST_F(PlegTest, StoppingEndsEverythingThatRuns) {
  runtime.stream_error.reset();
  runtime.set("a", "c1", State::running);
  runtime.hanging = {"a"};
  start();
  auto answer = ask("a", clock.steady_now());
  base::Gate stopper(loop);
  base::spawn(stopper, "stop", pleg->stop());
  clock.advance(0s);
  EXPECT_EQ(stopper.tasks(), 0u);
  ASSERT_TRUE(answer->has_value());
  EXPECT_EQ((*answer)->error().kind(), ErrorKind::cancelled);
}

TEST_F(PlegTest, ListingFiveHundredIdlePodsIsCheap) {
  for (int pod = 0; pod < 500; ++pod) {
    const std::string uid = "0a1b2c3d-0000-4000-8000-" + std::to_string(100000000000 + pod);
    for (const char* kind : {"s", "c", "d"}) {
      runtime.set(uid, kind + std::string(50, 'f') + std::to_string(pod), State::running);
    }
  }
  start();
  told.clear();
  const auto before = std::clock();
  clock.advance(60s);
  const double each = double(std::clock() - before) / CLOCKS_PER_SEC / 60;
  RecordProperty("milliseconds_per_listing", std::to_string(each * 1000));
  EXPECT_LT(each, 0.05) << "60 listings, the fake's own part included";
  EXPECT_TRUE(told.empty());
}

}  // namespace
}  // namespace keelson::pleg
