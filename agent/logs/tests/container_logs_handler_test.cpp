// Requests for logs: every refusal in its order, and what comes after the headers.
#include "agent/logs/container_logs_handler.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/logs/tests/fakes.hpp"
#include "agent/logs/tests/fixture.hpp"

namespace keelson::logs {
namespace {

class FakeReply final : public server::Reply {
 public:
  base::Task<Status> send(server::Response response) override {
    whole = std::move(response);
    co_return Status();
  }
  base::Task<Status> begin(server::Response response) override {
    head = std::move(response);
    co_return Status();
  }
  base::Task<Status> write(std::string piece) override {
    text += piece;
    co_return Status();
  }
  base::Task<Status> finish() override {
    finished = true;
    co_return Status();
  }
  std::unique_ptr<server::ByteStream> take_over() override { return nullptr; }

  std::optional<server::Response> whole;
  std::optional<server::Response> head;
  std::string text;
  bool finished = false;
};

class FakeSource final : public LogSource {
 public:
  api::PodPtr find_pod(const std::string& ns, const std::string& name) override {
    const auto found = pods.find(ns + "/" + name);
    return found == pods.end() ? nullptr : found->second;
  }
  base::Task<Result<std::string>> log_path(std::string container_id) override {
    const auto found = paths.find(container_id);
    if (found == paths.end()) co_return Error(ErrorKind::not_found, "no such container");
    co_return found->second;
  }

  std::map<std::string, api::PodPtr> pods;
  std::map<std::string, std::string> paths;
};

base::Task<void> handle(server::Handler* handler, const server::Request* request, server::Reply* reply, bool* ended) {
  co_await handler->handle(*request, *reply);
  *ended = true;
}

class ContainerLogsHandlerTest : public LoopTest {
 protected:
  ContainerLogsHandlerTest() {
    auto pod = std::make_shared<api::Pod>();
    pod->mutable_metadata()->set_name("web");
    pod->mutable_spec()->add_containers()->set_name("app");
    pod->mutable_spec()->add_containers()->set_name("slow");
    pod->mutable_spec()->add_containers()->set_name("new");
    auto* app = pod->mutable_status()->add_containerstatuses();
    app->set_name("app");
    app->set_containerid("containerd://c2");
    app->mutable_state()->mutable_running();
    app->mutable_laststate()->mutable_terminated()->set_containerid("containerd://c1");
    auto* slow = pod->mutable_status()->add_containerstatuses();
    slow->set_name("slow");
    slow->mutable_state()->mutable_waiting()->set_reason("ImagePullBackOff");
    source.pods["shop/web"] = pod;
    source.paths["c2"] = log;
  }
  ~ContainerLogsHandlerTest() override {
    base::Gate ending(loop);
    base::spawn(ending, "stop", requests.stop());
    settle();
    KEELSON_CHECK(ending.tasks() == 0);
    stop(reader);
  }

  void get(const std::string& path, server::Fields query = {}) {
    request = server::Request();
    request.method = "GET";
    request.path = path;
    request.query = std::move(query);
    reply = FakeReply();
    ended = false;
    base::spawn(requests, "request", handle(&handler, &request, &reply, &ended));
    settle();
  }
  // "404 text" of a refusal; empty when it was not refused.
  std::string refusal(const std::string& path, server::Fields query = {}) {
    get(path, std::move(query));
    if (!reply.whole) return "";
    EXPECT_FALSE(reply.head) << path;
    return std::to_string(reply.whole->status) + " " + reply.whole->body;
  }

  TempDirectory directory;
  const std::string log = directory.path("0.log");
  FakeSource source;
  FakeState state{loop};
  LogReader reader{LogReader::Base{loop, clock, pool, state, base::Logger()}};
  ContainerLogsHandler handler{clock, source, reader};
  server::Request request;
  FakeReply reply;
  bool ended = false;
  base::Gate requests{loop};
};

TEST_F(ContainerLogsHandlerTest, RefusesInTheKubeletsOrderAndWords) {
  const std::string app = "/containerLogs/shop/web/app";
  const std::tuple<std::string, server::Fields, std::string> rows[] = {
      {"/containerLogs/shop/web", {}, "404 404: Page Not Found"},
      {"/containerLogs/shop/web/uid/app", {}, "404 404: Page Not Found"},
      // The query is read before anything is looked for.
      {"/containerLogs/shop/none/app", {{"tailLines", "x"}}, R"(400 {"message": "Unable to decode query."})"},
      {"/containerLogs/shop/none/app", {{"limitBytes", "0"}}, R"(422 {"message": "Invalid request."})"},
      {"/containerLogs/shop/none/app", {{"stream", "Stdout"}}, R"(404 pod "none" does not exist)"},
      {"/containerLogs/other/web/app", {}, R"(404 pod "web" does not exist)"},
      {"/containerLogs/shop/web/none", {{"stream", "Stdout"}}, R"(404 container "none" not found in pod "web")"},
      {app,
       {{"stream", "Stderr"}, {"previous", "1"}},
       R"(400 unable to return the given log stream: "Stderr". Please enable PodLogsQuerySplitStreams feature gate in kubelet)"},
      {"/containerLogs/shop/web/new", {}, R"(400 container "new" in pod "web" is not available)"},
      {"/containerLogs/shop/web/slow",
       {},
       R"(400 container "slow" in pod "web" is waiting to start: trying and failing to pull image)"},
      {"/containerLogs/shop/web/slow",
       {{"previous", "true"}},
       R"(400 previous terminated container "slow" in pod "web" not found)"},
  };
  for (const auto& [path, query, expected] : rows) EXPECT_EQ(refusal(path, query), expected) << path;
  EXPECT_EQ(reply.whole->headers, server::plain_text(400, "").headers);
}

TEST_F(ContainerLogsHandlerTest, SendsTheLogAfterHeadersWithoutAType) {
  write_log(log, record("one") + record("two"));
  get("/containerLogs/shop/web/app", {{"tailLines", "1"}, {"timestamps", "true"}});
  ASSERT_TRUE(reply.head);
  EXPECT_EQ(reply.head->status, 200);
  EXPECT_TRUE(reply.head->headers.empty());
  EXPECT_EQ(reply.text, "2026-01-02T03:04:01.000000000Z two\n");
  EXPECT_TRUE(reply.finished && ended);
}

TEST_F(ContainerLogsHandlerTest, SendsHeadersAtOnceThoughTheContainerIsSilent) {
  Writer writer(log);
  get("/containerLogs/shop/web/app", {{"follow", ""}});
  ASSERT_TRUE(reply.head);
  EXPECT_EQ(reply.text, "");
  EXPECT_FALSE(ended);
  writer.line("one");
  settle();
  EXPECT_EQ(reply.text, "one\n");
  state.ended.insert("c2");
  pass(1s);
  EXPECT_TRUE(reply.finished && ended);
}

TEST_F(ContainerLogsHandlerTest, WhatFailsAfterTheHeadersIsTheBody) {
  get("/containerLogs/shop/web/app", {{"previous", "true"}});
  ASSERT_TRUE(reply.head);
  EXPECT_EQ(reply.head->status, 200);
  EXPECT_EQ(reply.text, "unable to retrieve container logs for containerd://c1");
  EXPECT_TRUE(reply.finished);

  get("/containerLogs/shop/web/app");
  EXPECT_EQ(reply.text,
            "failed to try resolving symlinks in path \"" + log + "\": lstat " + log + ": no such file or directory");
  EXPECT_TRUE(reply.finished);
}

}  // namespace
}  // namespace keelson::logs
