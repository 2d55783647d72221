#include "static-pods/url_source.hpp"

#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "static-pods/tests/fixture.hpp"

namespace keelson::static_pods {
namespace {

using namespace std::chrono_literals;
using testing::Bench;
using testing::manifest;
using testing::Recorder;
using testing::Strings;

// A real server on the loopback, on its own thread.
class Server {
 public:
  Server() {
    server_.Get("/pods", [this](const httplib::Request& request, httplib::Response& response) {
      std::lock_guard lock(mutex_);
      ++requests_;
      headers_ = request.headers;
      response.status = status_;
      response.set_content(body_, "text/plain");
    });
    server_.Get("/moved", [](const httplib::Request&, httplib::Response& response) { response.set_redirect("/pods"); });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
  }
  ~Server() {
    server_.stop();
    thread_.join();
  }
  void answer(std::string body, int status = 200) {
    std::lock_guard lock(mutex_);
    body_ = std::move(body);
    status_ = status;
  }
  int requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  httplib::Headers headers() {
    std::lock_guard lock(mutex_);
    return headers_;
  }
  std::string url(const std::string& path = "/pods", const std::string& login = "") const {
    return "http://" + login + "127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  httplib::Server server_;
  std::mutex mutex_;
  std::string body_;
  int status_ = 200;
  int requests_ = 0;
  int port_ = 0;
  httplib::Headers headers_;
  std::thread thread_;
};

class UrlSourceTest : public ::testing::Test {
 protected:
  ~UrlSourceTest() override {
    if (source) bench.finish(source->stop());
  }
  void start(const std::string& url, HttpHeaders headers = {}) {
    source = std::make_unique<UrlSource>(bench.loop, bench.clock, bench.pool, bench.log,
                                         UrlConfig{url, std::move(headers), "node1", 10ms}, pods);
    source->start();
  }
  bool has(const Strings& names) {
    return bench.until([&] { return pods.deliveries > 0 && pods.names() == names; });
  }
  bool has_problem(const std::string& text) {
    return bench.until([&] {
      const auto problems = source->problems();
      return problems.size() == 1 && problems[0].message.find(text) != std::string::npos;
    });
  }
  // At least two more complete polls have gone by.
  bool polls_again() {
    const int now = server.requests();
    return bench.until([&] { return server.requests() >= now + 3; });
  }

  Server server;
  Bench bench;
  Recorder pods;
  std::unique_ptr<UrlSource> source;
};

TEST_F(UrlSourceTest, DeliversAPodThenAListThenNothing) {
  server.answer(manifest("a"));
  start(server.url());
  ASSERT_TRUE(has({"a-node1"}));
  EXPECT_EQ(pods.current[0].pod->metadata().annotations().at(kConfigSource), "http");
  EXPECT_EQ(pods.current[0].source, server.url());
  ASSERT_TRUE(polls_again());
  EXPECT_EQ(pods.deliveries, 1);
  server.answer(
      "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: {containers: [{name: c, image: "
      "i}]}\n- metadata: {name: b}\n  spec: {containers: [{name: c, image: i}]}\n");
  ASSERT_TRUE(has({"a-node1", "b-node1"}));
  server.answer("");
  ASSERT_TRUE(has({}));
  EXPECT_EQ(pods.deliveries, 3);
}

TEST_F(UrlSourceTest, BadAnswersKeepTheLastGoodPods) {
  server.answer(manifest("a"));
  start(server.url());
  ASSERT_TRUE(has({"a-node1"}));
  server.answer("gone", 404);
  ASSERT_TRUE(has_problem("expected status 200, got 404"));
  server.answer("kind: Nonsense");
  ASSERT_TRUE(has_problem("must be \"Pod\", not \"Nonsense\""));
  EXPECT_TRUE(source->problems()[0].pod_kept);
  ASSERT_TRUE(polls_again());
  EXPECT_EQ(bench.lines_with("Nonsense"), 1);
  EXPECT_EQ(pods.deliveries, 1);
  server.answer(manifest("b"));
  ASSERT_TRUE(has({"b-node1"}));
  EXPECT_TRUE(bench.until([&] { return source->problems().empty(); }));
}

TEST_F(UrlSourceTest, IsNotReadyBeforeTheFirstGoodAnswer) {
  server.answer("no", 500);
  start(server.url());
  ASSERT_TRUE(has_problem("got 500"));
  ASSERT_TRUE(polls_again());
  EXPECT_EQ(pods.deliveries, 0);
  EXPECT_FALSE(source->delivered());
}

TEST_F(UrlSourceTest, SendsEveryHeaderAndLogsNoSecret) {
  server.answer("no", 403);
  start(server.url("/pods", "me:pass%77ord@"), {{"X-Key", "hidden-1"}, {"X-Key", "hidden-2"}});
  ASSERT_TRUE(has_problem("got 403"));
  const auto headers = server.headers();
  EXPECT_EQ(headers.count("X-Key"), 2u);
  EXPECT_EQ(headers.find("Authorization")->second, "Basic bWU6cGFzc3dvcmQ=");
  for (const auto& line : bench.lines) {
    EXPECT_EQ(line.find("hidden"), std::string::npos) << line;
    EXPECT_EQ(line.find("pass"), std::string::npos) << line;
  }
  for (const auto& problem : source->problems()) EXPECT_EQ(problem.source.find("pass"), std::string::npos);
}

TEST_F(UrlSourceTest, FollowsARedirect) {
  server.answer(manifest("a"));
  start(server.url("/moved"));
  EXPECT_TRUE(has({"a-node1"}));
}

TEST_F(UrlSourceTest, SecondPodOfOneNameIsIgnoredWithAnEvent) {
  server.answer(
      "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  spec: {containers: [{name: c, image: "
      "'i:1'}]}\n- metadata: {name: a}\n  spec: {containers: [{name: c, image: 'i:2'}]}\n");
  start(server.url());
  ASSERT_TRUE(has({"a-node1"}));
  EXPECT_EQ(pods.image(), "i:1");
  ASSERT_EQ(pods.events.size(), 1u);
  EXPECT_EQ(pods.events[0].reason, "FailedValidation");
  EXPECT_TRUE(has_problem("two pods are called default/a-node1"));
}

TEST(FetchUrl, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"nothing", "expected a URL"},
      {"ftp://x/y", "expected a URL"},
      {"http://", "expected a URL"},
      {"http://127.0.0.1:1/x", "no answer"},
  };
  for (const auto& [url, text] : rows) {
    SCOPED_TRACE(url);
    const auto result = fetch_url(url, {});
    ASSERT_FALSE(result.ok());
    EXPECT_NE(result.error().to_string().find(text), std::string::npos) << result.error().to_string();
  }
}

TEST(ShownUrl, HidesUserAndPassword) {
  EXPECT_EQ(shown_url("http://u:p@host:1/x?y=@z"), "http://host:1/x?y=@z");
  EXPECT_EQ(shown_url("https://host/a@b"), "https://host/a@b");
  EXPECT_EQ(shown_url("odd"), "odd");
}

}  // namespace
}  // namespace keelson::static_pods
