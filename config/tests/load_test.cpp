// The way in as a user meets it: kubeadm's file, bad files, --version, --check-config, standalone.
#include "config/load.hpp"

#include <gmock/gmock.h>

#include "config/tests/support.hpp"
#include "config/validation.hpp"

namespace keelson::config {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::errors_of;
using testing::FakeFiles;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::joined;
using testing::kHeader;
using testing::load_body;
using testing::must_run;
using ::testing::Not;
using ::testing::StartsWith;
using testing::warnings_of;

// As kubeadm writes it on a control-plane node (contract 01 §4.2).
const std::string kKubeadm = R"(apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
    cacheUnauthorizedTTL: 0s
cgroupDriver: systemd
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
containerRuntimeEndpoint: "unix:///var/run/containerd/containerd.sock"
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
kind: KubeletConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
resolvConf: /run/systemd/resolve/resolv.conf
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
)";

const std::vector<std::string> kKubeadmArgs = {"--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
                                               "--kubeconfig=/etc/kubernetes/kubelet.conf",
                                               "--config=/var/lib/kubelet/config.yaml"};

TEST(Kubeadm, ItsFileAndFlagsGiveDefaultsForEveryZero) {
  FakeFiles files{{"/var/lib/kubelet/config.yaml", kKubeadm}};
  const Outcome outcome = load(kKubeadmArgs, files);
  EXPECT_THAT(warnings_of(outcome), IsEmpty());
  const Configuration configuration = must_run(outcome);
  const KubeletConfiguration& values = configuration.kubelet;
  EXPECT_EQ(values.authentication.webhook.cache_ttl, 2min);
  EXPECT_EQ(values.authorization.webhook.cache_authorized_ttl, 5min);
  EXPECT_EQ(values.authorization.webhook.cache_unauthorized_ttl, 30s);
  EXPECT_EQ(values.cpu_manager_reconcile_period, 10s);
  EXPECT_EQ(values.eviction_pressure_transition_period, 5min);
  EXPECT_EQ(values.file_check_frequency, 20s);
  EXPECT_EQ(values.http_check_frequency, 20s);
  EXPECT_EQ(values.image_minimum_gc_age, 2min);
  EXPECT_EQ(values.image_maximum_gc_age, 0s);
  EXPECT_EQ(values.logging.flush_frequency, 5s);
  EXPECT_EQ(values.logging.format, "text");
  EXPECT_EQ(values.node_status_update_frequency, 10s);
  EXPECT_EQ(values.node_status_report_frequency, 5min);
  EXPECT_EQ(values.runtime_request_timeout, 2min);
  EXPECT_EQ(values.streaming_connection_idle_timeout, 4h);
  EXPECT_EQ(values.sync_frequency, 1min);
  EXPECT_EQ(values.volume_stats_agg_period, 1min);
  EXPECT_EQ(values.crash_loop_back_off.max_container_restart_period, 300s);
  EXPECT_EQ(values.cgroup_driver, "systemd");
  EXPECT_EQ(values.static_pod_path, "/etc/kubernetes/manifests");
  EXPECT_EQ(values.resolv_conf, "/run/systemd/resolve/resolv.conf");
  EXPECT_EQ(configuration.flags.bootstrap_kubeconfig, "/etc/kubernetes/bootstrap-kubelet.conf");
  EXPECT_EQ(configuration.reported_version, "v1.36.2");
  EXPECT_FALSE(configuration.standalone());
}

TEST(Kubeadm, BeforeItHasRunTheMissingFileIsTheOnlyError) {
  EXPECT_THAT(errors_of(load(kKubeadmArgs, FakeFiles())),
              ElementsAre("--config: open /var/lib/kubelet/config.yaml: No such file or directory"));
}

