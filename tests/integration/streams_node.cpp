#include "tests/integration/streams_node.hpp"

#include <filesystem>

namespace keelson::integration {

void StreamsTest::prepare() {
  const auto address = run_program({"/bin/sh", "-c", std::string("ip addr replace ") + kNodeIp + "/32 dev lo"});
  ASSERT_EQ(address.exit_code, 0) << address.err;
  settings["enableServer"] = "true";
  settings["authentication"] =
      "{x509: {clientCAFile: " + server->file("ca.crt") + "}, webhook: {enabled: true}, anonymous: {enabled: false}}";
  arguments.push_back(std::string("--node-ip=") + kNodeIp);
}

void StreamsTest::SetUp() {
  ClusterTest::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  // Before it has its certificate, the port lets nobody in.
  ASSERT_TRUE(
      eventually("the serving certificate", [&] { return exists(directory + "/pki/kubelet-server-current.pem"); }));
}

EnvironmentVariables StreamsTest::variables() const {
  return {{"KUBECTL", find_kubectl()},
          {"KUBECONFIG", server->file("admin.conf")},
          {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false"},
          {"KUBECTL_PORT_FORWARD_WEBSOCKETS", "false"},
          {"HOME", directory},
          {"DIR", directory}};
}

ProgramResult StreamsTest::bash(const std::string& script, std::chrono::seconds limit) {
  return run_program({"/bin/bash", "-c", "set -o pipefail; cd \"$DIR\"; " + script}, variables(), limit);
}

pid_t StreamsTest::bash_beside(const std::string& script, const std::string& log) {
  return spawn_program({"/bin/bash", "-c", script}, variables(), directory + "/" + log);
}

std::string StreamsTest::credentials() {
  const auto made = bash(
      "for part in client-certificate-data client-key-data; do "
      "sed -n \"s/^ *$part: *//p\" \"$KUBECONFIG\" | base64 -d > $part; done");
  EXPECT_EQ(made.exit_code, 0) << made.err;
  return " --cert " + directory + "/client-certificate-data --key " + directory + "/client-key-data ";
}

void StreamsTest::run_pod(const std::string& name, const std::string& script, json more) {
  apply(pod(name, {shell("main", script, std::move(more))}));
  ASSERT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready(name); }));
}

std::size_t StreamsTest::descriptors() const {
  std::size_t count = 0;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(keelson->pid()) + "/fd", error)) {
    (void)entry;
    ++count;
  }
  return count;
}

long StreamsTest::memory() const {
  const std::string status = read_text("/proc/" + std::to_string(keelson->pid()) + "/status");
  const auto at = status.find("RssAnon:");
  return at == std::string::npos ? -1 : std::atol(status.c_str() + at + 8);
}

}  // namespace keelson::integration
