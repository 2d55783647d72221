// What a Client counts of its requests. Source: contract 05 §12 (rest_client_*).
#include <gtest/gtest.h>

#include "kube-client/tests/fake_transport.hpp"

namespace keelson::kube {
namespace {

using api::core::Pod;
using testing::Bench;
using namespace std::chrono_literals;

Pod pod() {
  Pod out;
  out.mutable_metadata()->set_name("p");
  out.mutable_metadata()->set_namespace_("ns");
  return out;
}

TEST(ClientMetrics, CountARequestByCodeAndVerbWithItsTimeAndSizes) {
  Bench bench;
  bench.transport.answer(200, api::encode_binary(pod()), testing::kProtobufAnswer, 300ms);
  ASSERT_TRUE(bench.run(bench.client.get<Pod>("ns", "p")).ok());
  bench.transport.answer(201, api::encode_binary(pod()), testing::kProtobufAnswer);
  ASSERT_TRUE(bench.run(bench.client.create<Pod>("ns", pod())).ok());
  const RequestMetrics& metrics = bench.client.metrics();
  EXPECT_EQ(metrics.requests, (base::CountsBy<2>{{{"200", "GET"}, 1}, {{"201", "POST"}, 1}}));
  EXPECT_TRUE(metrics.retries.empty());
  const RequestMetrics::Verb& get = metrics.verbs.at({"GET"});
  EXPECT_EQ(get.duration.count, 1u);
  EXPECT_DOUBLE_EQ(get.duration.sum, .3);
  EXPECT_EQ(get.request_size.sum, 0);
  EXPECT_EQ(get.response_size.sum, static_cast<double>(api::encode_binary(pod()).size()));
  EXPECT_EQ(get.rate_limiter.count, 1u);
  const RequestMetrics::Verb& post = metrics.verbs.at({"POST"});
  EXPECT_EQ(post.request_size.sum, static_cast<double>(bench.transport.seen.back().request.body.size()));
  EXPECT_GT(post.request_size.sum, 0);
}

TEST(ClientMetrics, CountEachTryButOneRequest) {
  Bench bench;
  bench.transport.answer(503, "", {{"retry-after", "2"}});
  bench.transport.fail(ErrorKind::maybe_applied);
  bench.transport.answer(404, "no such pod");
  EXPECT_EQ(bench.run(bench.client.get<Pod>("ns", "p")).error().code(), 404);
  const RequestMetrics& metrics = bench.client.metrics();
  EXPECT_EQ(metrics.requests, (base::CountsBy<2>{{{"503", "GET"}, 1}, {{"<error>", "GET"}, 1}, {{"404", "GET"}, 1}}));
  EXPECT_EQ(metrics.retries, (base::CountsBy<2>{{{"503", "GET"}, 1}, {{"<error>", "GET"}, 1}}));
  EXPECT_EQ(metrics.verbs.at({"GET"}).duration.count, 1u);
  EXPECT_DOUBLE_EQ(metrics.verbs.at({"GET"}).duration.sum, 2);
  EXPECT_EQ(metrics.verbs.at({"GET"}).request_size.count, 3u);
  EXPECT_EQ(metrics.verbs.at({"GET"}).response_size.count, 2u) << "a broken connection has none";
}

TEST(ClientMetrics, AWatchCountsAsARequestWithoutATime) {
  Bench bench;
  bench.transport.stream();
  ASSERT_TRUE(bench.run(bench.client.open("/api/v1/pods", {})).ok());
  EXPECT_EQ(bench.client.metrics().requests, (base::CountsBy<2>{{{"200", "GET"}, 1}}));
  EXPECT_TRUE(bench.client.metrics().verbs.empty());
}

TEST(ClientMetrics, TheTimeInTheRateLimitIsCountedOnlyWhereThereIsOne) {
  Bench limited(ClientOptions{.qps = 1, .burst = 1});
  for (int i = 0; i < 3; ++i) {
    limited.transport.answer(pod());
    ASSERT_TRUE(limited.run(limited.client.get<Pod>("ns", "p")).ok());
  }
  EXPECT_EQ(limited.client.metrics().verbs.at({"GET"}).rate_limiter.count, 3u);
  EXPECT_DOUBLE_EQ(limited.client.metrics().verbs.at({"GET"}).rate_limiter.sum, 2);
  EXPECT_DOUBLE_EQ(limited.client.metrics().verbs.at({"GET"}).duration.sum, 2) << "as the kubelet's has it";

  Bench free(ClientOptions{.qps = 0});
  free.transport.answer(pod());
  ASSERT_TRUE(free.run(free.client.get<Pod>("ns", "p")).ok());
  EXPECT_EQ(free.client.metrics().verbs.at({"GET"}).rate_limiter.count, 0u);
}

TEST(ClientMetrics, ARequestThatRunsOutOfTimeCountsToo) {
  Bench bench(ClientOptions{.timeout = 5s});
  bench.transport.hang();
  EXPECT_FALSE(bench.run(bench.client.create<Pod>("ns", pod())).ok());
  EXPECT_EQ(bench.client.metrics().requests.at({"<error>", "POST"}), 1u);
  EXPECT_DOUBLE_EQ(bench.client.metrics().verbs.at({"POST"}).duration.sum, 5);
}

}  // namespace
}  // namespace keelson::kube