TEST(Kubeadm, TaintsAndNamesOfAJoiningWorker) {
  FakeFiles files{{"/var/lib/kubelet/config.yaml", kKubeadm}};
  auto args = kKubeadmArgs;
  args.insert(args.end(), {"--register-with-taints=a=b:NoSchedule", "--hostname-override=Node-1"});
  const auto configuration = must_run(load(args, files));
  EXPECT_EQ(configuration.kubelet.register_with_taints.size(), 1u);
  EXPECT_EQ(node_name(configuration.flags.hostname_override, "host").value(), "node-1");
}

TEST(Version, PrintsWhatKubeadmParses) {
  for (const std::string arg : {"--version", "--version=true"}) {
    const Outcome outcome = load({arg, "--config=/nowhere"}, FakeFiles());
    ASSERT_TRUE(std::holds_alternative<Print>(outcome));
    EXPECT_EQ(std::get<Print>(outcome).text, "Kubernetes v1.36.2\n");
    EXPECT_EQ(std::get<Print>(outcome).exit_code, 0);
  }
  EXPECT_THAT(std::get<Print>(load({"--version=raw"}, FakeFiles())).text,
              AllOf(StartsWith("version.Info{Major:\"1\", Minor:\"36\", GitVersion:\"v1.36.2\""), HasSubstr("}\n")));
}

TEST(Version, MayBeReportedWithASuffix) {
  EXPECT_EQ(must_run(load({"--version=v1.36.2-acme.1"}, FakeFiles())).reported_version, "v1.36.2-acme.1");
  EXPECT_EQ(must_run(load({"--version=v1.36.2"}, FakeFiles())).reported_version, "v1.36.2");
  EXPECT_EQ(must_run(load({"--version=false"}, FakeFiles())).reported_version, "v1.36.2");
  for (const std::string bad : {"v1.36.3", "v1.36.2x", "v1.36.2-", "v1.36.2- x", "v", "maybe"}) {
    SCOPED_TRACE(bad);
    EXPECT_THAT(joined(errors_of(load({"--version=" + bad}, FakeFiles()))), HasSubstr("--version: Invalid value"));
  }
}

TEST(Help, ListsEveryGroupBeforeAnyFileIsRead) {
  const Outcome outcome = load({"--config=/nowhere", "-h"}, FakeFiles());
  ASSERT_TRUE(std::holds_alternative<Print>(outcome));
  EXPECT_THAT(std::get<Print>(outcome).text,
              AllOf(HasSubstr("--read-only-port int  (default 10255)"), HasSubstr("--check-config"),
                    HasSubstr("-v, --v int  (default 0)"), HasSubstr("Accepted without effect:")));
}

TEST(Help, DoesNotHideABadCommandLine) {
  EXPECT_THAT(errors_of(load({"--help", "--nosuch"}, FakeFiles())), ElementsAre("--nosuch: unknown flag"));
}

TEST(CheckConfig, IsContentWithAGoodFile) {
  const Outcome outcome = load_body("maxPods: 5\n", {"--check-config"});
  ASSERT_TRUE(std::holds_alternative<Print>(outcome)) << joined(errors_of(outcome));
  EXPECT_EQ(std::get<Print>(outcome).text, "configuration is valid\n");
  EXPECT_EQ(std::get<Print>(outcome).exit_code, 0);
}

TEST(CheckConfig, CountsWhatTheAgentOnlyWarnsOf) {
  const std::string body =
      "MaxPods: 5\nport: 1\nport: 2\nlogging: {nosuch: 1}\nregisterWithTaints: [{key: a, effect: NoSchedule, x: 1}]\n";
  const std::vector<std::string> expected = {
      "/etc/kubelet.yaml:3: MaxPods: unknown field, did you mean maxPods?",
      "/etc/kubelet.yaml:4: port: doubled key, the last one counts",
      "/etc/kubelet.yaml:6: logging.nosuch: unknown field",
      "/etc/kubelet.yaml:7: registerWithTaints[0].x: unknown field",
  };
  EXPECT_EQ(errors_of(load_body(body, {"--check-config"})), expected);
  const Outcome lenient = load_body(body);
  EXPECT_EQ(warnings_of(lenient), expected);
  EXPECT_EQ(must_run(lenient).kubelet.port, 2);
}

