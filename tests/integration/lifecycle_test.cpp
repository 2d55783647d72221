// Hooks, deadlines, sidecars' last turn and restarts of all containers, with real commands, signals and exit codes.
#include <algorithm>

#include "tests/integration/book.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class LifecycleTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (runtime != nullptr) book = std::make_unique<Book>(directory + "/book");
  }
  // The call that starts it has come back. Who ends a pod earlier has the runtime give that call up, and the container
  // with it, without its signal and its hook.
  bool started(const std::string& container) {
    return keelson->lines_with({"Container started", '"' + container + '"'}) > 0;
  }
  static json exec(const std::string& script) { return {{"exec", {{"command", {"sh", "-c", script}}}}}; }

  std::unique_ptr<Book> book;
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
  json first = Book::writer("first", tells_its_end("first"));
  first["lifecycle"] = {{"postStart", exec("sleep 1; echo post >> /book/lines")},
                        {"preStop", exec("echo pre >> /book/lines")}};
  place(book->pod("hooked", {first, Book::writer("second", tells_its_end("second"))},
                  {{"terminationGracePeriodSeconds", 20}}));
  start();
  ASSERT_TRUE(eventually("both containers", [&] { return book->count("second") == 1 && started("second"); }));
  const auto begun = book->lines();
  EXPECT_LT(std::find(begun.begin(), begun.end(), "post"), std::find(begun.begin(), begun.end(), "second"));
  withdraw("hooked.yaml");
  ASSERT_TRUE(eventually("the end", [&] { return seen("hooked").empty(); }));
  const auto lines = book->lines();
  EXPECT_LT(std::find(lines.begin(), lines.end(), "pre"), std::find(lines.begin(), lines.end(), "first-end"));
  EXPECT_EQ(book->count("first-end"), 1u);
  EXPECT_EQ(book->count("second-end"), 1u);
}

TEST_F(LifecycleTest, APostStartHookThatFailsIsShownAndItsContainerIsKilled) {
  json main = Book::writer("main", tells_its_end("main"));
  main["lifecycle"] = {{"postStart", exec("echo out; echo err >&2; exit 7")}};
  place(book->pod("unlucky", {main}));
  start();
  ASSERT_TRUE(eventually("the failure", [&] { return seen("unlucky", "main")["reason"] == "PostStartHookError"; }));
  EXPECT_NE(story_text("unlucky").find("exited with 7: err"), std::string::npos) << story_text("unlucky");
  EXPECT_GE(book->count("main-end"), 1u) << "it was told to end";
}

TEST_F(LifecycleTest, APreStopHookDoesNotOutlastTheGracePeriod) {
  json main = Book::writer("main", tells_its_end("main"));
  main["lifecycle"] = {{"preStop", exec("echo pre >> /book/lines; sleep 1000")}};
  place(book->pod("slow", {main}, {{"terminationGracePeriodSeconds", 2}}));
  start();
  ASSERT_TRUE(eventually("the container", [&] { return book->count("main") == 1 && started("main"); }));
  withdraw("slow.yaml");
  ASSERT_TRUE(eventually(
      "the end", [&] { return seen("slow").empty(); }, std::chrono::seconds(15)));
  EXPECT_EQ(book->count("pre"), 1u);
  EXPECT_EQ(book->count("main-end"), 1u) << "after the hook two seconds are left at least";
}

TEST_F(LifecycleTest, SidecarsServeUntilTheOthersHaveEnded) {
  json early = Book::writer("early", tells_its_end("early"), {{"restartPolicy", "Always"}});
  json late = Book::writer("late", tells_its_end("late"), {{"restartPolicy", "Always"}});
  const std::string slow =
      "trap 'sleep 1; echo main-end >> /book/lines; exit 0' TERM; echo main >> /book/lines; "
      "sleep 1000 & wait";
  place(book->pod("served", {Book::writer("main", slow)},
                  {{"initContainers", {early, late}}, {"terminationGracePeriodSeconds", 20}}));
  start();
  ASSERT_TRUE(eventually("all containers", [&] { return book->count("main") == 1 && started("main"); }));
  withdraw("served.yaml");
  ASSERT_TRUE(eventually("the end", [&] { return seen("served").empty(); }));
  EXPECT_EQ(book->lines(), (std::vector<std::string>{"early", "late", "main", "main-end", "late-end", "early-end"}));
}

TEST_F(LifecycleTest, AllContainersRestartInPlaceByARule) {
  json trigger = Book::writer(
      "trigger", "if ! test -f /book/once; then touch /book/once; sleep 1; exit 42; fi; " + tells_its_end("trigger"));
  trigger["restartPolicy"] = "Never";
  trigger["restartPolicyRules"] = {
      {{"action", "RestartAllContainers"}, {"exitCodes", {{"operator", "In"}, {"values", {42}}}}}};
  place(
      book->pod("gang", {trigger, Book::writer("other", tells_its_end("other"))},
                {{"restartPolicy", "Never"}, {"initContainers", {Book::writer("init", "echo init >> /book/lines")}}}));
  start();
  // Counted first: what is seen running after that is the second life.
  ASSERT_TRUE(eventually("the second life", [&] {
    return seen("gang", "other")["restarts"] == 1 && runs("gang") && book->count("other") > 1;
  }));
  EXPECT_EQ(book->count("init"), 2u);
  EXPECT_EQ(book->count("other"), 2u);
  EXPECT_EQ(seen("gang", "trigger")["restarts"], 1);
  EXPECT_EQ(seen("gang", "trigger")["lastReason"], "RestartingAllContainers");
  EXPECT_EQ(runtime->sandboxes().size(), 1u);
}

TEST_F(LifecycleTest, APodIsEndedAtItsDeadline) {
  place(book->pod("mayfly", {Book::writer("main", tells_its_end("main"))}, {{"activeDeadlineSeconds", 8}}));
  start();
  ASSERT_TRUE(eventually("the container", [&] { return book->count("main") == 1; }));
  ASSERT_TRUE(eventually("its deadline", [&] { return seen("mayfly").value("reason", "") == "DeadlineExceeded"; }));
  ASSERT_TRUE(eventually("its end", [&] { return book->count("main-end") == 1; }));
  EXPECT_EQ(seen("mayfly")["phase"], "Failed");
}

}  // namespace
}  // namespace keelson::integration
