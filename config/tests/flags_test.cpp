#include "config/flags.hpp"

#include <gmock/gmock.h>

#include "config/tests/support.hpp"
#include "config/values.hpp"

namespace keelson::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::joined;

TEST(FlagSyntax, TakesValuesInEveryForm) {
  const std::vector<std::vector<std::string>> forms = {
      {"--max-pods=7"}, {"--max-pods", "7"}, {"--max_pods=7"}, {"--max-pods=5", "--max-pods=7"}, {"--max-pods=0x7"}};
  for (const auto& args : forms) {
    SCOPED_TRACE(args.front());
    const ParsedFlags parsed = parse_flags(args);
    EXPECT_THAT(parsed.errors, IsEmpty());
    EXPECT_EQ(parsed.values.max_pods, 7);
    EXPECT_EQ(parsed.given.size(), 1u);
  }
}

TEST(FlagSyntax, TakesTheVerbosityInEveryForm) {
  for (const std::vector<std::string>& args :
       std::vector<std::vector<std::string>>{{"-v", "2"}, {"-v=2"}, {"-v2"}, {"--v=2"}, {"--v", "2"}}) {
    SCOPED_TRACE(args.front());
    const ParsedFlags parsed = parse_flags(args);
    EXPECT_THAT(parsed.errors, IsEmpty());
    EXPECT_EQ(parsed.values.logging.verbosity, 2u);
    EXPECT_THAT(parsed.warnings, IsEmpty());
  }
}

TEST(FlagSyntax, ABoolNeedsNoValueAndTakesNoneFromTheNextWord) {
  EXPECT_TRUE(parse_flags({"--rotate-certificates"}).values.rotate_certificates);
  EXPECT_FALSE(parse_flags({"--rotate-certificates=false"}).values.rotate_certificates);
  EXPECT_FALSE(parse_flags({"--rotate-certificates=F"}).values.rotate_certificates);
  EXPECT_THAT(parse_flags({"--fail-swap-on", "false"}).errors,
              ElementsAre("unexpected argument \"false\": only flags are taken (write --fail-swap-on=false)"));
}

struct BadCommandLine {
  std::vector<std::string> args;
  std::string expected;
};

TEST(FlagSyntax, RefusesWhatItDoesNotKnow) {
  const std::vector<BadCommandLine> cases = {
      {{"--no-such-flag-at-all=1"}, "--no-such-flag-at-all: unknown flag"},
      {{"--kubeconfg=/x"}, "--kubeconfg: unknown flag, did you mean --kubeconfig?"},
      {{"--container-runtime=remote"}, "it was removed from the kubelet: the runtime is always reached over CRI"},
      {{"--network-plugin=cni"}, "the container runtime runs CNI"},
      {{"--keep-terminated-pod-volumes"}, "it was removed from the kubelet"},
      {{"manifest.yaml"}, "unexpected argument \"manifest.yaml\""},
      {{"--", "--v=2"}, "unexpected argument \"--v=2\""},
      {{""}, "unexpected argument \"\""},
      {{"-x"}, "\"-x\": unknown flag"},
      {{"-config=/x"}, "flags start with two dashes"},
      {{"--port"}, "--port: needs a value"},
      {{"--port=ten"}, "--port: expected an int32, found \"ten\""},
      {{"--port=99999999999"}, "--port: expected an int32"},
      {{"--port=--5"}, "--port: expected an int32"},
      {{"--sync-frequency=10"}, "--sync-frequency: expected a duration such as 1m30s, found \"10\""},
      {{"--rotate-certificates=maybe"}, "--rotate-certificates: expected true or false, found \"maybe\""},
      {{"--address=localhost"}, "--address: expected an IP address, found \"localhost\""},
      {{"--feature-gates=MemoryQoS"}, "--feature-gates: expected key=value pairs"},
      {{"--feature-gates=MemoryQoS=perhaps"}, "expected true or false, found \"perhaps\""},
      {{"--eviction-hard=memory.available=100Mi"}, "--eviction-hard: expected key<value pairs"},
      {{"--register-with-taints=a=b"}, "--register-with-taints: expected taints as key=value:Effect"},
      {{"--reserved-memory=memory=1Gi"},
       "--reserved-memory: expected NODE:RESOURCE=QUANTITY,..., found \"memory=1Gi\""},
      {{"--manifest-url-header=a"}, "--manifest-url-header: expected key:value pairs"},
      {{"--storage-driver-secure=x"}, "--storage-driver-secure: expected true or false"},
      {{"--help=x"}, "--help: expected true or false"},
  };
  for (const BadCommandLine& row : cases) {
    SCOPED_TRACE(joined(row.args));
    EXPECT_THAT(joined(parse_flags(row.args).errors), HasSubstr(row.expected));
  }
}

TEST(FlagSyntax, ReportsEveryProblemAndTakesNoValueOfAnUnknownFlagForAnother) {
  EXPECT_THAT(parse_flags({"--cni-bin-dir", "/opt/cni", "--port=x", "--max-pods=y", "extra"}).errors.size(), 4u);
}

TEST(FlagSyntax, TextOfControlCharactersIsShownEscaped) {
  EXPECT_THAT(joined(parse_flags({"a\x01\nb"}).errors), HasSubstr("\"a\\x01\\x0ab\""));
}