TEST(CheckConfig, NamesASecondDocument) {
  EXPECT_THAT(errors_of(load_body("port: 1\n---\nport: 2\n", {"--check-config"})),
              ElementsAre("/etc/kubelet.yaml: holds more than one document: only the first counts"));
  EXPECT_EQ(must_run(load_body("port: 1\n---\nport: 2\n")).kubelet.port, 1);
}

TEST(Errors, AreAllToldAtOnceWithTheirPlaces) {
  FakeFiles files{{"/d/a.conf", kHeader + "maxPods: -1\nhairpinMode: x\n"}};
  const auto errors =
      errors_of(load_body("port: 0\nhealthzPort: 70000\nsyncFrequency: ten\nevictionHard: {memory.available: 0}\n"
                          "featureGates:\n  NoGate: true\n",
                          {"--kube-api-qps=-5", "--nosuch", "stray", "--config-dir=/d", "--cloud-provider=aws",
                           "--node-labels=kubernetes.io/x=1"},
                          files));
  EXPECT_THAT(errors,
              ElementsAre("--nosuch: unknown flag",
                          "/etc/kubelet.yaml:5: syncFrequency: Invalid value: expected a duration such as 1m30s, "
                          "found the string \"ten\"",
                          "/etc/kubelet.yaml:6: evictionHard[memory.available]: Invalid value: expected a string, "
                          "found the number 0: put it in quotes",
                          "/etc/kubelet.yaml:4: healthzPort: Invalid value: 70000: must be between 0 and 65535, "
                          "inclusive",
                          "/d/a.conf:3: maxPods: Invalid value: -1: must not be negative",
                          "--kube-api-qps: kubeAPIQPS: Invalid value: -5: must not be negative",
                          "/d/a.conf:4: hairpinMode: Unsupported value: \"x\": expected \"promiscuous-bridge\", "
                          "\"hairpin-veth\" or \"none\"",
                          "/etc/kubelet.yaml:8: featureGates[NoGate]: unrecognized feature gate: NoGate",
                          StartsWith("--node-labels[kubernetes.io/x]: Invalid value: \"kubernetes.io/x\": a node must "
                                     "not set this label"),
                          "--cloud-provider: Unsupported value: \"aws\": expected \"\" or \"external\""));
}

TEST(Errors, PointAtTheLineOfThePartThatIsWrong) {
  const std::string body =
      "reservedMemory:\n- numaNode: 0\n  limits:\n    memory: 1Gi\n    gpu: 5\nregisterWithTaints:\n- key: a\n  "
      "effect: X\n";
  EXPECT_THAT(errors_of(load_body(body)),
              ElementsAre(StartsWith("/etc/kubelet.yaml:7: reservedMemory[0].limits[gpu]: Unsupported value"),
                          StartsWith("/etc/kubelet.yaml:10: registerWithTaints[0].effect: Unsupported value")));
}

TEST(Errors, AreOneLineEachWhateverANameHolds) {
  EXPECT_THAT(errors_of(load_body("\"a\\nb\": 1\nevictionHard: {\"x\\ty\": 1Gi}\n", {"--check-config"})),
              ElementsAre("/etc/kubelet.yaml:3: a\\x0ab: unknown field",
                          StartsWith("/etc/kubelet.yaml:4: evictionHard[x\\x09y]: Unsupported value: \"x\\x09y\"")));
}

TEST(Errors, ArgumentsThatAreNoTextAreRefused) {
  EXPECT_THAT(
      errors_of(load({"--cluster-domain=\xff", "--provider-id", "\xc3("}, FakeFiles())),
      ElementsAre("argument 1 of the command line is not UTF-8 text", "--provider-id: the value is not UTF-8 text"));
}

struct BadFile {
  std::string text;
  std::string expected;
};

