#include <cstdlib>

#include "base/file.hpp"
#include "tests/integration/cluster_node.hpp"

namespace keelson::integration {

void ClusterTest::SetUp() {
  (void)find_kubectl();  // may fetch it, which cannot be done from the runtime's network
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
  prepare();
  start();
  ASSERT_TRUE(eventually("the node to be Ready", [&] { return node_is_ready(); }));
}

void ClusterTest::TearDown() {
  // What the cluster still has must go first: nobody else would end it.
  if (server && keelson && keelson->runs()) {
    kubectl({"delete", "pods", "--all", "--wait=false"});
    withdraw_all();
    (void)eventually(
        "all pods to end", [&] { return runtime->processes().empty(); }, std::chrono::seconds(60));
  }
  NodeTest::TearDown();
  if (server) server->stop();
}

std::string ClusterTest::kubectl(ProgramArguments arguments) {
  const ProgramResult result = server->kubectl(std::move(arguments));
  last_error = result.err;
  return result.exit_code == 0 ? result.out : "";
}

std::string ClusterTest::field(const std::string& kind, const std::string& name, const std::string& path) {
  return kubectl({"get", kind, name, "--ignore-not-found", "-o", "jsonpath=" + path});
}

bool ClusterTest::node_is_ready() {
  return field("node", "node", "{.status.conditions[?(@.type==\"Ready\")].status}") == "True";
}

bool ClusterTest::pod_is_ready(const std::string& name) {
  return field("pod", name, "{.status.conditions[?(@.type==\"Ready\")].status}") == "True";
}

bool ClusterTest::is_gone(const std::string& kind, const std::string& name) {
  return field(kind, name, "{.metadata.name}").empty() && last_error.empty();
}

void ClusterTest::apply(const json& object) {
  const std::string file = directory + "/apply.json";
  ASSERT_TRUE(base::write_file(file, object.dump(), 0644).ok());
  ASSERT_NE(kubectl({"apply", "-f", file}), "") << last_error;
}

json ClusterTest::object(const std::string& kind, const std::string& name) {
  const std::string text = kubectl({"get", kind, name, "--ignore-not-found", "-o", "json"});
  return text.empty() ? json() : json::parse(text, nullptr, false);
}

void ClusterTest::withdraw_all() {
  for (const auto& file : placed) {
    if (exists(manifest_path(file))) withdraw(file);
  }
}

}  // namespace keelson::integration
