#include "base/process.hpp"

#include <gtest/gtest.h>

#include "base/tests/tasks.hpp"

namespace keelson::base {
namespace {

using testing::run_real;

class Process : public ::testing::Test {
 protected:
  static ProcessRequest shell(const std::string& script) {
    ProcessRequest request;
    request.command = "/bin/sh";
    request.args = {"-c", script};
    request.environment = {{"PATH", "/usr/bin:/bin"}};
    request.limit = std::chrono::seconds(5);
    return request;
  }
  Result<ProcessResult> run(ProcessRequest request) { return run_real(loop, run_process(loop, clock, request)); }

  Loop loop;
  RealClock clock{loop};
};

TEST_F(Process, ReadsItsInputToTheEnd) {
  ProcessRequest request = shell("cat; echo to stderr >&2; exit 3");
  request.input = std::string(300'000, 'x');  // more than a pipe holds
  const auto result = run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result.value().out, request.input);
  EXPECT_EQ(result.value().err, "to stderr\n");
  EXPECT_EQ(result.value().exit_code, 3);
}

TEST_F(Process, FindsNothingToReadWithoutInput) {
  const auto result = run(shell("wc -c"));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result.value().out, "0\n");
}

TEST_F(Process, MayLeaveItsInputUnread) {
  ProcessRequest request = shell("echo done");
  request.input = std::string(300'000, 'x');
  const auto result = run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result.value().out, "done\n");
}

TEST_F(Process, HasOnlyTheGivenEnvironment) {
  ProcessRequest request = shell("env | sort");
  request.environment["A"] = "1 2";
  const auto result = run(request);
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_NE(result.value().out.find("A=1 2\n"), std::string::npos);
  EXPECT_EQ(result.value().out.find("HOME="), std::string::npos);
}

TEST_F(Process, IsKilledWithItsChildrenWhenTimeIsUp) {
  ProcessRequest request = shell("sleep 100 & sleep 100");
  request.limit = std::chrono::milliseconds(50);
  const auto result = run(request);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind(), ErrorKind::deadline_exceeded);
}

TEST_F(Process, ThatIsNotThereIsNotFound) {
  ProcessRequest request = shell("");
  request.command = "/no/such/program";
  const auto result = run(request);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind(), ErrorKind::not_found);
}

TEST_F(Process, MayNotSayMoreThanItsLimit) {
  ProcessRequest request = shell("printf 12345678901");
  request.max_output = 10;
  const auto result = run(request);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind(), ErrorKind::exhausted);
}

}  // namespace
}  // namespace keelson::base
