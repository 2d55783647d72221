#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "config/credential_providers.hpp"
#include "config/docs.hpp"
#include "config/feature_gates.hpp"
#include "config/host_checks.hpp"
#include "config/paths.hpp"
#include "config/tests/support.hpp"
#include "config/validation.hpp"

namespace keelson::config {
namespace {

using ::testing::ElementsAre;
using testing::errors_of;
using testing::FakeFiles;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::joined;
using testing::load_body;
using testing::must_run;
using testing::warnings_of;

TEST(FeatureGates, AreSortedSoThatTheyAreFound) {
  for (std::size_t i = 1; i < known_gates().size(); ++i) EXPECT_LT(known_gates()[i - 1].name, known_gates()[i].name);
  EXPECT_EQ(find_gate("NoSuchGate"), nullptr);
}

TEST(FeatureGates, AllAlphaAndAllBetaSetTheirStageButNotWhatIsNamed) {
  const FeatureGates alpha({{"AllAlpha", true}, {"EventedPLEG", false}});
  EXPECT_TRUE(alpha.enabled("MemoryQoS"));
  EXPECT_FALSE(alpha.enabled("EventedPLEG"));
  EXPECT_FALSE(alpha.enabled("SELinuxMount"));
  const FeatureGates beta({{"AllBeta", false}, {"EnvFiles", true}});
  EXPECT_FALSE(beta.enabled("PodLevelResources"));
  EXPECT_TRUE(beta.enabled("EnvFiles"));
  EXPECT_TRUE(beta.enabled("NodeSwap"));
}

TEST(FeatureGates, LockedOnesMayBeSetToWhatTheyAre) {
  EXPECT_TRUE(check_gate("NodeSwap", true).ok());
  EXPECT_FALSE(check_gate("NodeSwap", false).ok());
  EXPECT_FALSE(check_gate("GitRepoVolumeDriver", true).ok());
  EXPECT_TRUE(check_gate("CustomCPUCFSQuotaPeriod", false).ok());
}

TEST(FeatureGates, OneThatIsOnWithoutWhatItBuildsOnIsWarnedOf) {
  EXPECT_THAT(unmet_gate_dependencies(FeatureGates()), IsEmpty());
  EXPECT_THAT(
      joined(warnings_of(load_body("featureGates: {GracefulNodeShutdown: false}\n"))),
      HasSubstr("GracefulNodeShutdownBasedOnPodPriority is on but builds on GracefulNodeShutdown, which is off"));
}

class FakeHost final : public HostView {
 public:
  bool v1 = false;
  std::vector<std::string> cgroups = {"/"};
  std::vector<std::string> swap;
  std::vector<int> cpus = {0, 1, 2, 3};
  std::int64_t memory = 10LL << 30;
  std::vector<std::string> files;
  std::vector<std::string> directories;

  bool cgroup_v1() const override { return v1; }
  bool cgroup_exists(const std::string& name) const override { return has(cgroups, name); }
  std::vector<std::string> swap_areas() const override { return swap; }
  std::vector<int> online_cpus() const override { return cpus; }
  std::int64_t memory_bytes() const override { return memory; }
  Status readable(const std::string& path) const override {
    if (has(files, path)) return {};
    return Error(ErrorKind::not_found, "open " + path + ": No such file or directory");
  }
  bool is_directory(const std::string& path) const override { return has(directories, path); }
  bool is_executable(const std::string& path) const override { return has(files, path); }

