// Containers that end when they should not: restarted at once, then with back-off, their count kept.
#include <signal.h>

#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class RestartTest : public NodeTest {
 protected:
  bool backs_off(const std::string& pod) {
    const json main = seen(pod, "main");
    return main.is_object() && main.value("reason", "") == "CrashLoopBackOff";
  }
};

TEST_F(RestartTest, ComesAtOnceThenWaitsAndShowsTheNextTry) {
  place(pod("crashing", {shell("main", "echo crash; exit 3"), shell("beside", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the back-off", [&] { return backs_off("crashing"); }));
  json main = seen("crashing", "main");
  EXPECT_EQ(main["restarts"], 1);
  EXPECT_EQ(main["exitCode"], 3);
  EXPECT_EQ(main["lastReason"], "Error");
  EXPECT_TRUE(main.contains("nextTryAt")) << main.dump();
  EXPECT_NE(main.value("message", "").find("back-off 10s restarting failed container=main pod=crashing-node_default"),
            std::string::npos)
      << main.dump();
  EXPECT_NE(story_text("crashing").find("nextTryAt"), std::string::npos);
  EXPECT_NE(log_of("crashing", "main", 1).find("crash"), std::string::npos);
  // One dead container of a name is kept; an older one goes with its log as soon as the next has ended.
  EXPECT_TRUE(eventually("the first log to go", [&] { return log_of("crashing", "main", 0).empty(); }));

  const std::string beside = id_of("crashing", "beside");
  ASSERT_TRUE(eventually("the second restart", [&] { return seen("crashing", "main").value("restarts", 0) == 2; }));
  ASSERT_TRUE(eventually("the doubled back-off", [&] {
    return backs_off("crashing") && seen("crashing", "main").value("message", "").find("back-off 20s") == 0;
  }));

  // A restarted agent knows no back-off but the count.
  restart_after_kill();
  EXPECT_GE(seen("crashing", "main")["restarts"], 2);
  ASSERT_TRUE(eventually("the third restart", [&] { return seen("crashing", "main").value("restarts", 0) == 3; }));
  EXPECT_EQ(id_of("crashing", "beside"), beside);
  EXPECT_EQ(seen("crashing", "beside")["restarts"], 0);
}

TEST_F(RestartTest, FollowsAProcessKilledFromOutside) {
  place(pod("killed", {shell("main", kSleep), shell("beside", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("killed"); }));
  const std::string id = id_of("killed", "main");
  const std::string beside = id_of("killed", "beside");
  const auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(::kill(runtime->process_of(id), SIGKILL), 0);
  ASSERT_TRUE(eventually("its restart", [&] { return runs("killed") && id_of("killed", "main") != id; }));
  EXPECT_LE(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  const json main = seen("killed", "main");
  EXPECT_EQ(main["restarts"], 1);
  EXPECT_EQ(main["exitCode"], 137);
  EXPECT_EQ(id_of("killed", "beside"), beside);
  EXPECT_EQ(runtime->sandboxes_of("killed-node").size(), 1u);
}

TEST_F(RestartTest, OfTheWholePodFollowsTheEndOfItsSandbox) {
  place(pod("sandboxed", {shell("main", kSleep)}));
  place(pod("other", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("both to run", [&] { return runs("sandboxed") && runs("other"); }));
  const std::string id = id_of("sandboxed", "main");
  const std::string other = id_of("other", "main");
  const std::string sandbox = seen("sandboxed")["sandboxID"];
  const auto killed = run_program({"/usr/bin/ctr", "--address", runtime->socket(), "--namespace", "k8s.io", "tasks",
                                   "kill", "--signal", "SIGKILL", sandbox});
  ASSERT_EQ(killed.exit_code, 0) << killed.err;
  ASSERT_TRUE(eventually(
      "the pod to run in a new sandbox",
      [&] {
        return runs("sandboxed") && seen("sandboxed")["sandboxID"] != sandbox && id_of("sandboxed", "main") != id;
      },
      std::chrono::seconds(40)));
  int ready = 0;
  for (const auto& one : runtime->sandboxes_of("sandboxed-node")) ready += one.ready ? 1 : 0;
  EXPECT_EQ(ready, 1);
  EXPECT_EQ(id_of("other", "main"), other);
}

}  // namespace
}  // namespace keelson::integration
