#include "cri-client/rpc.hpp"

#include <gtest/gtest.h>

#include "cri-client/operation_metrics.hpp"

namespace keelson::cri {
namespace {

using namespace std::chrono_literals;

TEST(TimeLimit, FollowsTheContractsTable) {
  const base::Duration t = 2min;
  const struct {
    const Rpc& call;
    std::chrono::seconds asked;
    std::optional<base::Duration> limit;
  } rows[] = {
      {rpc::version, 0s, 2min},
      {rpc::list_containers, 0s, 2min},
      {rpc::stream_containers, 0s, 2min},
      {rpc::stop_pod_sandbox, 0s, 2min},
      {rpc::run_pod_sandbox, 0s, 4min},
      {rpc::stop_container, 30s, 2min + 30s},
      {rpc::exec_sync, 5s, 2min + 5s},
      {rpc::exec_sync, 0s, std::nullopt},
      {rpc::pull_image, 0s, std::nullopt},
      {rpc::container_events, 0s, std::nullopt},
      {rpc::checkpoint_container, 1s, 2min},
      {rpc::checkpoint_container, 300s, 5min},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.call.path);
    EXPECT_EQ(time_limit(row.call.limit, t, row.asked), row.limit);
  }
}

Outcome ended(int code, bool never_sent) {
  Outcome outcome;
  outcome.code = code;
  outcome.message = "text";
  outcome.never_sent = never_sent;
  return outcome;
}

TEST(ErrorMapping, AsksWhetherTheCallCouldHaveTakenEffect) {
  constexpr int kUnavailable = 14, kCancelled = 1;
  const struct {
    const char* what;
    const Rpc& call;
    Outcome outcome;
    ErrorKind kind;
  } rows[] = {
      {"no connection", rpc::run_pod_sandbox, ended(kUnavailable, true), ErrorKind::unavailable},
      {"broke on the way", rpc::run_pod_sandbox, ended(kUnavailable, false), ErrorKind::maybe_applied},
      {"broke, but changes nothing", rpc::list_containers, ended(kUnavailable, false), ErrorKind::unavailable},
      {"runtime shutting down", rpc::stop_container, ended(kCancelled, false), ErrorKind::maybe_applied},
      {"runtime shutting down, reading", rpc::status, ended(kCancelled, false), ErrorKind::unavailable},
      {"invalid", rpc::create_container, ended(3, false), ErrorKind::invalid},
      {"deadline", rpc::create_container, ended(4, false), ErrorKind::deadline_exceeded},
      {"not found", rpc::create_container, ended(5, false), ErrorKind::not_found},
      {"already there", rpc::create_container, ended(6, false), ErrorKind::already_exists},
      {"permission", rpc::create_container, ended(7, false), ErrorKind::permission_denied},
      {"exhausted", rpc::create_container, ended(8, false), ErrorKind::exhausted},
      {"precondition", rpc::create_container, ended(9, false), ErrorKind::internal},
      {"aborted", rpc::create_container, ended(10, false), ErrorKind::conflict},
      {"unimplemented", rpc::create_container, ended(12, false), ErrorKind::unimplemented},
      {"unknown", rpc::create_container, ended(2, false), ErrorKind::internal},
      {"a code nobody knows", rpc::create_container, ended(99, false), ErrorKind::internal},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(to_error(row.call, row.outcome).kind(), row.kind);
    EXPECT_EQ(to_error(row.call, row.outcome).code(), row.outcome.code);
  }
}

TEST(ErrorMapping, WritesTextsAsUsersKnowThem) {
  Outcome missing = ended(5, false);
  missing.message = "task abc not found";
  EXPECT_EQ(to_error(rpc::exec_sync, missing).to_string(), "rpc error: code = NotFound desc = task abc not found");
  Outcome late = ended(4, false);
  late.message = "Deadline Exceeded";
  EXPECT_EQ(to_error(rpc::status, late).to_string(),
            "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
}

TEST(ErrorMapping, TheRuntimesOwnWordsCanBeHadAlone) {
  Outcome missing = ended(2, false);
  missing.message = "exec: desc = x: not found";
  EXPECT_EQ(description(to_error(rpc::start_container, missing)), "exec: desc = x: not found");
  EXPECT_EQ(description(Error(ErrorKind::internal, "no id in the answer; desc = none")),
            "no id in the answer; desc = none");
}

TEST(ErrorMapping, CallsEndedByStopAreCancelled) {
  Outcome outcome = ended(1, false);
  outcome.stopped = true;
  EXPECT_EQ(to_error(rpc::run_pod_sandbox, outcome).kind(), ErrorKind::cancelled);
}

TEST(OperationMetrics, CountsCallsErrorsAndDurationsPerOperation) {
  OperationMetrics metrics;
  metrics.record("status", 4ms, false);
  metrics.record("status", 5ms, false);  // a bound belongs to its bucket
  metrics.record("status", 20ms, true);
  metrics.record("pull_image", 1h, false);
  const auto& status = metrics.by_operation().at("status");
  EXPECT_EQ(status.count, 3u);
  EXPECT_EQ(status.errors, 1u);
  EXPECT_NEAR(status.seconds, 0.029, 1e-9);
  EXPECT_EQ(status.buckets[0], 2u);
  EXPECT_EQ(status.buckets[2], 1u);
  const auto& pull = metrics.by_operation().at("pull_image");
  EXPECT_EQ(pull.count, 1u);
  for (const auto bucket : pull.buckets) EXPECT_EQ(bucket, 0u);
  for (std::size_t k = 1; k < kOperationBuckets.size(); ++k) {
    EXPECT_NEAR(kOperationBuckets[k] / kOperationBuckets[k - 1], 2.5, 1e-9);
  }
}

}  // namespace
}  // namespace keelson::cri
