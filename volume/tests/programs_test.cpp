// Real programs, run to their end, past their limit, and with helpers that outlive them.
#include "volume/programs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace keelson::volume {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

ProgramRequest shell(const std::string& script) { return {.argv = {"sh", "-c", script}}; }

TEST(HostPrograms, GiveStatusAndBothOutputs) {
  HostPrograms programs;
  const auto result = programs.run(shell("echo out; echo err >&2; exit 3"));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_FALSE(result->ok());
  EXPECT_EQ(ending_of(*result), "exit status 3: err out");
}

TEST(HostPrograms, GiveTheInputAndAnUntranslatedLanguage) {
  HostPrograms programs;
  auto request = shell("cat; echo $LC_ALL");
  request.input = std::string(200'000, 'x');
  request.max_output = 300'000;
  const auto result = programs.run(request);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->out, request.input + "C\n");
}

TEST(HostPrograms, KeepOnlySoMuchOfTheOutputAndLetTheProgramFinish) {
  HostPrograms programs;
  auto request = shell("head -c 1000000 /dev/zero | tr '\\0' y; exit 5");
  request.max_output = 10;
  const auto result = programs.run(request);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->out, "yyyyyyyyyy");
  EXPECT_EQ(result->exit_code, 5);
}

TEST(HostPrograms, AProgramPastItsLimitIsKilledWithItsChildren) {
  HostPrograms programs;
  auto request = shell("sleep 600 & sleep 600");
  request.limit = milliseconds(100);
  const auto begin = std::chrono::steady_clock::now();
  const auto result = programs.run(request);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(60));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_EQ(result.error().to_string(), "sh did not end within 0s");
}

TEST(HostPrograms, AHelperThatKeepsThePipesOpenHoldsUpNothing) {
  HostPrograms programs;
  auto request = shell("setsid sleep 20 & echo mounted");
  request.limit = seconds(60);
  const auto begin = std::chrono::steady_clock::now();
  const auto result = programs.run(request);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(15));
  ASSERT_TRUE(result.ok()) << result.error().to_string();
  EXPECT_EQ(result->out, "mounted\n");
}

TEST(HostPrograms, AMissingProgramIsNamedWithoutItsArguments) {
  HostPrograms programs;
  const auto result = programs.run({.argv = {"no-such-program", "secret"}});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind(), ErrorKind::not_found);
  EXPECT_THAT(result.error().to_string(), HasSubstr("no-such-program"));
  EXPECT_THAT(result.error().to_string(), testing::Not(HasSubstr("secret")));
}

TEST(HostPrograms, ASignalIsTold) {
  HostPrograms programs;
  const auto result = programs.run(shell("kill -9 $$"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->signal, 9);
  EXPECT_EQ(ending_of(*result), "killed by signal 9");
  EXPECT_EQ(run_checked(programs, shell("kill -9 $$"), "resizing x").error().to_string(),
            "resizing x: killed by signal 9");
}

TEST(ProgramWords, AreOneLineOfBoundedLength) {
  EXPECT_EQ(ending_of({.out = " a\n\n b\t", .err = "c\n", .exit_code = 1}), "exit status 1: c a b");
  EXPECT_EQ(ending_of({.exit_code = 1}), "exit status 1");
  EXPECT_LT(ending_of({.err = std::string(5000, 'x'), .exit_code = 1}).size(), 700u);
}

}  // namespace
}  // namespace keelson::volume
