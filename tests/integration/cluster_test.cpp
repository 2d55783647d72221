// A node of a cluster: joined by a bootstrap token, pods from kubectl, run by a real containerd. The API server is the
// fake one, over HTTPS. Source: contract 01 §6, §7; contract 02 §4.2, §11, §13; contract 04 §8, §9.
#include <signal.h>

#include "base/file.hpp"
#include "tests/integration/api_server.hpp"
#include "tests/integration/node_test.hpp"

namespace keelson::integration {
namespace {

class ClusterTest : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (find_kubectl().empty()) {
      // ./run-tests names the binary, and promises these tests.
      ASSERT_EQ(::getenv("KEELSON_BINARY"), nullptr) << "there is no kubectl to be had";
      GTEST_SKIP() << "there is no kubectl to be had";
    }
    server = std::make_unique<ApiServer>(directory + "/api");
    ASSERT_TRUE(server->start({"--listen", "127.0.0.1:0", "--schedule", "--service-accounts"})) << server->log();
    settings["authentication"] = "{webhook: {enabled: true}, anonymous: {enabled: false}}";
    settings["authorization"] = "{mode: Webhook}";
    settings["rotateCertificates"] = "true";
    settings["serverTLSBootstrap"] = "true";
    arguments = {"--kubeconfig=" + directory + "/kubelet.conf",
                 "--bootstrap-kubeconfig=" + server->file("bootstrap-kubelet.conf")};
    start();
    ASSERT_TRUE(eventually("the node to be Ready", [&] { return node_is_ready(); }));
  }
  void TearDown() override {
    // What the cluster still has must go first: nobody else would end it.
    if (server && keelson && keelson->runs()) {
      kubectl({"delete", "pods", "--all", "--wait=false"});
      withdraw_all();
      (void)eventually(
          "all pods to go", [&] { return runtime->containers().empty(); }, std::chrono::seconds(60));
    }
    NodeTest::TearDown();
    if (server) server->stop();
  }

  std::string kubectl(ProgramArguments arguments) {
    const ProgramResult result = server->kubectl(std::move(arguments));
    last_error = result.err;
    return result.exit_code == 0 ? result.out : "";
  }
  std::string field(const std::string& kind, const std::string& name, const std::string& path) {
    return kubectl({"get", kind, name, "--ignore-not-found", "-o", "jsonpath=" + path});
  }
  bool node_is_ready() { return field("node", "node", "{.status.conditions[?(@.type==\"Ready\")].status}") == "True"; }
  bool pod_is_ready(const std::string& name) {
    return field("pod", name, "{.status.conditions[?(@.type==\"Ready\")].status}") == "True";
  }
  bool is_gone(const std::string& kind, const std::string& name) {
    return field(kind, name, "{.metadata.name}").empty() && last_error.empty();
  }
  void apply(const json& object) {
    const std::string file = directory + "/apply.json";
    ASSERT_TRUE(base::write_file(file, object.dump(), 0644).ok());
    ASSERT_NE(kubectl({"apply", "-f", file}), "") << last_error;
  }
  void withdraw_all() {
    for (const auto& file : placed) {
      if (exists(manifest_path(file))) withdraw(file);
    }
  }

  std::unique_ptr<ApiServer> server;
  std::string last_error;
  std::vector<std::string> placed;
};

