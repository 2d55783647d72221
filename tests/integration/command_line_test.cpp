// The binary by itself: what it prints and how it exits, without a runtime.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.hpp"
#include "tests/integration/keelson_process.hpp"

namespace keelson::integration {
namespace {

class CommandLineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/keelson-cli.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::string config(const std::string& fields) {
    const std::string path = directory + "/config.yaml";
    const auto written = base::write_file(
        path, "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n" + fields, 0644);
    EXPECT_TRUE(written.ok());
    return "--config=" + path;
  }
  // One that is right for a node without an API server.
  std::string good_config(const std::string& more = "") {
    return config(
        "authentication: {webhook: {enabled: false}, anonymous: {enabled: false}}\n"
        "authorization: {mode: AlwaysAllow}\nenableServer: false\n"
        "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n" +
        more);
  }
  std::string directory;
};

int lines_of(const std::string& text) { return static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

TEST_F(CommandLineTest, PrintsTheVersionThatKubeadmParses) {
  const auto result = KeelsonProcess::run({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.rfind("Kubernetes v1.36.", 0), 0u) << result.out;
  EXPECT_EQ(lines_of(result.out), 1);
}

TEST_F(CommandLineTest, RefusesWhatItDoesNotKnowAndSaysWhere) {
  struct Row {
    ProgramArguments arguments;
    std::string fields;  // of the configuration file; empty = none is given
    std::vector<std::string> texts;
  };
  const std::vector<Row> rows = {
      {{"--no-such-flag"}, "", {"--no-such-flag"}},
      {{"--v=loud"}, "", {"--v", "loud"}},
      {{"--max-pods=many"}, "", {"--max-pods", "many"}},
      {{"--config=" + directory + "/absent.yaml"}, "", {directory + "/absent.yaml"}},
      {{"operand"}, "", {"operand"}},
      {{}, "maxPods: many\n", {"maxPods", "config.yaml"}},
      {{}, "noSuchField: 1\n", {"noSuchField", "config.yaml"}},
      {{}, "healthzPort: 70000\n", {"healthzPort", "70000"}},
      {{}, "syncFrequency: [1]\n", {"syncFrequency"}},
      {{}, "syncFrequency: 1 fortnight\n", {"syncFrequency"}},
      {{}, "cgroupDriver: homemade\n", {"cgroupDriver", "homemade"}},
      {{}, "maxPods: 1\nmaxPods: 2\n", {"maxPods"}},
      {{}, "evictionHard: {: :\n", {"config.yaml"}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(::testing::PrintToString(row.arguments) + row.fields);
    auto arguments = row.arguments;
    if (!row.fields.empty()) arguments.push_back(good_config(row.fields));
    const auto result = KeelsonProcess::run(arguments);
    EXPECT_EQ(result.exit_code, 1);
    for (const auto& text : row.texts) EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  }
}

TEST_F(CommandLineTest, TellsAllProblemsOfAConfigurationAtOnce) {
  const auto result =
      KeelsonProcess::run({good_config("healthzPort: 70000\nmaxPods: -1\ncgroupDriver: homemade\n"), "--check-config"});
  EXPECT_EQ(result.exit_code, 1);
  for (const char* text : {"healthzPort", "maxPods", "cgroupDriver"}) {
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  }
}

TEST_F(CommandLineTest, ChecksAGoodConfigurationWithoutStarting) {
  const auto result = KeelsonProcess::run({good_config(), "--check-config"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

// Something listens on it, on 127.0.0.1.
class TakenPort {
 public:
  TakenPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    EXPECT_EQ(::bind(socket_.get(), address, size), 0);
    EXPECT_EQ(::listen(socket_.get(), 1), 0);
    EXPECT_EQ(::getsockname(socket_.get(), address, &size), 0);
  }
  std::string number() const { return std::to_string(ntohs(address_.sin_port)); }

 private:
  base::UniqueFd socket_;
  sockaddr_in address_{};
};

TEST_F(CommandLineTest, EndsWithOneLineWhenAPortOfItsServerIsTaken) {
  const TakenPort taken;
  const std::string free = TakenPort().number();
  for (const std::string& ports : {"port: " + taken.number(), "port: " + free + "\nreadOnlyPort: " + taken.number()}) {
    SCOPED_TRACE(ports);
    const std::string file = config(
        "authentication: {webhook: {enabled: false}, anonymous: {enabled: false}}\n"
        "authorization: {mode: AlwaysAllow}\naddress: 127.0.0.1\nhealthzPort: 0\nfailSwapOn: false\n"
        "failCgroupV1: false\ncgroupsPerQOS: false\nenforceNodeAllocatable: []\nresolvConf: \"\"\n"
        "containerRuntimeEndpoint: unix://" +
        directory + "/none.sock\n" + ports + "\n");
    const auto result =
        KeelsonProcess::run({file, "--root-dir=" + directory + "/root", "--cert-dir=" + directory + "/pki",
                             "--control-socket=" + directory + "/keelson.sock", "--hostname-override=n"});
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_NE(result.err.find("Address already in use"), std::string::npos) << result.err;
    EXPECT_FALSE(base::path_exists(directory + "/keelson.sock"));
    // Where mounts are not shared, the agent has mounted its root directory on itself.
    ::umount2((directory + "/root").c_str(), MNT_DETACH);
  }
}

TEST_F(CommandLineTest, ToolsSayWhenNoAgentRuns) {
  for (const ProgramArguments& command : {ProgramArguments{"ps"}, ProgramArguments{"explain", "default/pod"}}) {
    auto arguments = command;
    arguments.push_back("--socket=" + directory + "/nobody.sock");
    const auto result = KeelsonProcess::run(arguments);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_NE(result.err.find(directory + "/nobody.sock"), std::string::npos) << result.err;
    EXPECT_EQ(result.err.rfind("keelson: the agent is not running", 0), 0u) << result.err;
  }
  EXPECT_NE(KeelsonProcess::run({"explain"}).exit_code, 0);
  EXPECT_NE(KeelsonProcess::run({"ps", "--colour"}).err.find("--colour"), std::string::npos);
}

}  // namespace
}  // namespace keelson::integration
