#include <chrono>
#include <future>

#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Stopping : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (!IsSkipped()) sandbox_ = run_sandbox(pod("box"));
  }
  // A shell needs a moment until its traps are set; the line it prints then is in its log.
  std::string run_until_ready(const cri::ContainerConfig& config) {
    const auto id = run(sandbox_, config);
    const auto log = directory_ + "/box/" + config.log_path();
    EXPECT_TRUE(eventually([&] { return read_file(log).find("ready") != std::string::npos; }));
    return id;
  }
  milliseconds timed_stop(const std::string& id, int grace) {
    const auto begin = steady_clock::now();
    const auto stopped = stop(id, grace);
    EXPECT_TRUE(stopped.ok()) << stopped.error_message();
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
  }
  std::string sandbox_;
};

TEST_F(Stopping, ReturnsWhenTheProcessHasEndedByItself) {
  const auto id = run_until_ready(shell("main", "trap 'exit 5' TERM; echo ready; sleep 300 & wait"));
  EXPECT_LT(timed_stop(id, 30), milliseconds(10000));
  const auto ended = status(id);
  EXPECT_EQ(ended.state(), cri::CONTAINER_EXITED);
  EXPECT_EQ(ended.exit_code(), 5);
  EXPECT_EQ(ended.reason(), "Error");
  EXPECT_GE(ended.finished_at(), ended.started_at());
}

TEST_F(Stopping, ByATrapThatExitsWithZeroIsCompleted) {
  const auto id = run_until_ready(shell("main", "trap 'exit 0' TERM; echo ready; sleep 300 & wait"));
  timed_stop(id, 30);
  EXPECT_EQ(status(id).exit_code(), 0);
  EXPECT_EQ(status(id).reason(), "Completed");
}

TEST_F(Stopping, KillsAfterTheGracePeriodWhatIgnoresTheSignal) {
  const auto id = run_until_ready(shell("main", "trap '' TERM; echo ready; sleep 300"));
  EXPECT_GE(timed_stop(id, 1), milliseconds(950));
  EXPECT_EQ(status(id).exit_code(), 137);
  EXPECT_EQ(status(id).reason(), "Error");
}

TEST_F(Stopping, WithoutGraceKillsAtOnce) {
  const auto id = run_until_ready(shell("main", "trap 'exit 0' TERM; echo ready; sleep 300 & wait"));
  timed_stop(id, 0);
  EXPECT_EQ(status(id).exit_code(), 137);
}

TEST_F(Stopping, ProcessOneWithoutAHandlerDoesNotFeelTheSignal) {
  const auto id = run(sandbox_, program("main", {"sleep", "300"}));
  EXPECT_GE(timed_stop(id, 1), milliseconds(950));
  EXPECT_EQ(status(id).exit_code(), 137);
}

TEST_F(Stopping, InTheNodesPidNamespaceTheSignalEndsIt) {
  auto host = pod("hostpid");
  host.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(cri::NODE);
  const auto sandbox = run_sandbox(host);
  auto config = program("main", {"sleep", "300"});
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(cri::NODE);
  const auto id = run(sandbox, config);
  EXPECT_LT(timed_stop(id, 30), milliseconds(10000));
  EXPECT_EQ(status(id).exit_code(), 143);
  EXPECT_EQ(status(id).reason(), "Error");
}

TEST_F(Stopping, WhatDoesNotRunIsNoError) {
  const auto made = create(sandbox_, program("made", {"sleep", "1"}));
  EXPECT_TRUE(stop(made, 1).ok());
  EXPECT_EQ(status(made).state(), cri::CONTAINER_CREATED);
  const auto ended = run_to_end(sandbox_, shell("ended", "exit 4"));
  EXPECT_TRUE(stop(ended.id(), 1).ok());
  EXPECT_EQ(status(ended.id()).exit_code(), 4);
  EXPECT_EQ(status(ended.id()).finished_at(), ended.finished_at());
}

TEST_F(Stopping, AShorterGraceWhileALongerOneRunsEndsBoth) {
  const auto id = run_until_ready(shell("main", "trap '' TERM; echo ready; sleep 300"));
  auto patient = std::async(std::launch::async, [&] { return stop(id, 40); });
  const auto begin = steady_clock::now();
  EXPECT_TRUE(stop(id, 1).ok());
  EXPECT_TRUE(patient.get().ok());
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_EQ(status(id).exit_code(), 137);
}

TEST_F(Stopping, AbandonedByItsCallerSendsNoSecondSignal) {
  const auto id = run_until_ready(shell("main", "trap '' TERM; echo ready; sleep 300"));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + milliseconds(500));
  cri::StopContainerRequest request;
  request.set_container_id(id);
  request.set_timeout(2);
  cri::StopContainerResponse response;
  EXPECT_EQ(client().runtime().StopContainer(&context, request, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_FALSE(eventually([&] { return status(id).state() == cri::CONTAINER_EXITED; }, 3500));
  EXPECT_TRUE(stop(id, 1).ok()) << "but it can be stopped again";
  EXPECT_EQ(status(id).exit_code(), 137);
}

}  // namespace
}  // namespace keelson::conformance
