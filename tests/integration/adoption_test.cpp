// kill -9 of the agent at any moment, and start again: what runs stays as it is, what was begun is finished, once.
#include <signal.h>

#include <set>

#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class AdoptionTest : public NodeTest {
 protected:
  // No container or sandbox twice among the living.
  void expect_nothing_doubled() {
    std::set<std::string> names;
    for (const auto& container : runtime->containers()) {
      if (!container.running) continue;
      EXPECT_TRUE(names.insert(container.pod + "/" + container.name).second) << container.pod << "/" << container.name;
    }
    names.clear();
    for (const auto& sandbox : runtime->sandboxes()) {
      if (!sandbox.ready) continue;
      EXPECT_TRUE(names.insert(sandbox.pod).second) << sandbox.pod;
    }
  }
};

TEST_F(AdoptionTest, LeavesRunningContainersAsTheyAre) {
  place(
      pod("one", {shell("main", kSleep), shell("beside", kSleep)}, {{"initContainers", {shell("before", "exit 0")}}}));
  place(pod("two", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("both to run", [&] { return runs("one") && runs("two"); }));
  const auto processes = runtime->processes();
  ASSERT_EQ(processes.size(), 3u);
  const json before = seen("one");
  for (int i = 0; i < 3; ++i) {
    restart_after_kill();
    ASSERT_TRUE(eventually("both to be shown", [&] { return runs("one") && runs("two"); }));
  }
  // Something new goes its way, so that everything else had its turn too.
  place(pod("three", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("the third", [&] { return runs("three"); }));
  auto after = runtime->processes();
  for (const auto& [id, process] : processes) EXPECT_EQ(after[id], process) << id;
  EXPECT_EQ(after.size(), 4u);
  const json now = seen("one");
  EXPECT_EQ(now["uid"], before["uid"]);
  EXPECT_EQ(now["ips"], before["ips"]);
  EXPECT_EQ(now["containers"], before["containers"]);
  expect_nothing_doubled();
}

TEST_F(AdoptionTest, FinishesPodsThatWereBeingStarted) {
  constexpr int kPods = 4;
  for (int i = 0; i < kPods; ++i) {
    place(pod("start-" + std::to_string(i), {shell("main", kSleep), shell("beside", kSleep)}));
  }
  const auto all_run = [&] {
    for (int i = 0; i < kPods; ++i) {
      if (!runs("start-" + std::to_string(i))) return false;
    }
    return true;
  };
  // Killed when the runtime has made the first sandbox, then the first container, then when one runs.
  const std::vector<std::function<bool()>> moments = {
      [&] { return !runtime->sandboxes().empty(); },
      [&] { return !runtime->containers().empty(); },
      [&] { return !runtime->processes().empty(); },
  };
  for (const auto& moment : moments) {
    launch();
    ASSERT_TRUE(eventually("the moment to kill it", moment));
    keelson->kill_hard();
  }
  start();
  ASSERT_TRUE(eventually("all pods to run", all_run, std::chrono::seconds(60)));
  expect_nothing_doubled();
  EXPECT_EQ(runtime->processes().size(), 2u * kPods);
}

TEST_F(AdoptionTest, FinishesPodsThatWereBeingEnded) {
  place(pod("ending", {shell("main", "trap 'sleep 3; exit 0' TERM; sleep 1000 & wait; wait")},
            {{"terminationGracePeriodSeconds", 30}}));
  place(pod("stays", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("both to run", [&] { return runs("ending") && runs("stays"); }));
  const std::string id = id_of("ending", "main");
  const std::string stays = id_of("stays", "main");
  withdraw("ending.yaml");
  ASSERT_TRUE(eventually("it to be ending", [&] {
    const json pod = seen("ending");
    return pod.is_object() && pod.contains("deletionAt");
  }));
  restart_after_kill();
  ASSERT_TRUE(
      eventually("it to be gone", [&] { return seen("ending").empty() && runtime->processes().count(id) == 0; }));
  for (const auto& container : runtime->containers_of("ending-node")) EXPECT_EQ(container.id, id) << "started again";
  EXPECT_EQ(id_of("stays", "main"), stays);
}

TEST_F(AdoptionTest, EndsAPodWhoseManifestWentWhileItWasDown) {
  place(pod("orphan", {shell("main", kSleep)}));
  place(pod("stays", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("both to run", [&] { return runs("orphan") && runs("stays"); }));
  const std::string uid = seen("orphan")["uid"];
  const std::string stays = id_of("stays", "main");
  keelson->kill_hard();
  withdraw("orphan.yaml");
  start();
  std::vector<std::string> remains;
  ASSERT_TRUE(eventually("everything of it to go", [&] {
    remains = remains_of("orphan", uid);
    return remains.empty();
  })) << ::testing::PrintToString(remains);
  EXPECT_EQ(id_of("stays", "main"), stays);
}

TEST_F(AdoptionTest, ReplacesAPodWhoseManifestChangedWhileItWasDown) {
  place(pod("changed", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("it to run", [&] { return runs("changed"); }));
  const std::string uid = seen("changed")["uid"];
  const std::string id = id_of("changed", "main");
  keelson->kill_hard();
  place(pod("changed", {shell("main", kSleep), shell("new", kSleep)}));
  start();
  ASSERT_TRUE(eventually("the new one to run, the old one to be gone", [&] {
    return runs("changed") && seen("changed")["uid"] != uid && runtime->processes().count(id) == 0;
  }));
  EXPECT_EQ(seen("changed")["containers"].size(), 2u);
  expect_nothing_doubled();
}

}  // namespace
}  // namespace keelson::integration
