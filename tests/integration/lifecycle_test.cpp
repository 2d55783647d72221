// Hooks, deadlines, sidecars' last turn and restarts of all containers, with real commands, signals and exit codes.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class LifecycleTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    std::filesystem::create_directory(directory + "/book");
  }
  // A container that sees the book, a directory of the host, in /book.
  json writer(const std::string& name, const std::string& script, json more = json::object()) {
    more["volumeMounts"] = {{{"name", "book"}, {"mountPath", "/book"}}};
    return shell(name, script, more);
  }
  json with_book(json spec = json::object()) {
    spec["volumes"] = {{{"name", "book"}, {"hostPath", {{"path", directory + "/book"}}}}};
    return spec;
  }
  static json exec(const std::string& script) { return {{"exec", {{"command", {"sh", "-c", script}}}}}; }
  // What was written, line by line.
  std::vector<std::string> book() {
    std::istringstream text(read_text(directory + "/book/lines"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    return lines;
  }
  std::size_t written(const std::string& line) {
    const auto lines = book();
    return static_cast<std::size_t>(std::count(lines.begin(), lines.end(), line));
  }
};

// Says when SIGTERM comes, and ends well.
constexpr char kTellsItsEnd[] =
    "trap 'echo NAME-end >> /book/lines; exit 0' TERM; echo NAME >> /book/lines; "
    "sleep 1000 & wait";
std::string tells_its_end(const std::string& name) {
  std::string script = kTellsItsEnd;
  for (auto at = script.find("NAME"); at != std::string::npos; at = script.find("NAME")) script.replace(at, 4, name);
  return script;
}

TEST_F(LifecycleTest, HooksRunAtTheirTime) {
  json first = writer("first", tells_its_end("first"));
  first["lifecycle"] = {{"postStart", exec("sleep 1; echo post >> /book/lines")},
                        {"preStop", exec("echo pre >> /book/lines")}};
  place(pod("hooked", {first, writer("second", tells_its_end("second"))},
            with_book({{"terminationGracePeriodSeconds", 20}})));
  start();
  ASSERT_TRUE(eventually("both containers", [&] { return written("second") == 1; }));
  const auto begun = book();
  EXPECT_LT(std::find(begun.begin(), begun.end(), "post"), std::find(begun.begin(), begun.end(), "second"));
  withdraw("hooked.yaml");
  ASSERT_TRUE(eventually("the end", [&] { return seen("hooked").empty(); }));
  const auto lines = book();
  EXPECT_LT(std::find(lines.begin(), lines.end(), "pre"), std::find(lines.begin(), lines.end(), "first-end"));
  EXPECT_EQ(written("first-end"), 1u);
  EXPECT_EQ(written("second-end"), 1u);
}

TEST_F(LifecycleTest, APostStartHookThatFailsIsShownAndItsContainerIsKilled) {
  json main = writer("main", tells_its_end("main"));
  main["lifecycle"] = {{"postStart", exec("echo out; echo err >&2; exit 7")}};
  place(pod("unlucky", {main}, with_book()));
  start();
  ASSERT_TRUE(eventually("the failure", [&] { return seen("unlucky", "main")["reason"] == "PostStartHookError"; }));
  EXPECT_NE(story_text("unlucky").find("exited with 7: err"), std::string::npos) << story_text("unlucky");
  EXPECT_GE(written("main-end"), 1u) << "it was told to end";
}

TEST_F(LifecycleTest, APreStopHookDoesNotOutlastTheGracePeriod) {
  json main = writer("main", tells_its_end("main"));
  main["lifecycle"] = {{"preStop", exec("echo pre >> /book/lines; sleep 1000")}};
  place(pod("slow", {main}, with_book({{"terminationGracePeriodSeconds", 2}})));
  start();
  ASSERT_TRUE(eventually("the container", [&] { return written("main") == 1; }));
  withdraw("slow.yaml");
  ASSERT_TRUE(eventually(
      "the end", [&] { return seen("slow").empty(); }, std::chrono::seconds(15)));
  EXPECT_EQ(written("pre"), 1u);
  EXPECT_EQ(written("main-end"), 1u) << "after the hook two seconds are left at least";
}

TEST_F(LifecycleTest, SidecarsServeUntilTheOthersHaveEnded) {
  json early = writer("early", tells_its_end("early"), {{"restartPolicy", "Always"}});
  json late = writer("late", tells_its_end("late"), {{"restartPolicy", "Always"}});
  const std::string slow =
      "trap 'sleep 1; echo main-end >> /book/lines; exit 0' TERM; echo main >> /book/lines; "
      "sleep 1000 & wait";
  place(pod("served", {writer("main", slow)},
            with_book({{"initContainers", {early, late}}, {"terminationGracePeriodSeconds", 20}})));
  start();
  ASSERT_TRUE(eventually("all containers", [&] { return written("main") == 1; }));
  withdraw("served.yaml");
  ASSERT_TRUE(eventually("the end", [&] { return seen("served").empty(); }));
  EXPECT_EQ(book(), (std::vector<std::string>{"early", "late", "main", "main-end", "late-end", "early-end"}));
}

TEST_F(LifecycleTest, AllContainersRestartInPlaceByARule) {
  json trigger = writer(
      "trigger", "if ! test -f /book/once; then touch /book/once; sleep 1; exit 42; fi; " + tells_its_end("trigger"));
  trigger["restartPolicy"] = "Never";
  trigger["restartPolicyRules"] = {
      {{"action", "RestartAllContainers"}, {"exitCodes", {{"operator", "In"}, {"values", {42}}}}}};
  place(pod("gang", {trigger, writer("other", tells_its_end("other"))},
            with_book({{"restartPolicy", "Never"}, {"initContainers", {writer("init", "echo init >> /book/lines")}}})));
  start();
  ASSERT_TRUE(eventually("the second life", [&] { return runs("gang") && seen("gang", "other")["restarts"] == 1; }));
  EXPECT_EQ(written("init"), 2u);
  EXPECT_EQ(written("other"), 2u);
  EXPECT_EQ(seen("gang", "trigger")["restarts"], 1);
  EXPECT_EQ(seen("gang", "trigger")["lastReason"], "RestartingAllContainers");
  EXPECT_EQ(runtime->sandboxes().size(), 1u);
}

TEST_F(LifecycleTest, APodIsEndedAtItsDeadline) {
  place(pod("mayfly", {writer("main", tells_its_end("main"))}, with_book({{"activeDeadlineSeconds", 4}})));
  start();
  ASSERT_TRUE(eventually("the container", [&] { return written("main") == 1; }));
  ASSERT_TRUE(eventually("its deadline", [&] { return seen("mayfly").value("reason", "") == "DeadlineExceeded"; }));
  ASSERT_TRUE(eventually("its end", [&] { return written("main-end") == 1; }));
  EXPECT_EQ(seen("mayfly")["phase"], "Failed");
}

}  // namespace
}  // namespace keelson::integration
