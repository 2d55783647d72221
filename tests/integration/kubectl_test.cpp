// A real kubectl (tools/kubectl) against keelson-fake-apiserver: what a user of a cluster does, with a node that the
// test plays. Needs neither root nor containerd; skipped where no kubectl can be had.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "tests/integration/api_server.hpp"

namespace keelson::integration {
namespace {

using nlohmann::json;

constexpr const char* kNode =
    R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"kubernetes.io/hostname":"n1"}}})";
constexpr const char* kNodeReady =
    R"({"status":{"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","message":"kubelet is posting )"
    R"(ready status"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"capacity":{"cpu":"2","pods":"110"},)"
    R"("allocatable":{"cpu":"2","pods":"110"},"nodeInfo":{"kubeletVersion":"v1.36.2","osImage":"Debian"}}})";
constexpr const char* kPodRuns =
    R"({"status":{"phase":"Running","podIP":"10.1.0.5","podIPs":[{"ip":"10.1.0.5"}],"conditions":[{"type":"Ready",)"
    R"("status":"True"}],"containerStatuses":[{"name":"c","ready":true,"restartCount":2,"image":"busybox:1",)"
    R"("imageID":"sha256:1","state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}})";

std::string pod_yaml(const std::string& name, const std::string& label) {
  return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n  labels:\n    app: " + label +
         "\nspec:\n  containers:\n  - name: c\n    image: busybox:1\n    command: [sleep, \"1000\"]\n";
}

