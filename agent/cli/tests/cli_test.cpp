#include "agent/cli/cli.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/cli/doctor_host.hpp"
#include "agent/cli/doctor_input.hpp"
#include "agent/cli/tests/fake_host.hpp"
#include "base/file.hpp"

namespace keelson::agent {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class FakeFiles final : public config::Files {
 public:
  Result<std::string> read(const std::string& path) const override {
    const auto found = files.find(path);
    if (found == files.end()) return Error(ErrorKind::not_found, path + ": no such file");
    return found->second;
  }
  Result<std::vector<Entry>> list(const std::string& path) const override {
    return Error(ErrorKind::not_found, path + ": no such directory");
  }
  bool is_directory(const std::string&) const override { return false; }
  std::string working_directory() const override { return "/"; }
  std::map<std::string, std::string> files;
};

class CliTest : public testing::Test {
 protected:
  int run(std::vector<std::string> args) {
    out_.str("");
    err_.str("");
    CliWorld world{.out = out_,
                   .err = err_,
                   .now = [] { return base::SystemTime(std::chrono::hours(500'000)); },
                   .ask =
                       [this](const std::string& socket, const std::string& target) {
                         socket_ = socket;
                         target_ = target;
                         return reply_;
                       },
                   .host = host_,
                   .files = files_,
                   .next_picture = [this] { return pictures_-- > 0; }};
    return run_cli(args, world);
  }
  void answer(int status, const std::string& body) { reply_ = ControlReply{status, body}; }

  std::ostringstream out_, err_;
  std::string socket_, target_;
  Result<ControlReply> reply_ = Error(ErrorKind::not_found, "connecting to /run/keelson/keelson.sock: No such file");
  FakeHost host_ = healthy_host();
  FakeFiles files_;
  int pictures_ = 0;
};

TEST_F(CliTest, PsPrintsThePodsOfTheRunningAgent) {
  answer(200, pods_to_json({{.ns = "default", .name = "web", .phase = "Running"}, {.ns = "x", .name = "y"}}));
  EXPECT_EQ(run({"ps"}), exit_ok);
  EXPECT_EQ(target_, "/v1/pods");
  EXPECT_EQ(socket_, "/run/keelson/keelson.sock");
  EXPECT_THAT(out_.str(), StartsWith("NAMESPACE"));
  EXPECT_THAT(out_.str(), HasSubstr("default"));
  EXPECT_EQ(run({"ps", "-n", "x", "--json", "--socket=/s"}), exit_ok);
  EXPECT_EQ(socket_, "/s");
  EXPECT_EQ(nlohmann::json::parse(out_.str())["pods"].size(), 1u);
  EXPECT_EQ(run({"ps", "-n", "none"}), exit_ok);
  EXPECT_EQ(out_.str(), "No pods in namespace none on this node.\n");
}

TEST_F(CliTest, PsWatchesUntilTheAgentGoes) {
  answer(200, pods_to_json({}));
  pictures_ = 2;
  EXPECT_EQ(run({"ps", "-w"}), exit_ok);
  EXPECT_EQ(out_.str(),
            "\x1b[H\x1b[2JNo pods on this node.\n\x1b[H\x1b[2JNo pods on this node.\n"
            "\x1b[H\x1b[2JNo pods on this node.\n");
}

TEST_F(CliTest, SaysThatTheAgentIsNotRunningAndWhatToDo) {
  for (const auto& args : {std::vector<std::string>{"ps"}, {"explain", "a/b"}}) {
    EXPECT_EQ(run(args), exit_not_running);
    EXPECT_THAT(err_.str(), HasSubstr("the agent is not running"));
    EXPECT_THAT(err_.str(), HasSubstr("systemctl start keelson"));
    EXPECT_EQ(out_.str(), "");
  }
  reply_ = Error(ErrorKind::permission_denied, "connecting: Permission denied");
  EXPECT_EQ(run({"ps"}), exit_error);
  EXPECT_THAT(err_.str(), HasSubstr("sudo"));
  reply_ = Error(ErrorKind::deadline_exceeded, "no answer in time");
  EXPECT_EQ(run({"ps"}), exit_error);
  EXPECT_THAT(err_.str(), HasSubstr("no answer in time"));
}

TEST_F(CliTest, ExplainTellsAPodsStoryOrThatThereIsNone) {
  PodStory story;
  story.pod = {.ns = "kube-system", .name = "etcd", .phase = "Running"};
  answer(200, story_to_json(story));
  EXPECT_EQ(run({"explain", "kube-system/etcd"}), exit_ok);
  EXPECT_EQ(target_, "/v1/pods/kube-system/etcd");
  EXPECT_THAT(out_.str(), StartsWith("kube-system/etcd: Running"));
  EXPECT_EQ(run({"explain", "-n", "ns", "etcd", "--json"}), exit_ok);
  EXPECT_EQ(target_, "/v1/pods/ns/etcd");
  EXPECT_EQ(nlohmann::json::parse(out_.str())["pod"]["name"], "etcd");
  EXPECT_EQ(run({"explain", "etcd"}), exit_ok);
  EXPECT_EQ(target_, "/v1/pods/default/etcd");
  answer(404, error_to_json(404, "this node's agent knows no pod a/b"));
  EXPECT_EQ(run({"explain", "a/b"}), exit_error);
  EXPECT_EQ(err_.str(), "keelson: this node's agent knows no pod a/b\n");
  answer(200, "rubbish");
  EXPECT_EQ(run({"explain", "a/b"}), exit_error);
}

TEST_F(CliTest, WrongUsageSaysWhatWasExpected) {
  struct Row {
    std::vector<std::string> args;
    std::string error;
  };
  const Row rows[] = {
      {{"explain"}, "explain needs one NAMESPACE/POD"},
      {{"explain", "a/b", "c/d"}, "explain needs one NAMESPACE/POD"},
      {{"explain", "a/b/c"}, "not of the form NAMESPACE/POD"},
      {{"explain", "/b"}, "not of the form NAMESPACE/POD"},
      {{"explain", "a/b HTTP/1.1\r\n"}, "not of the form NAMESPACE/POD"},
      {{"ps", "pod"}, "unexpected argument \"pod\" for ps"},
      {{"ps", "--config=x"}, "unknown option --config for ps"},
      {{"ps", "--json=yes"}, "--json takes no value"},
      {{"ps", "-n"}, "-n needs a value"},
      {{"ps", "--socket="}, "--socket needs a value"},
      {{"ps", "-w", "--json"}, "exclude each other"},
      {{"doctor", "-n", "x"}, "unknown option -n for doctor"},
      {{"dance"}, "unknown command \"dance\""},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(run(row.args), exit_usage);
    EXPECT_THAT(err_.str(), HasSubstr(row.error));
  }
}

TEST_F(CliTest, HelpIsForEveryCommand) {
  for (const auto& args :
       {std::vector<std::string>{"help"}, {"ps", "-h"}, {"explain", "--help"}, {"doctor", "--help"}}) {
    EXPECT_EQ(run(args), exit_ok);
    EXPECT_THAT(out_.str(), HasSubstr("keelson explain NAMESPACE/POD"));
  }
  EXPECT_TRUE(is_cli_command("ps") && is_cli_command("help") && !is_cli_command("--config"));
}

TEST_F(CliTest, DoctorWorksWithoutARunningAgent) {
  const int status = run({"doctor"});
  EXPECT_THAT(out_.str(), HasSubstr("WARN  agent"));
  EXPECT_THAT(out_.str(), HasSubstr("containerd 1.7.2"));
  EXPECT_TRUE(status == exit_error || status == exit_failures) << status;
  run({"doctor", "--json"});
  EXPECT_GE(nlohmann::json::parse(out_.str())["findings"].size(), 13u);
}

TEST_F(CliTest, DoctorUsesTheRunningAgentsOwnCommandLine) {
  DoctorView view;
  view.info = {.version = "0.1.0", .pid = 42, .ready = true};
  answer(200, doctor_to_json(view));
  host_.files_["/proc/42/cmdline"] = std::string("keelson\0--config=/c.yaml\0", 25);
  files_.files["/c.yaml"] =
      "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodPath: /my/manifests\n"
      "authentication: {webhook: {enabled: false}}\nauthorization: {mode: AlwaysAllow}\n";
  run({"doctor"});
  EXPECT_EQ(target_, "/v1/doctor");
  EXPECT_THAT(out_.str(), HasSubstr("/my/manifests does not exist"));
  EXPECT_THAT(out_.str(), HasSubstr("the configuration (the running agent's) is valid"));
}

TEST_F(CliTest, DoctorReportsABadConfigurationAndGoesOn) {
  files_.files["/bad.yaml"] = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: -3\n";
  EXPECT_EQ(run({"doctor", "--config", "/bad.yaml"}), exit_failures);
  EXPECT_THAT(out_.str(), HasSubstr("FAIL  config"));
  EXPECT_THAT(out_.str(), HasSubstr("/bad.yaml: "));
  EXPECT_THAT(out_.str(), HasSubstr("containerd 1.7.2"));
  EXPECT_EQ(run({"doctor", "--config", "/none.yaml"}), exit_failures);
  EXPECT_THAT(out_.str(), HasSubstr("/none.yaml"));
}

TEST(RealHost, LooksAtThisMachineWithoutChangingIt) {
  RealHost host;
  EXPECT_TRUE(host.exists("/proc"));
  EXPECT_FALSE(host.exists(""));
  EXPECT_FALSE(host.exists("/no/such"));
  const auto use = host.disk("/");
  ASSERT_TRUE(use.ok());
  EXPECT_GT(use->total, 0u);
  EXPECT_FALSE(host.disk("/no/such").ok());
  bool self = false;
  for (const auto& process : host.processes()) self = self || process.pid == getpid();
  EXPECT_TRUE(self);
}

TEST(RealHost, SaysWhyNoRuntimeAnswers) {
  RealHost host;
  const RuntimeView absent = host.runtime("unix:///no/such/runtime.sock", "unix:///no/such/runtime.sock");
  ASSERT_FALSE(absent.reached.ok());
  EXPECT_THAT(absent.reached.error().to_string(), HasSubstr("/no/such/runtime.sock"));
  EXPECT_FALSE(host.runtime("tcp://1.2.3.4:5", "tcp://1.2.3.4:5").reached.ok());
}

std::string self_signed_pem() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("node-1"), -1, -1, 0);
  X509_sign(certificate, key, EVP_sha256());
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pem;
}

TEST(ParseCertificates, ReadsEveryCertificateOfAFile) {
  const std::string pem = self_signed_pem();
  const std::string key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  const auto chain = parse_certificates("comment\n" + key + pem + pem);
  ASSERT_TRUE(chain.ok());
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_THAT(chain->at(0).subject, HasSubstr("CN=node-1"));
  const auto lifetime = chain->at(0).not_after - chain->at(0).not_before;
  EXPECT_EQ(lifetime, std::chrono::seconds(86400 + 3600));
  for (const std::string& bad :
       {std::string(), std::string("text"), key, pem.substr(0, pem.size() / 2), "\x30\x82" + pem.substr(80)}) {
    EXPECT_FALSE(parse_certificates(bad).ok());
  }
}

TEST(ParseCmdline, SplitsAtZeroBytes) {
  EXPECT_EQ(parse_cmdline(std::string("keelson\0--a=1\0\0-v\0", 18)), (std::vector<std::string>{"--a=1", "", "-v"}));
  EXPECT_TRUE(parse_cmdline("").empty());
}

}  // namespace
}  // namespace keelson::agent