TEST_F(ClusterTest, RunsAnAppliedPodWithItsObjectsAndLetsItGo) {
  apply({{"apiVersion", "v1"},
         {"kind", "ConfigMap"},
         {"metadata", {{"name", "words"}}},
         {"data", {{"greeting", "hello"}}}});
  json container = shell("main",
                         "echo \"$WORD $(cat /words/greeting) "
                         "$(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)\"; " +
                             std::string(kSleep));
  container["env"] = {
      {{"name", "WORD"}, {"valueFrom", {{"configMapKeyRef", {{"name", "words"}, {"key", "greeting"}}}}}}};
  container["volumeMounts"] = {{{"name", "words"}, {"mountPath", "/words"}}};
  apply(pod("web", {container}, {{"volumes", {{{"name", "words"}, {"configMap", {{"name", "words"}}}}}}}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
  EXPECT_EQ(field("pod", "web", "{.status.phase} {.status.hostIP} {.spec.nodeName}").substr(0, 8), "Running ");
  const std::string uid = field("pod", "web", "{.metadata.uid}");
  const std::string log = directory + "/logs/default_web_" + uid + "/main/0.log";
  EXPECT_TRUE(eventually("its line", [&] { return read_text(log).find("hello hello default") != std::string::npos; }));
  const std::string token = pod_directory(uid) + "/volumes/kubernetes.io~projected";
  EXPECT_TRUE(exists(token));

  const std::string file = pod_directory(uid) + "/volumes/kubernetes.io~configmap/words/greeting";
  EXPECT_EQ(read_text(file), "hello");
  ASSERT_NE(kubectl({"patch", "configmap", "words", "-p", R"({"data":{"greeting":"good day"}})"}), "") << last_error;
  EXPECT_TRUE(eventually("the volume to follow", [&] { return read_text(file) == "good day"; }));

  ASSERT_NE(kubectl({"delete", "pod", "web", "--wait=false"}), "");
  EXPECT_TRUE(eventually("the object to be gone", [&] { return is_gone("pod", "web"); }));
  EXPECT_TRUE(eventually("its remains to go", [&] { return !exists(pod_directory(uid)); }));
  const std::string events = kubectl({"get", "events", "-o", "jsonpath={.items[*].reason}"});
  for (const char* reason : {"Pulled", "Created", "Started", "Killing"}) {
    EXPECT_NE(events.find(reason), std::string::npos) << reason << " is not in: " << events;
  }
}

TEST_F(ClusterTest, AnImageThatAPodsSecretHasPulledIsForThoseWhoMayPullItToo) {
  const auto with = [](const std::string& name, const std::string& secret, const std::string& policy) {
    json container = shell("main", kSleep);
    container["image"] = "registry.keelson.test/private/busybox:1";
    container["imagePullPolicy"] = policy;
    json spec = json::object();
    if (!secret.empty()) spec["imagePullSecrets"] = {{{"name", secret}}};
    return pod(name, {container}, spec);
  };
  for (const auto& [name, password] : {std::pair("right", "secret"), std::pair("wrong", "guess")}) {
    ASSERT_NE(kubectl({"create", "secret", "docker-registry", name, "--docker-server=registry.keelson.test",
                       "--docker-username=keelson", std::string("--docker-password=") + password}),
              "")
        << last_error;
  }
  apply(with("owner", "right", "Always"));
  ASSERT_TRUE(eventually("the pod with the right secret", [&] { return pod_is_ready("owner"); }));
  // The image is on the node now.
  const auto reason = [&](const std::string& name) {
    return field("pod", name, "{.status.containerStatuses[0].state.waiting.reason}");
  };
  apply(with("friend", "right", "Never"));
  apply(with("stranger", "", "IfNotPresent"));
  apply(with("guesser", "wrong", "IfNotPresent"));
  apply(with("forgetful", "missing", "IfNotPresent"));
  EXPECT_TRUE(eventually("a pod with the same secret", [&] { return pod_is_ready("friend"); }));
  for (const char* name : {"stranger", "guesser", "forgetful"}) {
    EXPECT_TRUE(eventually(std::string("the refusal of ") + name, [&] {
      const std::string now = reason(name);
      return now == "ErrImagePull" || now == "ImagePullBackOff";
    }));
  }
  EXPECT_NE(
      kubectl({"get", "events", "-o", "jsonpath={.items[*].message}"})
          .find("Unable to retrieve some image pull secrets (missing); attempting to pull the image may not succeed."),
      std::string::npos);
  // Those who were refused are let in as soon as they can show something.
  ASSERT_NE(kubectl({"create", "secret", "docker-registry", "missing", "--docker-server=registry.keelson.test",
                     "--docker-username=keelson", "--docker-password=secret"}),
            "")
      << last_error;
  EXPECT_TRUE(eventually(
      "the pod whose secret came late", [&] { return pod_is_ready("forgetful"); }, std::chrono::seconds(60)));
  EXPECT_FALSE(pod_is_ready("stranger"));
}

TEST_F(ClusterTest, AsksForBothOfItsCertificates) {
  ASSERT_TRUE(
      eventually("the serving certificate", [&] { return exists(directory + "/pki/kubelet-server-current.pem"); }));
  const std::string pair = read_text(directory + "/pki/kubelet-server-current.pem");
  EXPECT_NE(pair.find("BEGIN CERTIFICATE"), std::string::npos);
  EXPECT_NE(pair.find("PRIVATE KEY"), std::string::npos);
  const std::string asked =
      kubectl({"get", "csr", "-o", "jsonpath={range .items[*]}{.spec.signerName} by {.spec.username}{\"\\n\"}{end}"});
  EXPECT_NE(asked.find("kubernetes.io/kube-apiserver-client-kubelet by system:bootstrap:"), std::string::npos) << asked;
  EXPECT_NE(asked.find("kubernetes.io/kubelet-serving by system:node:node"), std::string::npos) << asked;
}

TEST_F(ClusterTest, PodsGoOnWhileTheServerIsAwayAndAllIsToldOnItsReturn) {
  apply(pod("lives", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("lives"); }));
  server->control({{"down", 4}});
  const auto processes = runtime->processes();
  ASSERT_EQ(processes.size(), 1u);
  ::kill(processes.begin()->second, SIGKILL);
  ASSERT_TRUE(eventually("the restart, seen on the node", [&] {
    const json container = seen("lives", "main");
    return container.value("restarts", 0) == 1 && container.value("state", "") == "running";
  }));
  EXPECT_TRUE(eventually("the restart, seen in the API", [&] {
    return field("pod", "lives", "{.status.containerStatuses[0].restartCount}") == "1" && pod_is_ready("lives");
  }));
  EXPECT_EQ(field("pod", "lives", "{.status.containerStatuses[0].lastState.terminated.exitCode}"), "137");
  EXPECT_TRUE(node_is_ready());
}

TEST_F(ClusterTest, AKilledAgentGoesOnWhereItWasAndFinishesWhatWasDeletedMeanwhile) {
  apply(pod("stays", {shell("main", kSleep)}));
  apply(pod("goes", {shell("main", kSleep)}));
  ASSERT_TRUE(eventually("both to be Ready", [&] { return pod_is_ready("stays") && pod_is_ready("goes"); }));
  const std::string status = field("pod", "stays", "{.status.containerStatuses[0]} {.status.startTime}");
  const std::string since = "{.status.conditions[?(@.type==\"Ready\")].lastTransitionTime}";
  const std::string ready_since = field("node", "node", since);
  keelson->kill_hard();
  ASSERT_NE(kubectl({"delete", "pod", "goes", "--wait=false"}), "");
  ASSERT_NE(kubectl({"delete", "pod", "stays", "--wait=false", "--dry-run=server"}), "");
  start();
  EXPECT_TRUE(eventually("the deleted one to go", [&] { return is_gone("pod", "goes"); }));
  EXPECT_TRUE(pod_is_ready("stays"));
  EXPECT_TRUE(node_is_ready());
  EXPECT_EQ(field("node", "node", since), ready_since) << "Ready has flipped";
  EXPECT_EQ(field("pod", "stays", "{.status.containerStatuses[0]} {.status.startTime}"), status);
}

TEST_F(ClusterTest, StaticPodsHaveMirrorsThatFollowThem) {
  place(pod("local", {shell("main", kSleep)}));
  placed = {"local.yaml"};
  ASSERT_TRUE(eventually("the mirror to be Ready", [&] { return pod_is_ready("local-node"); }));
  const std::string id = id_of("local", "main");
  const std::string uid = field("pod", "local-node", "{.metadata.uid}");
  EXPECT_EQ(field("pod", "local-node", "{.metadata.annotations.kubernetes\\.io/config\\.source}"), "file");
  ASSERT_NE(kubectl({"delete", "pod", "local-node", "--wait=false"}), "");
  EXPECT_TRUE(eventually("another mirror", [&] {
    return pod_is_ready("local-node") && field("pod", "local-node", "{.metadata.uid}") != uid;
  }));
  EXPECT_EQ(id_of("local", "main"), id) << "the pod itself is not touched";
  withdraw("local.yaml");
  EXPECT_TRUE(eventually("the mirror to go", [&] { return is_gone("pod", "local-node"); }));
}

TEST_F(ClusterTest, APodThatDoesNotFitIsRefusedWithItsReason) {
  json misfit = pod("misfit", {shell("main", kSleep)}, {{"nodeName", "node"}, {"nodeSelector", {{"disk", "none"}}}});
  apply(misfit);
  ASSERT_TRUE(eventually("the refusal", [&] { return field("pod", "misfit", "{.status.phase}") == "Failed"; }));
  EXPECT_EQ(field("pod", "misfit", "{.status.reason}"), "NodeAffinity");
  EXPECT_EQ(field("pod", "misfit", "{.status.message}"),
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
  ASSERT_NE(kubectl({"delete", "pod", "misfit", "--wait=false"}), "");
  EXPECT_TRUE(eventually("it to go", [&] { return is_gone("pod", "misfit"); }));
}

}  // namespace
}  // namespace keelson::integration
