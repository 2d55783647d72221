#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "kube-client/tests/fake_transport.hpp"

namespace keelson::kube {
namespace {

using api::core::Pod;
using testing::Bench;
using testing::kJsonAnswer;
using namespace std::chrono_literals;

Pod pod() {
  Pod out;
  out.mutable_metadata()->set_name("p");
  out.mutable_metadata()->set_namespace_("ns");
  return out;
}

const Headers kSoon = {{"retry-after", "1"}};

std::vector<int> seconds_of(const Bench& bench) {
  std::vector<int> out;
  for (const auto& seen : bench.transport.seen) {
    out.push_back(static_cast<int>(
        std::chrono::duration_cast<std::chrono::seconds>(seen.at - bench.transport.seen.front().at).count()));
  }
  return out;
}

TEST(ClientRetry, WaitsAsLongAsTheServerSays) {
  Bench bench;
  bench.transport.answer(429, "slow down", {{"retry-after", "3"}});
  bench.transport.answer(503, "", {{"retry-after", "Thu, 01 Jan 2026 00:00:08 GMT"}});  // the clock began at 00:00:00
  bench.transport.answer(pod());
  auto made = bench.run(bench.client.create<Pod>("ns", pod()));
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  EXPECT_EQ(seconds_of(bench), (std::vector<int>{0, 3, 8}));
  EXPECT_EQ(bench.transport.seen[1].limit, 57s);
  EXPECT_EQ(bench.transport.seen[1].request.body, bench.transport.seen[0].request.body);
}

TEST(ClientRetry, GivesUpAfterTenAnswersThatPutItOff) {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.transport.answer(500, "try later", kSoon);
  auto made = bench.run(bench.client.create<Pod>("ns", pod()));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().code(), 500);
  EXPECT_EQ(bench.transport.seen.size(), 11U);
}

TEST(ClientRetry, NeverWaitsPastTheLimitOfTheRequest) {
  Bench bench(ClientOptions{.timeout = 10s});
  bench.transport.answer(429, "", {{"retry-after", "4"}});
  bench.transport.answer(429, "", {{"retry-after", "7"}});
  const auto started = bench.clock.steady_now();
  auto made = bench.run(bench.client.create<Pod>("ns", pod()));
  EXPECT_EQ(made.error().code(), 429);
  EXPECT_EQ(bench.clock.steady_now() - started, 4s);
}

struct GivenUpRow {
  const char* name;
  int status;
  Headers headers;
};

TEST(ClientRetry, LeavesEverythingElseToTheCaller) {
  const GivenUpRow rows[] = {
      {"no Retry-After", 500, {}},
      {"too many, no Retry-After", 429, {}},
      {"nonsense", 503, {{"retry-after", "soon"}}},
      {"conflict", 409, kSoon},
      {"not found", 404, kSoon},
      {"unauthorized", 401, kSoon},
  };
  for (const GivenUpRow& row : rows) {
    Bench bench;
    bench.transport.answer(row.status, "", row.headers);
    bench.transport.answer(pod());
    EXPECT_FALSE(bench.run(bench.client.get<Pod>("ns", "p")).ok()) << row.name;
    EXPECT_EQ(bench.transport.seen.size(), 1U) << row.name;
  }
}

TEST(ClientRetry, SendsAReadAgainWhenTheConnectionBroke) {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.transport.fail(ErrorKind::maybe_applied);
  bench.transport.answer(pod());
  ASSERT_TRUE(bench.run(bench.client.get<Pod>("ns", "p")).ok());
  EXPECT_EQ(seconds_of(bench), (std::vector<int>{0, 0, 1, 2, 3}));
}

TEST(ClientRetry, NeverSendsAWriteAgainThatMayHaveArrived) {
  Bench bench;
  bench.transport.fail(ErrorKind::maybe_applied);
  bench.transport.answer(pod());
  auto made = bench.run(bench.client.create<Pod>("ns", pod()));
  EXPECT_EQ(made.error().kind(), ErrorKind::maybe_applied);
  EXPECT_EQ(bench.transport.seen.size(), 1U);
}

TEST(ClientRetry, SendsOnceMoreWhatCannotHaveArrived) {
  Bench bench;
  bench.transport.fail(ErrorKind::unavailable);
  bench.transport.answer(pod());
  EXPECT_TRUE(bench.run(bench.client.create<Pod>("ns", pod())).ok());
  for (int i = 0; i < 5; ++i) bench.transport.fail(ErrorKind::unavailable, "connection refused");
  auto refused = bench.run(bench.client.create<Pod>("ns", pod()));
  EXPECT_EQ(refused.error().message(), "connection refused");
  EXPECT_EQ(bench.transport.seen.size(), 4U);
}

TEST(ClientRetry, AnswersAnExpiredLimitOnce) {
  Bench bench;
  bench.transport.hang();
  auto read = bench.run(bench.client.get<Pod>("ns", "p"));
  EXPECT_EQ(read.error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_EQ(bench.transport.seen.size(), 1U);
}

TEST(ClientRetry, PassesTheRateLimitEachTime) {
  Bench bench(ClientOptions{.qps = 0.5, .burst = 1});
  bench.transport.fail(ErrorKind::unavailable);
  bench.transport.answer(pod());
  ASSERT_TRUE(bench.run(bench.client.create<Pod>("ns", pod())).ok());
  EXPECT_EQ(seconds_of(bench), (std::vector<int>{0, 2}));
}

TEST(ClientFallback, SpeaksJsonOnceProtobufWasRefused) {
  for (const int refusal : {415, 406}) {
    Bench bench;
    bench.transport.answer(refusal, "the body of the request was in an unknown format");
    bench.transport.answer(201, api::encode_json(pod()), kJsonAnswer);
    bench.transport.answer(201, api::encode_json(pod()), kJsonAnswer);
    ASSERT_TRUE(bench.run(bench.client.create<Pod>("ns", pod())).ok()) << refusal;
    ASSERT_TRUE(bench.run(bench.client.create<Pod>("ns", pod())).ok()) << refusal;
    ASSERT_EQ(bench.transport.seen.size(), 3U) << refusal;
    for (const std::size_t index : {1U, 2U}) {
      const HttpRequest& request = bench.transport.seen[index].request;
      EXPECT_EQ(*find_header(request.headers, "content-type"), "application/json") << refusal;
      EXPECT_EQ(*find_header(request.headers, "accept"), "application/json") << refusal;
      EXPECT_THAT(request.body, ::testing::HasSubstr(R"("name":"p")")) << refusal;
    }
  }
}

TEST(ClientFallback, IsNoAnswerToARefusedPatchOrToJson) {
  Bench bench;
  bench.transport.answer(415, "no such patch type");
  auto patched = bench.run(bench.client.patch<Pod>("ns", "p", PatchType::json, "[]"));
  EXPECT_EQ(patched.error().code(), 415);
  EXPECT_TRUE(bench.client.speaks_protobuf());
  Bench plain(ClientOptions{.protobuf = false});
  plain.transport.answer(415, "no JSON either");
  EXPECT_EQ(plain.run(plain.client.create<Pod>("ns", pod())).error().code(), 415);
  EXPECT_EQ(plain.transport.seen.size(), 1U);
}

TEST(ClientOpen, GivesTheStreamOrTheErrorInItsBody) {
  Bench bench;
  auto far_end = bench.transport.stream();
  auto stream = bench.run(bench.client.open("/api/v1/pods", {{"watch", "true"}}));
  ASSERT_TRUE(stream.ok());
  EXPECT_TRUE(far_end->open());
  stream->reset();
  EXPECT_FALSE(far_end->open());
  EXPECT_EQ(bench.transport.target(0), "/api/v1/pods?watch=true");

  bench.transport.answer(403, R"({"kind":"Status","apiVersion":"v1","message":"pods is forbidden","code":403})");
  auto refused = bench.run(bench.client.open("/api/v1/pods", {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::permission_denied);
  EXPECT_EQ(refused.error().message(), "pods is forbidden");
}

TEST(ClientOpen, DoesNotWaitForEverForTheBodyOfAnError) {
  Bench bench;
  auto far_end = bench.transport.stream({}, 500);
  const auto started = bench.clock.steady_now();
  auto refused = bench.run(bench.client.open("/api/v1/pods", {}));
  EXPECT_EQ(refused.error().code(), 500);
  EXPECT_EQ(bench.clock.steady_now() - started, 10s);
  EXPECT_FALSE(far_end->open());
}

TEST(ClientOpen, WaitsAndRetriesLikeAnyRequest) {
  Bench bench;
  bench.transport.answer(429, "", {{"retry-after", "2"}});
  bench.transport.fail(ErrorKind::unavailable);
  bench.transport.answer(406, "not acceptable");
  auto far_end = bench.transport.stream();
  auto stream = bench.run(bench.client.open("/api/v1/pods", {}));
  ASSERT_TRUE(stream.ok()) << stream.error().to_string();
  EXPECT_EQ(seconds_of(bench), (std::vector<int>{0, 2, 2, 2}));
  EXPECT_EQ(*find_header(bench.transport.seen[3].request.headers, "accept"), "application/json");
}

}  // namespace
}  // namespace keelson::kube
