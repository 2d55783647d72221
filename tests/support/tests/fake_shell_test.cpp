#include "tests/support/fake_shell.hpp"

#include <gtest/gtest.h>

namespace keelson::fakes {
namespace {

using Kind = Step::Kind;

std::vector<Kind> kinds(const std::string& script) {
  std::vector<Kind> found;
  for (const auto& step : compile_command({"sh", "-c", script}).value_or(Program{})) found.push_back(step.kind);
  return found;
}

class MemoryFiles : public Files {
 public:
  std::optional<std::string> read(const std::string& path) const override {
    const auto found = files.find(path);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  }
  void write(const std::string& path, const std::string& data, bool append) override {
    files[path] = append ? files[path] + data : data;
  }
  bool remove(const std::string& path) override { return files.erase(path) > 0; }
  std::map<std::string, std::string> files;
};

TEST(FakeShell, CompilesWhatManifestsUse) {
  struct Row {
    std::string script;
    std::vector<Kind> steps;
  };
  const std::vector<Row> rows{
      {"sleep 1; exit 3", {Kind::sleep, Kind::exit}},
      {"trap 'exit 0' TERM; sleep 60 & wait", {Kind::trap, Kind::wait}},
      {"while true; do echo tick; sleep 1; done", {Kind::run, Kind::sleep, Kind::jump}},
      {"echo a > /tmp/a && cat /tmp/a || false", {Kind::run, Kind::run, Kind::run}},
      {"exec httpd -f -p 80", {Kind::forever}},
      {"httpd -f & wait", {Kind::wait}},
      {"kill -9 $$", {Kind::kill_self}},
      {"", {}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.script);
    EXPECT_EQ(kinds(row.script), row.steps);
  }
}

TEST(FakeShell, KnowsPlainCommandsAndSaysWhichItDoesNotKnow) {
  EXPECT_TRUE(compile_command({"sleep", "5"}));
  EXPECT_TRUE(compile_command({"/bin/busybox", "sleep", "0.5"}));
  EXPECT_FALSE(compile_command({"/usr/sbin/nginx", "-g", "daemon off;"}));
  EXPECT_FALSE(compile_command({"sleep", "soon"}));
  EXPECT_FALSE(compile_command({}));
}

TEST(FakeShell, ReadsLengthsOfSleepAsBusyboxDoes) {
  const std::vector<std::pair<std::string, std::chrono::nanoseconds>> rows{{"2", std::chrono::seconds(2)},
                                                                           {"0.25", std::chrono::milliseconds(250)},
                                                                           {"1m", std::chrono::minutes(1)},
                                                                           {"3s", std::chrono::seconds(3)}};
  for (const auto& [text, length] : rows) {
    SCOPED_TRACE(text);
    EXPECT_EQ(compile_command({"sleep", text})->front().duration, length);
  }
}

TEST(FakeShell, ExpandsVariablesExceptInSingleQuotes) {
  MemoryFiles files;
  const std::map<std::string, std::string> env{{"NAME", "world"}};
  const auto run = [&](const std::string& script) {
    return run_small_command(compile_command({"sh", "-c", script})->front().words, env, files).out;
  };
  EXPECT_EQ(run("echo hello $NAME"), "hello world\n");
  EXPECT_EQ(run("echo \"hello ${NAME}!\""), "hello world!\n");
  EXPECT_EQ(run("echo 'hello $NAME'"), "hello $NAME\n");
  EXPECT_EQ(run("echo $ABSENT."), ".\n");
}

TEST(FakeShell, RunsSmallCommandsOnFiles) {
  MemoryFiles files;
  EXPECT_EQ(run_small_command({"test", "-f", "/a"}, {}, files).status, 1);
  EXPECT_EQ(run_small_command({"touch", "/a"}, {}, files).status, 0);
  EXPECT_EQ(run_small_command({"[", "-f", "/a", "]"}, {}, files).status, 0);
  EXPECT_EQ(run_small_command({"[", "x", "=", "y", "]"}, {}, files).status, 1);
  EXPECT_EQ(run_small_command({"rm", "/a"}, {}, files).status, 0);
  const auto missing = run_small_command({"cat", "/a"}, {}, files);
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("/a"), std::string::npos);
  EXPECT_EQ(run_small_command({"no-such-command"}, {}, files).status, 127);
}

}  // namespace
}  // namespace keelson::fakes
