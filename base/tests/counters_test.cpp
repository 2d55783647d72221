#include "base/counters.hpp"

#include <gtest/gtest.h>

namespace keelson::base {
namespace {

constexpr std::array<double, 3> kBounds{.1, 1, 10};

TEST(Histogram, ABoundBelongsToItsBucketAndWhatIsAboveTheLastIsCountedOnly) {
  Histogram<kBounds> histogram;
  for (const double value : {0.0, .1, .100001, 1.0, 10.0, 10.5}) histogram.observe(value);
  EXPECT_EQ(histogram.buckets, (std::array<std::uint64_t, 3>{2, 2, 1}));
  EXPECT_EQ(histogram.count, 6u);
  EXPECT_DOUBLE_EQ(histogram.sum, 21.700001);
}

TEST(Histogram, TakesDurationsAsSeconds) {
  Histogram<kBounds> histogram;
  histogram.observe(Duration(std::chrono::milliseconds(250)));
  EXPECT_EQ(histogram.buckets, (std::array<std::uint64_t, 3>{0, 1, 0}));
  EXPECT_DOUBLE_EQ(histogram.sum, .25);
}

TEST(CountsBy, KeepOneNumberForEachCombination) {
  CountsBy<2> counts;
  ++counts[{"200", "GET"}];
  ++counts[{"200", "GET"}];
  ++counts[{"200", "PUT"}];
  EXPECT_EQ(counts, (CountsBy<2>{{{"200", "GET"}, 2}, {{"200", "PUT"}, 1}}));
}

TEST(Buckets, AreSorted) {
  EXPECT_TRUE(std::is_sorted(buckets::kDurations.begin(), buckets::kDurations.end()));
  EXPECT_TRUE(std::is_sorted(buckets::kPodStarts.begin(), buckets::kPodStarts.end()));
  EXPECT_TRUE(std::is_sorted(buckets::kImagePulls.begin(), buckets::kImagePulls.end()));
  EXPECT_TRUE(std::is_sorted(buckets::kRequests.begin(), buckets::kRequests.end()));
  EXPECT_TRUE(std::is_sorted(buckets::kSizes.begin(), buckets::kSizes.end()));
}

}  // namespace
}  // namespace keelson::base
