// /metrics/resource against the recorded page, and which series are left out.
#include "agent/stats/resource_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <sstream>

#include "agent/stats/tests/recorded_summary.hpp"

namespace keelson::stats {
namespace {

using testing::HasSubstr;
using testing::Not;

// A line: NAME{LABELS} VALUE MILLISECONDS.
struct Line {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
  std::int64_t milliseconds = 0;

  base::SystemTime time() const { return base::SystemTime(std::chrono::milliseconds(milliseconds)); }
  std::uint64_t nanoseconds() const { return static_cast<std::uint64_t>(std::llround(value * 1e9)); }
};

std::vector<Line> lines_of(const std::string& page) {
  std::vector<Line> out;
  std::istringstream lines(page);
  const std::regex label("([a-z_]+)=\"([^\"]*)\"");
  for (std::string text; std::getline(lines, text);) {
    if (text.starts_with('#')) continue;
    Line line;
    line.name = text.substr(0, text.find_first_of("{ "));
    for (std::sregex_iterator it(text.begin(), text.end(), label), end; it != end; ++it)
      line.labels[(*it)[1]] = (*it)[2];
    std::istringstream(text.substr(text.find(' ') + 1)) >> line.value >> line.milliseconds;
    out.push_back(std::move(line));
  }
  return out;
}

PodStats& pod_in(Summary& summary, const Line& line) {
  for (PodStats& pod : summary.pods) {
    if (pod.name == line.labels.at("pod")) return pod;
  }
  PodStats& pod = summary.pods.emplace_back();
  pod.name = line.labels.at("pod");
  pod.ns = line.labels.at("namespace");
  return pod;
}

template <class Stats>
void set(Stats& stats, const Line& line) {
  const auto value = static_cast<std::uint64_t>(line.value);
  if (line.name.ends_with("cpu_usage_seconds_total")) {
    stats.cpu.emplace();
    stats.cpu->time = line.time();
    stats.cpu->usage_core_nano_seconds = line.nanoseconds();
  } else if (line.name.ends_with("memory_working_set_bytes")) {
    stats.memory.emplace();
    stats.memory->time = line.time();
    stats.memory->working_set_bytes = value;
  } else if (line.name.ends_with("swap_usage_bytes")) {
    if (!stats.swap) stats.swap.emplace();
    stats.swap->time = line.time();
    stats.swap->usage_bytes = value;
  }
}

Summary summary_of(const std::string& page) {
  Summary out;
  for (const Line& line : lines_of(page)) {
    if (line.name.starts_with("node_")) set(out.node, line);
    if (line.name.starts_with("pod_")) set(pod_in(out, line), line);
    if (!line.name.starts_with("container_")) continue;
    PodStats& pod = pod_in(out, line);
    if (pod.containers.empty()) pod.containers.emplace_back().name = line.labels.at("container");
    ContainerStats& container = pod.containers.front();
    set(container, line);
    if (line.name == "container_start_time_seconds") {
      container.start_time = base::SystemTime(std::chrono::nanoseconds(line.nanoseconds()));
    }
    if (line.name == "container_swap_limit_bytes") {
      container.swap.emplace();
      container.swap->available_bytes = static_cast<std::uint64_t>(line.value);
    }
  }
  return out;
}

std::string text_of(const std::optional<Summary>& summary) {
  metrics::Page page;
  add_resource_metrics(page, summary);
  return metrics::text(page);
}

TEST(ResourceMetrics, EqualTheRecordedPage) {
  const std::string page = recorded("metrics-resource.txt");
  EXPECT_EQ(text_of(summary_of(page)), page);
}

TEST(ResourceMetrics, AMissingValueDropsItsSeriesAlone) {
  Summary summary;
  PodStats& pod = summary.pods.emplace_back();
  ContainerStats& container = pod.containers.emplace_back();
  container.cpu.emplace().usage_nano_cores = 1;  // but no counter
  container.memory.emplace().working_set_bytes = 5;
  container.swap.emplace().usage_bytes = 3;  // but no limit
  const std::string text = text_of(summary);
  EXPECT_THAT(text, HasSubstr("\ncontainer_memory_working_set_bytes{container=\"\",namespace=\"\",pod=\"\"} 5 0\n"));
  EXPECT_THAT(text, HasSubstr("\ncontainer_swap_usage_bytes{"));
  EXPECT_THAT(text, HasSubstr("\nresource_scrape_error 0\n"));
  for (const char* absent : {"container_cpu_usage", "container_swap_limit", "container_start_time", "node_", "pod_"}) {
    EXPECT_THAT(text, Not(HasSubstr(absent)));
  }
}

TEST(ResourceMetrics, TheSwapLimitIsWhatIsUsedAndWhatIsLeft) {
  Summary summary;
  ContainerStats& container = summary.pods.emplace_back().containers.emplace_back();
  container.swap.emplace().usage_bytes = 3;
  container.swap->available_bytes = 4;
  EXPECT_THAT(text_of(summary),
              HasSubstr("\ncontainer_swap_limit_bytes{container=\"\",namespace=\"\",pod=\"\"} 7 0\n"));
}

TEST(ResourceMetrics, WithoutASummaryThereIsOnlyTheError) {
  EXPECT_EQ(
      text_of(std::nullopt),
      "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise\n"
      "# TYPE resource_scrape_error gauge\nresource_scrape_error 1\n");
}

}  // namespace
}  // namespace keelson::stats