TEST(Errors, OfTheMainFileAsAWhole) {
  const std::vector<BadFile> cases = {
      {"", "/etc/k.yaml: the file is empty: expected a KubeletConfiguration"},
      {"\n# comment\n", "/etc/k.yaml: the file is empty"},
      {"[]\n", "expected an object of kind KubeletConfiguration, found a"},
      {"text\n", "expected an object of kind KubeletConfiguration, found a string"},
      {"kind: KubeletConfiguration\n", "/etc/k.yaml:1: apiVersion: Required value"},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\n", "/etc/k.yaml:1: kind: Required value"},
      {"apiVersion: v1\nkind: KubeletConfiguration\n", "/etc/k.yaml:1: apiVersion: Invalid value: \"v1\""},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: 5\n", "/etc/k.yaml:2: kind: Invalid value"},
      {"{\"apiVersion\": ", "/etc/k.yaml: "},
      {"a: b: c\n", "/etc/k.yaml: "},
      {std::string("kind: \xff\xfe\n"), "/etc/k.yaml: "},
      {std::string(200, '['), "/etc/k.yaml: "},
  };
  for (const BadFile& row : cases) {
    SCOPED_TRACE(row.text.substr(0, 60));
    FakeFiles files{{"/etc/k.yaml", row.text}};
    const auto errors = errors_of(load({"--config=/etc/k.yaml", "--kubeconfig=/k"}, files));
    ASSERT_FALSE(errors.empty());
    EXPECT_THAT(joined(errors), HasSubstr(row.expected));
  }
}

TEST(Errors, AFileOfAnotherKindIsNotPickedApart) {
  FakeFiles files{{"/etc/k.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n"}};
  EXPECT_THAT(errors_of(load({"--config=/etc/k.yaml", "--kubeconfig=/k", "--check-config"}, files)),
              ElementsAre(HasSubstr("apiVersion: Invalid value"), HasSubstr("kind: Invalid value: \"Pod\"")));
}

TEST(Paths, OfTheMainFileStartAtItsFolder) {
  FakeFiles files{{"/cwd/conf/k.yaml", kHeader + "staticPodPath: manifests\ntlsCertFile: ../a.crt\n"
                                                 "tlsPrivateKeyFile: ./a.key\nresolvConf: r.conf\nvolumePluginDir: v/\n"
                                                 "podLogsDir: logs\nauthentication: {x509: {clientCAFile: ca.crt}}\n"}};
  const auto values = must_run(load({"--config=conf/k.yaml", "--kubeconfig=/k"}, files)).kubelet;
  EXPECT_EQ(values.static_pod_path, "/cwd/conf/manifests");
  EXPECT_EQ(values.tls_cert_file, "/cwd/a.crt");
  EXPECT_EQ(values.tls_private_key_file, "/cwd/conf/a.key");
  EXPECT_EQ(values.resolv_conf, "/cwd/conf/r.conf");
  EXPECT_EQ(values.volume_plugin_dir, "/cwd/conf/v");
  EXPECT_EQ(values.pod_logs_dir, "/cwd/conf/logs");
  EXPECT_EQ(values.authentication.x509.client_ca_file, "/cwd/conf/ca.crt");
}

TEST(Standalone, NeedsAuthenticationThatWorksWithoutAnApiServer) {
  FakeFiles files{{"/k.yaml", kHeader}};
  const auto errors = errors_of(load({"--config=/k.yaml"}, files));
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_THAT(errors[0], AllOf(StartsWith("authentication.webhook.enabled: Invalid value: true"),
                               HasSubstr("set authentication.webhook.enabled to false")));
  EXPECT_THAT(errors[1], AllOf(StartsWith("authorization.mode: Invalid value: \"Webhook\""),
                               HasSubstr("set authorization.mode to AlwaysAllow")));
  files.put("/k.yaml", kHeader +
                           "authentication: {webhook: {enabled: false}}\nauthorization: {mode: AlwaysAllow}\n"
                           "configMapAndSecretChangeDetectionStrategy: Whatever\n");
  EXPECT_TRUE(must_run(load({"--config=/k.yaml"}, files)).standalone());
}