class Kubectl : public ::testing::Test {
 protected:
  void SetUp() override {
    if (find_kubectl().empty()) GTEST_SKIP() << "no kubectl: tools/kubectl could not fetch one";
    std::string pattern = "/tmp/keelson-kubectl-test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    server_ = std::make_unique<ApiServer>(directory_);
    ASSERT_TRUE(server_->start(flags())) << server_->log();
  }
  void TearDown() override {
    server_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  virtual ProgramArguments flags() const { return {"--node", "n1", "--schedule", "--service-accounts"}; }

  // Its standard output; the test fails when kubectl does.
  std::string run(ProgramArguments arguments) {
    const auto result = server_->kubectl(arguments);
    std::string line;
    for (const auto& argument : arguments) line += argument + " ";
    EXPECT_EQ(result.exit_code, 0) << "kubectl " << line << "\n" << result.out << result.err;
    return result.out;
  }
  json object(ProgramArguments arguments) {
    arguments.insert(arguments.end(), {"-o", "json"});
    return json::parse(run(arguments), nullptr, false);
  }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  // The node registers and becomes Ready.
  void play_node() {
    const auto made = server_->kubectl({"create", "-f", file("node.json", kNode)}, "kubelet-n1.conf");
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const auto ready = server_->kubectl(
        {"patch", "node", "n1", "--subresource=status", "--type=strategic", "-p", kNodeReady}, "kubelet-n1.conf");
    ASSERT_EQ(ready.exit_code, 0) << ready.err;
  }
  void create_pod(const std::string& name) {
    EXPECT_EQ(run({"create", "-f", file(name + ".yaml", pod_yaml(name, name))}), "pod/" + name + " created\n");
  }
  void play_running(const std::string& pod) {
    run({"wait", "--for=jsonpath={.spec.nodeName}=n1", "pod/" + pod, "--timeout=10s"});
    run({"patch", "pod", pod, "--subresource=status", "--type=strategic", "-p", kPodRuns});
  }
  // Waits until that text is in the file; what is there after ten seconds otherwise.
  static std::string wait_for(const std::string& path, const std::string& text) {
    std::string content;
    for (int i = 0; i < 1000; ++i) {
      content = base::read_file(path).value_or("");
      if (content.find(text) != std::string::npos) break;
      ::poll(nullptr, 0, 10);
    }
    return content;
  }

  std::string directory_;
  std::unique_ptr<ApiServer> server_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(Kubectl, KnowsTheServerAndItsResources) {
  EXPECT_TRUE(has(run({"version"}), "Server Version: v1.36"));
  const auto resources = run({"api-resources"});
  for (const auto* row : {"pods", "nodes", "leases", "certificatesigningrequests", "csinodes"}) {
    EXPECT_TRUE(has(resources, row)) << resources;
  }
  EXPECT_TRUE(has(run({"api-versions"}), "coordination.k8s.io/v1"));
  EXPECT_TRUE(has(run({"cluster-info"}), server_->address()));
  EXPECT_EQ(run({"get", "--raw", "/healthz"}), "ok");
}

TEST_F(Kubectl, CreatesShowsAndDescribesAPod) {
  play_node();
  create_pod("web");
  play_running("web");
  const auto table = run({"get", "pods", "-o", "wide"});
  EXPECT_TRUE(has(table, "web    1/1     Running   2")) << table;
  EXPECT_TRUE(has(table, "10.1.0.5   n1")) << table;
  const auto pod = object({"get", "pod", "web"});
  EXPECT_EQ(pod["spec"]["nodeName"], "n1");
  EXPECT_EQ(pod["status"]["podIP"], "10.1.0.5");
  EXPECT_EQ(pod["spec"]["volumes"][0]["projected"]["sources"].size(), 3u) << pod["spec"]["volumes"];
  EXPECT_TRUE(has(run({"get", "pod", "web", "-o", "yaml"}), "restartPolicy: Always"));
  const auto described = run({"describe", "pod", "web"});
  EXPECT_TRUE(has(described, "Node:             n1")) << described;
  EXPECT_TRUE(has(described, "Successfully assigned default/web to n1")) << described;
  EXPECT_TRUE(has(run({"get", "events"}), "Scheduled"));
  EXPECT_TRUE(has(run({"get", "pods", "-A", "--field-selector=spec.nodeName=n1"}), "web"));
  EXPECT_TRUE(has(run({"get", "sa,cm", "-A"}), "configmap/kube-root-ca.crt"));
}

TEST_F(Kubectl, ShowsAndDescribesTheNode) {
  play_node();
  const auto table = run({"get", "nodes", "-o", "wide"});
  EXPECT_TRUE(has(table, "n1     Ready    <none>")) << table;
  EXPECT_TRUE(has(table, "10.0.0.1")) << table;
  const auto described = run({"describe", "node", "n1"});
  EXPECT_TRUE(has(described, "KubeletReady   kubelet is posting ready status")) << described;
  EXPECT_TRUE(has(described, "Taints:             <none>")) << described;
  run({"cordon", "n1"});
  EXPECT_TRUE(has(run({"get", "nodes"}), "Ready,SchedulingDisabled"));
  run({"uncordon", "n1"});
}

TEST_F(Kubectl, AppliesChanges) {
  const auto one = file("a.yaml", pod_yaml("a", "one"));
  EXPECT_EQ(run({"apply", "-f", one}), "pod/a created\n");
  EXPECT_EQ(run({"apply", "-f", one}), "pod/a unchanged\n");
  const auto two = file("a2.yaml", pod_yaml("a", "two"));
  EXPECT_EQ(run({"apply", "-f", two}), "pod/a configured\n");
  EXPECT_TRUE(has(run({"get", "pods", "-l", "app=two"}), "a "));
  EXPECT_EQ(run({"diff", "-f", two}), "");
  EXPECT_EQ(run({"apply", "--server-side", "--force-conflicts", "-f", file("a3.yaml", pod_yaml("a", "three"))}),
            "pod/a serverside-applied\n");
  EXPECT_EQ(object({"get", "pod", "a"})["metadata"]["labels"]["app"], "three");
}

TEST_F(Kubectl, LabelsAnnotatesAndSetsImages) {
  create_pod("a");
  EXPECT_EQ(run({"label", "pod", "a", "tier=front"}), "pod/a labeled\n");
  EXPECT_EQ(run({"annotate", "pod", "a", "note=hello"}), "pod/a annotated\n");
  EXPECT_EQ(run({"set", "image", "pod/a", "c=busybox:2"}), "pod/a image updated\n");
  EXPECT_EQ(run({"label", "pod", "a", "tier-"}), "pod/a unlabeled\n");
  const auto pod = object({"get", "pod", "a"});
  EXPECT_EQ(pod["metadata"]["annotations"]["note"], "hello");
  EXPECT_FALSE(pod["metadata"]["labels"].contains("tier"));
  EXPECT_EQ(pod["spec"]["containers"][0]["image"], "busybox:2");
}

TEST_F(Kubectl, WatchesPods) {
  const pid_t watch = spawn_program(server_->kubectl_command({"get", "pods", "-w"}), {}, directory_ + "/watch.log");
  ASSERT_GT(watch, 0);
  play_node();
  create_pod("web");
  play_running("web");
  const auto seen = wait_for(directory_ + "/watch.log", "1/1     Running");
  EXPECT_TRUE(has(seen, "0/1     Pending")) << seen;
  EXPECT_TRUE(has(seen, "1/1     Running")) << seen;
  ::kill(watch, SIGTERM);
  ::waitpid(watch, nullptr, 0);
}

TEST_F(Kubectl, DeletesWithGraceAndByForce) {
  play_node();
  create_pod("slow");
  create_pod("quick");
  play_running("slow");
  EXPECT_EQ(run({"delete", "pod", "slow", "--grace-period=20", "--wait=false"}), "pod \"slow\" deleted\n");
  EXPECT_EQ(object({"get", "pod", "slow"})["metadata"]["deletionGracePeriodSeconds"], 20);
  EXPECT_TRUE(has(run({"get", "pods"}), "Terminating"));
  // The node says that it is finished.
  const auto done = server_->kubectl({"delete", "pod", "slow", "--grace-period=0", "--force"}, "kubelet-n1.conf");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_TRUE(has(run({"delete", "pod", "quick", "--grace-period=0", "--force"}), "pod \"quick\" force deleted"));
  EXPECT_EQ(object({"get", "pods"})["items"].size(), 0u);
}

TEST_F(Kubectl, IsToldWhatIsWrong) {
  create_pod("a");
  const auto twice = server_->kubectl({"create", "-f", directory_ + "/a.yaml"});
  EXPECT_EQ(twice.exit_code, 1);
  EXPECT_TRUE(has(twice.err, "(AlreadyExists)")) << twice.err;
  const auto missing = server_->kubectl({"get", "pod", "b"});
  EXPECT_EQ(missing.err, "Error from server (NotFound): pods \"b\" not found\n");
  auto text = pod_yaml("bad", "bad");
  text.replace(text.find("image:"), 6, "imagee:");
  const auto bad = server_->kubectl({"create", "-f", file("bad.yaml", text)});
  EXPECT_TRUE(has(bad.err, "strict decoding error")) << bad.err;
  const auto log = server_->kubectl({"logs", "a"});
  EXPECT_TRUE(has(log.err, "pod a does not have a host assigned")) << log.err;
  const auto stranger = server_->kubectl({"get", "pods"}, "kubelet-n1.conf");
  EXPECT_TRUE(has(stranger.err, "(Forbidden)")) << stranger.err;
}

TEST_F(Kubectl, NamespacesComeAndGo) {
  EXPECT_EQ(run({"create", "namespace", "extra"}), "namespace/extra created\n");
  EXPECT_TRUE(has(run({"get", "sa", "-n", "extra"}), "default"));
  EXPECT_EQ(run({"delete", "namespace", "extra"}), "namespace \"extra\" deleted\n");
  EXPECT_EQ(server_->kubectl({"get", "ns", "extra"}).exit_code, 1);
}

TEST_F(Kubectl, LivesThroughFaultsOnDemand) {
  EXPECT_EQ(server_->control({{"fault", {{"path_contains", "/pods"}, {"status", 429}, {"retry_after", 1}}}}),
            json({{"ok", true}}));
  create_pod("a");
  EXPECT_EQ(server_->control({{"down", 0.5}})["ok"], true);
  EXPECT_EQ(server_->kubectl({"get", "pods", "--request-timeout=5s"}).exit_code, 1);
  std::string table;
  for (int i = 0; i < 100 && !has(table, "Pending"); ++i) table = server_->kubectl({"get", "pods"}).out;
  EXPECT_TRUE(has(table, "Pending")) << table;
  const auto log = server_->control({{"log", true}})["log"];
  EXPECT_FALSE(log.empty());
  EXPECT_GT(server_->control({{"stats", true}})["stats"]["requests"], 0);
}

class KubectlOverHttp1 : public Kubectl {
 protected:
  ProgramArguments flags() const override { return {"--node", "n1", "--h1-only", "--schedule"}; }
};

TEST_F(KubectlOverHttp1, WorksAsWell) {
  play_node();
  create_pod("web");
  play_running("web");
  EXPECT_TRUE(has(run({"get", "pods"}), "1/1     Running"));
}

TEST_F(Kubectl, IsRefusedWithATokenThatNobodyKnows) {
  const auto bootstrap = server_->kubectl({"get", "csr"}, "bootstrap-kubelet.conf");
  EXPECT_EQ(bootstrap.exit_code, 0) << bootstrap.err;
  auto text = base::read_file(server_->file("bootstrap-kubelet.conf")).value_or("");
  text.replace(text.find("abcdef."), 7, "xxxxxx.");
  file("wrong.conf", text);
  const auto refused = server_->kubectl({"get", "csr"}, "wrong.conf");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_TRUE(has(refused.err, "Unauthorized") || has(refused.err, "must be logged in")) << refused.err;
}

}  // namespace
}  // namespace keelson::integration
