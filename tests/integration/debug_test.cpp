// Ephemeral containers, as `kubectl debug` adds them to a pod that runs. Source: contract 02 §6.6, §2.3, §15.3.
#include "tests/integration/cluster_node.hpp"

namespace keelson::integration {
namespace {

class DebugTest : public ClusterTest {
 protected:
  void debug(const std::string& name, const std::string& script, ProgramArguments more = {}) {
    ProgramArguments arguments = {"debug", "web", "--image", kBusybox, "--container", name, "--profile", "general"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), {"--", "sh", "-c", script});
    const auto result = server->kubectl(arguments);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  }
  // The status of that ephemeral container; an empty object when there is none.
  json status_of(const std::string& name) {
    const json pod = object("pod", "web");
    if (!pod.is_object() || !pod["status"].contains("ephemeralContainerStatuses")) return json::object();
    for (const auto& one : pod["status"]["ephemeralContainerStatuses"]) {
      if (one["name"] == name) return one;
    }
    return json::object();
  }
  bool is_in(const std::string& name, const std::string& state) {
    return status_of(name).value("state", json::object()).contains(state);
  }
  std::size_t instances(const std::string& name) {
    std::size_t count = 0;
    for (const auto& container : runtime->containers_of("web")) count += container.name == name ? 1 : 0;
    return count;
  }
};

TEST_F(DebugTest, AContainerIsAddedRunsEndsAndIsNeverStartedAgain) {
  apply(pod("web", {shell("main", std::string("echo main; ") + kSleep)}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  const std::string uid = field("pod", "web", "{.metadata.uid}");
  const std::string main = id_of("web", "main");
  const std::string ready_since = field("pod", "web", "{.status.conditions[?(@.type==\"Ready\")].lastTransitionTime}");

  // It shares the process namespace of the one it is aimed at, and the pod's network.
  debug("helper", "tr '\\0' ' ' < /proc/1/cmdline; echo; hostname; exit 4", {"--target", "main"});
  ASSERT_TRUE(eventually("its end", [&] { return is_in("helper", "terminated"); }));
  const json helper = status_of("helper");
  EXPECT_EQ(helper["state"]["terminated"]["exitCode"], 4);
  EXPECT_EQ(helper["state"]["terminated"]["reason"], "Error");
  EXPECT_EQ(helper["restartCount"], 0);
  EXPECT_FALSE(helper["ready"]);
  EXPECT_EQ(helper["lastState"], json::object());
  const std::string log = read_text(log_directory("web", uid) + "/helper/0.log");
  EXPECT_NE(log.find("stdout F sh -c echo main; "), std::string::npos) << log;
  EXPECT_NE(log.find("stdout F web\n"), std::string::npos) << log;

  // What goes on and what is added later do not bring it back, nor does a new life of the agent.
  debug("stays", std::string("echo stays; ") + kSleep);
  ASSERT_TRUE(eventually("the second one to run", [&] { return is_in("stays", "running"); }));
  const std::string stays = id_of("web", "stays");
  restart_after_kill();
  debug("last", "exit 0");
  ASSERT_TRUE(eventually("the third one's end", [&] { return is_in("last", "terminated"); }));
  EXPECT_EQ(status_of("last")["state"]["terminated"]["reason"], "Completed");
  EXPECT_EQ(status_of("helper"), helper);
  EXPECT_EQ(instances("helper"), 1u);
  EXPECT_EQ(instances("last"), 1u);
  EXPECT_EQ(id_of("web", "stays"), stays);
  EXPECT_EQ(id_of("web", "main"), main);
  EXPECT_EQ(field("pod", "web", "{.status.containerStatuses[0].restartCount} {.status.phase}"), "0 Running");
  EXPECT_EQ(field("pod", "web", "{.status.conditions[?(@.type==\"Ready\")].lastTransitionTime}"), ready_since);
  const std::string events =
      kubectl({"get", "events", "-o", "jsonpath={range .items[*]}{.involvedObject.fieldPath} {.reason}{\"\\n\"}{end}"});
  EXPECT_NE(events.find("spec.ephemeralContainers{helper} Started\n"), std::string::npos) << events;

  ASSERT_NE(kubectl({"delete", "pod", "web", "--wait=false"}), "");
  EXPECT_TRUE(eventually("the object to be gone", [&] { return is_gone("pod", "web"); }));
  comes_to_nothing("web", uid);
}

TEST_F(DebugTest, AContainerThatCannotRunDisturbsNobody) {
  apply(pod("web", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  const auto result = server->kubectl(
      {"debug", "web", "--image", kBusybox, "--container", "broken", "--profile", "general", "--", "/no/such"});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  ASSERT_TRUE(eventually("its failure", [&] { return is_in("broken", "terminated"); }));
  EXPECT_EQ(status_of("broken")["state"]["terminated"]["reason"], "StartError");
  EXPECT_EQ(status_of("broken")["state"]["terminated"]["exitCode"], 128);
  // Another one has had its whole life since.
  debug("fine", "exit 0");
  ASSERT_TRUE(eventually("the other one's end", [&] { return is_in("fine", "terminated"); }));
  EXPECT_EQ(instances("broken"), 1u);
  EXPECT_TRUE(pod_is_ready("web"));
}

}  // namespace
}  // namespace keelson::integration