TEST(Warnings, TellWhatIsTakenButDoesNothing) {
  const Outcome outcome =
      load_body("clusterDNS: [10.0.0.1, dns.example]\ncgroupDriver: cgroups\nqosReserved: {memory: 5%}\n",
                {"--node-ip=10.0.0.1,nonsense"});
  EXPECT_EQ(must_run(outcome).node_ips, std::vector<std::string>{"10.0.0.1"});
  EXPECT_THAT(joined(warnings_of(outcome)),
              AllOf(HasSubstr("/etc/kubelet.yaml:3: clusterDNS[1]: \"dns.example\" is no IP address and is skipped"),
                    HasSubstr("/etc/kubelet.yaml:4: cgroupDriver: \"cgroups\" is neither"),
                    HasSubstr("qosReserved: has no effect"), HasSubstr("--node-ip: \"nonsense\" is no IP address")));
}

struct FlagCase {
  std::vector<std::string> args;
  std::string error;  // "" = taken
};

TEST(FlagRules, OfFlagsThatAreNoFields) {
  const std::vector<FlagCase> cases = {
      {{"--node-ip=10.0.0.1,fd00::1"}, ""},
      {{"--node-ip=::"}, ""},
      {{"--node-ip=10.0.0.1,10.0.0.2"}, "one IPv4 and one IPv6"},
      {{"--node-ip=10.0.0.1,fd00::1,10.0.0.3"}, "at most one IPv4"},
      {{"--node-ip=0.0.0.0,fd00::1"}, "cannot stand in a pair"},
      {{"--cloud-provider=external"}, ""},
      {{"--cloud-provider=gce"}, "expected \"\" or \"external\""},
      {{"--root-dir=/var/lib/kubelet/"}, "--root-dir: Invalid value: \"/var/lib/kubelet/\": must be a clean path"},
      {{"--root-dir=/a/../b"}, "must be a clean path: \"/b\""},
      {{"--hostname-override=  "}, "--hostname-override: Invalid value"},
      {{"--exit-on-lock-contention"}, "--lock-file: Required value"},
      {{"--exit-on-lock-contention", "--lock-file=/l"}, ""},
      {{"--image-credential-provider-config=/nowhere"}, "--image-credential-provider-bin-dir: Required value"},
      {{"--node-labels=a=b,example.com/c=d"}, ""},
      {{"--node-labels=node.kubernetes.io/x=y,a.kubelet.kubernetes.io/x=y,kubernetes.io/hostname=h"}, ""},
      {{"--node-labels=topology.kubernetes.io/zone=z,failure-domain.beta.kubernetes.io/region=r"}, ""},
      {{"--node-labels=node-role.kubernetes.io/worker="}, "must not set this label"},
      {{"--node-labels=x.k8s.io/y=z"}, "must not set this label"},
      {{"--node-labels=notkubernetes.io/y=z"}, ""},
      {{"--node-labels=-a=b"}, "--node-labels[-a]: Invalid value: \"-a\""},
      {{"--node-labels=a=b c"}, "--node-labels[a]: Invalid value: \"b c\""},
      {{"--node-labels=A/b=c"}, "lower-case DNS name"},
      {{"--feature-gates=GitRepoVolumeDriver=true"}, "--feature-gates: featureGates[GitRepoVolumeDriver]: cannot set"},
  };
  for (const FlagCase& row : cases) {
    SCOPED_TRACE(joined(row.args));
    const auto errors = errors_of(load(row.args, FakeFiles()));
    if (row.error.empty()) {
      EXPECT_THAT(errors, IsEmpty());
    } else {
      EXPECT_THAT(joined(errors), HasSubstr(row.error));
    }
  }
}

TEST(NodeName, IsTrimmedAndLowerCased) {
  EXPECT_EQ(node_name("", " Host.Example \n").value(), "host.example");
  EXPECT_EQ(node_name(" Other ", "host").value(), "other");
  EXPECT_FALSE(node_name("", "").ok());
  EXPECT_FALSE(node_name("  ", "host").ok());
}

}  // namespace
}  // namespace keelson::config
