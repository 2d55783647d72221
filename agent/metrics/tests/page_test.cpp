#include "agent/metrics/page.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "agent/metrics/add.hpp"
#include "agent/metrics/number.hpp"

namespace keelson::metrics {
namespace {

TEST(Number, IsWrittenAsGoWritesIt) {
  struct Row {
    double value;
    const char* text;
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Row rows[] = {
      {0, "0"},
      {-0.0, "0"},
      {1, "1"},
      {-1, "-1"},
      {10, "10"},
      {123456, "123456"},
      {999999, "999999"},
      {999999.5, "999999.5"},
      {1000000, "1e+06"},
      {12333056, "1.2333056e+07"},
      {1795171494, "1.795171494e+09"},
      {2592000, "2.592e+06"},
      {1e21, "1e+21"},
      {1.8446744073709552e19, "1.8446744073709552e+19"},
      {1e100, "1e+100"},
      {0.1, "0.1"},
      {0.30000000000000004, "0.30000000000000004"},
      {0.00026927099999999996, "0.00026927099999999996"},
      {0.0001, "0.0001"},
      {0.00001, "1e-05"},
      {8.0951e-05, "8.0951e-05"},
      {-0.000012, "-1.2e-05"},
      {5e-324, "5e-324"},
      {kInfinity, "+Inf"},
      {-kInfinity, "-Inf"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"},
  };
  for (const Row& row : rows) {
    std::string out = "x";
    append_number(out, row.value);
    EXPECT_EQ(out, std::string("x") + row.text);
  }
}

TEST(Page, SortsFamiliesByNameAndSamplesByTheValuesOfTheirLabels) {
  Page page;
  gauge(page, "b", "Second.").add({{"z", "1"}, {"a", "2"}}, 1);
  gauge(page, "b", "Other words.").add({{"a", "1"}, {"z", "9"}}, 2);
  gauge(page, "b", "Second.").add({{"a", "3"}}, 3);
  counter(page, "a", "First.").add({}, 4);
  EXPECT_EQ(text(page),
            "# HELP a [ALPHA] First.\n# TYPE a counter\na 4\n"
            "# HELP b [ALPHA] Second.\n# TYPE b gauge\n"
            "b{a=\"3\"} 3\nb{a=\"1\",z=\"9\"} 2\nb{a=\"2\",z=\"1\"} 1\n");
}

TEST(Page, SaysHowStableAFamilyIs) {
  const std::pair<Stability, const char*> rows[] = {{Stability::none, ""},
                                                    {Stability::internal, "[INTERNAL] "},
                                                    {Stability::alpha, "[ALPHA] "},
                                                    {Stability::beta, "[BETA] "},
                                                    {Stability::stable, "[STABLE] "}};
  for (const auto& [stability, word] : rows) {
    Page page;
    page.family("m", Type::gauge, stability, "Help.").add({}, 1);
    EXPECT_EQ(text(page), std::string("# HELP m ") + word + "Help.\n# TYPE m gauge\nm 1\n");
  }
}

TEST(Page, LeavesOutAFamilyWithoutASample) {
  Page page;
  counter(page, "nothing", "Never used.");
  EXPECT_EQ(text(page), "");
  EXPECT_EQ(delimited_protobuf(page), "");
}

TEST(Page, EscapesWhatWouldEndALineOrALabel) {
  Page page;
  gauge(page, "m", "A \"word\" \\ and\na line.").add({{"l", "a\"b\\c\nd"}}, 1);
  EXPECT_EQ(text(page), "# HELP m [ALPHA] A \"word\" \\\\ and\\na line.\n# TYPE m gauge\nm{l=\"a\\\"b\\\\c\\nd\"} 1\n");
}

TEST(Page, WritesTimesAndSortsByThem) {
  Page page;
  auto& family = gauge(page, "m", "Help.");
  family.add({}, 3);
  family.add({}, 2, 2000);
  family.add({}, 1, 1000);
  EXPECT_EQ(text(page), "# HELP m [ALPHA] Help.\n# TYPE m gauge\nm 1 1000\nm 2 2000\nm 3\n");
}

TEST(Page, WritesBucketsCumulatedWithTheRestInTheLast) {
  Page page;
  const std::vector<double> bounds{.5, 1, 1e6};
  const std::vector<std::uint64_t> counts{1, 0, 2};
  auto& family = histogram(page, "h", "Help.");
  family.add_histogram({{"x", "y"}}, bounds, counts, 12.5, 4);
  EXPECT_EQ(text(page),
            "# HELP h [ALPHA] Help.\n# TYPE h histogram\n"
            "h_bucket{x=\"y\",le=\"0.5\"} 1\nh_bucket{x=\"y\",le=\"1\"} 1\nh_bucket{x=\"y\",le=\"1e+06\"} 3\n"
            "h_bucket{x=\"y\",le=\"+Inf\"} 4\nh_sum{x=\"y\"} 12.5\nh_count{x=\"y\"} 4\n");
}

TEST(Page, TakesWhatModulesCountBy) {
  Page page;
  static constexpr std::array<double, 2> kBounds{1, 2};
  base::ByLabels<1, base::Histogram<kBounds>> histograms;
  histograms[{"GET"}].observe(1.5);
  add_histograms<1>(histogram(page, "h", "H."), {"verb"}, histograms);
  base::CountsBy<2> counts;
  counts[{"200", "GET"}] = 7;
  add_counts<2>(counter(page, "c", "C."), {"code", "verb"}, counts);
  EXPECT_EQ(
      text(page),
      "# HELP c [ALPHA] C.\n# TYPE c counter\nc{code=\"200\",verb=\"GET\"} 7\n"
      "# HELP h [ALPHA] H.\n# TYPE h histogram\n"
      "h_bucket{verb=\"GET\",le=\"1\"} 0\nh_bucket{verb=\"GET\",le=\"2\"} 1\nh_bucket{verb=\"GET\",le=\"+Inf\"} 1\n"
      "h_sum{verb=\"GET\"} 1.5\nh_count{verb=\"GET\"} 1\n");
}

}  // namespace
}  // namespace keelson::metrics
