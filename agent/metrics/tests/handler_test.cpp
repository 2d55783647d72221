#include "agent/metrics/handler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#define ZLIB_CONST
#include <zlib.h>

#include <stdexcept>

#include "agent/metrics/add.hpp"
#include "agent/server/gzip.hpp"
#include "base/gate.hpp"
#include "base/loop.hpp"

namespace keelson::metrics {
namespace {

using ::testing::HasSubstr;

constexpr char kProtobufType[] =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";

TEST(Negotiate, FollowsWhatScrapersSend) {
  struct Row {
    const char* accept;
    const char* encoding;
    Format expected;
  };
  const std::string protobuf(kProtobufType);
  const std::string prometheus2 = protobuf + ";q=0.7,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";
  const std::string prometheus3 =
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  const std::string text_first = "text/plain;version=0.0.4," + protobuf + ";q=0.9";
  const Row rows[] = {
      {"", "", {false, "underscores", false}},
      {"*/*", "identity", {false, "underscores", false}},
      {"text/plain;version=1.0.0", "gzip", {false, "underscores", true}},
      {prometheus2.c_str(), "gzip, deflate", {true, "underscores", true}},
      {prometheus3.c_str(), "gzip", {false, "allow-utf-8", true}},
      {text_first.c_str(), "", {false, "underscores", false}},
      {"text/plain; escaping=\"dots\"", "", {false, "dots", false}},
      {"text/plain;escaping=unheard-of", "", {false, "underscores", false}},
      {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", "", {}},
      {"application/vnd.google.protobuf;encoding=delimited", "", {}},
      {"", "gzip;q=0", {}},
      {"", "gzip;q=0.5, identity", {}},
      {"", "identity;q=0.5, gzip;q=0.8", {false, "underscores", true}},
      {"", "*", {}},
      {"", "zstd, br", {}},
      {" , ;;q=x, =", ",,;", {}},
  };
  for (const Row& row : rows) {
    const Format format = negotiate(row.accept, row.encoding);
    EXPECT_EQ(format, row.expected) << row.accept << " | " << row.encoding;
  }
}

class FakeReply final : public server::Reply {
 public:
  base::Task<Status> send(server::Response response) override {
    sent.push_back(std::move(response));
    co_return Status();
  }
  base::Task<Status> begin(server::Response) override { co_return Error(ErrorKind::internal, "not expected"); }
  base::Task<Status> write(std::string) override { co_return Error(ErrorKind::internal, "not expected"); }
  base::Task<Status> finish() override { co_return Error(ErrorKind::internal, "not expected"); }
  std::unique_ptr<server::ByteStream> take_over() override { return nullptr; }

  std::vector<server::Response> sent;
};

std::string header(const server::Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

base::Task<void> call(server::Handler* handler, server::Request request, server::Reply* reply) {
  co_await handler->handle(request, *reply);
}

struct HandlerTest : ::testing::Test {
  HandlerTest() {
    handler.add("one", [](Page& page) { add(gauge(page, "one", "First."), 1); });
  }
  server::Response ask(const std::string& method = "GET", server::Fields headers = {}) {
    server::Request request;
    request.method = method;
    request.headers = std::move(headers);
    FakeReply reply;
    base::Gate gate(loop);
    base::spawn(gate, "request", call(&handler, std::move(request), &reply));
    while (loop.poll() > 0) {
    }
    EXPECT_EQ(reply.sent.size(), 1u);
    return reply.sent.empty() ? server::Response() : reply.sent.front();
  }

  base::Loop loop;
  std::vector<std::string> lines;
  base::Logger log{std::make_shared<base::LogSink>(base::LogFormat::text, 0,
                                                   [this](std::string_view line) { lines.emplace_back(line); })};
  MetricsHandler handler{base::SystemTime(std::chrono::milliseconds(1795170496840)), log};
};

constexpr char kOne[] = "# HELP one [ALPHA] First.\n# TYPE one gauge\none 1\n";

TEST_F(HandlerTest, AnswersAsTheKubeletDoes) {
  const server::Response response = ask();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(header(response, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
  EXPECT_EQ(header(response, "Process-Start-Time-Unix"), "1795170496");
  EXPECT_EQ(header(response, "Content-Encoding"), "");
  EXPECT_EQ(response.body, kOne);
}

base::Task<void> count_up(int* count) {
  ++*count;
  co_return;
}

TEST_F(HandlerTest, WhatMustBeAskedForIsAwaitedFirst) {
  int asked = 0;
  handler.before([&asked] { return count_up(&asked); });
  handler.add("two", [&asked](Page& page) { add(gauge(page, "two", "Second."), asked); });
  EXPECT_THAT(ask().body, HasSubstr("\ntwo 1\n"));
  EXPECT_THAT(ask().body, HasSubstr("\ntwo 2\n"));
}

TEST_F(HandlerTest, AnswersProtobufToWhoWantsIt) {
  const server::Response response = ask("GET", {{"accept", kProtobufType}});
  EXPECT_EQ(header(response, "Content-Type"),
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; "
            "escaping=underscores");
  EXPECT_EQ(response.body, delimited_protobuf(handler.page()));
}

std::string unzipped(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<const Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST_F(HandlerTest, CompressesForWhoWantsIt) {
  handler.add("many", [](Page& page) {
    for (int i = 0; i < 1000; ++i) gauge(page, "many", "Many.").add({{"i", std::to_string(i)}}, i);
  });
  const std::string plain = ask().body;
  const server::Response response = ask("GET", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(header(response, "Content-Encoding"), "gzip");
  EXPECT_LT(response.body.size(), plain.size() / 3);
  EXPECT_EQ(unzipped(response.body), plain);
  EXPECT_EQ(unzipped(server::gzip("")), "");
}

TEST_F(HandlerTest, ACollectorThatThrowsKeepsNobodyElseFromThePage) {
  handler.add("bad", [](Page&) { throw std::runtime_error("no such thing"); });
  handler.add("two", [](Page& page) { add(gauge(page, "two", "Second."), 2); });
  EXPECT_EQ(ask().body, std::string(kOne) + "# HELP two [ALPHA] Second.\n# TYPE two gauge\ntwo 2\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines.front(), HasSubstr("collector=\"bad\""));
  EXPECT_THAT(lines.front(), HasSubstr("no such thing"));
}

TEST_F(HandlerTest, DeleteResetsAPageThatCanBeReset) {
  EXPECT_EQ(ask("DELETE").body, kOne) << "not this one";
  int resets = 0;
  handler.on_reset([&] { ++resets; });
  const server::Response response = ask("DELETE");
  EXPECT_EQ(response.body, "metrics reset\n");
  EXPECT_EQ(header(response, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(header(response, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(resets, 1);
  EXPECT_EQ(ask().body, kOne);
  EXPECT_EQ(resets, 1);
}

}  // namespace
}  // namespace keelson::metrics
