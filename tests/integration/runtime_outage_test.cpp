// containerd killed while pods live, away for a while, and started again. Source: contract 02 §12, contract 01 §8.1.
#include <signal.h>

#include "tests/integration/cluster_node.hpp"

namespace keelson::integration {
namespace {

class RuntimeOutage : public ClusterTest {
 protected:
  std::string node_condition(const std::string& what) {
    return field("node", "node", "{.status.conditions[?(@.type==\"Ready\")]." + what + "}");
  }
};

TEST_F(RuntimeOutage, ChangesNothingForWhatRunsAndDelaysTheRest) {
  json counted = shell("main", "test -f /shared/once || { touch /shared/once; exit 1; }; " + std::string(kSleep),
                       {{"volumeMounts", {{{"name", "shared"}, {"mountPath", "/shared"}}}}});
  apply(pod("stays", {counted, shell("beside", kSleep)},
            {{"volumes", {{{"name", "shared"}, {"emptyDir", json::object()}}}}}));
  apply(pod("goes", {shell("main", kSleep)}));
  apply(pod("dies", {shell("main", kSleep)}));
  const auto main_of = [&](const std::string& pod) {
    const json found = object("pod", pod);
    for (const auto& one : found["status"]["containerStatuses"]) {
      if (one["name"] == "main") return one;
    }
    return json();
  };
  ASSERT_TRUE(eventually("the pods to be Ready", [&] {
    return pod_is_ready("stays") && pod_is_ready("goes") && pod_is_ready("dies") &&
           main_of("stays")["restartCount"] == 1;
  }));
  const json before = object("pod", "stays")["status"]["containerStatuses"];
  const std::string since = "{.status.conditions[?(@.type==\"Ready\")].lastTransitionTime}";
  const std::string ready_since = field("pod", "stays", since);
  const auto processes = runtime->processes();
  ASSERT_EQ(processes.size(), 4u);
  const int dies = runtime->process_of(id_of("dies", "main"));

  ASSERT_TRUE(runtime->fixture().kill().ok());
  ::kill(dies, SIGKILL);
  apply(pod("new", {shell("main", kSleep)}));
  ASSERT_NE(kubectl({"delete", "pod", "goes", "--wait=false"}), "");
  // Thirty seconds without an answer make it so.
  ASSERT_TRUE(eventually(
      "the node to be NotReady", [&] { return node_condition("status") == "False"; }, std::chrono::seconds(60)));
  EXPECT_EQ(node_condition("reason"), "KubeletNotReady");
  EXPECT_NE(node_condition("message").find("container runtime is down"), std::string::npos)
      << node_condition("message");
  EXPECT_EQ(field("pod", "new", "{.status.phase}"), "Pending");
  EXPECT_FALSE(is_gone("pod", "goes"));
  EXPECT_TRUE(pod_is_ready("stays")) << "nothing is assumed dead";

  ASSERT_TRUE(runtime->fixture().restart().ok());
  ASSERT_TRUE(eventually("the node to be Ready", [&] { return node_is_ready(); }));
  EXPECT_TRUE(eventually("the new pod to be Ready", [&] { return pod_is_ready("new"); }));
  EXPECT_TRUE(eventually("the deleted one to go", [&] { return is_gone("pod", "goes"); }));
  EXPECT_TRUE(eventually("the one that died to live again",
                         [&] { return pod_is_ready("dies") && main_of("dies")["restartCount"] == 1; }));
  EXPECT_EQ(object("pod", "stays")["status"]["containerStatuses"], before);
  EXPECT_EQ(field("pod", "stays", since), ready_since);
  const auto after = runtime->processes();
  for (const auto& container : runtime->containers_of("stays")) {
    if (!container.running) continue;
    EXPECT_EQ(after.at(container.id), processes.at(container.id)) << container.name;
  }
  EXPECT_EQ(after.size(), 4u);
}

}  // namespace
}  // namespace keelson::integration
