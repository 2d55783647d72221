#include "agent/sync/restart.hpp"

#include <gtest/gtest.h>

#include "agent/sync/exit_clock.hpp"
#include "agent/sync/tests/pod_maker.hpp"

namespace keelson::agent {
namespace {

using testing::make_container;
using testing::make_pod;
using testing::make_status;
using namespace std::chrono_literals;

constexpr base::SteadyTime kStart{100h};

TEST(RestartBackoff, FirstRestartIsImmediateAndTheSecondWaits) {
  RestartBackoff backoff;
  EXPECT_FALSE(backoff.waiting("k", kStart, kStart).has_value());
  backoff.note_restart("k", kStart, kStart);
  const auto wait = backoff.waiting("k", kStart + 1s, kStart + 2s);
  ASSERT_TRUE(wait.has_value());
  EXPECT_EQ(wait->current, base::Duration(10s));
  EXPECT_EQ(wait->until, kStart + 11s);
  EXPECT_FALSE(backoff.waiting("k", kStart + 1s, kStart + 11s).has_value());
}

TEST(RestartBackoff, DoublesUpToItsCap) {
  RestartBackoff backoff;
  base::SteadyTime now = kStart;
  const int expected[] = {10, 20, 40, 80, 160, 300, 300};
  for (const int seconds : expected) {
    backoff.note_restart("k", now, now);
    const auto wait = backoff.waiting("k", now, now);
    ASSERT_TRUE(wait.has_value());
    EXPECT_EQ(wait->current, base::Duration(std::chrono::seconds(seconds)));
    now = wait->until;
  }
}

TEST(RestartBackoff, StartsAnewWhenTheContainerRanForTenMinutes) {
  RestartBackoff backoff;
  backoff.note_restart("k", kStart, kStart);
  backoff.note_restart("k", kStart + 10s, kStart + 20s);
  EXPECT_TRUE(backoff.waiting("k", kStart + 600s, kStart + 601s).has_value());
  EXPECT_FALSE(backoff.waiting("k", kStart + 621s, kStart + 622s).has_value());
  backoff.note_restart("k", kStart + 621s, kStart + 622s);
  EXPECT_EQ(backoff.waiting("k", kStart + 623s, kStart + 623s)->current, base::Duration(10s));
}

TEST(RestartBackoff, HonoursASmallerCapFromTheFirstDelay) {
  RestartBackoff backoff({std::chrono::seconds(10), std::chrono::seconds(3)});
  backoff.note_restart("k", kStart, kStart);
  EXPECT_EQ(backoff.waiting("k", kStart, kStart)->current, base::Duration(3s));
}

TEST(RestartBackoff, ForgetsEntriesNobodyTouchedForTenMinutes) {
  RestartBackoff backoff;
  backoff.note_restart("k", kStart, kStart);
  backoff.forget_old(kStart + 600s);
  EXPECT_EQ(backoff.size(), 1u);
  backoff.forget_old(kStart + 601s);
  EXPECT_EQ(backoff.size(), 0u);
}

// A rule of each kind that asks for what it says at exit code 3.
void add_rules(api::core::Container& container, const std::string& policy) {
  container.set_restartpolicy(policy);
  for (const char* action : {"RestartAllContainers", "Restart"}) {
    auto& rule = *container.add_restartpolicyrules();
    rule.set_action(action);
    rule.mutable_exitcodes()->set_operator_("In");
    rule.mutable_exitcodes()->add_values(3);
  }
}

TEST(RestartGates, SwitchOffPoliciesAndRulesOfContainers) {
  api::Pod pod = make_pod({"a", "plain"}, "Never");
  add_rules(*pod.mutable_spec()->mutable_containers(0), "OnFailure");
  *pod.mutable_spec()->add_initcontainers() = make_container("init");
  add_rules(*pod.mutable_spec()->mutable_initcontainers(0), "OnFailure");
  *pod.mutable_spec()->add_initcontainers() = testing::make_sidecar("side");
  add_rules(*pod.mutable_spec()->mutable_initcontainers(1), "Always");
  const auto given = std::make_shared<const api::Pod>(pod);
  EXPECT_EQ(with_restart_gates(given, true, true), given) << "nothing is switched off";
  const auto bare = std::make_shared<const api::Pod>(make_pod({"a"}));
  EXPECT_EQ(with_restart_gates(bare, false, false), bare) << "nothing to switch off";

  using Decision = RestartDecision;
  struct Row {
    const char* what;
    bool rules, all;
    int exit_code;
    Decision regular, init, sidecar;
  };
  const Row rows[] = {
      {"on", true, true, 3, Decision::restart_all, Decision::restart_all, Decision::restart_all},
      {"all off", true, false, 3, Decision::yes, Decision::yes, Decision::yes},
      {"all off, no rule", true, false, 4, Decision::yes, Decision::yes, Decision::yes},
      {"off", false, false, 3, Decision::no, Decision::no, Decision::yes},
      {"off, all on", false, true, 3, Decision::no, Decision::no, Decision::yes},
      {"off, success", false, false, 0, Decision::no, Decision::no, Decision::yes},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    const api::PodPtr left = with_restart_gates(given, row.rules, row.all);
    const auto& spec = left->spec();
    EXPECT_EQ(restart_decision(*left, spec.containers(0), row.exit_code), row.regular);
    EXPECT_EQ(restart_decision(*left, spec.initcontainers(0), row.exit_code), row.init);
    EXPECT_EQ(restart_decision(*left, spec.initcontainers(1), row.exit_code), row.sidecar);
    EXPECT_EQ(can_restart_all(*left), row.rules && row.all);
  }
}

TEST(BackoffKey, ChangesWithImageAndResourcesButNotWithTheCommand) {
  const api::Pod pod = make_pod({"a"});
  auto container = pod.spec().containers(0);
  const std::string before = backoff_key(pod, container);
  container.add_command("other");
  EXPECT_EQ(backoff_key(pod, container), before);
  (*container.mutable_resources()->mutable_requests())["cpu"].set_string("1");
  EXPECT_NE(backoff_key(pod, container), before);
  container.mutable_resources()->Clear();
  container.set_image("image:2");
  EXPECT_NE(backoff_key(pod, container), before);
}

TEST(BackoffMessage, IsTheKubelets) {
  EXPECT_EQ(backoff_message(make_pod({"a"}), "a", 80s), "back-off 1m20s restarting failed container=a pod=pod_ns(uid)");
}

TEST(ExitClock, TimesWhatItSawEndBySteadyTimeEvenWhenTheSystemTimeJumps) {
  const auto spec = make_container("a");
  ExitClock clock;
  const base::SystemTime noon{std::chrono::hours(1000)};
  ObservedPod observed;
  observed.containers = {make_status("a0", spec, cri::ContainerState::running)};
  clock.observe(observed, noon, kStart);
  observed.containers = {make_status("a0", spec, cri::ContainerState::exited, 1)};
  observed.containers[0].finished_at = std::chrono::nanoseconds(noon.time_since_epoch()).count();
  clock.observe(observed, noon + 24h, kStart + 10s);
  EXPECT_GE(clock.exits().at("a0"), kStart + 5s);
}

TEST(ExitClock, PlacesWhatEndedBeforeItLookedByItsSystemTimeAndNeverInTheFuture) {
  const auto spec = make_container("a");
  const base::SystemTime noon{std::chrono::hours(1000)};
  ObservedPod observed;
  observed.containers = {make_status("a0", spec, cri::ContainerState::exited, 1)};
  observed.containers[0].finished_at = std::chrono::nanoseconds((noon - 30s).time_since_epoch()).count();
  ExitClock clock;
  clock.observe(observed, noon, kStart);
  EXPECT_EQ(clock.exits().at("a0"), kStart - 30s);
  ExitClock set_back;
  set_back.observe(observed, noon - 1h, kStart);
  EXPECT_EQ(set_back.exits().at("a0"), kStart);
}

}  // namespace
}  // namespace keelson::agent
