// What comes before a pod's containers run: its init containers, one after another, and its images.
#include <filesystem>

#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class InitTest : public NodeTest {
 protected:
  json shared(json init, json regular, json spec = json::object()) {
    spec["initContainers"] = std::move(init);
    spec["volumes"] = {{{"name", "host"}, {"hostPath", {{"path", directory}}}}};
    return pod("staged", std::move(regular), std::move(spec));
  }
  json stage(const std::string& name, const std::string& script) {
    return shell(name, script, {{"volumeMounts", {{{"name", "host"}, {"mountPath", "/host"}}}}});
  }
  std::string order() { return read_text(directory + "/order"); }
};

TEST_F(InitTest, RunsInitContainersOneAfterAnotherThenTheOthers) {
  place(
      shared({stage("first", "sleep 1; echo first-done >> /host/order"), stage("second", "echo second >> /host/order")},
             {stage("main", std::string("echo main >> /host/order; ") + kSleep)}));
  start();
  ASSERT_TRUE(eventually("the pod to run", [&] { return runs("staged"); }));
  ASSERT_TRUE(eventually("the note of the last", [&] { return order().find("main") != std::string::npos; }));
  EXPECT_EQ(order(), "first-done\nsecond\nmain\n");
  EXPECT_EQ(seen("staged", "first")["state"], "terminated");
  EXPECT_EQ(seen("staged", "first")["reason"], "Completed");
}

TEST_F(InitTest, DoesNotStartTheOthersWhileAnInitContainerFails) {
  place(shared({stage("first", "exit 4")}, {stage("main", "echo main >> /host/order")}));
  start();
  ASSERT_TRUE(eventually("the back-off of the init container", [&] {
    const json first = seen("staged", "first");
    return first.is_object() && first.value("reason", "") == "CrashLoopBackOff" && first.contains("nextTryAt");
  }));
  EXPECT_EQ(order(), "");
  EXPECT_EQ(seen("staged")["phase"], "Pending");
  EXPECT_EQ(seen("staged", "main")["reason"], "PodInitializing");
}

TEST_F(InitTest, FailsThePodForGoodWithRestartPolicyNever) {
  place(shared({stage("first", "exit 4")}, {stage("main", "echo main >> /host/order")}, {{"restartPolicy", "Never"}}));
  start();
  ASSERT_TRUE(eventually("the pod to fail", [&] { return seen("staged").value("phase", "") == "Failed"; }));
  EXPECT_EQ(order(), "");
}

class ImageTest : public NodeTest {
 protected:
  json of_image(const std::string& name, const std::string& image, const std::string& policy) {
    json container = shell("main", kSleep);
    container["image"] = image;
    container["imagePullPolicy"] = policy;
    return pod(name, {container});
  }
  std::string reason(const std::string& name) {
    const json main = seen(name, "main");
    return main.value("reason", "");
  }
};

TEST_F(ImageTest, ThatCannotBeHadIsTriedAgainAndStopsNobodyElse) {
  // Nothing listens there: refused at once.
  place(of_image("absent", "127.0.0.1:9/nothing:1", "IfNotPresent"));
  place(of_image("never", "keelson.local/nothing:1", "Never"));
  place(of_image("mistyped", "Not An Image", "IfNotPresent"));
  place(of_image("fine", kBusybox, "IfNotPresent"));
  start();
  ASSERT_TRUE(eventually("the pod beside them", [&] { return runs("fine"); }));
  ASSERT_TRUE(eventually("ErrImageNeverPull", [&] { return reason("never") == "ErrImageNeverPull"; }));
  ASSERT_TRUE(eventually("InvalidImageName", [&] { return reason("mistyped") == "InvalidImageName"; }));
  ASSERT_TRUE(eventually("ImagePullBackOff", [&] { return reason("absent") == "ImagePullBackOff"; }));
  EXPECT_NE(story_text("absent").find("ErrImagePull"), std::string::npos) << story_text("absent");
  const json main = seen("absent", "main");
  EXPECT_TRUE(main.contains("nextTryAt")) << main.dump();
  EXPECT_NE(main.value("message", "").find("127.0.0.1:9/nothing:1"), std::string::npos) << main.dump();
  EXPECT_NE(story_text("absent").find("connection refused"), std::string::npos) << story_text("absent");
  EXPECT_EQ(seen("fine", "main")["restarts"], 0);
}

TEST_F(ImageTest, IsPulledFromARegistry) {
  place(of_image("pulled", "registry.keelson.test/library/busybox:1", "Always"));
  start();
  ASSERT_TRUE(eventually("the pod of the pulled image", [&] { return runs("pulled"); }));
  EXPECT_NE(story_text("pulled").find("Successfully pulled image"), std::string::npos) << story_text("pulled");
}

TEST_F(ImageTest, OfAPrivateRegistryIsRefusedInItsOwnWords) {
  place(of_image("private", "registry.keelson.test/private/busybox:1", "Always"));
  start();
  ASSERT_TRUE(eventually(
      "the refusal", [&] { return reason("private") == "ErrImagePull" || reason("private") == "ImagePullBackOff"; }));
  EXPECT_NE(story_text("private").find("registry.keelson.test/private/busybox:1"), std::string::npos);
}

}  // namespace
}  // namespace keelson::integration
