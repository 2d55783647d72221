// Manifests that change: the old pod is ended with its grace period before the new one starts; removed, nothing is
// left.
#include <signal.h>

#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class EditTest : public NodeTest {
 protected:
  json noting(const std::string& name, const std::string& script, json spec = json::object()) {
    spec["volumes"] = {{{"name", "host"}, {"hostPath", {{"path", directory}}}}};
    json container = shell("main", script, {{"volumeMounts", {{{"name", "host"}, {"mountPath", "/host"}}}}});
    return pod(name, {container}, spec);
  }
  std::string notes() { return read_text(directory + "/notes"); }
};

TEST_F(EditTest, EndsTheOldPodByItsGracePeriodBeforeTheNewOneRuns) {
  place(noting("edited",
               "trap 'sleep 1; echo old-ended >> /host/notes; exit 0' TERM; echo old >> /host/notes; "
               "sleep 1000 & wait; wait",
               {{"terminationGracePeriodSeconds", 20}}));
  place(pod("other", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("both to run", [&] { return runs("edited") && runs("other") && notes() == "old\n"; }));
  const std::string old_uid = seen("edited")["uid"];
  const std::string other = id_of("other", "main");

  place(noting("edited", std::string("echo new >> /host/notes; ") + kSleep));
  ASSERT_TRUE(eventually("the new one to run", [&] {
    return runs("edited") && seen("edited")["uid"] != old_uid && notes().find("new") != std::string::npos;
  }));
  EXPECT_EQ(notes(), "old\nold-ended\nnew\n");
  EXPECT_EQ(id_of("other", "main"), other);
  ASSERT_TRUE(eventually("nothing of the old one to be left", [&] { return !exists(pod_directory(old_uid)); }));
}

TEST_F(EditTest, KillsAPodThatDoesNotEndWithinItsGracePeriod) {
  place(pod("stubborn", {shell("main", "trap '' TERM; while true; do sleep 1; done")},
            {{"terminationGracePeriodSeconds", 3}}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("stubborn"); }));
  const int process = runtime->process_of(id_of("stubborn", "main"));
  ASSERT_GT(process, 0);
  withdraw("stubborn.yaml");
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(eventually("it to be shown as terminating", [&] {
    const json pod = seen("stubborn");
    return pod.is_object() && pod.value("reason", "") == "Terminating";
  }));
  ASSERT_TRUE(eventually("its process to end", [&] { return ::kill(process, 0) != 0; }));
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GE(took, std::chrono::milliseconds(2900));
  EXPECT_LE(took, std::chrono::seconds(8));
}

TEST_F(EditTest, LeavesNothingOfARemovedPod) {
  json container = shell("main", kSleep, {{"volumeMounts", {{{"name", "memory"}, {"mountPath", "/memory"}}}}});
  container["resources"] = {{"limits", {{"cpu", "100m"}, {"memory", "32Mi"}}}};
  const json memory = {{"name", "memory"}, {"emptyDir", {{"medium", "Memory"}}}};
  place(pod("removed", {container}, {{"volumes", {memory}}}));
  place(pod("stays", {shell("main", kSleep)}));
  start();
  ASSERT_TRUE(eventually("both to run", [&] { return runs("removed") && runs("stays"); }));
  const std::string uid = seen("removed")["uid"];
  const std::string stays = id_of("stays", "main");
  EXPECT_GE(remains_of("removed", uid).size(), 7u);

  withdraw("removed.yaml");
  std::vector<std::string> remains;
  const bool gone = eventually("everything of it to go", [&] {
    remains = remains_of("removed", uid);
    return remains.empty();
  });
  for (const auto& one : remains) ADD_FAILURE() << one;
  ASSERT_TRUE(gone);
  EXPECT_TRUE(runs("stays"));
  EXPECT_EQ(id_of("stays", "main"), stays);
}

TEST_F(EditTest, EndsAPodWhoseManifestIsRemovedWhileItStarts) {
  json slow = shell("slow", "sleep 1000");
  place(pod("hasty", {shell("main", kSleep)}, {{"initContainers", {slow}}}));
  start();
  ASSERT_TRUE(eventually("its sandbox to be there", [&] { return !runtime->sandboxes_of("hasty-node").empty(); }));
  withdraw("hasty.yaml");
  ASSERT_TRUE(eventually("it to be gone", [&] {
    for (const auto& sandbox : runtime->sandboxes_of("hasty-node")) {
      if (sandbox.ready) return false;
    }
    return seen("hasty").empty();
  }));
}

TEST_F(EditTest, StartsAPodAgainWhoseManifestComesBackWhileItEnds) {
  place(noting("back", "trap 'sleep 1; exit 0' TERM; echo run >> /host/notes; sleep 1000 & wait; wait",
               {{"terminationGracePeriodSeconds", 20}}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("back") && notes() == "run\n"; }));
  const std::string text = read_text(manifest_path("back.yaml"));
  withdraw("back.yaml");
  ASSERT_TRUE(eventually("it to be ending", [&] {
    const json pod = seen("back");
    return pod.is_object() && pod.contains("deletionAt");
  }));
  place("back.yaml", text);
  ASSERT_TRUE(eventually("it to run again", [&] { return runs("back") && notes() == "run\nrun\n"; }));
}

}  // namespace
}  // namespace keelson::integration
