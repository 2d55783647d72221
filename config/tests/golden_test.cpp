// The same inputs as a recorded kubelet's give the same effective configuration, and the same gates.
#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "config/tests/support.hpp"

namespace keelson::config {
namespace {

using testing::FakeFiles;
using testing::kHeader;
using testing::must_run;

std::string golden(const std::string& name) {
  std::ifstream in(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// What the recorded kubelet was given: the differences of its answer from the defaults.
const std::string kRecordedBody = R"(staticPodPath: <MANIFESTS>
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: <PATH>}
authorization: {mode: Webhook}
registryPullQPS: 0
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
maxPods: 250
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
failSwapOn: false
failCgroupV1: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://<PATH>
)";

TEST(Golden, TheEffectiveConfigurationIsTheKubelets) {
  FakeFiles files{{"/k.yaml", kHeader + kRecordedBody}};
  Configuration configuration = must_run(load({"--config=/k.yaml", "--kubeconfig=/kc", "--v=2"}, files));
  // Placeholders of the recording that a relative path would have been resolved against the file's folder.
  configuration.kubelet.static_pod_path = "<MANIFESTS>";
  configuration.kubelet.authentication.x509.client_ca_file = "<PATH>";
  // As the certificate code fills them in when the file names none.
  configuration.kubelet.tls_cert_file = "/var/lib/kubelet/pki/kubelet.crt";
  configuration.kubelet.tls_private_key_file = "/var/lib/kubelet/pki/kubelet.key";
  const auto recorded = nlohmann::json::parse(golden("http/configz.json"));
  EXPECT_EQ(configz(configuration.kubelet), recorded)
      << nlohmann::json::diff(configz(configuration.kubelet), recorded).dump(1);
}

// The recorded answer is a configuration itself: read back, it gives itself.
TEST(Golden, TheRecordedAnswerReadsBackToItself) {
  const auto recorded = nlohmann::json::parse(golden("http/configz.json"));
  FakeFiles files{{"/k.json", recorded.at("kubeletconfig").dump()}};
  Configuration configuration = must_run(load({"--config=/k.json", "--kubeconfig=/kc"}, files));
  configuration.kubelet.static_pod_path = "<MANIFESTS>";
  configuration.kubelet.authentication.x509.client_ca_file = "<PATH>";
  EXPECT_EQ(configz(configuration.kubelet), recorded);
}

TEST(Golden, GatesAndTheirDefaultsAreTheKubelets) {
  // Gates of the recorded build that upstream does not have.
  const std::set<std::string> not_upstream = {"MinimumKubeletVersion", "RouteExternalCertificate",
                                              "StoragePerformantSecurityPolicy"};
  std::istringstream lines(golden("http/metrics-feature-gates.txt"));
  const std::regex pattern("kubernetes_feature_enabled\\{name=\"(\\w+)\",stage=\"(\\w*)\"\\} ([01])");
  const FeatureGates gates;
  std::size_t seen = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    ASSERT_TRUE(std::regex_match(line, match, pattern)) << line;
    if (not_upstream.contains(match[1])) continue;
    SCOPED_TRACE(line);
    ++seen;
    const GateSpec* gate = find_gate(match[1].str());
    ASSERT_NE(gate, nullptr);
    EXPECT_EQ(to_string(gate->stage), match[2].str());
    EXPECT_EQ(gates.enabled(gate->name), match[3] == "1");
  }
  EXPECT_EQ(seen, known_gates().size());
}

}  // namespace
}  // namespace keelson::config
