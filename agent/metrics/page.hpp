// Page: the metric families that one scrape answers with, filled by collectors and then written in a format.
//
// Modules count in plain structs of their own; a collector copies them into a Page when somebody asks, so that nothing
// is paid for metrics while nobody does. Owner: who answers the scrape, for its duration. Thread: the loop. Nothing
// fails: a family without a sample is left out, as the kubelet does. Source: contract 05 §11, Prometheus text format
// 0.0.4.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;  // in any order; written sorted by name

enum class Type { counter, gauge, histogram };
enum class Stability { none, internal, alpha, beta, stable };  // how HELP begins: "[ALPHA] ..."; none: without

struct Sample {
  Labels labels;
  double value = 0;                          // of a histogram: the sum
  std::optional<std::int64_t> milliseconds;  // since the epoch, when the sample is of another time than the scrape
  std::vector<std::uint64_t> cumulative;     // of a histogram: by bound, then all
};

class Family {
 public:
  Family(Type type, Stability stability, std::string help)
      : type_(type), stability_(stability), help_(std::move(help)) {}

  void add(Labels labels, double value, std::optional<std::int64_t> milliseconds = std::nullopt);
  // `counts` are of each bucket by itself; there may be one more than bounds. `count` is of all, so what is above the
  // last bound need not be counted apart.
  void add_histogram(Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
                     std::uint64_t count);

  Type type() const { return type_; }
  Stability stability() const { return stability_; }
  const std::string& help() const { return help_; }
  const std::vector<double>& bounds() const { return bounds_; }
  const std::vector<Sample>& samples() const { return samples_; }

 private:
  Type type_;
  Stability stability_;
  std::string help_;
  std::vector<double> bounds_;
  std::vector<Sample> samples_;
};

class Page {
 public:
  // The family of that name, made when it is new; type, stability and help are those of the first call.
  Family& family(const std::string& name, Type type, Stability stability, std::string_view help);
  const std::map<std::string, Family>& families() const { return families_; }

 private:
  std::map<std::string, Family> families_;
};

using Collector = std::function<void(Page&)>;

// With its stability before it: "[ALPHA] Number of ..."
std::string full_help(const Family& family);
// The samples as every format lists them: by the values of their labels.
std::vector<const Sample*> in_order(const Family& family);

// "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
std::string text(const Page& page);
// application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited
std::string delimited_protobuf(const Page& page);

}  // namespace keelson::metrics
