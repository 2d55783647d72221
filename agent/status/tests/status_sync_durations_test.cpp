// How long a change of a status waits until it is told. Source: contract 05 §12
// (kubelet_pod_status_sync_duration_seconds).
#include "agent/status/tests/status_writer_fixture.hpp"

namespace keelson::agent {
namespace {

using namespace std::chrono_literals;
using StatusSyncDurations = testing::StatusWriterTest;

TEST_F(StatusSyncDurations, AChangeThatIsToldAtOnceTakesNoTime) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(writer->sync_durations().count, 1u);
  EXPECT_EQ(writer->sync_durations().sum, 0);
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(writer->sync_durations().count, 1u) << "nothing changed";
}

TEST_F(StatusSyncDurations, ChangesThatAreToldTogetherCountOnceFromTheFirst) {
  const auto p = pod("a");
  api.down = true;
  publish(p, R"({"phase":"Running"})");
  clock.advance(30s);
  publish(p, R"({"phase":"Running","podIP":"1"})");
  clock.advance(10s);
  EXPECT_EQ(writer->sync_durations().count, 0u);
  api.down = false;
  clock.advance(20s);
  ASSERT_EQ(writer->sync_durations().count, 1u);
  EXPECT_GE(writer->sync_durations().sum, 40);
  EXPECT_LE(writer->sync_durations().sum, 60);
}

TEST_F(StatusSyncDurations, WhatTheApiKnowsAlreadyIsNoChange) {
  const auto p = pod("a");
  publish(p, R"({"phase":"Pending"})");
  clock.advance(30s);
  publish(p, R"({"phase":"Running"})");
  EXPECT_EQ(writer->sync_durations().count, 1u);
  EXPECT_EQ(writer->sync_durations().sum, 0) << "counted from the change, not from what was told before";
}

}  // namespace
}  // namespace keelson::agent