 private:
  static bool has(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
  }
};

std::vector<std::string> problems(const std::string& body, const FakeHost& host) {
  return host_problems(must_run(load_body(body)), host);
}

TEST(HostChecks, FindNothingOnAPlainHost) { EXPECT_THAT(problems("", FakeHost()), IsEmpty()); }

TEST(HostChecks, CgroupV1IsRefusedUnlessAllowed) {
  FakeHost host;
  host.v1 = true;
  EXPECT_THAT(problems("", host), ElementsAre(HasSubstr("failCgroupV1: this host runs cgroup v1")));
  EXPECT_THAT(problems("failCgroupV1: false\n", host), IsEmpty());
  EXPECT_THAT(
      problems("failCgroupV1: false\nsingleProcessOOMKill: false\nmemorySwap: {swapBehavior: LimitedSwap}\n", host),
      ElementsAre(HasSubstr("singleProcessOOMKill"), HasSubstr("memorySwap.swapBehavior")));
}

TEST(HostChecks, SingleProcessOomKillFollowsTheCgroupVersion) {
  KubeletConfiguration configuration;
  EXPECT_TRUE(single_process_oom_kill(configuration, true));
  EXPECT_FALSE(single_process_oom_kill(configuration, false));
  configuration.single_process_oom_kill = true;
  EXPECT_TRUE(single_process_oom_kill(configuration, false));
}

TEST(HostChecks, SwapIsRefusedUnlessAllowed) {
  FakeHost host;
  host.swap = {"/dev/sda2 partition 100 0 -2"};
  EXPECT_THAT(problems("", host), ElementsAre(HasSubstr("failSwapOn: this host swaps (/dev/sda2)")));
  EXPECT_THAT(problems("failSwapOn: false\n", host), IsEmpty());
}

TEST(HostChecks, CgroupsCpusAndFilesMustBeThere) {
  FakeHost host;
  EXPECT_THAT(problems("cgroupRoot: /gone\nreservedSystemCPUs: 0-1,9\ntlsCertFile: /a.crt\ntlsPrivateKeyFile: /a.key\n"
                       "authentication: {x509: {clientCAFile: /ca.crt}}\n",
                       host),
              ElementsAre(HasSubstr("cgroupRoot: Invalid value: \"/gone\""), HasSubstr("CPU 9 is not online"),
                          HasSubstr("tlsCertFile: open /a.crt"), HasSubstr("tlsPrivateKeyFile: open /a.key"),
                          HasSubstr("authentication.x509.clientCAFile: open /ca.crt")));
  host.cgroups = {"/gone"};
  host.files = {"/ca.crt"};
  EXPECT_THAT(problems("cgroupRoot: /gone\nauthentication: {x509: {clientCAFile: /ca.crt}}\n", host), IsEmpty());
}

TEST(HostChecks, ReservedMemoryWithAThresholdInPercent) {
  FakeHost host;
  host.memory = 1000;
  const std::string body =
      "memoryManagerPolicy: Static\nevictionHard: {memory.available: 10%}\nkubeReserved: {memory: \"400\"}\n";
  EXPECT_THAT(problems(body + "reservedMemory: [{numaNode: 0, limits: {memory: 500}}]\n", host), IsEmpty());
  EXPECT_THAT(problems(body + "reservedMemory: [{numaNode: 0, limits: {memory: 499}}]\n", host),
              ElementsAre(HasSubstr("must be 500")));
}

TEST(HostChecks, TheRealHostAnswers) {
  const RealHost host;
  EXPECT_GT(host.memory_bytes(), 0);
  EXPECT_FALSE(host.online_cpus().empty());
  EXPECT_TRUE(host.is_directory("/proc"));
  EXPECT_TRUE(host.is_executable("/bin/sh"));
  EXPECT_FALSE(host.is_executable("/etc/passwd"));
  EXPECT_FALSE(host.readable("/no/such/file").ok());
  EXPECT_FALSE(host.cgroup_exists("/no-such-cgroup"));
  (void)host.cgroup_v1();
  (void)host.swap_areas();
}

TEST(RealFiles, ReadAndListTheSourceTree) {
  const RealFiles files;
  const std::string source = KEELSON_SOURCE_DIR;
  EXPECT_TRUE(files.read(source + "/config/version.hpp").ok());
  const auto entries = files.list(source + "/config");
  ASSERT_TRUE(entries.ok());
  bool tests = false;
  for (const auto& entry : *entries) tests = tests || (entry.name == "tests" && entry.directory);
  EXPECT_TRUE(tests);
  EXPECT_FALSE(files.list(source + "/no-such-folder").ok());
}

const std::string kProviderHeader =
    "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n";
const std::string kProvider =
    "- name: ecr\n  matchImages: [\"*.dkr.ecr.*.amazonaws.com\"]\n  defaultCacheDuration: 12h\n"
    "  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  args: [get]\n  env: [{name: A, value: b}]\n";

TEST(CredentialProviders, AreReadFromAFile) {
  FakeFiles files{{"/p.yaml", kProviderHeader + kProvider +
                                  "  tokenAttributes: {serviceAccountTokenAudience: a, cacheType: "
                                  "Token, requireServiceAccount: true, "
                                  "requiredServiceAccountAnnotationKeys: [x/y]}\n"}};
  std::vector<std::string> errors;
  const auto providers = load_credential_providers("/p.yaml", files, errors);
  EXPECT_THAT(errors, IsEmpty());
  ASSERT_EQ(providers.size(), 1u);
  EXPECT_EQ(providers[0].name, "ecr");
  EXPECT_EQ(providers[0].default_cache_duration, std::chrono::hours(12));
  EXPECT_EQ(providers[0].env.at(0).second, "b");
  EXPECT_TRUE(providers[0].token_attributes->require_service_account);
}

TEST(CredentialProviders, OfAFolderAreReadInOrderAndMustDiffer) {
  FakeFiles files{{"/p/b.yml", kProviderHeader + kProvider},
                  {"/p/a.json", kProviderHeader + kProvider},
                  {"/p/c.txt", "rubbish"},
                  {"/p/deep/d.yaml", "rubbish"}};
  std::vector<std::string> errors;
  EXPECT_EQ(load_credential_providers("/p", files, errors).size(), 2u);
  EXPECT_THAT(errors, ElementsAre("/p/b.yml: providers[0].name: Duplicate value: \"ecr\""));
  errors.clear();
  files.make_directory("/empty");
  EXPECT_EQ(credential_config_hash("/p", files), credential_config_hash("/p", files));
  EXPECT_NE(credential_config_hash("/p", files), credential_config_hash("/p/b.yml", files));
  EXPECT_TRUE(credential_config_hash("/p/b.yml", files).starts_with("sha256:"));
  EXPECT_EQ(credential_config_hash("/missing.yaml", files), "");
  load_credential_providers("/empty", files, errors);
  EXPECT_THAT(errors, ElementsAre(HasSubstr("/empty holds no .json, .yaml or .yml file")));
}

struct BadProvider {
  std::string text;
  std::string expected;
};

TEST(CredentialProviders, AreReadStrictly) {
  const std::vector<BadProvider> cases = {
      {"", "expected an object of kind CredentialProviderConfig"},
      {kProviderHeader, "providers: Required value"},
      {"apiVersion: v1\nkind: X\nproviders: []\n", "apiVersion: Unsupported value: \"v1\""},
      {kProviderHeader + kProvider + "  surprise: 1\n", "/p.yaml:10: providers[0].surprise: unknown field"},
      {kProviderHeader + kProvider + "  name: other\n", "providers[0].name: doubled key"},
      {kProviderHeader + "- {}\n", "providers[0].name: Required value"},
      {kProviderHeader + "- name: a/b\n", "must be a file name without / and spaces"},
      {kProviderHeader + "- name: a\n", "providers[0].defaultCacheDuration: Required value"},
      {kProviderHeader + "- name: a\n  defaultCacheDuration: -1s\n", "must not be negative"},
      {kProviderHeader + "- name: a\n  matchImages: x\n", "providers[0].matchImages: Invalid value: expected a list"},
      {kProviderHeader + "- name: a\n  apiVersion: v9\n", "providers[0].apiVersion: Unsupported value: \"v9\""},
      {kProviderHeader + kProvider + "  tokenAttributes: {}\n", "requireServiceAccount: Required value"},
      {kProviderHeader + kProvider +
           "  tokenAttributes: {serviceAccountTokenAudience: a, cacheType: X, requireServiceAccount: false, "
           "requiredServiceAccountAnnotationKeys: [k], optionalServiceAccountAnnotationKeys: [k]}\n",
       "Duplicate value: \"k\""},
  };
  for (const BadProvider& row : cases) {
    SCOPED_TRACE(row.text);
    FakeFiles files{{"/p.yaml", row.text}};
    std::vector<std::string> errors;
    load_credential_providers("/p.yaml", files, errors);
    EXPECT_THAT(joined(errors), HasSubstr(row.expected));
  }
}

TEST(CredentialProviders, NeedTheGateForTokens) {
  const std::string token =
      "  tokenAttributes: {serviceAccountTokenAudience: a, cacheType: Token, requireServiceAccount: false}\n";
  FakeFiles files{{"/p.yaml", kProviderHeader + kProvider + token}};
  const std::vector<std::string> flags = {"--image-credential-provider-config=/p.yaml",
                                          "--image-credential-provider-bin-dir=/bin", "--check-config"};
  EXPECT_THAT(joined(errors_of(
                  load_body("featureGates: {KubeletServiceAccountTokenForCredentialProviders: false}", flags, files))),
              HasSubstr("provider \"ecr\": tokenAttributes: Forbidden: needs feature gate "
                        "KubeletServiceAccountTokenForCredentialProviders"));
  EXPECT_THAT(errors_of(load_body("", flags, files)), IsEmpty());
}

TEST(CredentialProviders, NeedTheirPrograms) {
  FakeFiles files{{"/p.yaml", kProviderHeader + kProvider}};
  const auto configuration = must_run(
      load_body("", {"--image-credential-provider-config=/p.yaml", "--image-credential-provider-bin-dir=/bin"}, files));
  FakeHost host;
  EXPECT_THAT(host_problems(configuration, host), ElementsAre(HasSubstr("there is no folder /bin")));
  host.directories = {"/bin"};
  EXPECT_THAT(host_problems(configuration, host), ElementsAre(HasSubstr("needs the program /bin/ecr")));
  host.files = {"/bin/ecr"};
  EXPECT_THAT(host_problems(configuration, host), IsEmpty());
}

TEST(Paths, AreCleanedAsGoDoes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "."},         {"/", "/"},          {"//a//b/", "/a/b"}, {"/../a", "/a"},
      {"a/../..", ".."}, {"./a/./b/..", "a"}, {"../a", "../a"}};
  for (const auto& [given, expected] : cases) EXPECT_EQ(clean_path(given), expected) << given;
  EXPECT_EQ(folder_of("/etc/x.yaml"), "/etc");
  EXPECT_EQ(folder_of("/x.yaml"), "/");
  EXPECT_EQ(folder_of("x.yaml"), ".");
}

TEST(CpuLists, AreParsed) {
  std::vector<int> cpus;
  EXPECT_EQ(check_cpu_list("0-2,7", &cpus), "");
  EXPECT_THAT(cpus, ElementsAre(0, 1, 2, 7));
  for (const std::string bad : {"", "-1", "1-", "2-1", "a", "1,,2", "99999999999", "0-9999999"}) {
    EXPECT_NE(check_cpu_list(bad, nullptr), "") << bad;
  }
}

TEST(Documentation, IsWhatTheTablesSay) {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/docs/configuration.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_TRUE(text.str() == configuration_markdown())
      << "docs/configuration.md is out of date: run build/dev/keelson_config_docs docs/configuration.md";
}

}  // namespace
}  // namespace keelson::config
