// What the endpoints answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <zlib.h>

#include <nlohmann/json.hpp>

#include "agent/server/gzip.hpp"
#include "agent/stats/page_handler.hpp"
#include "agent/stats/summary_handler.hpp"
#include "agent/stats/tests/sampler_fixture.hpp"

namespace keelson::stats {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class FakeReply final : public server::Reply {
 public:
  base::Task<Status> send(server::Response response) override {
    sent = std::move(response);
    co_return Ok{};
  }
  base::Task<Status> begin(server::Response) override { co_return Ok{}; }
  base::Task<Status> write(std::string) override { co_return Ok{}; }
  base::Task<Status> finish() override { co_return Ok{}; }
  std::unique_ptr<server::ByteStream> take_over() override { return nullptr; }

  server::Response sent;
};

base::Task<bool> handled(server::Handler& handler, const server::Request& request, server::Reply& reply) {
  co_await handler.handle(request, reply);
  co_return true;
}

class HandlersTest : public testing::Test, protected SamplerFixture {
 protected:
  HandlersTest() : SamplerFixture(cgroups::Version::v2) { make_groups(source.add("a", {"main"})); }

  server::Response ask(server::Handler& handler, const server::Request& request = {}) {
    FakeReply reply;
    run(handled(handler, request, reply));
    return std::move(reply.sent);
  }
  static std::string header(const server::Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }

  base::SystemTime started{std::chrono::seconds(1'700'000'000)};
};

TEST_F(HandlersTest, SummaryIsIndentedJson) {
  SummaryHandler handler(*sampler);
  const auto response = ask(handler);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(header(response, "Content-Type"), "application/json");
  EXPECT_THAT(response.body, StartsWith("{\n \"node\": {\n  \"nodeName\": \"node-1\",\n"));
  const auto summary = nlohmann::json::parse(response.body);
  EXPECT_TRUE(summary["node"].contains("rlimit"));
  EXPECT_EQ(summary["pods"][0]["containers"][0]["cpu"]["usageCoreNanoSeconds"], 100'000'000);
}

TEST_F(HandlersTest, SummaryOfCpuAndMemoryAlone) {
  SummaryHandler handler(*sampler);
  server::Request request;
  request.query = {{"only_cpu_and_memory", "true"}};
  const auto summary = nlohmann::json::parse(ask(handler, request).body);
  EXPECT_FALSE(summary["node"].contains("rlimit"));
  EXPECT_TRUE(summary["node"].contains("swap"));
  EXPECT_EQ(source.asked_containers, 0);
}

TEST_F(HandlersTest, SummaryThatCannotBeMadeIsAnInternalError) {
  tree.remove_group("");
  SummaryHandler handler(*sampler);
  const auto response = ask(handler);
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body, "Internal Error: failed to get root cgroup stats: the root cgroup cannot be read");
}

TEST_F(HandlersTest, MetricsOfResources) {
  PageHandler handler = resource_handler(*sampler, started);
  const auto response = ask(handler);
  EXPECT_EQ(header(response, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
  EXPECT_EQ(header(response, "Process-Start-Time-Unix"), "1700000000");
  EXPECT_THAT(response.body, HasSubstr("\ncontainer_cpu_usage_seconds_total{container=\"main\",namespace=\"default\","
                                       "pod=\"web-a\"} 0.1 "));
  EXPECT_THAT(response.body, HasSubstr("\nresource_scrape_error 0\n"));
}

TEST_F(HandlersTest, MetricsThatCannotBeCollectedSaySo) {
  tree.remove_group("");
  PageHandler resources = resource_handler(*sampler, started);
  EXPECT_THAT(ask(resources).body, HasSubstr("\nresource_scrape_error 1\n"));
  PageHandler containers = cadvisor_handler(*sampler, MachineFacts(), started);
  const auto response = ask(containers);
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, HasSubstr("\ncontainer_scrape_error 1\n"));
}

TEST_F(HandlersTest, MetricsOfContainersInTheFormatThatIsAskedFor) {
  PageHandler handler = cadvisor_handler(*sampler, MachineFacts(), started);
  server::Request request;
  EXPECT_THAT(ask(handler, request).body, HasSubstr("container_memory_rss{container=\"main\""));
  request.headers = {{"Accept",
                      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                      "encoding=delimited"}};
  const auto response = ask(handler, request);
  EXPECT_THAT(header(response, "Content-Type"), StartsWith("application/vnd.google.protobuf"));
  EXPECT_THAT(response.body, HasSubstr("container_memory_rss"));
}

// RFC 1952, by zlib.
std::string unzipped(const std::string& text) {
  z_stream z{};
  EXPECT_EQ(inflateInit2(&z, 15 + 16), Z_OK);
  std::string out(16 * 1024 * 1024, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  inflateEnd(&z);
  return out;
}

TEST_F(HandlersTest, MetricsOfContainersCompressed) {
  PageHandler handler = cadvisor_handler(*sampler, MachineFacts(), started);
  server::Request request;
  const std::string plain = ask(handler, request).body;
  request.headers = {{"Accept-Encoding", "gzip"}};
  const auto response = ask(handler, request);
  EXPECT_EQ(header(response, "Content-Encoding"), "gzip");
  EXPECT_LT(response.body.size(), plain.size() / 4);
  EXPECT_EQ(unzipped(response.body), plain);
}

TEST(Gzip, PutsPiecesOfAnySizeTogether) {
  std::string whole;
  server::Gzip gzip;
  std::string out;
  for (unsigned size : {0u, 1u, 100'000u, 0u, 3'000'000u}) {
    std::string piece;
    for (unsigned i = 0; i < size; ++i) piece += static_cast<char>((i * i + i / 7) % 251);  // does not compress well
    out += gzip.add(piece);
    whole += piece;
  }
  EXPECT_EQ(unzipped(out + gzip.end()), whole);
  EXPECT_EQ(unzipped(server::Gzip().end()), "");
}

TEST(OnlyCpuAndMemory, IsAskedForByOneTrueAlone) {
  struct Row {
    const char* what;
    bool expected;
    std::string method;
    server::Fields query;
    std::string body;
  };
  const std::vector<Row> rows{
      {"nothing", false, "GET", {}, ""},
      {"true", true, "GET", {{"only_cpu_and_memory", "true"}}, ""},
      {"1", false, "GET", {{"only_cpu_and_memory", "1"}}, ""},
      {"twice", false, "GET", {{"only_cpu_and_memory", "true"}, {"only_cpu_and_memory", "true"}}, ""},
      {"a form", true, "POST", {}, "x=1&only_cpu_and_memory=true"},
      {"a form and the query", false, "POST", {{"only_cpu_and_memory", "true"}}, "only_cpu_and_memory=true"},
      {"a body with GET", false, "GET", {}, "only_cpu_and_memory=true"}};
  for (const Row& row : rows) {
    server::Request request;
    request.method = row.method;
    request.query = row.query;
    request.body = row.body;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    EXPECT_EQ(asks_only_cpu_and_memory(request), row.expected) << row.what;
  }
}

}  // namespace
}  // namespace keelson::stats