TEST(FlagValues, ListsAndMapsGrowWhenRepeated) {
  const ParsedFlags parsed = parse_flags(
      {"--cluster-dns=1.1.1.1,2.2.2.2", "--cluster-dns=3.3.3.3",
       "--eviction-hard=memory.available<1Gi,pid.available<5%", "--eviction-hard=nodefs.available<2%",
       "--kube-reserved=cpu=1, memory=2Gi", "--manifest-url-header=a:1,b:2", "--manifest-url-header=a:3",
       "--feature-gates=MemoryQoS=true,EventedPLEG=true",
       "--node-labels=a=b,c=", "--reserved-memory=0:memory=1Gi,hugepages-2Mi=2Mi", "--reserved-memory=1:memory=2Gi",
       "--vmodule=a*=3,b=1", "--register-with-taints=k=v:NoSchedule,node-role.kubernetes.io/control-plane:NoSchedule"});
  EXPECT_THAT(parsed.errors, IsEmpty());
  const KubeletConfiguration& values = parsed.values;
  EXPECT_THAT(values.cluster_dns, ElementsAre("1.1.1.1", "2.2.2.2", "3.3.3.3"));
  EXPECT_EQ(values.eviction_hard,
            (StringMap{{"memory.available", "1Gi"}, {"pid.available", "5%"}, {"nodefs.available", "2%"}}));
  EXPECT_EQ(values.kube_reserved, (StringMap{{"cpu", "1"}, {"memory", "2Gi"}}));
  EXPECT_EQ(values.static_pod_url_header, (HeaderMap{{"a", {"1", "3"}}, {"b", {"2"}}}));
  EXPECT_EQ(values.feature_gates, (BoolMap{{"EventedPLEG", true}, {"MemoryQoS", true}}));
  EXPECT_EQ(parsed.flags.node_labels, (StringMap{{"a", "b"}, {"c", ""}}));
  EXPECT_EQ(values.reserved_memory.size(), 2u);
  EXPECT_EQ(values.reserved_memory[0].limits, (StringMap{{"hugepages-2Mi", "2Mi"}, {"memory", "1Gi"}}));
  EXPECT_EQ(values.logging.vmodule, (std::vector<VModule>{{"a*", 3}, {"b", 1}}));
  EXPECT_EQ(values.register_with_taints,
            (std::vector<Taint>{{"k", "v", "NoSchedule", {}},
                                {"node-role.kubernetes.io/control-plane", "", "NoSchedule", {}}}));
}

TEST(FlagValues, AnEmptyTextClearsAListOrMap) {
  const ParsedFlags parsed = parse_flags({"--eviction-hard=", "--enforce-node-allocatable="});
  EXPECT_THAT(parsed.errors, IsEmpty());
  KubeletConfiguration configuration;
  configuration.eviction_hard = {{"memory.available", "1Gi"}};
  configuration.enforce_node_allocatable = {"pods"};
  Origins origins;
  apply_flags(parsed, configuration, origins);
  EXPECT_TRUE(configuration.eviction_hard.empty());
  EXPECT_TRUE(configuration.enforce_node_allocatable.empty());
}

TEST(FlagTable, EveryFlagHasATextThatParsesAndADefaultInHelp) {
  const std::string help = help_text();
  KubeletConfiguration values;
  for (const FlagSpec& spec : all_flags()) {
    SCOPED_TRACE(spec.name);
    EXPECT_THAT(help, HasSubstr("--" + std::string(spec.name)));
    if (spec.field == nullptr) continue;
    EXPECT_FALSE(spec.field->meaning.empty());
    for (const auto& text : {spec.field->standard, spec.field->legacy}) {
      if (!text) continue;
      EXPECT_TRUE(parse_flag_text(*text, spec.field->slot(values), spec.field->form, true).ok()) << *text;
    }
  }
  for (std::size_t i = 1; i < all_flags().size(); ++i) EXPECT_LT(all_flags()[i - 1].name, all_flags()[i].name);
}

// Contract 01 §3: these print no deprecation line though they are fields.
TEST(FlagTable, OnlyTheNamedConfigFlagsAreCurrent) {
  std::vector<std::string> current;
  for (const FlagSpec& spec : all_flags()) {
    if (spec.field != nullptr && spec.field->flag_current) current.emplace_back(spec.name);
  }
  EXPECT_THAT(current, ElementsAre("fail-cgroupv1", "log-flush-frequency", "provider-id", "v", "vmodule"));
}

TEST(FlagTable, DeprecatedFlagsSayWhereTheSettingBelongs) {
  EXPECT_THAT(parse_flags({"--pod-manifest-path=/m", "--pod-manifest-path=/n"}).warnings,
              ElementsAre("Flag --pod-manifest-path has been deprecated, set the field staticPodPath in the file of "
                          "--config instead"));
  EXPECT_THAT(joined(parse_flags({"--pod-infra-container-image=pause:3"}).warnings), HasSubstr("removed in v1.35"));
  EXPECT_THAT(joined(parse_flags({"--containerd=/x", "--boot-id-file=/x"}).warnings), HasSubstr("it has no effect"));
}

TEST(FlagTable, FlagsThatAreNoFieldsHaveTheirDefaults) {
  const Flags flags = parse_flags({}).flags;
  EXPECT_EQ(flags.root_dir, "/var/lib/kubelet");
  EXPECT_EQ(flags.cert_dir, "/var/lib/kubelet/pki");
  EXPECT_EQ(flags.housekeeping_interval, std::chrono::seconds(10));
  EXPECT_EQ(flags.max_housekeeping_interval, std::chrono::seconds(15));
  EXPECT_EQ(flags.maximum_dead_containers, -1);
  EXPECT_EQ(flags.maximum_dead_containers_per_container, 1);
  EXPECT_EQ(flags.minimum_container_ttl_duration, std::chrono::seconds(0));
  EXPECT_TRUE(flags.kubeconfig.empty());
}

}  // namespace
}  // namespace keelson::config
