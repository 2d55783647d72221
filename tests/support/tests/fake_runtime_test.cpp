#include "tests/support/fake_runtime.hpp"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "cri-client/proto/cri.grpc.pb.h"

namespace keelson::fakes {
namespace {

using std::chrono::milliseconds;

class FakeRuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/keelson-fake-test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    runtime_.add_image("busybox");
    ASSERT_TRUE(runtime_.start(directory_ + "/cri.sock").ok());
    stub_ = cri::RuntimeService::NewStub(
        grpc::CreateChannel("unix:" + directory_ + "/cri.sock", grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    runtime_.stop();
    std::filesystem::remove_all(directory_);
  }

  grpc::Status version(milliseconds limit = milliseconds(10000)) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + limit);
    cri::VersionResponse response;
    const auto status = stub_->Version(&context, {}, &response);
    version_ = response;
    return status;
  }

  std::string sandbox(const std::string& name) {
    grpc::ClientContext context;
    cri::RunPodSandboxRequest request;
    auto* metadata = request.mutable_config()->mutable_metadata();
    metadata->set_name(name);
    metadata->set_namespace_("default");
    metadata->set_uid("uid-" + name);
    request.mutable_config()->set_log_directory(directory_ + "/" + name);
    cri::RunPodSandboxResponse response;
    last_ = stub_->RunPodSandbox(&context, request, &response);
    return response.pod_sandbox_id();
  }

  std::string run(const std::string& sandbox_id, const std::string& name,
                  const std::vector<std::string>& command = {}) {
    cri::CreateContainerRequest request;
    request.set_pod_sandbox_id(sandbox_id);
    request.mutable_config()->mutable_metadata()->set_name(name);
    request.mutable_config()->mutable_image()->set_image("busybox");
    request.mutable_config()->set_log_path(name + "/0.log");
    *request.mutable_config()->mutable_command() = {command.begin(), command.end()};
    cri::CreateContainerResponse created;
    grpc::ClientContext create_context;
    last_ = stub_->CreateContainer(&create_context, request, &created);
    if (!last_.ok()) return "";
    grpc::ClientContext start_context;
    cri::StartContainerRequest start;
    start.set_container_id(created.container_id());
    cri::StartContainerResponse started;
    last_ = stub_->StartContainer(&start_context, start, &started);
    return created.container_id();
  }

  cri::ContainerState state(const std::string& name) {
    return runtime_.container(name).value_or(cri::ContainerStatus{}).state();
  }
  bool ends(const std::string& name) {
    return runtime_.wait_until([&] { return state(name) == cri::CONTAINER_EXITED; });
  }

  FakeRuntime runtime_;
  std::string directory_;
  std::unique_ptr<cri::RuntimeService::Stub> stub_;
  cri::VersionResponse version_;
  grpc::Status last_;
};

