// Precedence of defaults, file, drop-ins and flags, and the merging of drop-ins.
#include <gmock/gmock.h>

#include "config/tests/support.hpp"

namespace keelson::config {
namespace {

using ::testing::ElementsAre;
using testing::errors_of;
using testing::FakeFiles;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::joined;
using testing::kHeader;
using testing::load_body;
using testing::must_run;
using testing::shown_at;
using testing::warnings_of;

// Loads a main file and drop-ins NAME -> body.
Outcome load_merged(const std::string& body, const std::map<std::string, std::string>& drop_ins,
                    const std::vector<std::string>& more = {}) {
  FakeFiles files;
  files.make_directory("/etc/drop");
  for (const auto& [name, text] : drop_ins) files.put("/etc/drop/" + name, kHeader + text);
  std::vector<std::string> args = {"--config-dir=/etc/drop"};
  args.insert(args.end(), more.begin(), more.end());
  return load_body(body, args, files);
}

struct Step {
  bool file, drop_in, flag;
  std::int32_t expected;
};

TEST(Precedence, DefaultsThenFileThenDropInsThenFlags) {
  const std::vector<Step> steps = {{false, false, false, 110}, {true, false, false, 1}, {false, true, false, 2},
                                   {true, true, false, 2},     {false, false, true, 3}, {true, false, true, 3},
                                   {false, true, true, 3},     {true, true, true, 3}};
  for (const Step& step : steps) {
    SCOPED_TRACE(std::to_string(step.file) + std::to_string(step.drop_in) + std::to_string(step.flag));
    std::map<std::string, std::string> drop_ins;
    if (step.drop_in) drop_ins["a.conf"] = "maxPods: 2\n";
    const auto outcome = load_merged(step.file ? "maxPods: 1\n" : "", drop_ins,
                                     step.flag ? std::vector<std::string>{"--max-pods=3"} : std::vector<std::string>{});
    EXPECT_EQ(must_run(outcome).kubelet.max_pods, step.expected);
  }
}

TEST(Precedence, AFlagOverridesEvenWithTheDefaultsValueOrZero) {
  EXPECT_EQ(must_run(load_body("maxPods: 5\n", {"--max-pods=110"})).kubelet.max_pods, 110);
  EXPECT_EQ(must_run(load_body("maxPods: 5\n", {"--max-pods=0"})).kubelet.max_pods, 0);
  EXPECT_THAT(errors_of(load_body("", {"--port=0"})),
              ElementsAre("--port: port: Invalid value: 0: must be between 1 and 65535, inclusive"));
}

TEST(Precedence, GatesMergeGateByGateAndOtherMapsAreReplaced) {
  const auto configuration = must_run(
      load_body("featureGates: {MemoryQoS: true, EventedPLEG: true}\nkubeReserved: {cpu: \"1\", memory: 1Gi}\n",
                {"--feature-gates=MemoryQoS=false,AllAlpha=false", "--kube-reserved=cpu=2"}));
  EXPECT_EQ(configuration.kubelet.feature_gates,
            (BoolMap{{"AllAlpha", false}, {"EventedPLEG", true}, {"MemoryQoS", false}}));
  EXPECT_EQ(configuration.kubelet.kube_reserved, (StringMap{{"cpu", "2"}}));
  EXPECT_TRUE(configuration.gates.enabled("EventedPLEG"));
  EXPECT_FALSE(configuration.gates.enabled("MemoryQoS"));
}

TEST(Precedence, SeccompDefaultIsOrEd) {
  EXPECT_TRUE(must_run(load_body("", {"--seccomp-default"})).kubelet.seccomp_default);
  EXPECT_TRUE(must_run(load_body("seccompDefault: true\n", {"--seccomp-default=false"})).kubelet.seccomp_default);
  EXPECT_FALSE(must_run(load_body("")).kubelet.seccomp_default);
}

TEST(Precedence, WithoutAFileTheOldFlagDefaultsApply) {
  const auto configuration = must_run(load({}, FakeFiles())).kubelet;
  EXPECT_TRUE(configuration.authentication.anonymous.enabled);
  EXPECT_FALSE(configuration.authentication.webhook.enabled);
  EXPECT_EQ(configuration.authorization.mode, "AlwaysAllow");
  EXPECT_EQ(configuration.read_only_port, 10255);
  EXPECT_TRUE(configuration.eviction_hard.empty());
  EXPECT_EQ(configuration.port, 10250);
}

TEST(Precedence, DropInsAloneKeepTheOldFlagDefaults) {
  FakeFiles files{{"/d/a.conf", kHeader + "maxPods: 7\nevictionHard: {pid.available: 5%}\n"}};
  const auto configuration = must_run(load({"--config-dir=/d"}, files)).kubelet;
  EXPECT_EQ(configuration.max_pods, 7);
  EXPECT_EQ(configuration.authorization.mode, "AlwaysAllow");
  EXPECT_EQ(configuration.read_only_port, 10255);
  EXPECT_EQ(configuration.eviction_hard, (StringMap{{"pid.available", "5%"}}));
}

struct MergeCase {
  std::string name;
  std::string main;
  std::string drop_in;
  std::string path;
  std::string shown;  // JSON
};

TEST(DropIns, MergeAsAJsonMergePatch) {
  const std::vector<MergeCase> cases = {
      {"a scalar replaces", "maxPods: 5", "maxPods: 6", "maxPods", "6"},
      {"null brings the default back", "maxPods: 5", "maxPods: null", "maxPods", "110"},
      {"zero of a plain field is the default", "maxPods: 5", "maxPods: 0", "maxPods", "110"},
      {"zero of a pointer is kept", "healthzPort: 1", "healthzPort: 0", "healthzPort", "0"},
      {"null of a pointer", "healthzPort: 0", "healthzPort: null", "healthzPort", "10248"},
      {"null of a pointer without default", "maxParallelImagePulls: 3", "maxParallelImagePulls: null",
       "maxParallelImagePulls", "null"},
      {"maps merge by key", "systemReserved: {cpu: \"1\", memory: 1Gi}", "systemReserved: {cpu: \"2\"}",
       "systemReserved", R"({"cpu":"2","memory":"1Gi"})"},
      {"null removes a key", "systemReserved: {cpu: \"1\", memory: 1Gi}", "systemReserved: {cpu: null}",
       "systemReserved", R"({"memory":"1Gi"})"},
      {"lists replace", "clusterDNS: [1.1.1.1, 2.2.2.2]", "clusterDNS: [3.3.3.3]", "clusterDNS", "[\"3.3.3.3\"]"},
      {"null removes a list", "clusterDNS: [1.1.1.1]", "clusterDNS: null", "clusterDNS", "null"},
      {"lists of objects replace", "registerWithTaints: [{key: a, effect: NoSchedule}]",
       "registerWithTaints: [{key: b, effect: NoExecute}]", "registerWithTaints",
       R"([{"key":"b","effect":"NoExecute"}])"},
      {"objects merge by field", "authentication: {webhook: {cacheTTL: 1m}}",
       "authentication: {anonymous: {enabled: true}}", "authentication.webhook.cacheTTL", "\"1m0s\""},
      {"null of an object", "authentication: {webhook: {cacheTTL: 1m}}", "authentication: null",
       "authentication.webhook.cacheTTL", "\"2m0s\""},
      {"null of an inner object", "authentication: {webhook: {cacheTTL: 1m}}", "authentication: {webhook: null}",
       "authentication.webhook.cacheTTL", "\"2m0s\""},
      {"one signal keeps the other defaults", "", "evictionHard: {memory.available: 1Gi}", "evictionHard",
       R"({"imagefs.available":"15%","imagefs.inodesFree":"5%","memory.available":"1Gi","nodefs.available":"10%","nodefs.inodesFree":"5%"})"},
      {"the update frequency alone leaves the report frequency", "", "nodeStatusUpdateFrequency: 20s",
       "nodeStatusReportFrequency", "\"5m0s\""},
      {"gates merge", "featureGates: {MemoryQoS: true}", "featureGates: {EventedPLEG: true}", "featureGates",
       R"({"EventedPLEG":true,"MemoryQoS":true})"},
      {"paths are left alone", "", "tlsCertFile: a.crt\ntlsPrivateKeyFile: a.key", "tlsCertFile", "\"a.crt\""},
  };
  for (const MergeCase& row : cases) {
    SCOPED_TRACE(row.name);
    const auto outcome = load_merged(row.main + "\n", {{"a.conf", row.drop_in + "\n"}});
    EXPECT_EQ(shown_at(must_run(outcome).kubelet, row.path), nlohmann::json::parse(row.shown));
  }
}

TEST(DropIns, AreReadInLexicalOrderOfTheirPathAndOnlyWhenNamedConf) {
  const auto outcome = load_merged("", {{"10-a.conf", "maxPods: 10\nport: 1000\n"},
                                        {"20/x.conf", "maxPods: 20\n"},
                                        {"15-b.conf", "maxPods: 15\nport: 1500\n"},
                                        {"99-z.yaml", "maxPods: 99\n"},
                                        {"99-z.conf.bak", "maxPods: 98\n"},
                                        {"deep/er/y.conf", "podsPerCore: 3\n"}});
  const auto configuration = must_run(outcome).kubelet;
  EXPECT_EQ(configuration.max_pods, 20);
  EXPECT_EQ(configuration.port, 1500);
  EXPECT_EQ(configuration.pods_per_core, 3);
}

TEST(DropIns, UnknownAndWronglyCasedFieldsAreIgnoredWithoutAWord) {
  const auto outcome = load_merged("", {{"a.conf", "MaxPods: 5\nnoSuchField: {a: 1}\n"}});
  EXPECT_EQ(must_run(outcome).kubelet.max_pods, 110);
  EXPECT_THAT(warnings_of(outcome), IsEmpty());
}

struct BadDropIn {
  std::string text;  // the whole file
  std::string expected;
};

TEST(DropIns, RefuseWhatIsWrong) {
  const std::vector<BadDropIn> cases = {
      {"", "/etc/drop/a.conf: the file is empty"},
      {"# nothing but a comment\n", "/etc/drop/a.conf: the file is empty"},
      {"maxPods: 5\n", "/etc/drop/a.conf:1: apiVersion: Required value"},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\nmaxPods: 5\n",
       "kind: Required value: expected \"KubeletConfiguration\""},
      {"apiVersion: kubelet.config.k8s.io/v1\nkind: KubeletConfiguration\n",
       "/etc/drop/a.conf:1: apiVersion: Invalid value: \"kubelet.config.k8s.io/v1\""},
      {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: Pod\n", "/etc/drop/a.conf:2: kind: Invalid value: \"Pod\""},
      {kHeader + "maxPods: many\n", "/etc/drop/a.conf:3: maxPods: Invalid value: expected an int32"},
      {kHeader + "maxPods: 5\nmaxPods: 6\n", "maxPods: doubled key"},
      {kHeader + "systemReserved: {cpu: \"1\", cpu: \"2\"}\n", "systemReserved[cpu]: Duplicate value"},
      {kHeader + "evictionHard: 5\n", "/etc/drop/a.conf:3: evictionHard: Invalid value: expected an object"},
      {kHeader + "authentication: 5\n", "/etc/drop/a.conf:3: authentication: Invalid value: expected an object"},
      {kHeader + "clusterDNS: {a: b}\n", "clusterDNS: Invalid value: expected a list"},
      {kHeader + "port: 70000\n", "/etc/drop/a.conf:3: port: Invalid value: 70000"},
      {kHeader + "a: [\n", "/etc/drop/a.conf: "},
      {"- a\n", "/etc/drop/a.conf:1: expected an object of kind KubeletConfiguration"},
  };
  for (const BadDropIn& row : cases) {
    SCOPED_TRACE(row.text);
    FakeFiles files{{"/etc/drop/a.conf", row.text}};
    const auto errors = errors_of(load_body("", {"--config-dir=/etc/drop"}, files));
    ASSERT_FALSE(errors.empty());
    EXPECT_THAT(joined(errors), HasSubstr(row.expected));
  }
}

TEST(DropIns, AMissingFolderIsAnErrorAndAnEmptyOneIsNot) {
  EXPECT_THAT(errors_of(load_body("", {"--config-dir=/nowhere"})),
              ElementsAre("--config-dir: open /nowhere: No such file or directory"));
  EXPECT_EQ(must_run(load_merged("", {})).kubelet.max_pods, 110);
}

TEST(DropIns, MayBeJson) {
  FakeFiles files{
      {"/d/a.conf", R"({"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1","maxPods":9})"}};
  EXPECT_EQ(must_run(load_body("", {"--config-dir=/d"}, files)).kubelet.max_pods, 9);
}

}  // namespace
}  // namespace keelson::config
