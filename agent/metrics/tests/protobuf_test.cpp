// What is written by hand is read by protobuf itself, with the published schema of io.prometheus.client.
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <gtest/gtest.h>

#include "agent/metrics/add.hpp"
#include "agent/metrics/page.hpp"

namespace keelson::metrics {
namespace {

using google::protobuf::Message;

// The fields that are used here.
constexpr char kSchema[] = R"(
name: "metrics.proto" package: "io.prometheus.client" syntax: "proto2"
enum_type { name: "MetricType"
  value { name: "COUNTER" number: 0 } value { name: "GAUGE" number: 1 } value { name: "SUMMARY" number: 2 }
  value { name: "UNTYPED" number: 3 } value { name: "HISTOGRAM" number: 4 } }
message_type { name: "LabelPair"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING } }
message_type { name: "Gauge" field { name: "value" number: 1 label: LABEL_OPTIONAL type: TYPE_DOUBLE } }
message_type { name: "Counter" field { name: "value" number: 1 label: LABEL_OPTIONAL type: TYPE_DOUBLE } }
message_type { name: "Bucket"
  field { name: "cumulative_count" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT64 }
  field { name: "upper_bound" number: 2 label: LABEL_OPTIONAL type: TYPE_DOUBLE } }
message_type { name: "Histogram"
  field { name: "sample_count" number: 1 label: LABEL_OPTIONAL type: TYPE_UINT64 }
  field { name: "sample_sum" number: 2 label: LABEL_OPTIONAL type: TYPE_DOUBLE }
  field { name: "bucket" number: 3 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".io.prometheus.client.Bucket" } }
message_type { name: "Metric"
  field { name: "label" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".io.prometheus.client.LabelPair" }
  field { name: "gauge" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".io.prometheus.client.Gauge" }
  field { name: "counter" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".io.prometheus.client.Counter" }
  field { name: "timestamp_ms" number: 6 label: LABEL_OPTIONAL type: TYPE_INT64 }
  field { name: "histogram" number: 7 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".io.prometheus.client.Histogram" } }
message_type { name: "MetricFamily"
  field { name: "name" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "help" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "type" number: 3 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".io.prometheus.client.MetricType" }
  field { name: "metric" number: 4 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".io.prometheus.client.Metric" } }
)";

std::string read_back(const std::string& bytes) {
  google::protobuf::FileDescriptorProto schema;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kSchema, &schema));
  google::protobuf::DescriptorPool pool;
  const auto* file = pool.BuildFile(schema);
  EXPECT_NE(file, nullptr);
  google::protobuf::DynamicMessageFactory factory(&pool);
  const Message* prototype = factory.GetPrototype(file->FindMessageTypeByName("MetricFamily"));
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  std::string out;
  while (true) {
    const std::unique_ptr<Message> family(prototype->New());
    bool clean_end = false;
    if (!google::protobuf::util::ParseDelimitedFromCodedStream(family.get(), &input, &clean_end)) {
      EXPECT_TRUE(clean_end);
      return out;
    }
    EXPECT_TRUE(family->GetReflection()->GetUnknownFields(*family).empty());
    out += family->ShortDebugString() + '\n';
  }
}

TEST(DelimitedProtobuf, IsReadByProtobufItself) {
  Page page;
  counter(page, "c", "Counts.").add({{"b", "2"}, {"a", std::string(300, 'x')}}, 3);
  auto& family = gauge(page, "g", "Time.");
  family.add({}, -1.5, 1795171495461);
  page.family("n", Type::gauge, Stability::none, "").add({}, 0);
  const std::vector<double> bounds{.5, 1};
  const std::vector<std::uint64_t> counts{1, 300};
  histogram(page, "h", "Lasts.").add_histogram({}, bounds, counts, 12.5, 400);
  EXPECT_EQ(read_back(delimited_protobuf(page)),
            "name: \"c\" help: \"[ALPHA] Counts.\" type: COUNTER metric { label { name: \"a\" value: \"" +
                std::string(300, 'x') +
                "\" } label { name: \"b\" value: \"2\" } counter { value: 3 } }\n"
                "name: \"g\" help: \"[ALPHA] Time.\" type: GAUGE metric { gauge { value: -1.5 } timestamp_ms: "
                "1795171495461 }\n"
                "name: \"h\" help: \"[ALPHA] Lasts.\" type: HISTOGRAM metric { histogram { sample_count: 400 "
                "sample_sum: 12.5 bucket { cumulative_count: 1 upper_bound: 0.5 } bucket { cumulative_count: 301 "
                "upper_bound: 1 } } }\n"
                "name: \"n\" help: \"\" type: GAUGE metric { gauge { value: 0 } }\n");
}

}  // namespace
}  // namespace keelson::metrics
