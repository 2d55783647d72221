#include <chrono>
#include <future>

#include "tests/conformance/suite.hpp"

namespace keelson::conformance {
namespace {

class Exec : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (IsSkipped()) return;
    sandbox_ = run_sandbox(pod("box"));
    id_ = run(sandbox_, program("main", {"sleep", "300"}));
  }
  std::string sandbox_;
  std::string id_;
  cri::ExecSyncResponse output_;
};

TEST_F(Exec, GivesOutputsAndCode) {
  const auto done = exec(id_, {"sh", "-c", "echo to out; echo to err >&2; exit 0"}, 10, output_);
  ASSERT_TRUE(done.ok()) << done.error_message();
  EXPECT_EQ(output_.exit_code(), 0);
  EXPECT_EQ(output_.stdout(), "to out\n");
  EXPECT_EQ(output_.stderr(), "to err\n");
}

TEST_F(Exec, WithANonZeroCodeIsAnAnswerNotAnError) {
  ASSERT_TRUE(exec(id_, {"sh", "-c", "echo bad >&2; exit 42"}, 10, output_).ok());
  EXPECT_EQ(output_.exit_code(), 42);
  EXPECT_EQ(output_.stderr(), "bad\n");
  ASSERT_TRUE(exec(id_, {"false"}, 10, output_).ok());
  EXPECT_EQ(output_.exit_code(), 1);
}

TEST_F(Exec, SeesTheContainersFiles) {
  ASSERT_TRUE(exec(id_, {"test", "-f", "/tmp/healthy"}, 10, output_).ok());
  EXPECT_EQ(output_.exit_code(), 1);
  ASSERT_TRUE(exec(id_, {"touch", "/tmp/healthy"}, 10, output_).ok());
  ASSERT_TRUE(exec(id_, {"test", "-f", "/tmp/healthy"}, 10, output_).ok());
  EXPECT_EQ(output_.exit_code(), 0);
}

TEST_F(Exec, WithoutALimitWaitsForTheEnd) {
  ASSERT_TRUE(exec(id_, {"sh", "-c", "sleep 0.3; echo over"}, 0, output_).ok());
  EXPECT_EQ(output_.stdout(), "over\n");
}

TEST_F(Exec, PastItsLimitIsDeadlineExceeded) {
  const auto begin = std::chrono::steady_clock::now();
  const auto late = exec(id_, {"sleep", "60"}, 1, output_);
  EXPECT_EQ(late.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << late.error_message();
  EXPECT_NE(late.error_message().find("timeout 1s exceeded"), std::string::npos) << late.error_message();
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, std::chrono::milliseconds(950));
  EXPECT_LT(took, std::chrono::seconds(15));
  EXPECT_EQ(status(id_).state(), cri::CONTAINER_RUNNING);
}

TEST_F(Exec, OfAMissingProgramIsAnError) {
  const auto failed = exec(id_, {"/nonexistent/program"}, 10, output_);
  EXPECT_EQ(failed.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(failed.error_message().find("no such file or directory"), std::string::npos) << failed.error_message();
}

TEST_F(Exec, InAContainerThatDoesNotRunIsAnError) {
  const auto made = create(sandbox_, program("made", {"sleep", "1"}));
  const auto before = exec(made, {"true"}, 10, output_);
  EXPECT_EQ(before.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(before.error_message().find("container is in CONTAINER_CREATED state"), std::string::npos)
      << before.error_message();
  const auto ended = run_to_end(sandbox_, shell("ended", "exit 0")).id();
  const auto after = exec(ended, {"true"}, 10, output_);
  EXPECT_EQ(after.error_code(), grpc::StatusCode::UNKNOWN);
  EXPECT_NE(after.error_message().find("container is in CONTAINER_EXITED state"), std::string::npos)
      << after.error_message();
}

TEST_F(Exec, EndsWithItsContainer) {
  auto running = std::async(std::launch::async, [&] { return exec(id_, {"sleep", "60"}, 30, output_); });
  // No call shows a command under way; the container goes once it may have begun.
  ASSERT_TRUE(eventually([&] { return status(id_).state() == cri::CONTAINER_RUNNING; }));
  cri::ExecSyncResponse other;
  ASSERT_TRUE(exec(id_, {"true"}, 10, other).ok());
  ASSERT_TRUE(stop(id_, 0).ok());
  const auto ended = running.get();
  if (ended.ok()) {
    EXPECT_EQ(output_.exit_code(), 137);
  } else {
    EXPECT_EQ(ended.error_code(), grpc::StatusCode::UNKNOWN) << ended.error_message();
  }
}

}  // namespace
}  // namespace keelson::conformance
