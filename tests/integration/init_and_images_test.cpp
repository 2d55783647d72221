// What comes before a pod's containers run: its init containers, one after another, and its images.
#include <filesystem>

#include "base/file.hpp"
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

// The test registry's private images are for user "keelson", password "secret".
constexpr char kPrivate[] = "registry.keelson.test/private/busybox:1";

TEST_F(ImageTest, ThatIsPrivateIsPulledWithTheNodesLogin) {
  // base64 of keelson:secret
  ASSERT_TRUE(base::make_directories(directory + "/root", 0750).ok());
  ASSERT_TRUE(base::write_file(directory + "/root/config.json",
                               R"({"auths":{"https://registry.keelson.test/v1/":{"auth":"a2VlbHNvbjpzZWNyZXQ="}}})",
                               0600)
                  .ok());
  place(of_image("private", kPrivate, "Always"));
  start();
  ASSERT_TRUE(eventually("the pod of the private image", [&] { return runs("private"); }));
  // Everybody on the node may use it now, and the record says so.
  std::string records;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/root/image_manager/pulled")) {
    records += read_text(entry.path());
  }
  EXPECT_NE(records.find(R"("registry.keelson.test/private/busybox":{"nodePodsAccessible":true})"), std::string::npos)
      << records;
  EXPECT_TRUE(std::filesystem::is_empty(directory + "/root/image_manager/pulling"));
}

TEST_F(ImageTest, ThatIsPrivateIsPulledWithAPluginsLogin) {
  const std::string plugin =
      "#!/bin/sh\n"
      "cat > " +
      directory +
      "/request\n"
      R"(echo '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1",)"
      R"("cacheKeyType":"Registry","cacheDuration":"1h",)"
      R"("auth":{"registry.keelson.test":{"username":"keelson","password":"'$PASSWORD'"}}}')"
      "\n";
  ASSERT_TRUE(base::make_directories(directory + "/plugins", 0755).ok());
  ASSERT_TRUE(base::write_file(directory + "/plugins/test-plugin", plugin, 0755).ok());
  ASSERT_TRUE(base::write_file(directory + "/plugins.yaml",
                               "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n"
                               "- name: test-plugin\n  matchImages: ['*.keelson.test']\n  defaultCacheDuration: 10m\n"
                               "  apiVersion: credentialprovider.kubelet.k8s.io/v1\n"
                               "  env: [{name: PASSWORD, value: secret}]\n",
                               0644)
                  .ok());
  arguments = {"--image-credential-provider-config=" + directory + "/plugins.yaml",
               "--image-credential-provider-bin-dir=" + directory + "/plugins"};
  place(of_image("private", kPrivate, "Always"));
  start();
  ASSERT_TRUE(eventually("the pod of the private image", [&] { return runs("private"); }));
  EXPECT_NE(read_text(directory + "/request").find(R"("image":"registry.keelson.test/private/busybox")"),
            std::string::npos);
  EXPECT_EQ(read_text(keelson->log_file()).find("secret"), std::string::npos) << "passwords are not logged";
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
