#include "agent/node_api/checkpoint.hpp"

#include <gmock/gmock.h>

#include <filesystem>

#include "agent/node_api/tests/fake_pods.hpp"
#include "agent/node_api/tests/fake_reply.hpp"
#include "agent/pod_config/annotations.hpp"
#include "tests/support/fake_cri.hpp"

namespace keelson::node_api {
namespace {

using testing::FakePods;
using testing::FakeReply;
using testing::get;

class FakeCheckpoints final : public cri::StreamingService {
 public:
  base::Task<Result<std::string>> exec(std::string, std::vector<std::string>, cri::Streams) override {
    co_return Error(ErrorKind::unimplemented, "not here");
  }
  base::Task<Result<std::string>> attach(std::string, cri::Streams) override {
    co_return Error(ErrorKind::unimplemented, "not here");
  }
  base::Task<Result<std::string>> port_forward(std::string, std::vector<std::int32_t>) override {
    co_return Error(ErrorKind::unimplemented, "not here");
  }
  base::Task<Status> checkpoint_container(std::string container_id, std::string location,
                                          std::chrono::seconds timeout) override {
    calls.push_back(container_id + " " + location + " " + std::to_string(timeout.count()));
    co_return outcome;
  }

  Status outcome;
  std::vector<std::string> calls;
};

class Checkpoint : public ::testing::Test {
 protected:
  Checkpoint() {
    runtime_.latency = [](const std::string&) { return base::Duration(0); };
    auto& pod = pods_.add("default", "web");
    pod.mutable_spec()->add_containers()->set_name("main");
    pod.mutable_spec()->add_containers()->set_name("stopped");
    pod.mutable_spec()->add_initcontainers()->set_name("init");
    pod.mutable_spec()->add_ephemeralcontainers()->mutable_ephemeralcontainercommon()->set_name("debugger");
    base::Gate gate(loop_);
    base::spawn(gate, "start", start("uid-of-web", "main"));
    base::spawn(gate, "start another", start("another", "stopped"));
    clock_.advance(std::chrono::milliseconds(1));
    EXPECT_EQ(gate.tasks(), 0u);
    id_ = runtime_.newest("uid-of-web", "main")->id;
  }
  ~Checkpoint() override { std::filesystem::remove_all(directory_); }

  static std::string make_directory() {
    char name[] = "/tmp/keelson-checkpoint-XXXXXX";
    return mkdtemp(name);
  }

  base::Task<void> start(std::string uid, std::string name) {
    cri::PodSandboxConfig pod;
    pod.metadata.uid = uid;
    const auto sandbox_id = co_await runtime_.run_pod_sandbox(pod, "");
    cri::ContainerConfig config;
    config.metadata.name = name;
    config.labels[std::string(agent::label::pod_uid)] = uid;
    const auto id = co_await runtime_.create_container(*sandbox_id, config, pod);
    (void)co_await runtime_.start_container(*id);
  }
  FakeReply ask(const std::string& target) {
    FakeReply reply;
    auto request = get(target);
    request.method = "POST";
    base::Gate gate(loop_);
    base::spawn(gate, "a request", handler_.handle(request, reply));
    clock_.advance(base::Duration(0));
    EXPECT_EQ(gate.tasks(), 0u);
    return reply;
  }

  std::string directory_ = make_directory();
  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  fakes::FakeCri runtime_{loop_, clock_};
  FakePods pods_;
  FakeCheckpoints checkpoints_;
  CheckpointHandler handler_{{clock_, pods_, runtime_, checkpoints_, directory_ + "/root/checkpoints"}};
  std::string id_;
};

TEST_F(Checkpoint, AnswersWhereTheRuntimeHasWrittenIt) {
  const FakeReply reply = ask("/checkpoint/default/web/main");
  const std::string file = directory_ + "/root/checkpoints/checkpoint-web_default-main-2026-01-01T00:00:00Z.tar";
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.header("Content-Type"), "application/json");
  EXPECT_EQ(reply.body, "{\"items\":[\"" + file + "\"]}");
  EXPECT_THAT(checkpoints_.calls, ::testing::ElementsAre(id_ + " " + file + " 0"));
  const auto mode = std::filesystem::status(directory_ + "/root/checkpoints").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_all) << "memory of containers is nobody else's";
}

TEST_F(Checkpoint, TakesTheLastTimeout) {
  EXPECT_EQ(ask("/checkpoint/default/web/main?timeout=7&timeout=20").status, 200);
  EXPECT_EQ(ask("/checkpoint/default/web/main?timeout=9223372036854775807").status, 200);
  ASSERT_EQ(checkpoints_.calls.size(), 2u);
  EXPECT_THAT(checkpoints_.calls[0], ::testing::EndsWith(".tar 20"));
  EXPECT_THAT(checkpoints_.calls[1], ::testing::EndsWith(".tar 3153600000"));
}

TEST_F(Checkpoint, RefusesInTheKubeletsWords) {
  struct Row {
    const char* target;
    int status;
    const char* body;
  };
  const Row rows[] = {
      {"/checkpoint/default/db/main", 404, "pod does not exist"},
      {"/checkpoint/other/web/main", 404, "pod does not exist"},
      {"/checkpoint/default/web/nope", 404, "container nope does not exist"},
      {"/checkpoint/default/web/main?timeout=x", 404, "cannot parse value of timeout parameter"},
      {"/checkpoint/default/web/main?timeout=5&timeout=", 404, "cannot parse value of timeout parameter"},
      {"/checkpoint/default/web/main?timeout=-1", 500,
       "checkpointing of default/web/main failed (CheckpointContainer timeout cannot be negative)"},
      {"/checkpoint/default/web/stopped", 500,
       "checkpointing of default/web/stopped failed (container stopped not found)"},
      {"/checkpoint/default/web/init", 500, "checkpointing of default/web/init failed (container init not found)"},
      {"/checkpoint/default/web/debugger", 500,
       "checkpointing of default/web/debugger failed (container debugger not found)"},
      {"/checkpoint/default/web", 404, "404: Page Not Found"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.target);
    const FakeReply reply = ask(row.target);
    EXPECT_EQ(reply.status, row.status);
    EXPECT_EQ(reply.body, row.body);
  }
  EXPECT_TRUE(checkpoints_.calls.empty());
}

TEST_F(Checkpoint, TellsWhatTheRuntimeSaid) {
  checkpoints_.outcome = Error(ErrorKind::unimplemented, "rpc error: code = Unimplemented desc = method not there");
  const FakeReply reply = ask("/checkpoint/default/web/main");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body,
            "checkpointing of default/web/main failed (rpc error: code = Unimplemented desc = method not there)");
}

}  // namespace
}  // namespace keelson::node_api
