// The conditions of a resize and the events that tell of it. Source: contract 02 §8, §15.2, §22.2.
#include "agent/allocation/resize_conditions.hpp"

#include <gtest/gtest.h>

#include "agent/allocation/resize_events.hpp"
#include "agent/allocation/tests/resized_pods.hpp"

namespace keelson::agent {
namespace {

using testing::resources;

base::SystemTime at(int second) { return base::SystemTime(std::chrono::seconds(second)); }

TEST(ResizeConditions, ARefusalIsDeferredUnlessItIsInfeasible) {
  ResizeConditions c;
  EXPECT_TRUE(c.refuse("OutOfcpu", "too little", 3, at(100)));
  EXPECT_EQ(c.pending->type(), "PodResizePending");
  EXPECT_EQ(c.pending->status(), "True");
  EXPECT_EQ(c.pending->reason(), "Deferred");
  EXPECT_EQ(c.pending->message(), "too little");
  EXPECT_EQ(c.pending->observedgeneration(), 3);
  EXPECT_EQ(c.pending->lasttransitiontime().seconds(), 100);
  EXPECT_EQ(c.pending->lastprobetime().seconds(), 100);
  EXPECT_TRUE(c.is_deferred());
  EXPECT_TRUE(c.refuse("Infeasible", "never", 4, at(200)));
  EXPECT_EQ(c.pending->reason(), "Infeasible");
  EXPECT_EQ(c.pending->lasttransitiontime().seconds(), 200);
  EXPECT_FALSE(c.is_deferred());
}

TEST(ResizeConditions, TheTransitionTimeGoesWithTheReasonAlone) {
  ResizeConditions c;
  c.refuse("OutOfcpu", "too little", 3, at(100));
  EXPECT_FALSE(c.refuse("OutOfcpu", "too little", 3, at(150))) << "nothing new";
  EXPECT_EQ(c.pending->lastprobetime().seconds(), 100);
  EXPECT_TRUE(c.refuse("OutOfmemory", "still too little", 4, at(200)));
  EXPECT_EQ(c.pending->lasttransitiontime().seconds(), 100);
  EXPECT_EQ(c.pending->lastprobetime().seconds(), 200);
  EXPECT_EQ(c.pending->observedgeneration(), 4);
}

TEST(ResizeConditions, AResizeBeginsGoesOnFailsRecoversAndEnds) {
  ResizeConditions c;
  c.refuse("OutOfcpu", "too little", 3, at(100));
  c.begin(3, at(110));
  EXPECT_FALSE(c.pending);
  ASSERT_TRUE(c.in_progress);
  EXPECT_EQ(c.in_progress->type(), "PodResizeInProgress");
  EXPECT_FALSE(c.in_progress->has_reason());
  EXPECT_FALSE(c.go_on(9, at(120))) << "it is told already";
  EXPECT_EQ(c.in_progress->observedgeneration(), 3);
  EXPECT_TRUE(c.fail("no", 9, at(130)));
  EXPECT_EQ(c.in_progress->reason(), "Error");
  EXPECT_EQ(c.in_progress->message(), "no");
  EXPECT_EQ(c.in_progress->observedgeneration(), 3) << "that of the spec it speaks of";
  EXPECT_EQ(c.in_progress->lasttransitiontime().seconds(), 130);
  EXPECT_FALSE(c.fail("no", 9, at(140))) << "the same error again is no news";
  EXPECT_FALSE(c.go_on(9, at(150)));
  EXPECT_EQ(c.in_progress->reason(), "Error");
  EXPECT_TRUE(c.recover(at(160)));
  EXPECT_FALSE(c.in_progress->has_reason());
  EXPECT_FALSE(c.in_progress->has_message());
  EXPECT_EQ(c.in_progress->lasttransitiontime().seconds(), 160);
  EXPECT_TRUE(c.finish());
  EXPECT_FALSE(c.in_progress);
  EXPECT_FALSE(c.finish());
}

TEST(ResizeConditions, ANewResizeForgetsTheErrorOfTheOldOne) {
  ResizeConditions c;
  c.begin(2, at(100));
  c.fail("no", 2, at(110));
  c.begin(3, at(120));
  EXPECT_FALSE(c.in_progress->has_reason());
  EXPECT_EQ(c.in_progress->observedgeneration(), 3);
  EXPECT_EQ(c.in_progress->lasttransitiontime().seconds(), 120);
}

TEST(ResizeConditions, APodWithoutGenerationHasNoneInItsConditions) {
  ResizeConditions c;
  c.refuse("Infeasible", "static", 0, at(100));
  EXPECT_FALSE(c.pending->has_observedgeneration());
  EXPECT_FALSE(c.refuse("Infeasible", "static", 0, at(110)));
}

TEST(ResizeConditions, AreTakenFromTheApisCopy) {
  ResizeConditions c;
  c.refuse("OutOfcpu", "too little", 3, at(100));
  c.go_on(2, at(100));
  api::core::PodStatus status;
  status.add_conditions()->set_type("Ready");
  *status.add_conditions() = *c.in_progress;
  *status.add_conditions() = *c.pending;
  const ResizeConditions back = resize_conditions_of(status);
  ASSERT_TRUE(back.pending && back.in_progress);
  EXPECT_EQ(back.pending->message(), "too little");
  EXPECT_EQ(back.in_progress->observedgeneration(), 2);
  status.mutable_conditions(1)->set_status("False");
  EXPECT_FALSE(resize_conditions_of(status).in_progress) << "only what holds is a condition";
}

TEST(ResizeEvents, HaveTheTextsOfTheContract) {
  api::Pod pod = testing::sized_pod("u1", {{"memory", "64Mi"}, {"cpu", "100m"}}, {{"cpu", "200m"}});
  auto& init = *pod.mutable_spec()->add_initcontainers();
  init.set_name("init");
  testing::add_container(pod, "bare", {});
  const std::string json =
      R"({"initContainers":[{"name":"init","resources":{}}],"containers":[{"name":"main","resources":)"
      R"({"limits":{"cpu":"200m"},"requests":{"cpu":"100m","memory":"64Mi"}}},{"name":"bare","resources":{}}],)"
      R"("generation":4)";
  const struct {
    PodEvent event;
    bool warning;
    const char* reason;
    std::string message;
  } rows[] = {
      {resize_started(pod, 4), false, "ResizeStarted", "Pod resize started: " + json + "}"},
      {resize_completed(pod, 4), false, "ResizeCompleted", "Pod resize completed: " + json + "}"},
      {resize_failed(pod, 4, "a \"b\" <c>"), true, "ResizeError",
       "Pod resize error: " + json + R"(,"error":"a \"b\" \u003cc\u003e"})"},
      {resize_refused(pod, 4, "OutOfcpu", "too little"), true, "ResizeDeferred",
       "Pod resize OutOfcpu: " + json + R"(,"error":"too little"})"},
      {resize_refused(pod, 4, "Infeasible", "never"), true, "ResizeInfeasible",
       "Pod resize Infeasible: " + json + R"(,"error":"never"})"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(row.event.warning, row.warning) << row.reason;
    EXPECT_EQ(row.event.reason, row.reason);
    EXPECT_EQ(row.event.message, row.message);
    EXPECT_EQ(row.event.field_path, "");
  }
}

TEST(ResizeEvents, LeaveOutAListThatIsEmpty) {
  const api::Pod pod = testing::sized_pod("u1", {});
  EXPECT_EQ(resize_started(pod, 0).message,
            R"(Pod resize started: {"containers":[{"name":"main","resources":{}}],"generation":0})");
}

}  // namespace
}  // namespace keelson::agent
