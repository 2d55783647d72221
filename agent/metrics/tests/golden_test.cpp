// A recorded page, read and put into a Page, is written as it was recorded, byte by byte.
#include <gtest/gtest.h>

#include <map>

#include "agent/metrics/page.hpp"
#include "agent/metrics/tests/text_reader.hpp"

namespace keelson::metrics {
namespace {

using testing::number_of;
using testing::read_recorded;
using testing::read_text;
using testing::ReadFamily;

Stability stability_of(std::string& help) {
  const std::pair<const char*, Stability> words[] = {{"[ALPHA] ", Stability::alpha},
                                                     {"[BETA] ", Stability::beta},
                                                     {"[STABLE] ", Stability::stable},
                                                     {"[INTERNAL] ", Stability::internal}};
  for (const auto& [word, stability] : words) {
    if (!help.starts_with(word)) continue;
    help = help.substr(std::string(word).size());
    return stability;
  }
  return Stability::none;
}

// One series of a histogram, as it is gathered line by line.
struct Series {
  std::vector<double> bounds;
  std::vector<std::uint64_t> counts;  // not cumulative
  std::uint64_t so_far = 0;
  double sum = 0;
};

void add_histograms(const ReadFamily& read, Family& family) {
  Series series;
  for (const auto& sample : read.samples) {
    const double value = number_of(sample.value);
    if (sample.suffix == "_bucket") {
      if (sample.labels.back().second == "+Inf") continue;
      series.bounds.push_back(number_of(sample.labels.back().second));
      series.counts.push_back(static_cast<std::uint64_t>(value) - series.so_far);
      series.so_far = static_cast<std::uint64_t>(value);
    } else if (sample.suffix == "_sum") {
      series.sum = value;
    } else {
      family.add_histogram(sample.labels, series.bounds, series.counts, series.sum, static_cast<std::uint64_t>(value));
      series = Series();
    }
  }
}

void add_values(const ReadFamily& read, Family& family) {
  // Backwards: the page puts them into their order.
  for (auto sample = read.samples.rbegin(); sample != read.samples.rend(); ++sample) {
    Labels labels(sample->labels.rbegin(), sample->labels.rend());
    std::optional<std::int64_t> time;
    if (!sample->time.empty()) time = std::stoll(sample->time);
    family.add(std::move(labels), number_of(sample->value), time);
  }
}

Page page_of(const testing::ReadPage& read) {
  Page page;
  for (const auto& [name, from] : read) {
    std::string help = from.help;
    const Stability stability = stability_of(help);
    const Type type = from.type == "counter" ? Type::counter : from.type == "gauge" ? Type::gauge : Type::histogram;
    Family& family = page.family(name, type, stability, help);
    if (type == Type::histogram) {
      add_histograms(from, family);
    } else {
      add_values(from, family);
    }
  }
  return page;
}

// Families of type summary are Go's own.
std::string without_summaries(const std::string& text) {
  std::string out;
  std::string skipped;
  std::string help;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      help = line + '\n';
      skipped.clear();
      continue;
    }
    if (line.starts_with("# TYPE ") && line.ends_with(" summary")) skipped = line.substr(7, line.find(' ', 7) - 7);
    if (!skipped.empty()) continue;
    out += help + line + '\n';
    help.clear();
  }
  return out;
}

void expect_same(const std::string& file) {
  const std::string recorded = without_summaries(read_recorded(file));
  ASSERT_GT(recorded.size(), 1000u);
  const std::string written = text(page_of(read_text(recorded)));
  if (written == recorded) return;
  std::istringstream ours(written);
  std::istringstream theirs(recorded);
  std::string our_line;
  std::string their_line;
  while (std::getline(theirs, their_line)) {
    std::getline(ours, our_line);
    ASSERT_EQ(our_line, their_line) << file;
  }
  FAIL() << file << ": more was written than was recorded: " << ours.str().substr(recorded.size());
}

TEST(GoldenPage, TheMetricsPageIsWrittenAsItWasRecorded) { expect_same("metrics.txt"); }
TEST(GoldenPage, TheProbesPageIsWrittenAsItWasRecorded) { expect_same("metrics-probes.txt"); }

}  // namespace
}  // namespace keelson::metrics
