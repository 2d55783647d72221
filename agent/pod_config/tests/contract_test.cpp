// The tables of contract 02 §2 and §3, row by row, where no other test of this folder looks at the whole row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "agent/pod_config/container_config.hpp"
#include "agent/pod_config/field_ref.hpp"
#include "agent/pod_config/port_mappings.hpp"
#include "agent/pod_config/sandbox_config.hpp"
#include "agent/pod_config/tests/pods.hpp"

namespace keelson::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

// --- §2: PodSandboxConfig ---

SandboxInputs sandbox_inputs() {
  SandboxInputs inputs;
  inputs.node.cluster_dns = {"10.96.0.10"};
  inputs.node.cluster_domain = "cluster.local";
  inputs.node.logs_dir = "/LOGS";
  inputs.cgroup_parent = "/kubepods/burstable/podu";
  inputs.attempt = 3;
  return inputs;
}

TEST(SandboxContract, EveryRowOfTheTable) {
  const auto pod = make_pod(R"(
metadata:
  labels: {app: web, io.kubernetes.pod.uid: forged}
  annotations: {a: b, kubernetes.io/config.source: api, kubernetes.io/config.seen: now}
spec:
  hostname: h
  subdomain: s
  overhead: {cpu: 250m, memory: 64Mi}
  initContainers: [{name: i, ports: [{containerPort: 1}]}]
  containers:
  - {name: a, ports: [{containerPort: 80, hostPort: 0}], resources: {requests: {cpu: 500m}, limits: {memory: 1Gi}}}
  - {name: b, securityContext: {runAsUser: 5, seccompProfile: {type: Unconfined}}}
  securityContext:
    runAsUser: 1
    runAsGroup: 2
    fsGroup: 3
    supplementalGroups: [4, 5]
    seLinuxOptions: {user: u, role: r, type: t, level: l}
    sysctls: [{name: net/ipv4/conf/eth0.1/forwarding, value: "1"}, {name: kernel.shm_rmid_forced, value: "0"}]
    appArmorProfile: {type: Unconfined}
    seccompProfile: {type: Unconfined}
)");
  SandboxInputs inputs = sandbox_inputs();
  inputs.volume_groups = {9};
  const auto made = make_sandbox_config(pod, inputs);
  ASSERT_TRUE(made.ok()) << made.error().to_string();
  const cri::PodSandboxConfig& config = made.value();
  EXPECT_EQ(config.metadata, (cri::PodSandboxMetadata{"p", "u", "ns", 3}));
  EXPECT_EQ(config.hostname, "h");
  EXPECT_EQ(config.log_directory, "/LOGS/ns_p_u");
  EXPECT_EQ(config.port_mappings, (std::vector<cri::PortMapping>{{cri::Protocol::tcp, 80, 0, ""}}));
  EXPECT_THAT(config.labels,
              UnorderedElementsAre(Pair("app", "web"), Pair("io.kubernetes.pod.name", "p"),
                                   Pair("io.kubernetes.pod.namespace", "ns"), Pair("io.kubernetes.pod.uid", "u")));
  EXPECT_THAT(config.annotations, UnorderedElementsAre(Pair("a", "b"), Pair("kubernetes.io/config.source", "api"),
                                                       Pair("kubernetes.io/config.seen", "now")));
  const cri::LinuxPodSandboxConfig& linux_part = *config.linux_config;
  EXPECT_EQ(linux_part.cgroup_parent, "/kubepods/burstable/podu");
  EXPECT_THAT(linux_part.sysctls,
              UnorderedElementsAre(Pair("net.ipv4.conf.eth0/1.forwarding", "1"), Pair("kernel.shm_rmid_forced", "0")));
  EXPECT_EQ(linux_part.resources->cpu_shares, 512);
  EXPECT_EQ(linux_part.resources->cpu_period, 100'000);
  EXPECT_EQ(linux_part.resources->cpu_quota, 0);
  EXPECT_EQ(linux_part.resources->memory_limit_in_bytes, 1 << 30) << "although one container has none";
  EXPECT_EQ(linux_part.resources->oom_score_adj, 0);
  EXPECT_THAT(linux_part.resources->hugepage_limits, IsEmpty());
  EXPECT_EQ(linux_part.overhead->cpu_shares, 256);
  EXPECT_EQ(linux_part.overhead->cpu_quota, 25'000);
  EXPECT_EQ(linux_part.overhead->memory_limit_in_bytes, 64 << 20);
  const cri::LinuxSandboxSecurityContext& security = *linux_part.security_context;
  EXPECT_FALSE(security.privileged);
  EXPECT_FALSE(security.readonly_rootfs);
  EXPECT_EQ(security.seccomp, (cri::SecurityProfile{cri::ProfileType::runtime_default, ""}));
  EXPECT_FALSE(security.apparmor.has_value());
  EXPECT_EQ(security.run_as_user, 1);
  EXPECT_EQ(security.run_as_group, 2);
  EXPECT_EQ(security.selinux_options, (cri::SeLinuxOption{"u", "r", "t", "l"}));
  EXPECT_THAT(security.supplemental_groups, ElementsAre(3, 9, 4, 5));
  EXPECT_EQ(security.supplemental_groups_policy, cri::SupplementalGroupsPolicy::merge);
  EXPECT_EQ(security.namespace_options->pid, cri::NamespaceMode::container);
}

TEST(SandboxContract, WithoutAnythingAskedForLittleIsSent) {
  const auto made = make_sandbox_config(make_pod("spec: {containers: [{name: c}]}"), sandbox_inputs());
  ASSERT_TRUE(made.ok());
  const cri::PodSandboxConfig& config = made.value();
  EXPECT_EQ(config.hostname, "p");
  EXPECT_THAT(config.port_mappings, IsEmpty());
  EXPECT_EQ(config.linux_config->overhead, cri::LinuxContainerResources{}) << "there, but empty";
  EXPECT_EQ(config.linux_config->resources->cpu_shares, 2);
  const auto& security = *config.linux_config->security_context;
  EXPECT_EQ(security.run_as_user, std::nullopt);
  EXPECT_EQ(security.run_as_group, std::nullopt);
  EXPECT_EQ(security.selinux_options, std::nullopt);
  EXPECT_THAT(security.supplemental_groups, IsEmpty());
}

TEST(SandboxContract, PodLevelResourcesReplaceTheSums) {
  const auto made = make_sandbox_config(
      make_pod(
          "spec: {resources: {requests: {cpu: 2}, limits: {cpu: 4, memory: 2Gi}}, containers: [{name: c, resources: "
          "{requests: {cpu: 1}, limits: {cpu: 1, memory: 1Gi}}}]}"),
      sandbox_inputs());
  const auto& resources = *made.value().linux_config->resources;
  EXPECT_EQ(resources.cpu_shares, 2048);
  EXPECT_EQ(resources.cpu_quota, 400'000);
  EXPECT_EQ(resources.memory_limit_in_bytes, std::int64_t{2} << 30);
}

TEST(SandboxContract, TheGroupsPolicyIsMergeOrStrict) {
  const auto policy_of = [](const std::string& policy) {
    return make_sandbox_config(make_pod("spec: {containers: [{name: c}], securityContext: {" + policy + "}}"),
                               sandbox_inputs());
  };
  EXPECT_EQ(
      policy_of("supplementalGroupsPolicy: Merge").value().linux_config->security_context->supplemental_groups_policy,
      cri::SupplementalGroupsPolicy::merge);
  EXPECT_EQ(
      policy_of("supplementalGroupsPolicy: Strict").value().linux_config->security_context->supplemental_groups_policy,
      cri::SupplementalGroupsPolicy::strict);
  EXPECT_THAT(policy_of("supplementalGroupsPolicy: strict").error().message(),
              testing::HasSubstr("unsupported supplementalGroupsPolicy: strict"));
}

struct PortRow {
  const char* why;
  std::string first, second;
  bool both;
};

TEST(SandboxContract, PortsOfOneContainerRepeatByNameOrByAllThatMakesThem) {
  for (const auto& row :
       {PortRow{"same name", "name: a, containerPort: 1", "name: a, containerPort: 2", false},
        PortRow{"other name", "name: a, containerPort: 1", "name: b, containerPort: 1", true},
        PortRow{"unnamed, equal", "containerPort: 1, protocol: TCP", "containerPort: 1, protocol: TCP", false},
        PortRow{"other protocol", "containerPort: 1, protocol: TCP", "containerPort: 1, protocol: SCTP", true},
        PortRow{"other container port", "containerPort: 1", "containerPort: 2", true},
        PortRow{"other host port", "containerPort: 1, hostPort: 5", "containerPort: 1, hostPort: 6", true},
        PortRow{"other host address", "containerPort: 1, hostIP: 127.0.0.1", "containerPort: 1, hostIP: 127.0.0.2",
                true},
        PortRow{"any and v4", "containerPort: 1", "containerPort: 1, hostIP: 127.0.0.1", true},
        PortRow{"v4 and v6", "containerPort: 1, hostIP: 127.0.0.1", "containerPort: 1, hostIP: '::1'", true},
        PortRow{"named and unnamed", "name: a, containerPort: 1", "containerPort: 1", true}}) {
    const auto pod = pod_with_container("{name: c, ports: [{" + row.first + "}, {" + row.second + "}]}");
    EXPECT_EQ(make_port_mappings(pod).size(), row.both ? 2u : 1u) << row.why;
  }
}

TEST(SandboxContract, ProtocolsThatAreNotKnownAreTcpAndAddressesAreVerbatim) {
  const auto pod =
      pod_with_container("{name: c, ports: [{containerPort: 1, protocol: ICMP, hostIP: '::0001', hostPort: 7}]}");
  EXPECT_EQ(make_port_mappings(pod), (std::vector<cri::PortMapping>{{cri::Protocol::tcp, 1, 7, "::0001"}}));
}

// --- §3.1: which of the two security contexts counts ---

using Context = cri::LinuxContainerSecurityContext;

struct EffectiveRow {
  const char* field;
  std::string pod, container;  // YAML of the one field, with different values
  std::function<std::string(const Context&)> show;
  std::string neither, pod_only, both;
};

std::string number(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : "unset"; }
std::string yes(bool value) { return value ? "yes" : "no"; }

TEST(SecurityContract, FieldsOfBothContextsAndOfTheContainersAlone) {
  const std::vector<EffectiveRow> rows{
      {"runAsUser", "runAsUser: 1", "runAsUser: 2", [](const Context& c) { return number(c.run_as_user); }, "0", "1",
       "2"},
      {"runAsGroup", "runAsGroup: 1", "runAsGroup: 2", [](const Context& c) { return number(c.run_as_group); }, "unset",
       "1", "2"},
      {"seLinuxOptions", "seLinuxOptions: {level: a, role: r}", "seLinuxOptions: {level: b}",
       [](const Context& c) {
         return c.selinux_options ? c.selinux_options->level + c.selinux_options->role : "unset";
       },
       "unset", "ar", "b"},
      {"seccompProfile", "seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}",
       [](const Context& c) { return std::to_string(static_cast<int>(c.seccomp->profile_type)); }, "1", "0", "1"},
      {"appArmorProfile", "appArmorProfile: {type: RuntimeDefault}", "appArmorProfile: {type: Unconfined}",
       [](const Context& c) { return c.apparmor_profile; }, "", "runtime/default", "unconfined"},
      {"privileged", "", "privileged: true", [](const Context& c) { return yes(c.privileged); }, "no", "no", "yes"},
      {"readOnlyRootFilesystem", "", "readOnlyRootFilesystem: true",
       [](const Context& c) { return yes(c.readonly_rootfs); }, "no", "no", "yes"},
      {"allowPrivilegeEscalation", "", "allowPrivilegeEscalation: false",
       [](const Context& c) { return yes(c.no_new_privs); }, "no", "no", "yes"},
      {"procMount", "", "procMount: Unmasked",
       [](const Context& c) {
         return std::to_string(c.masked_paths.size()) + "/" + std::to_string(c.readonly_paths.size());
       },
       "12/5", "12/5", "0/0"},
      {"capabilities", "", "capabilities: {add: [A], drop: [B, C]}",
       [](const Context& c) {
         if (!c.capabilities) return std::string("unset");
         return std::to_string(c.capabilities->add_capabilities.size()) +
                std::to_string(c.capabilities->drop_capabilities.size()) +
                std::to_string(c.capabilities->add_ambient_capabilities.size());
       },
       "unset", "unset", "120"},
  };
  for (const auto& row : rows) {
    const auto context = [&](const std::string& pod, const std::string& container) {
      const auto object =
          pod_with_container("{name: c, securityContext: {" + container + "}}", "securityContext: {" + pod + "}");
      ContainerInputs inputs;
      inputs.environment.services_synced = true;
      auto config = make_container_config(object, object.spec().containers(0), inputs);
      EXPECT_TRUE(config.ok()) << row.field;
      return row.show(*config.value().linux_config->security_context);
    };
    EXPECT_EQ(context("", ""), row.neither) << row.field;
    EXPECT_EQ(context(row.pod, ""), row.pod_only) << row.field;
    EXPECT_EQ(context(row.pod, row.container), row.both) << row.field;
  }
}

TEST(SecurityContract, AContainersContextWithoutAFieldLeavesThePodsInForce) {
  const auto pod = pod_with_container("{name: c, securityContext: {privileged: true}}",
                                      "securityContext: {runAsUser: 7, runAsNonRoot: true, seLinuxOptions: {user: u}}");
  ContainerInputs inputs;
  inputs.environment.services_synced = true;
  const auto config = make_container_config(pod, pod.spec().containers(0), inputs);
  ASSERT_TRUE(config.ok()) << config.error().to_string();
  EXPECT_EQ(config.value().linux_config->security_context->run_as_user, 7);
  EXPECT_EQ(config.value().linux_config->security_context->selinux_options->user, "u");
}

// --- §3.2: the environment ---

EnvironmentInputs two_families() {
  EnvironmentInputs inputs;
  inputs.services_synced = true;
  inputs.host_ip = "192.0.2.1";
  inputs.host_ips = {"192.0.2.1", "2001:db8::1"};
  inputs.pod_ips = {"10.0.0.2", "fd00::2"};
  return inputs;
}

struct FieldRow {
  std::string path, expected;
};

TEST(EnvironmentContract, EveryFieldThatAVariableMayBeMadeOf) {
  const auto pod = make_pod(
      "metadata: {labels: {b: '2', a: '1'}, annotations: {kubernetes.io/config.source: api, q: \"1\\n2\"}}\n"
      "spec: {nodeName: n1, serviceAccountName: sa}");
  const std::vector<FieldRow> rows{
      {"metadata.name", "p"},
      {"metadata.namespace", "ns"},
      {"metadata.uid", "u"},
      {"metadata.labels", "a=\"1\"\nb=\"2\""},
      {"metadata.annotations", "kubernetes.io/config.source=\"api\"\nq=\"1\\n2\""},
      {"metadata.labels['a']", "1"},
      {"metadata.labels['x']", ""},
      {"metadata.annotations['q']", "1\n2"},
      {"metadata.annotations['kubernetes.io/config.source']", "api"},
      {"spec.nodeName", "n1"},
      {"spec.host", "n1"},
      {"spec.serviceAccountName", "sa"},
      {"status.hostIP", "192.0.2.1"},
      {"status.hostIPs", "192.0.2.1,2001:db8::1"},
      {"status.podIP", "10.0.0.2"},
      {"status.podIPs", "10.0.0.2,fd00::2"},
      {"spec.restartPolicy", "error: unsupported fieldPath: spec.restartPolicy"},
      {"spec.schedulerName", "error: unsupported fieldPath: spec.schedulerName"},
      {"status.phase", "error: unsupported fieldPath: status.phase"},
      {"status", "error: field label not supported: status"},
      {"", "error: field label not supported: "},
  };
  for (const auto& row : rows) {
    api::core::ObjectFieldSelector selector;
    selector.set_apiversion("v1");
    selector.set_fieldpath(row.path);
    const auto value = field_value(pod, selector, two_families());
    EXPECT_EQ(value.ok() ? value.value() : "error: " + value.error().message(), row.expected) << row.path;
  }
}

TEST(EnvironmentContract, OnANodeOfIpv6ThatFamilyComesFirst) {
  EnvironmentInputs inputs = two_families();
  inputs.primary_ipv6 = true;
  api::core::ObjectFieldSelector selector;
  selector.set_fieldpath("status.podIPs");
  EXPECT_EQ(field_value(make_pod("spec: {}"), selector, inputs).value(), "fd00::2,10.0.0.2");
  selector.set_fieldpath("status.podIP");
  EXPECT_EQ(field_value(make_pod("spec: {}"), selector, inputs).value(), "fd00::2");
}

class Objects final : public ObjectResolver {
 public:
  Objects() {
    (*map_.mutable_data())["plain"] = "$(LATER) and $(EARLY)";
    (*map_.mutable_binarydata())["bin"] = "x";
    (*secret_.mutable_data())["plain"] = "secret";
  }
  Result<const api::core::ConfigMap*> config_map(const std::string&, const std::string&) const override {
    return &map_;
  }
  Result<const api::core::Secret*> secret(const std::string&, const std::string&) const override { return &secret_; }

 private:
  api::core::ConfigMap map_;
  api::core::Secret secret_;
};

std::map<std::string, std::string> environment(const std::string& container, bool service_links = true) {
  static const Objects objects;
  EnvironmentInputs inputs = two_families();
  inputs.objects = &objects;
  inputs.services = {{"default", "kubernetes", "10.96.0.1", {{"https", "TCP", 443}}},
                     {"ns", "my-svc", "10.96.0.2", {{"", "TCP", 80}, {"dns-1", "UDP", 53}}},
                     {"other", "far", "10.96.0.3", {{"", "TCP", 1}}},
                     {"ns", "headless", "None", {{"", "TCP", 1}}},
                     {"ns", "external", "", {{"", "TCP", 1}}}};
  auto pod = pod_with_container("{name: c, " + container + "}");
  pod.mutable_spec()->set_enableservicelinks(service_links);
  const auto made = make_environment(pod, pod.spec().containers(0), inputs);
  EXPECT_TRUE(made.ok()) << made.error().to_string();
  std::map<std::string, std::string> out;
  if (!made.ok()) return out;
  for (const auto& env : made.value()) {
    EXPECT_TRUE(out.emplace(env.key, env.value).second) << env.key << " is there twice";
  }
  return out;
}

TEST(EnvironmentContract, ServiceVariablesAreThoseOfTheTable) {
  auto env = environment("env: []");
  const std::map<std::string, std::string> expected{
      {"KUBERNETES_SERVICE_HOST", "10.96.0.1"},
      {"KUBERNETES_SERVICE_PORT", "443"},
      {"KUBERNETES_SERVICE_PORT_HTTPS", "443"},
      {"KUBERNETES_PORT", "tcp://10.96.0.1:443"},
      {"KUBERNETES_PORT_443_TCP", "tcp://10.96.0.1:443"},
      {"KUBERNETES_PORT_443_TCP_PROTO", "tcp"},
      {"KUBERNETES_PORT_443_TCP_PORT", "443"},
      {"KUBERNETES_PORT_443_TCP_ADDR", "10.96.0.1"},
      {"MY_SVC_SERVICE_HOST", "10.96.0.2"},
      {"MY_SVC_SERVICE_PORT", "80"},
      {"MY_SVC_SERVICE_PORT_DNS_1", "53"},
      {"MY_SVC_PORT", "tcp://10.96.0.2:80"},
      {"MY_SVC_PORT_80_TCP", "tcp://10.96.0.2:80"},
      {"MY_SVC_PORT_80_TCP_PROTO", "tcp"},
      {"MY_SVC_PORT_80_TCP_PORT", "80"},
      {"MY_SVC_PORT_80_TCP_ADDR", "10.96.0.2"},
      {"MY_SVC_PORT_53_UDP", "udp://10.96.0.2:53"},
      {"MY_SVC_PORT_53_UDP_PROTO", "udp"},
      {"MY_SVC_PORT_53_UDP_PORT", "53"},
      {"MY_SVC_PORT_53_UDP_ADDR", "10.96.0.2"},
  };
  EXPECT_EQ(env, expected);
  EXPECT_EQ(environment("env: []", false).size(), 8u) << "that of the API server alone";
}

TEST(EnvironmentContract, ValuesFromElsewhereAreNotExpandedAndOrderDecides) {
  const auto env = environment(
      "envFrom: [{configMapRef: {name: m}}, {prefix: S_, secretRef: {name: s}}], env: [{name: EARLY, value: $(LATER)}, "
      "{name: LATER, value: now}, {name: BOTH, value: $(EARLY)-$(LATER)-$(plain)-$(S_plain)}, "
      "{name: REF, valueFrom: {configMapKeyRef: {name: m, key: plain}}}, "
      "{name: SVC, value: $(MY_SVC_SERVICE_HOST)}, {name: MY_SVC_SERVICE_PORT, value: own}, "
      "{name: PORT, value: $(MY_SVC_SERVICE_PORT)}, {name: EMPTY, value: ''}, {name: plain, value: over}]");
  EXPECT_EQ(env.at("EARLY"), "$(LATER)") << "not there yet";
  EXPECT_EQ(env.at("BOTH"), "$(LATER)-now-$(LATER) and $(EARLY)-secret");
  EXPECT_EQ(env.at("REF"), "$(LATER) and $(EARLY)");
  EXPECT_EQ(env.at("SVC"), "10.96.0.2");
  EXPECT_EQ(env.at("MY_SVC_SERVICE_PORT"), "own");
  EXPECT_EQ(env.at("PORT"), "own");
  EXPECT_EQ(env.at("EMPTY"), "");
  EXPECT_EQ(env.at("plain"), "over");
  EXPECT_EQ(env.count("bin"), 0u) << "binaryData makes no variable";
}

TEST(EnvironmentContract, CommandAndArgumentsKnowTheCompleteEnvironment) {
  const auto pod = pod_with_container(
      "{name: c, command: [$(A), $(KUBERNETES_SERVICE_HOST)], args: [$$(A), $(NO), 'x$(A)'], env: [{name: A, value: "
      "'1'}]}");
  ContainerInputs inputs;
  inputs.environment.services_synced = true;
  inputs.environment.services = {{"default", "kubernetes", "10.96.0.1", {{"", "TCP", 443}}}};
  const auto config = make_container_config(pod, pod.spec().containers(0), inputs);
  ASSERT_TRUE(config.ok());
  EXPECT_THAT(config.value().command, ElementsAre("1", "10.96.0.1"));
  EXPECT_THAT(config.value().args, ElementsAre("$(A)", "$(NO)", "x1"));
  const auto bare = pod_with_container("{name: c}");
  const auto empty = make_container_config(bare, bare.spec().containers(0), inputs);
  EXPECT_THAT(empty.value().command, IsEmpty());
  EXPECT_THAT(empty.value().args, IsEmpty());
}

}  // namespace
}  // namespace keelson::agent
