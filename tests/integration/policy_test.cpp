// Pods that may end: their phase, and that nothing brings them back, not even a restart of the agent.
#include <set>

#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class PolicyTest : public NodeTest {
 protected:
  std::string phase(const std::string& pod) {
    const json found = seen(pod);
    return found.value("phase", "");
  }
  // Ids of all containers that the runtime has, dead or alive.
  std::set<std::string> containers() {
    std::set<std::string> ids;
    for (const auto& container : runtime->containers()) ids.insert(container.id);
    return ids;
  }
};

TEST_F(PolicyTest, NeverAndOnFailureEndPodsForGood) {
  place(pod("never-good", {shell("main", "exit 0")}, {{"restartPolicy", "Never"}}));
  place(pod("never-bad", {shell("main", "exit 5"), shell("good", "exit 0")}, {{"restartPolicy", "Never"}}));
  place(pod("on-failure", {shell("main", "exit 0")}, {{"restartPolicy", "OnFailure"}}));
  place(pod("half", {shell("main", "exit 0"), shell("lives", kSleep)}, {{"restartPolicy", "Never"}}));
  start();
  const auto all_ended = [&] {
    return phase("never-good") == "Succeeded" && phase("never-bad") == "Failed" && phase("on-failure") == "Succeeded" &&
           phase("half") == "Running" && seen("half", "main")["state"] == "terminated" &&
           seen("half", "lives")["state"] == "running";
  };
  ASSERT_TRUE(eventually("all phases", all_ended));
  const auto before = containers();
  EXPECT_EQ(before.size(), 6u);
  const std::string lives = id_of("half", "lives");

  for (const bool kill : {false, true}) {
    if (kill) {
      restart_after_kill();
    } else {
      ASSERT_TRUE(keelson->stop());
      start();
    }
    ASSERT_TRUE(eventually("all phases again", all_ended));
    // A pod added now has gone its whole way: time enough for the others to be started again, were they.
    const std::string probe = kill ? "probe-1" : "probe-2";
    place(pod(probe, {shell("main", kSleep)}));
    ASSERT_TRUE(eventually("another pod", [&] { return runs(probe); }));
    EXPECT_TRUE(all_ended());
    for (const char* name : {"never-good", "never-bad", "on-failure"}) {
      EXPECT_EQ(seen(name, "main")["restarts"], 0) << name;
      EXPECT_EQ(runtime->containers_of(std::string(name) + "-node").size(), name == std::string("never-bad") ? 2u : 1u);
    }
    EXPECT_EQ(id_of("half", "lives"), lives);
  }
}

TEST_F(PolicyTest, OnFailureRestartsUntilItSucceeds) {
  json container = shell("main", "test -f /shared/tried && exit 0; touch /shared/tried; exit 1",
                         {{"volumeMounts", {{{"name", "shared"}, {"mountPath", "/shared"}}}}});
  const json shared = {{"name", "shared"}, {"emptyDir", json::object()}};
  place(pod("retried", {container}, {{"restartPolicy", "OnFailure"}, {"volumes", {shared}}}));
  start();
  ASSERT_TRUE(eventually("it to succeed", [&] { return phase("retried") == "Succeeded"; }));
  EXPECT_EQ(seen("retried", "main")["restarts"], 1);
}

TEST_F(PolicyTest, AlwaysRestartsWhatSucceeded) {
  place(pod("again", {shell("main", "exit 0")}));
  start();
  ASSERT_TRUE(eventually("a restart", [&] {
    const json main = seen("again", "main");
    return main.value("restarts", 0) == 1;
  }));
  EXPECT_EQ(phase("again"), "Running");
}

}  // namespace
}  // namespace keelson::integration
