#include "agent/admission/admit.hpp"

#include <gtest/gtest.h>

#include "agent/admission/tests/fixture.hpp"

namespace keelson::agent {
namespace {

using testing::Node;
using testing::other_pod;
using testing::pod_of;
using testing::requesting;

const std::string kPlain = "spec: {containers: [{name: c}]}";

void add_taint(Node& node, const std::string& key, const std::string& value, const std::string& effect) {
  auto& taint = *node.node.mutable_spec()->add_taints();
  taint.set_key(key);
  taint.set_value(value);
  taint.set_effect(effect);
}

TEST(Admit, TakesAPodThatFits) {
  Node node;
  EXPECT_EQ(node.verdict(kPlain), "");
  EXPECT_EQ(node.verdict(requesting("2", "4Gi")), "");
}

struct Row {
  std::string pod;
  std::string verdict;
};

TEST(Admit, RefusesWithTheTextsOfAKubelet) {
  const std::vector<Row> rows = {
      {requesting("2500m", "1Gi"),
       "OutOfcpu: Node didn't have enough resource: cpu, requested: 2500, used: 0, capacity: 2000"},
      {requesting("1", "5Gi"),
       "OutOfmemory: Node didn't have enough resource: memory, requested: 5368709120, used: 0, capacity: 4294967296"},
      {requesting("3", "5Gi"),
       "OutOfcpu: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"},
      {"spec: {containers: [{name: c, resources: {requests: {ephemeral-storage: 11Gi}}}]}",
       "OutOfephemeral-storage: Node didn't have enough resource: ephemeral-storage, requested: 11811160064, used: 0, "
       "capacity: 10737418240"},
      {"spec: {containers: [{name: c, resources: {requests: {example.com/gpu: 2}}}]}",
       "OutOfexample.com/gpu: Node didn't have enough resource: example.com/gpu, requested: 2, used: 0, capacity: 1"},
      {"spec: {containers: [{name: c, resources: {requests: {hugepages-2Mi: 2Mi}}}]}",
       "OutOfhugepages-2Mi: Node didn't have enough resource: hugepages-2Mi, requested: 2097152, used: 0, capacity: 0"},
      {"spec: {overhead: {cpu: 500m}, containers: [{name: c, resources: {requests: {cpu: 1600m}}}]}",
       "OutOfcpu: Node didn't have enough resource: cpu, requested: 2100, used: 0, capacity: 2000"},
      {"spec: {resources: {requests: {cpu: 2100m}}, containers: [{name: c, resources: {requests: {cpu: 1}}}]}",
       "OutOfcpu: Node didn't have enough resource: cpu, requested: 2100, used: 0, capacity: 2000"},
      {"spec: {containers: [{name: c}], nodeSelector: {disk: ssd}}",
       "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
      {"spec: {containers: [{name: c}], nodeName: n2}",
       "NodeName: Predicate NodeName failed: node(s) didn't match the requested node name"},
      {"spec: {containers: [{name: c}], nodeName: n2, nodeSelector: {disk: ssd}}",
       "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
      {"spec: {containers: [{name: c, resources: {requests: {cpu: 3}}}], nodeName: n2}",
       "OutOfcpu: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"},
      {"spec: {containers: [{name: c}], securityContext: {sysctls: [{name: kernel.panic, value: '1'}]}}",
       "SysctlForbidden: forbidden sysctl: \"kernel.panic\" not allowlisted"},
      {"spec: {containers: [{name: c}], hostNetwork: true, securityContext: {sysctls: [{name: "
       "net/ipv4/tcp_syncookies, value: '1'}]}}",
       "SysctlForbidden: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled"},
      {"spec: {containers: [{name: c}], hostIPC: true, securityContext: {sysctls: [{name: kernel.shm_rmid_forced, "
       "value: '1'}]}}",
       "SysctlForbidden: forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host ipc enabled"},
      {"spec: {containers: [{name: c}], os: {name: windows}}",
       "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS"},
      {"spec: {containers: [{name: c}], securityContext: {supplementalGroupsPolicy: Strict}}",
       "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node"},
      {"status: {phase: Pending}\nspec: {containers: [{name: c, securityContext: {appArmorProfile: {type: "
       "RuntimeDefault}}}]}",
       "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"},
      {"spec: {hostNetwork: true, hostUsers: false, containers: [{name: c, restartPolicyRules: [{action: "
       "RestartAllContainers, exitCodes: {operator: In, values: [3]}}]}]}",
       "PodFeatureUnsupported: Pod requires node features that are not available: "
       "RestartAllContainersOnContainerExits, UserNamespacesHostNetworkSupport"},
  };
  Node node;
  for (const Row& row : rows) EXPECT_EQ(node.verdict(row.pod), row.verdict) << row.pod;
}

TEST(Admit, RefusesByTheOsLabelOfThePod) {
  Node node;
  api::Pod pod = pod_of(kPlain);
  (*pod.mutable_metadata()->mutable_labels())["kubernetes.io/os"] = "windows";
  EXPECT_EQ(
      node.verdict(pod),
      "PodOSSelectorNodeLabelDoesNotMatch: Failed to admit pod as the `kubernetes.io/os` label doesn't match node "
      "label");
  (*pod.mutable_metadata()->mutable_labels())["kubernetes.io/os"] = "linux";
  EXPECT_EQ(node.verdict(pod), "");
}

TEST(Admit, NeedsToKnowTheNode) {
  Node node;
  node.known = false;
  EXPECT_EQ(node.verdict(kPlain), "InvalidNodeInfo: Kubelet cannot get node info.");
}

TEST(Admit, CountsWhatOtherPodsHold) {
  Node node;
  node.others = {other_pod(requesting("500m", "1Gi"), "a"), other_pod(requesting("1", "1Gi"), "b")};
  EXPECT_EQ(node.verdict(requesting("500m", "2Gi")), "");
  EXPECT_EQ(node.verdict(requesting("501m", "2Gi")),
            "OutOfcpu: Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000");
  while (node.others.size() < 5) node.others.push_back(other_pod(kPlain));
  EXPECT_EQ(node.verdict(kPlain),
            "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 5, capacity: 5");
  node.others.pop_back();
  // A pod that asks for nothing is not held up by an overcommitted node.
  (*node.node.mutable_status()->mutable_allocatable())["cpu"].set_string("1");
  EXPECT_EQ(node.verdict(kPlain), "");
}

TEST(Admit, DoesNotCountExtendedResourcesThatAreNotTheNodes) {
  Node node;
  EXPECT_EQ(node.verdict("spec: {containers: [{name: c, resources: {requests: {example.com/cloud: 7}}}]}"), "");
  EXPECT_EQ(
      node.verdict("status: {extendedResourceClaimStatus: {resourceClaimName: x, requestMappings: [{containerName: "
                   "c, resourceName: example.com/gpu, requestName: r}]}}\n"
                   "spec: {containers: [{name: c, resources: {requests: {example.com/gpu: 4}}}]}"),
      "");
}

TEST(Admit, UnderPressureTakesOnlyWhoMayStay) {
  Node node;
  node.facts.pressures = {"MemoryPressure"};
  const std::string evicted = "Evicted: The node had condition: [MemoryPressure]. ";
  EXPECT_EQ(node.verdict(kPlain), evicted);
  EXPECT_EQ(node.verdict(requesting("1", "1Gi")), "") << "Burstable";
  EXPECT_EQ(node.verdict("spec: {containers: [{name: c}], tolerations: [{key: node.kubernetes.io/memory-pressure, "
                         "operator: Exists, effect: NoSchedule}]}"),
            "");
  EXPECT_EQ(node.verdict("spec: {priority: 2000000000, containers: [{name: c}]}"), "") << "critical";
  node.facts.pressures = {"MemoryPressure", "DiskPressure"};
  EXPECT_EQ(node.verdict(requesting("1", "1Gi")), "Evicted: The node had condition: [MemoryPressure DiskPressure]. ");
  EXPECT_EQ(node.verdict("spec: {priority: 2000000000, containers: [{name: c}]}"), "");
}

TEST(Admit, LetsOnlyOnePodHaveAHostPort) {
  Node node;
  const auto ports = [](const std::string& port) { return "spec: {containers: [{name: c, ports: [" + port + "]}]}"; };
  node.others = {
      other_pod(ports("{containerPort: 1, hostPort: 80}, {containerPort: 2, hostPort: 90, hostIP: 10.0.0.1}"))};
  const std::string taken =
      "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
  EXPECT_EQ(node.verdict(ports("{containerPort: 1, hostPort: 80}")), taken);
  EXPECT_EQ(node.verdict(ports("{containerPort: 1, hostPort: 80, hostIP: 10.0.0.9}")), taken);
  EXPECT_EQ(node.verdict(ports("{containerPort: 1, hostPort: 80, protocol: UDP}")), "");
  EXPECT_EQ(node.verdict(ports("{containerPort: 1, hostPort: 90, hostIP: 10.0.0.2}")), "");
  EXPECT_EQ(node.verdict(ports("{containerPort: 1, hostPort: 90}")), taken);
  EXPECT_EQ(node.verdict(ports("{containerPort: 80}")), "");
  EXPECT_EQ(node.verdict("spec: {containers: [{name: c}], initContainers: [{name: i, ports: [{containerPort: 1, "
                         "hostPort: 80}]}]}"),
            "")
      << "an init container is gone when others run";
  EXPECT_EQ(node.verdict("spec: {containers: [{name: c}], initContainers: [{name: i, restartPolicy: Always, ports: "
                         "[{containerPort: 1, hostPort: 80}]}]}"),
            taken);
}

TEST(Admit, MindsTaintsThatEvict) {
  Node node;
  add_taint(node, "a", "b", "NoSchedule");
  EXPECT_EQ(node.verdict(kPlain), "");
  add_taint(node, "k", "v", "NoExecute");
  const std::string refused =
      "TaintToleration: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate";
  const auto tolerating = [](const std::string& text) {
    return "spec: {containers: [{name: c}], tolerations: [{" + text + "}]}";
  };
  EXPECT_EQ(node.verdict(kPlain), refused);
  EXPECT_EQ(node.verdict(tolerating("operator: Exists")), "");
  EXPECT_EQ(node.verdict(tolerating("key: k, operator: Exists, effect: NoExecute")), "");
  EXPECT_EQ(node.verdict(tolerating("key: k, value: v")), "");
  EXPECT_EQ(node.verdict(tolerating("key: k, value: w")), refused);
  EXPECT_EQ(node.verdict(tolerating("key: k, operator: Exists, effect: NoSchedule")), refused);
  api::Pod pod = pod_of(kPlain);
  (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  EXPECT_EQ(node.verdict(pod), "") << "a static pod";
}

TEST(Admit, AsksForAFreshNodeOnlyWhenAffinityAloneFails) {
  Node node;
  const std::string ssd = "spec: {containers: [{name: c}], nodeSelector: {disk: ssd}}";
  EXPECT_TRUE(node.admit(pod_of(ssd)).only_affinity_failed);
  (*node.node.mutable_metadata()->mutable_labels())["disk"] = "ssd";
  EXPECT_EQ(node.verdict(ssd), "");
  (*node.node.mutable_metadata()->mutable_labels())["disk"] = "hdd";
  add_taint(node, "k", "v", "NoExecute");
  EXPECT_FALSE(node.admit(pod_of(ssd)).only_affinity_failed);
}

TEST(Admit, MatchesAffinityByNameAndLabel) {
  Node node;
  const auto affine = [](const std::string& term) {
    return "spec: {containers: [{name: c}], affinity: {nodeAffinity: "
           "{requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{" +
           term + "}]}}}}";
  };
  EXPECT_EQ(node.verdict(affine("matchFields: [{key: metadata.name, operator: In, values: [n1]}]")), "");
  EXPECT_NE(node.verdict(affine("matchFields: [{key: metadata.name, operator: In, values: [n2]}]")), "");
  EXPECT_EQ(node.verdict(affine("matchExpressions: [{key: kubernetes.io/os, operator: Exists}]")), "");
}

TEST(Admit, LooksAtAppArmorOnlyBeforeThePodRuns) {
  Node node;
  const auto confined = [](const std::string& phase, const std::string& type) {
    return "status: {phase: " + phase +
           "}\nspec: {containers: [{name: c}], securityContext: {appArmorProfile: {type: " + type + "}}}";
  };
  EXPECT_NE(node.verdict(confined("Pending", "RuntimeDefault")), "");
  EXPECT_EQ(node.verdict(confined("Running", "RuntimeDefault")), "");
  EXPECT_EQ(node.verdict(confined("Pending", "Unconfined")), "");
  node.facts.apparmor = true;
  EXPECT_EQ(node.verdict(confined("Pending", "RuntimeDefault")), "");
  node.facts.apparmor = false;
  api::Pod pod = pod_of("status: {phase: Pending}\n" + kPlain);
  auto& annotations = *pod.mutable_metadata()->mutable_annotations();
  annotations["container.apparmor.security.beta.kubernetes.io/c"] = "unconfined";
  EXPECT_EQ(node.verdict(pod), "");
  annotations["container.apparmor.security.beta.kubernetes.io/c"] = "runtime/default";
  EXPECT_NE(node.verdict(pod), "");
}

TEST(Admit, FollowsTheFactsOfTheNode) {
  Node node;
  node.node.mutable_status()->mutable_features()->set_supplementalgroupspolicy(true);
  EXPECT_EQ(node.verdict("spec: {containers: [{name: c}], securityContext: {supplementalGroupsPolicy: Strict}}"), "");
  node.facts.features = {"RestartAllContainersOnContainerExits"};
  EXPECT_EQ(node.verdict("spec: {containers: [{name: c, restartPolicyRules: [{action: RestartAllContainers}]}]}"), "");
  node.facts.pod_level_resources = false;
  EXPECT_EQ(node.verdict("spec: {resources: {requests: {cpu: 1}}, containers: [{name: c}]}"),
            "PodLevelResourcesNotSupported: PodLevelResources feature gate is disabled");
  node.facts.shutting_down = true;
  EXPECT_EQ(node.verdict(kPlain), "NodeShutdown: Pod was rejected as the node is shutting down.");
}

TEST(Admit, GivesTheFirstRefusalInOrder) {
  Node node;
  node.facts.pressures = {"PIDPressure"};
  node.facts.shutting_down = true;
  api::Pod pod = pod_of(
      "spec: {containers: [{name: c, resources: {requests: {cpu: 9}}}], os: {name: windows}, "
      "securityContext: {sysctls: [{name: kernel.panic, value: '1'}]}}");
  const auto reason = [&] { return node.admit(pod).rejection->reason; };
  EXPECT_EQ(reason(), "Evicted");
  node.facts.pressures.clear();
  EXPECT_EQ(reason(), "SysctlForbidden");
  pod.mutable_spec()->clear_securitycontext();
  EXPECT_EQ(reason(), "PodOSNotSupported");
  pod.mutable_spec()->clear_os();
  EXPECT_EQ(reason(), "OutOfcpu");
  pod.mutable_spec()->clear_containers();
  EXPECT_EQ(reason(), "NodeShutdown");
}

}  // namespace
}  // namespace keelson::agent
