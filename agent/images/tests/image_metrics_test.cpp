#include "agent/images/image_metrics.hpp"

#include <gtest/gtest.h>

#include "agent/images/tests/started_puller.hpp"

namespace keelson::agent {
namespace {

using namespace testing;

TEST(ImageSize, HasTheKubeletsLabels) {
  constexpr std::uint64_t kMega = 1024 * 1024;
  struct Row {
    std::uint64_t bytes;
    const char* label;
  };
  const Row rows[] = {
      {0, "N/A"},
      {1, "0-10MB"},
      {10 * kMega, "0-10MB"},
      {10 * kMega + 1, "10MB-100MB"},
      {500 * kMega, "100MB-500MB"},
      {1000 * kMega, "500MB-1GB"},
      {4096 * kMega, "1GB-5GB"},
      {6 * 1024 * kMega, "5GB-10GB"},
      {15 * 1024 * kMega, "10GB-20GB"},
      {25 * 1024 * kMega, "20GB-30GB"},
      {35 * 1024 * kMega, "30GB-40GB"},
      {60 * 1024 * kMega, "40GB-60GB"},
      {100 * 1024 * kMega, "60GB-100GB"},
      {200 * 1024 * kMega, "GT100GB"},
  };
  for (const Row& row : rows) EXPECT_EQ(image_size_label(row.bytes), row.label) << row.bytes;
}

struct ImageCounts : ::testing::Test {
  ImageCounts() { limits.qps = 0; }
  ImageOutcome ensure(const std::string& image, const std::string& policy) {
    if (!started) started = std::make_unique<StartedPuller>(world, limits);
    ImageRequest request;
    request.pod = std::make_shared<const api::Pod>(pod);
    request.image = image;
    request.policy = policy;
    return world.run(started->puller.ensure(std::move(request)));
  }
  const ImageMetrics& metrics() const { return started->puller.metrics(); }

  World world;
  api::Pod pod = make_wanted("u1");
  ImagePullLimits limits;
  std::unique_ptr<StartedPuller> started;
};

TEST_F(ImageCounts, RequestsCountByPolicyAndWhatTheyCameTo) {
  world.cri.images["there:1"].id = "sha256:there";
  world.cri.images["there:1"].size = 5;
  for (const char* policy : {"Always", "IfNotPresent", "Never"}) {
    (void)ensure("there:1", policy);
    (void)ensure(std::string("absent-") + static_cast<char>(policy[0] + 32) + ":1", policy);
  }
  EXPECT_EQ(metrics().requests, (base::CountsBy<3>{{{"always", "unknown", "true"}, 2},
                                                   {{"ifnotpresent", "true", "false"}, 1},
                                                   {{"ifnotpresent", "false", "true"}, 1},
                                                   {{"never", "true", "false"}, 1},
                                                   {{"never", "false", "unknown"}, 1}}));
}

TEST_F(ImageCounts, PullsCountBySizeWithTheTimeTheyTook) {
  world.cri.pull_time = 7s;
  std::vector<std::string> told;
  started = std::make_unique<StartedPuller>(world, limits);
  started->puller.on_pulled([&](const std::string& uid, base::SteadyTime begun, base::SteadyTime ended) {
    told.push_back(uid + " " + std::to_string((ended - begun) / 1s));
  });
  EXPECT_TRUE(ensure("i:1", "Always").image);
  ASSERT_EQ(metrics().pulls.size(), 1u);
  EXPECT_EQ(metrics().pulls.begin()->second.count, 1u);
  EXPECT_NEAR(metrics().pulls.begin()->second.sum, 7, .1);
  EXPECT_EQ(told, std::vector<std::string>{"u1 7"});

  world.cri.inject({"pull_image", "", FakeFault::Kind::fails, Error(ErrorKind::internal, "no"), -1});
  EXPECT_FALSE(ensure("i:2", "Always").image);
  EXPECT_EQ(metrics().pulls.size(), 1u) << "one that failed is none";
  EXPECT_EQ(told.size(), 1u);
}

}  // namespace
}  // namespace keelson::agent
