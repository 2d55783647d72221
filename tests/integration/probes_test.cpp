// Probes of real containers: commands run by containerd, requests to a server in the pod's network.
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

// What the containers find under /state is the test's to change.
class ProbeTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (runtime == nullptr) return;
    fs::create_directory(directory + "/state");
  }
  void say(const std::string& file) { ASSERT_TRUE(base::write_file(directory + "/state/" + file, "yes", 0644).ok()); }
  void unsay(const std::string& file) { fs::remove(directory + "/state/" + file); }

  json with_state(const std::string& name, json container) {
    container["volumeMounts"] = {{{"name", "state"}, {"mountPath", "/state"}}};
    const json volume = {{"name", "state"}, {"hostPath", {{"path", directory + "/state"}}}};
    return pod(name, {container}, {{"volumes", {volume}}});
  }
  static json probe(json handler, int failures = 1) {
    handler["periodSeconds"] = 1;
    handler["failureThreshold"] = failures;
    return handler;
  }
  static json exec(const std::vector<std::string>& command) { return {{"exec", {{"command", command}}}}; }
  bool ready(const std::string& pod) {
    const json container = seen(pod, "main");
    return container.value("ready", false);
  }
};

TEST_F(ProbeTest, CommandsDecideReadinessAndRestarts) {
  say("ready");
  say("live");
  json main = shell("main", kSleep);
  main["startupProbe"] = probe(exec({"true"}));
  main["readinessProbe"] = probe(exec({"test", "-f", "/state/ready"}));
  main["livenessProbe"] = probe(exec({"sh", "-c", "test -f /state/live || { echo it is dead; exit 3; }"}));
  place(with_state("asked", main));
  start();
  ASSERT_TRUE(eventually("the pod to be ready", [&] { return ready("asked"); }));
  const std::string first = id_of("asked", "main");

  unsay("ready");
  ASSERT_TRUE(eventually("the pod to be unready", [&] { return !ready("asked"); }));
  EXPECT_EQ(id_of("asked", "main"), first);
  say("ready");
  ASSERT_TRUE(eventually("the pod to be ready again", [&] { return ready("asked"); }));

  unsay("live");
  ASSERT_TRUE(eventually("the container to be killed", [&] {
    return story_text("asked").find("failed liveness probe, will be restarted") != std::string::npos;
  }));
  say("live");
  ASSERT_TRUE(eventually("another container", [&] { return ready("asked") && id_of("asked", "main") != first; }));
  EXPECT_NE(story_text("asked").find("Liveness probe failed: it is dead"), std::string::npos) << story_text("asked");
}

TEST_F(ProbeTest, ACommandThatTakesTooLongFails) {
  json main = shell("main", kSleep);
  main["readinessProbe"] = probe(exec({"sleep", "20"}));
  place(with_state("slow", main));
  start();
  ASSERT_TRUE(eventually("the probe to fail", [&] {
    return story_text("slow").find(R"(Readiness probe failed: command \"sleep 20\" timed out)") != std::string::npos;
  }));
  EXPECT_FALSE(ready("slow"));
}

TEST_F(ProbeTest, AServerIsAskedInThePodsNetwork) {
  say("index.html");
  json main = shell("main", "while ! test -f /state/serve; do sleep 0.1; done; exec httpd -f -p 8080 -h /state");
  main["ports"] = {{{"name", "web"}, {"containerPort", 8080}}};
  main["readinessProbe"] = probe({{"httpGet", {{"port", "web"}, {"path", "/index.html"}}}});
  main["livenessProbe"] = probe({{"tcpSocket", {{"port", 8080}}}}, 1000);
  place(with_state("served", main));
  start();
  ASSERT_TRUE(eventually("the connection to be refused", [&] {
    return story_text("served").find(":8080: connect: connection refused") != std::string::npos;
  }));
  EXPECT_FALSE(ready("served"));
  say("serve");
  ASSERT_TRUE(eventually("the pod to be ready", [&] { return ready("served"); }));
  unsay("index.html");
  ASSERT_TRUE(eventually("the page to be missed", [&] {
    return story_text("served").find("Readiness probe failed: HTTP probe failed with statuscode: 404") !=
           std::string::npos;
  }));
  ASSERT_TRUE(eventually("the pod to be unready", [&] { return !ready("served"); }));
}

TEST_F(ProbeTest, ReadyOutlivesTheAgent) {
  say("ready");
  json main = shell("main", kSleep);
  main["readinessProbe"] = probe(exec({"test", "-f", "/state/ready"}), 3);
  place(with_state("kept", main));
  start();
  ASSERT_TRUE(eventually("the pod to be ready", [&] { return ready("kept"); }));
  const std::string id = id_of("kept", "main");
  restart_after_kill();
  ASSERT_TRUE(eventually("the pod to be ready", [&] { return ready("kept"); }));
  EXPECT_EQ(id_of("kept", "main"), id);
  unsay("ready");
  ASSERT_TRUE(eventually("the pod to be unready", [&] { return !ready("kept"); }));
}

}  // namespace
}  // namespace keelson::integration
