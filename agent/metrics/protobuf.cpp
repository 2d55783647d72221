// The messages of io.prometheus.client (client_model's metrics.proto), written by hand: four of them, ten fields.
#include <array>
#include <bit>

#include "agent/metrics/page.hpp"

namespace keelson::metrics {
namespace {

// Wire types of protobuf.
constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kBytes = 2;

// MetricType
constexpr std::uint64_t kCounter = 0;
constexpr std::uint64_t kGauge = 1;
constexpr std::uint64_t kHistogram = 4;

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void append_key(std::string& out, std::uint32_t field, std::uint32_t wire) { append_varint(out, field << 3 | wire); }

void append_number_field(std::string& out, std::uint32_t field, std::uint64_t value) {
  append_key(out, field, kVarint);
  append_varint(out, value);
}

void append_double_field(std::string& out, std::uint32_t field, double value) {
  append_key(out, field, kFixed64);
  auto bits = std::bit_cast<std::uint64_t>(value);
  for (std::size_t i = 0; i < sizeof bits; ++i, bits >>= 8) out += static_cast<char>(bits & 0xff);
}

void append_bytes_field(std::string& out, std::uint32_t field, std::string_view bytes) {
  append_key(out, field, kBytes);
  append_varint(out, bytes.size());
  out += bytes;
}

std::uint64_t number_of(Type type) {
  switch (type) {
    case Type::counter: return kCounter;
    case Type::gauge: return kGauge;
    case Type::histogram: break;
  }
  return kHistogram;
}

// LabelPair
std::string label_message(const std::string& name, const std::string& value) {
  std::string out;
  append_bytes_field(out, 1, name);
  append_bytes_field(out, 2, value);
  return out;
}

// Counter, Gauge
std::string value_message(double value) {
  std::string out;
  append_double_field(out, 1, value);
  return out;
}

// Histogram; the bucket without bound is the count.
std::string histogram_message(const Sample& sample, const std::vector<double>& bounds) {
  std::string out;
  append_number_field(out, 1, sample.cumulative.back());
  append_double_field(out, 2, sample.value);
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    std::string bucket;
    append_number_field(bucket, 1, sample.cumulative[i]);
    append_double_field(bucket, 2, bounds[i]);
    append_bytes_field(out, 3, bucket);
  }
  return out;
}

// Metric
std::string metric_message(const Sample& sample, const Family& family) {
  std::string out;
  for (const auto& [name, value] : sample.labels) append_bytes_field(out, 1, label_message(name, value));
  if (family.type() == Type::gauge) append_bytes_field(out, 2, value_message(sample.value));
  if (family.type() == Type::counter) append_bytes_field(out, 3, value_message(sample.value));
  if (sample.milliseconds) append_number_field(out, 6, static_cast<std::uint64_t>(*sample.milliseconds));
  if (family.type() == Type::histogram) append_bytes_field(out, 7, histogram_message(sample, family.bounds()));
  return out;
}

// MetricFamily
std::string family_message(const std::string& name, const Family& family) {
  std::string out;
  append_bytes_field(out, 1, name);
  append_bytes_field(out, 2, full_help(family));
  append_number_field(out, 3, number_of(family.type()));
  for (const Sample* sample : in_order(family)) append_bytes_field(out, 4, metric_message(*sample, family));
  return out;
}

}  // namespace

std::string delimited_protobuf(const Page& page) {
  std::string out;
  for (const auto& [name, family] : page.families()) {
    if (family.samples().empty()) continue;
    const std::string message = family_message(name, family);
    append_varint(out, message.size());
    out += message;
  }
  return out;
}

}  // namespace keelson::metrics