TEST_F(FakeRuntimeTest, FailsACallAsOftenAsTold) {
  runtime_.fail("Version", grpc::StatusCode::UNAVAILABLE, "not now", 2);
  EXPECT_EQ(version().error_message(), "not now");
  EXPECT_EQ(version().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(version().ok());
  EXPECT_EQ(runtime_.count("Version"), 3u);
}

TEST_F(FakeRuntimeTest, SkipsCallsBeforeAFault) {
  Fault fault;
  fault.rpc = "*";
  fault.skip = 1;
  fault.times = 1;
  fault.error = grpc::Status(grpc::StatusCode::INTERNAL, "second");
  runtime_.add_fault(fault);
  EXPECT_TRUE(version().ok());
  EXPECT_FALSE(version().ok());
  EXPECT_TRUE(version().ok());
}

TEST_F(FakeRuntimeTest, HangsUntilTheCallerGivesUp) {
  runtime_.hang("Version", 1);
  EXPECT_EQ(version(milliseconds(50)).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(version().ok());
}

TEST_F(FakeRuntimeTest, ReleasesHungCalls) {
  runtime_.hang("Version", 1);
  auto hung = std::async(std::launch::async, [&] { return version(); });
  ASSERT_TRUE(runtime_.wait_until([&] { return runtime_.count("Version") == 1; }));
  while (hung.wait_for(milliseconds(5)) != std::future_status::ready) runtime_.release_hung();
  EXPECT_EQ(hung.get().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(FakeRuntimeTest, DelaysACall) {
  runtime_.delay("Version", milliseconds(60), 1);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(version().ok());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(60));
}

TEST_F(FakeRuntimeTest, EmptiesFieldsOfAnAnswer) {
  Fault fault;
  fault.rpc = "Version";
  fault.clear = {"runtime_name"};
  runtime_.add_fault(fault);
  ASSERT_TRUE(version().ok());
  EXPECT_EQ(version_.runtime_name(), "");
  EXPECT_EQ(version_.version(), "0.1.0");
}

TEST_F(FakeRuntimeTest, AppliesACallWhoseAnswerIsLost) {
  Fault fault;
  fault.rpc = "RunPodSandbox";
  fault.applied = true;
  fault.error = grpc::Status(grpc::StatusCode::UNAVAILABLE, "connection lost");
  runtime_.add_fault(fault);
  EXPECT_EQ(sandbox("web"), "");
  EXPECT_EQ(last_.error_message(), "connection lost");
  EXPECT_EQ(runtime_.sandboxes().size(), 1u);
}

TEST_F(FakeRuntimeTest, MeetsOnlyCallsThatMatch) {
  Fault fault;
  fault.rpc = "RunPodSandbox";
  fault.match = "\"bad\"";
  fault.error = grpc::Status(grpc::StatusCode::UNKNOWN, "no");
  runtime_.add_fault(fault);
  EXPECT_NE(sandbox("good"), "");
  EXPECT_EQ(sandbox("bad"), "");
}

TEST_F(FakeRuntimeTest, WritesDownEveryRequestInOrder) {
  const auto id = sandbox("web");
  run(id, "main", {"sleep", "60"});
  const auto journal = runtime_.journal();
  ASSERT_EQ(journal.size(), 3u);
  EXPECT_EQ(journal[0].rpc, "RunPodSandbox");
  EXPECT_EQ(journal[1].rpc, "CreateContainer");
  EXPECT_EQ(journal[2].rpc, "StartContainer");
  EXPECT_LE(journal[0].time, journal[2].time);
  const auto creates = runtime_.requests<cri::CreateContainerRequest>("CreateContainer");
  ASSERT_EQ(creates.size(), 1u);
  EXPECT_EQ(creates[0].config().metadata().name(), "main");
}

TEST_F(FakeRuntimeTest, RunsScriptedBehavioursAsOftenAsTold) {
  BehaviourRule crash;
  crash.container = "main";
  crash.times = 1;
  crash.behaviour.exit_after = milliseconds(1);
  crash.behaviour.exit_code = 9;
  crash.behaviour.log = {"about to crash"};
  runtime_.behave(crash);
  run(sandbox("one"), "main");
  ASSERT_TRUE(ends("main"));
  EXPECT_EQ(runtime_.container("main")->exit_code(), 9);
  run(sandbox("two"), "main");
  EXPECT_EQ(state("main"), cri::CONTAINER_RUNNING);
}

TEST_F(FakeRuntimeTest, FailsCreateAndStartAsTold) {
  BehaviourRule refuse;
  refuse.container = "refused";
  refuse.behaviour.fail_create = grpc::Status(grpc::StatusCode::UNKNOWN, "no space left");
  runtime_.behave(refuse);
  BehaviourRule broken;
  broken.container = "broken";
  broken.behaviour.fail_start = "exec format error";
  runtime_.behave(broken);
  const auto id = sandbox("web");
  run(id, "refused");
  EXPECT_EQ(last_.error_message(), "no space left");
  run(id, "broken");
  EXPECT_EQ(last_.error_message(), "exec format error");
  EXPECT_EQ(runtime_.container("broken")->exit_code(), 128);
}

TEST_F(FakeRuntimeTest, LetsTheTestEndContainers) {
  const auto id = sandbox("web");
  const auto one = run(id, "one", {"sleep", "600"});
  const auto two = run(id, "two", {"sleep", "600"});
  EXPECT_TRUE(runtime_.exit_container(one, 5));
  EXPECT_FALSE(runtime_.exit_container(one, 5));
  EXPECT_EQ(runtime_.container("one")->exit_code(), 5);
  EXPECT_TRUE(runtime_.oom_kill(two));
  EXPECT_EQ(runtime_.container("two")->reason(), "OOMKilled");
}

TEST_F(FakeRuntimeTest, KilledSandboxIsNotReadyAndKeepsItsContainers) {
  const auto id = sandbox("web");
  run(id, "main", {"sleep", "600"});
  EXPECT_TRUE(runtime_.kill_sandbox(id));
  EXPECT_EQ(runtime_.sandboxes()[0].state(), cri::SANDBOX_NOTREADY);
  EXPECT_EQ(state("main"), cri::CONTAINER_RUNNING);
}

TEST_F(FakeRuntimeTest, ForgetsWhatItIsToldToForget) {
  const auto id = sandbox("web");
  const auto main = run(id, "main", {"sleep", "600"});
  EXPECT_TRUE(runtime_.forget_container(main));
  EXPECT_TRUE(runtime_.containers().empty());
  EXPECT_NE(run(id, "main", {"sleep", "600"}), "") << "the name is free again";
  runtime_.lose_state();
  EXPECT_TRUE(runtime_.sandboxes().empty());
  EXPECT_TRUE(runtime_.containers().empty());
}

TEST_F(FakeRuntimeTest, KeepsContainersGoingWhileItDoesNotServe) {
  run(sandbox("web"), "main", {"sh", "-c", "sleep 0.05; exit 6"});
  runtime_.stop();
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/cri.sock"));
  ASSERT_TRUE(ends("main"));
  ASSERT_TRUE(runtime_.start(directory_ + "/cri.sock").ok());
  EXPECT_EQ(runtime_.container("main")->exit_code(), 6);
}

TEST_F(FakeRuntimeTest, CancelsHungCallsWhenItStops) {
  runtime_.hang("Version");
  auto hung = std::async(std::launch::async, [&] { return version(); });
  ASSERT_TRUE(runtime_.wait_until([&] { return runtime_.count("Version") == 1; }));
  runtime_.stop();
  EXPECT_FALSE(hung.get().ok());
}

TEST_F(FakeRuntimeTest, BreaksEventStreams) {
  grpc::ClientContext context;
  auto stream = stub_->GetContainerEvents(&context, {});
  stream->WaitForInitialMetadata();
  EXPECT_EQ(runtime_.event_streams(), 1);
  runtime_.break_event_streams();
  cri::ContainerEventResponse event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(runtime_.event_streams(), 0);
}

TEST_F(FakeRuntimeTest, SaysWhyItCannotListen) {
  FakeRuntime other;
  const auto started = other.start("/nonexistent/directory/cri.sock");
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().to_string().find("/nonexistent/directory/cri.sock"), std::string::npos);
  EXPECT_FALSE(runtime_.start(directory_ + "/again.sock").ok()) << "it serves already";
}

}  // namespace
}  // namespace keelson::fakes
