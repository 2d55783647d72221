// A node of a cluster: joined by a bootstrap token, pods from kubectl, run by a real containerd. The API server is the
// fake one, over HTTPS. Source: contract 01 §6, §7; contract 02 §4.2, §11, §13; contract 04 §8, §9.
#include <signal.h>

#include "tests/integration/cluster_node.hpp"

namespace keelson::integration {
namespace {

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

// One value of the pod's cgroup, or of a container's in it; on cgroup v1 and v2 alike, as milli-CPU or bytes.
struct Values {
  std::string cpu_limit;
  std::string memory_limit;
  bool operator==(const Values&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Values& values) {
  return out << "cpu " << values.cpu_limit << ", memory " << values.memory_limit;
}

Values values_of(const std::string& group) {
  const auto line = [](const std::string& path) {
    std::string text = read_text(path);
    return text.substr(0, text.find('\n'));
  };
  if (exists("/sys/fs/cgroup/cgroup.controllers")) {
    const std::string max = line("/sys/fs/cgroup" + group + "/cpu.max");
    return {max.substr(0, max.find(' ')), line("/sys/fs/cgroup" + group + "/memory.max")};
  }
  return {line("/sys/fs/cgroup/cpu" + group + "/cpu.cfs_quota_us"),
          line("/sys/fs/cgroup/memory" + group + "/memory.limit_in_bytes")};
}

class ResizeTest : public ClusterTest {
 protected:
  static json amounts(const std::string& cpu, const std::string& memory) {
    return {{"requests", {{"cpu", cpu}, {"memory", memory}}}, {"limits", {{"cpu", "500m"}, {"memory", memory}}}};
  }
  void run_pod(json more = json::object()) {
    json container = shell("main", kSleep);
    container["resources"] = amounts("100m", "32Mi");
    container.update(more);
    apply(pod("web", {container}));
    ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("web"); }));
    id = id_of("web", "main");
    group = runtime->fixture().cgroup_root() + "/kubepods/burstable/pod" + field("pod", "web", "{.metadata.uid}");
  }
  void resize(const json& resources) {
    const json patch = {{"spec", {{"containers", {{{"name", "main"}, {"resources", resources}}}}}}};
    ASSERT_NE(kubectl({"patch", "pod", "web", "--subresource=resize", "-p", patch.dump()}), "") << last_error;
  }
  std::string condition(const std::string& type) {
    return field("pod", "web", "{.status.conditions[?(@.type==\"" + type + "\")].reason}");
  }
  // The resize was accepted, is told to be over, and the status shows it.
  bool is_resized(const std::string& memory) {
    return field("pod", "web", "{.status.containerStatuses[0].resources.limits.memory}") == memory &&
           field("pod", "web", "{.status.conditions[*].type}").find("Resize") == std::string::npos;
  }

  std::string id;
  std::string group;
};

TEST_F(ResizeTest, ARunningContainerGetsOtherResources) {
  run_pod();
  EXPECT_EQ(values_of(group), (Values{"50000", "33554432"}));
  const int process = runtime->process_of(id);
  resize({{"requests", {{"cpu", "200m"}, {"memory", "48Mi"}}}, {"limits", {{"cpu", "1"}, {"memory", "64Mi"}}}});
  ASSERT_TRUE(eventually("the resize", [&] { return is_resized("64Mi"); }));
  EXPECT_EQ(values_of(group), (Values{"100000", "67108864"}));
  EXPECT_EQ(values_of(group + "/" + id), (Values{"100000", "67108864"}));
  resize({{"requests", {{"cpu", "50m"}, {"memory", "24Mi"}}}, {"limits", {{"cpu", "250m"}, {"memory", "32Mi"}}}});
  ASSERT_TRUE(eventually("the way back", [&] { return is_resized("32Mi"); }));
  EXPECT_EQ(values_of(group), (Values{"25000", "33554432"}));
  EXPECT_EQ(values_of(group + "/" + id), (Values{"25000", "33554432"}));
  EXPECT_EQ(field("pod", "web", "{.status.containerStatuses[0].allocatedResources.memory}"), "24Mi");
  EXPECT_EQ(id_of("web", "main"), id);
  EXPECT_EQ(runtime->process_of(id), process);
  EXPECT_EQ(field("pod", "web", "{.status.containerStatuses[0].restartCount}"), "0");
  const std::string events = kubectl({"get", "events", "-o", "jsonpath={.items[*].reason}"});
  EXPECT_NE(events.find("ResizeStarted"), std::string::npos) << events;
  EXPECT_NE(events.find("ResizeCompleted"), std::string::npos) << events;
}

TEST_F(ResizeTest, WhatDoesNotFitIsDeferredAndWhatIsInUseIsNotTaken) {
  run_pod();
  resize({{"requests", {{"cpu", "900"}, {"memory", "32Mi"}}}, {"limits", {{"cpu", "900"}, {"memory", "32Mi"}}}});
  ASSERT_TRUE(eventually("the refusal", [&] { return condition("PodResizePending") == "Deferred"; }));
  const std::string why = field("pod", "web", "{.status.conditions[?(@.type==\"PodResizePending\")].message}");
  EXPECT_EQ(why.find("Node didn't have enough resource: cpu, requested: 900000, used: "), 0u) << why;
  EXPECT_EQ(values_of(group), (Values{"50000", "33554432"}));
  resize({{"requests", {{"cpu", "100m"}, {"memory", "4Ki"}}}, {"limits", {{"cpu", "500m"}, {"memory", "4Ki"}}}});
  ASSERT_TRUE(eventually("the error", [&] { return condition("PodResizeInProgress") == "Error"; }));
  EXPECT_EQ(condition("PodResizePending"), "");
  EXPECT_EQ(values_of(group), (Values{"50000", "33554432"}));
  resize(amounts("100m", "32Mi"));
  EXPECT_TRUE(eventually("all to be well", [&] { return is_resized("32Mi"); }));
  EXPECT_EQ(id_of("web", "main"), id);
}

TEST_F(ResizeTest, AKilledAgentFinishesIt) {
  run_pod({{"resizePolicy", {{{"resourceName", "memory"}, {"restartPolicy", "RestartContainer"}}}}});
  keelson->kill_hard();
  resize(amounts("100m", "64Mi"));
  start();
  ASSERT_TRUE(eventually("the resize", [&] { return is_resized("64Mi") && pod_is_ready("web"); }));
  EXPECT_NE(id_of("web", "main"), id) << "its policy asks for a restart";
  EXPECT_EQ(field("pod", "web", "{.status.containerStatuses[0].restartCount}"), "1");
  EXPECT_EQ(values_of(group + "/" + id_of("web", "main")), (Values{"50000", "67108864"}));
  EXPECT_EQ(values_of(group), (Values{"50000", "67108864"}));
  const std::string now = id_of("web", "main");
  restart_after_kill();
  ASSERT_TRUE(eventually("the node to be Ready", [&] { return node_is_ready() && pod_is_ready("web"); }));
  EXPECT_EQ(id_of("web", "main"), now);
}

}  // namespace
}  // namespace keelson::integration
