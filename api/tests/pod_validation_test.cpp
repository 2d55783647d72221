// Tables of one wrong thing each: the row's YAML is put into an otherwise good pod, and exactly its message must come.
#include "api/pod_validation.hpp"

#include <gtest/gtest.h>

#include "api/pod_defaults.hpp"
#include "api/tests/pod_fixture.hpp"

namespace keelson::api {
namespace {

using testing::golden_text;
using testing::indented;
using testing::pod_from;
using testing::pod_from_yaml;

std::vector<std::string> complaints(core::Pod pod) {
  set_pod_defaults(pod);
  std::vector<std::string> texts;
  for (const auto& error : validate_pod(pod)) texts.push_back(error.message());
  return texts;
}

struct Row {
  const char* yaml;
  std::vector<std::string> expected;  // beginnings of messages, in order; none: the pod is good
};

void check(const core::Pod& pod, const Row& row) {
  SCOPED_TRACE(row.yaml);
  const auto texts = complaints(pod);
  std::string all;
  for (const auto& text : texts) all += "  " + text + "\n";
  ASSERT_EQ(texts.size(), row.expected.size()) << all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(texts[i].substr(0, row.expected[i].size()), row.expected[i]) << all;
  }
}

// The row is a fragment of the container "c".
void check_container(const Row& row, const std::string& spec = "") {
  check(pod_from_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns}\nspec:\n" + indented(spec, 2) +
                      "  volumes: [{name: v, emptyDir: {}}, {name: w, persistentVolumeClaim: {claimName: w}}, {name: "
                      "image, image: {reference: r}}]\n"
                      "  containers:\n  - name: c\n    image: i\n" +
                      indented(row.yaml, 4)),
        row);
}

void check_spec(const Row& row) {
  check(pod_from_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns}\nspec:\n"
                      "  containers: [{name: c, image: i}]\n" +
                      indented(row.yaml, 2)),
        row);
}

void check_volume(const Row& row) {
  check(pod_from_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns}\nspec:\n"
                      "  serviceAccountName: s\n  containers: [{name: c, image: i}]\n  volumes:\n  - name: v\n" +
                      indented(row.yaml, 4)),
        row);
}

void check_metadata(const Row& row) {
  check(pod_from_yaml("apiVersion: v1\nkind: Pod\nmetadata:\n" + indented(row.yaml, 2) +
                      "spec: {containers: [{name: c, image: i}]}\n"),
        row);
}

TEST(PodValidation, AcceptsEveryRecordedPod) {
  for (const char* name :
       {"badcmd",      "badimage",   "crash",     "dnsdefault", "env",      "ephemeral",      "fail",
        "guaranteed",  "hooks",      "hostusers", "init",       "imagevol", "missingcm",      "missingvol",
        "nevercreate", "oom",        "plain",     "privileged", "probes",   "readiness-fail", "security",
        "sidecar",     "stopsignal", "succeed",   "sysctl",     "toobig",   "volumes",        "wronglabel"}) {
    SCOPED_TRACE(name);
    const auto golden = parse_json(golden_text(std::string("pods/") + name + ".json"), {64u << 20});
    ASSERT_TRUE(golden.ok());
    const auto texts = complaints(pod_from(*golden->find("live")));
    EXPECT_TRUE(texts.empty()) << texts.front();
  }
}

TEST(PodValidation, MetadataRules) {
  const std::string long_name(254, 'a');
  const Row rows[] = {
      {"{name: p, namespace: ns, labels: {a: b, 'x.io/y': ''}, annotations: {'X/y': 'any thing'}}", {}},
      {"{namespace: ns}", {"metadata.name: Required value: name or generateName is required"}},
      {"{name: p}", {"metadata.namespace: Required value"}},
      {"{name: P_x, namespace: ns}",
       {"metadata.name: Invalid value: \"P_x\": a lowercase RFC 1123 subdomain must consist of"}},
      {"{name: p, namespace: a.b}", {"metadata.namespace: Invalid value: \"a.b\": a lowercase RFC 1123 label"}},
      {"{name: p, namespace: ns, labels: {'-a': b}}",
       {"metadata.labels: Invalid value: \"-a\": name part must consist of alphanumeric characters"}},
      {"{name: p, namespace: ns, labels: {a: 'b c'}}",
       {"metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or"}},
      {"{name: p, namespace: ns, labels: {a/b/c: x}}",
       {"metadata.labels: Invalid value: \"a/b/c\": a qualified name must consist of"}},
      {"{name: p, namespace: ns, annotations: {'a b': x}}",
       {"metadata.annotations: Invalid value: \"a b\": name part must consist of"}},
      {"{name: p, namespace: ns, finalizers: [mine]}",
       {"metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name"}},
      {"{name: p, namespace: ns, ownerReferences: [{apiVersion: v1, kind: Node, name: x}]}",
       {"metadata.ownerReferences[0].uid: Invalid value: \"\": must not be empty"}},
      {"{name: p, namespace: ns, annotations: {controller.kubernetes.io/pod-deletion-cost: much}}",
       {"metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: \"much\": must be a 32bit"}},
      {"{name: p, namespace: ns, annotations: {container.apparmor.security.beta.kubernetes.io/d: unconfined}}",
       {"metadata.annotations[container.apparmor.security.beta.kubernetes.io/d]: Invalid value: \"d\": container not"}},
      {"{name: p, namespace: ns, annotations: {kubernetes.io/config.mirror: x}}",
       {"metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"x\": must set spec.nodeName"}},
  };
  for (const auto& row : rows) check_metadata(row);
  auto pod = pod_from_yaml("metadata: {name: p, namespace: ns}\nspec: {containers: [{name: c, image: i}]}");
  pod.mutable_metadata()->set_name(long_name);
  (*pod.mutable_metadata()->mutable_annotations())["a"] = std::string(262144, 'x');
  const auto texts = complaints(pod);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0], "metadata.name: Invalid value: \"" + long_name + "\": must be no more than 253 bytes");
  EXPECT_EQ(texts[1], "metadata.annotations: Too long: may not be more than 262144 bytes");
}

TEST(PodValidation, PortRules) {
  const Row rows[] = {
      {"ports: [{containerPort: 80, name: web}, {containerPort: 80, protocol: UDP}]", {}},
      {"ports: [{containerPort: 99999}]",
       {"spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive"}},
      {"ports: [{name: a}]", {"spec.containers[0].ports[0].containerPort: Required value"}},
      {"ports: [{containerPort: 1, hostPort: -1}]", {"spec.containers[0].ports[0].hostPort: Invalid value: -1"}},
      {"ports: [{containerPort: 1, protocol: ICMP}]",
       {"spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", "
        "\"UDP\""}},
      {"ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]",
       {"spec.containers[0].ports[1].name: Duplicate value: \"a\""}},
      {"ports: [{containerPort: 1, name: '80'}]",
       {"spec.containers[0].ports[0].name: Invalid value: \"80\": must contain at least one letter (a-z)"}},
      {"ports: [{containerPort: 1, name: a-name-much-too-long}]",
       {"spec.containers[0].ports[0].name: Invalid value: \"a-name-much-too-long\": must be no more than 15 bytes"}},
      {"ports: [{containerPort: 1, name: 'a--b-'}]",
       {"spec.containers[0].ports[0].name: Invalid value: \"a--b-\": must not contain consecutive hyphens",
        "spec.containers[0].ports[0].name: Invalid value: \"a--b-\": must not begin or end with a hyphen"}},
      {"ports: [{containerPort: 1, hostPort: 8}, {containerPort: 2, hostPort: 8}]",
       {"spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//8\""}},
      {"ports: [{containerPort: 1, hostPort: 8}, {containerPort: 2, hostPort: 8, hostIP: 10.0.0.1}]", {}},
  };
  for (const auto& row : rows) check_container(row);
  check_container({"ports: [{containerPort: 80, hostPort: 81}]",
                   {"spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when "
                    "`hostNetwork` is true"}},
                  "hostNetwork: true");
}

TEST(PodValidation, EnvironmentRules) {
  const std::string from = "spec.containers[0].env[0].valueFrom";
  const Row rows[] = {
      {"env: [{name: 'any.thing/1 x', value: yy}, {name: A}]", {}},
      {"env: [{value: yy}]", {"spec.containers[0].env[0].name: Required value"}},
      {"env: [{name: a=b}]", {"spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable"}},
      {"env: [{name: a, valueFrom: {}}]", {from + ": Invalid value: \"\": must specify one of: `fieldRef`"}},
      {"env: [{name: a, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]",
       {from + ": Invalid value: \"\": may not be specified when `value` is not empty"}},
      {"env: [{name: a, valueFrom: {fieldRef: {fieldPath: metadata.name}, secretKeyRef: {name: s, key: k}}}]",
       {from + ": Invalid value: \"\": may not have more than one field specified at a time"}},
      {"env: [{name: a, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}]",
       {from + ".fieldRef.fieldPath: Unsupported value: \"metadata.labels\": supported values: \"metadata.name\""}},
      {"env: [{name: a, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}]", {}},
      {"env: [{name: a, valueFrom: {fieldRef: {fieldPath: spec.nope}}}]",
       {from + ".fieldRef.fieldPath: Invalid value: \"spec.nope\": error converting fieldPath"}},
      {"env: [{name: a, valueFrom: {resourceFieldRef: {resource: limits.disk}}}]",
       {from + ".resourceFieldRef.resource: Unsupported value: \"limits.disk\""}},
      {"env: [{name: a, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 2m}}}]",
       {from + ".resourceFieldRef.divisor: Invalid value: \"limits.cpu\": only divisor's values 1m and 1"}},
      {"env: [{name: a, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}]", {}},
      {"env: [{name: a, valueFrom: {configMapKeyRef: {name: C, key: ..}}}]",
       {from + ".configMapKeyRef.name: Invalid value: \"C\"", from + ".configMapKeyRef.key: Invalid value: \"..\""}},
      {"env: [{name: a, valueFrom: {secretKeyRef: {name: s}}}]", {from + ".secretKeyRef.key: Required value"}},
      {"env: [{name: a, valueFrom: {fileKeyRef: {volumeName: v, path: f, key: K}}}]", {}},
      {"env: [{name: a, valueFrom: {fileKeyRef: {volumeName: x, path: /f, key: K}}}]",
       {from + ".fileKeyRef.volumeName: Not found: \"x\"",
        from + ".fileKeyRef.path: Invalid value: \"/f\": must be a"}},
      {"envFrom: [{prefix: P_, secretRef: {name: s}}]", {}},
      {"envFrom: [{prefix: P_}]", {"spec.containers[0].envFrom[0]: Invalid value: \"\": must specify one of"}},
      {"envFrom: [{secretRef: {}}]", {"spec.containers[0].envFrom[0].secretRef.name: Required value"}},
  };
  for (const auto& row : rows) check_container(row);
}

TEST(PodValidation, MountRules) {
  const std::string mount = "spec.containers[0].volumeMounts[0]";
  const Row rows[] = {
      {"volumeMounts: [{name: v, mountPath: /a, subPath: b/c, readOnly: true, recursiveReadOnly: Enabled}]", {}},
      {"volumeMounts: [{name: image, mountPath: /a, subPath: b/c}]", {}},
      {"volumeMounts: [{name: x, mountPath: /a}]", {mount + ".name: Not found: \"x\""}},
      {"volumeMounts: [{name: v}]", {mount + ".mountPath: Required value"}},
      {"volumeMounts: [{name: v, mountPath: /a}, {name: w, mountPath: /a}]",
       {"spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique"}},
      {"volumeMounts: [{name: v, mountPath: /a, subPath: ../b}]",
       {mount + ".subPath: Invalid value: \"../b\": must not"}},
      {"volumeMounts: [{name: v, mountPath: /a, subPath: /b}]", {mount + ".subPath: Invalid value: \"/b\": must be a"}},
      {"volumeMounts: [{name: v, mountPath: /a, subPath: b, subPathExpr: $(X)}]",
       {mount + ".subPathExpr: Invalid value: \"$(X)\": subPathExpr and subPath are mutually exclusive"}},
      {"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]",
       {mount + ".mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged"}},
      {"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]\nsecurityContext: {privileged: true}",
       {}},
      {"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Sometimes}]",
       {mount + ".mountPropagation: Unsupported value: \"Sometimes\": supported values: \"Bidirectional\""}},
      {"volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled}]",
       {mount + ".recursiveReadOnly: Forbidden: may only be specified when readOnly is true"}},
      {"volumeDevices: [{name: w, devicePath: /dev/x}]", {}},
      {"volumeDevices: [{name: v, devicePath: /dev/x}]",
       {"spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of"}},
      {"volumeDevices: [{name: w, devicePath: /a}]\nvolumeMounts: [{name: v, mountPath: /a}]",
       {mount + ".mountPath: Invalid value: \"/a\": must not already exist as a path in volumeDevices",
        "spec.containers[0].volumeDevices[0].devicePath: Invalid value: \"/a\": must not already exist as a path in"}},
  };
  for (const auto& row : rows) check_container(row);
}

TEST(PodValidation, ContainerRules) {
  const Row rows[] = {
      {"imagePullPolicy: Often",
       {"spec.containers[0].imagePullPolicy: Unsupported value: \"Often\": supported values: \"Always\", "
        "\"IfNotPresent\", \"Never\""}},
      {"terminationMessagePolicy: Never",
       {"spec.containers[0].terminationMessagePolicy: Unsupported value: \"Never\""}},
      {"restartPolicy: Never\nrestartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]", {}},
      {"restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
       {"spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used"}},
      {"restartPolicy: Sometimes", {"spec.containers[0].restartPolicy: Unsupported value: \"Sometimes\""}},
      {"restartPolicy: Always\nrestartPolicyRules: [{action: Explode}]",
       {"spec.containers[0].restartPolicyRules[0].action: Unsupported value: \"Explode\"",
        "spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified"}},
      {"resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]", {}},
      {"resizePolicy: [{resourceName: disk, restartPolicy: NotRequired}]",
       {"spec.containers[0].resizePolicy: Unsupported value: \"disk\""}},
      {"livenessProbe: {periodSeconds: 1}",
       {"spec.containers[0].livenessProbe: Required value: must specify a handler"}},
      {"livenessProbe: {exec: {command: [x]}, tcpSocket: {port: 1}}",
       {"spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"}},
      {"livenessProbe: {exec: {}}", {"spec.containers[0].livenessProbe.exec.command: Required value"}},
      {"livenessProbe: {httpGet: {port: 0}}", {"spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0"}},
      {"livenessProbe: {httpGet: {port: WEB}}",
       {"spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"WEB\": must contain only",
        "spec.containers[0].livenessProbe.httpGet.port: Invalid value: \"WEB\": must contain at least"}},
      {"livenessProbe: {httpGet: {port: 1, scheme: ftp, httpHeaders: [{name: 'a b', value: c}]}}",
       {"spec.containers[0].livenessProbe.httpGet.scheme: Unsupported value: \"ftp\"",
        "spec.containers[0].livenessProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header"}},
      {"livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}",
       {"spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"}},
      {"readinessProbe: {tcpSocket: {port: 1}, successThreshold: 2, periodSeconds: -1}",
       {"spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"}},
      {"readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 3}",
       {"spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for"}},
      {"startupProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}",
       {"spec.containers[0].startupProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"}},
      {"lifecycle: {preStop: {sleep: {seconds: 31}}}",
       {"spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than"}},
      {"lifecycle: {preStop: {}}", {"spec.containers[0].lifecycle.preStop: Required value: must specify a handler"}},
      {"lifecycle: {stopSignal: SIGTERM}", {"spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set"}},
  };
  for (const auto& row : rows) check_container(row);
}

TEST(PodValidation, ResourceRules) {
  const std::string at = "spec.containers[0].resources";
  const Row rows[] = {
      {"resources: {limits: {cpu: 1, memory: 1Gi, ephemeral-storage: 1Gi, example.com/gpu: 2}}", {}},
      {"resources: {limits: {disk: 1}}",
       {at + ".limits[disk]: Invalid value: \"disk\": must be a standard resource for containers",
        at + ".requests[disk]: Invalid value: \"disk\": must be a standard resource for containers"}},
      {"resources: {limits: {cpu: -1}}",
       {at + ".limits[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
        at + ".requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"}},
      {"resources: {limits: {memory: 64Mi}, requests: {memory: 128Mi}}",
       {at + ".requests: Invalid value: \"128Mi\": must be less than or equal to memory limit of 64Mi"}},
      {"resources: {limits: {example.com/gpu: 1500m}}",
       {at + ".limits[example.com/gpu]: Invalid value: \"1500m\": must be an integer",
        at + ".requests[example.com/gpu]: Invalid value: \"1500m\": must be an integer"}},
      {"resources: {requests: {example.com/gpu: 1}}",
       {at + ".limits: Required value: Limit must be set for non overcommitable resources"}},
      {"resources: {limits: {cpu: 1, hugepages-2Mi: 4Mi}}", {}},
      {"resources: {limits: {cpu: 1, hugepages-2Mi: 3Mi}, requests: {hugepages-2Mi: 2Mi}}",
       {at + ".limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi",
        at + ".requests: Invalid value: \"2Mi\": must be equal to hugepages-2Mi limit of 3Mi"}},
      {"resources: {limits: {hugepages-2Mi: 2Mi}}", {at + ": Forbidden: HugePages require cpu or memory"}},
      {"resources: {claims: [{name: x}]}",
       {at + ".claims[0]: Not found: \"x\": must be one of the names in pod.spec.resourceClaims which is empty"}},
  };
  for (const auto& row : rows) check_container(row);
  const Row pod_rows[] = {
      {"resources: {limits: {cpu: 1, memory: 1Gi}}", {}},
      {"resources: {limits: {ephemeral-storage: 1Gi}}",
       {"spec.resources.limits[ephemeral-storage]: Unsupported value: \"ephemeral-storage\": supported values: "
        "\"cpu\", \"hugepages-\", \"memory\""}},
      {"resources: {claims: [{name: x}]}", {"spec.resources.claims: Forbidden: claims cannot be set for Resources at"}},
      {"resources: {requests: {cpu: 100m}}\ninitContainers: [{name: i, image: i, resources: {requests: {cpu: 200m}}}]",
       {"spec.resources.requests[cpu]: Invalid value: \"100m\": must be greater than or equal to aggregate container "
        "requests of 200m"}},
      {"overhead: {cpu: -1}", {"spec.overhead[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"}},
  };
  for (const auto& row : pod_rows) check_spec(row);
}

TEST(PodValidation, SecurityRules) {
  const std::string at = "spec.containers[0].securityContext";
  const Row rows[] = {
      {"securityContext: {runAsUser: 0, runAsGroup: 2147483647}", {}},
      {"securityContext: {runAsUser: -1}", {at + ".runAsUser: Invalid value: -1: must be between 0 and 2147483647"}},
      {"securityContext: {procMount: Unmasked}",
       {at + ".procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`"}},
      {"securityContext: {procMount: Some}", {at + ".procMount: Unsupported value: \"Some\""}},
      {"securityContext: {privileged: true, allowPrivilegeEscalation: false}",
       {at + ": Invalid value: {...}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true"}},
      {"securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}}",
       {at + ": Invalid value: {...}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add`"}},
      {"securityContext: {seccompProfile: {type: Localhost}}",
       {at + ".seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"}},
      {"securityContext: {seccompProfile: {}}", {at + ".seccompProfile.type: Required value: type is required"}},
      {"securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: x}}",
       {at + ".seccompProfile.localhostProfile: Invalid value: \"x\": can only be set when"}},
      {"securityContext: {appArmorProfile: {type: Localhost, localhostProfile: ' x'}}",
       {at + ".appArmorProfile.localhostProfile: Invalid value: \" x\": must not be padded with whitespace"}},
      {"securityContext: {appArmorProfile: {type: Other}}",
       {at + ".appArmorProfile.type: Unsupported value: \"Other\""}},
  };
  for (const auto& row : rows) check_container(row);
  const Row pod_rows[] = {
      {"securityContext: {fsGroup: 1, supplementalGroups: [2], sysctls: [{name: net.ipv4.ip_forward, value: '1'}]}",
       {}},
      {"securityContext: {fsGroup: -5}", {"spec.securityContext.fsGroup: Invalid value: -5: must be between"}},
      {"securityContext: {supplementalGroups: [1, -2]}",
       {"spec.securityContext.supplementalGroups[1]: Invalid value: -2: must be between"}},
      {"securityContext: {fsGroupChangePolicy: Never}",
       {"spec.securityContext.fsGroupChangePolicy: Unsupported value: \"Never\": supported values: \"Always\", "
        "\"OnRootMismatch\""}},
      {"securityContext: {supplementalGroupsPolicy: X}",
       {"spec.securityContext.supplementalGroupsPolicy: Unsupported value: \"X\""}},
      {"securityContext: {sysctls: [{name: A.b, value: x}]}",
       {"spec.securityContext.sysctls[0].name: Invalid value: \"A.b\": must have at most 253 characters"}},
      {"securityContext: {sysctls: [{name: kernel.sem, value: x}, {name: kernel.sem, value: yy}]}",
       {"spec.securityContext.sysctls[1].name: Duplicate value: \"kernel.sem\""}},
      {"hostNetwork: true\nsecurityContext: {sysctls: [{name: net/ipv4/x, value: yy}]}",
       {"spec.securityContext.sysctls[0].name: Invalid value: \"net/ipv4/x\": may not be specified when "
        "'hostNetwork'"}},
      {"hostPID: true\nshareProcessNamespace: true",
       {"spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"}},
      {"hostUsers: false\nhostIPC: true", {"spec.hostIPC: Forbidden: when `hostUsers` is false"}},
      {"os: {name: beos}", {"spec.os.name: Unsupported value: \"beos\": supported values: \"linux\", \"windows\""}},
      {"os: {name: windows}\nhostPID: true", {"spec.hostPID: Forbidden: cannot be set for a windows pod"}},
      {"os: {name: linux}\nsecurityContext: {windowsOptions: {hostProcess: true}}",
       {"spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"}},
  };
  for (const auto& row : pod_rows) check_spec(row);
}

TEST(PodValidation, SpecRules) {
  const Row rows[] = {
      {"restartPolicy: Maybe",
       {"spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\""}},
      {"dnsPolicy: Mine", {"spec.dnsPolicy: Unsupported value: \"Mine\""}},
      {"dnsPolicy: None", {"spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"}},
      {"dnsPolicy: None\ndnsConfig: {searches: [a]}",
       {"spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver"}},
      {"dnsConfig: {nameservers: [1.1.1.1, '::1', 2.2.2.2, 3.3.3.3]}",
       {"spec.dnsConfig.nameservers: Invalid value: [\"1.1.1.1\",\"::1\",\"2.2.2.2\",\"3.3.3.3\"]: must not have "
        "more"}},
      {"dnsConfig: {nameservers: [1.1.1]}",
       {"spec.dnsConfig.nameservers[0]: Invalid value: \"1.1.1\": must be a valid IP"}},
      {"dnsConfig: {searches: ['.', _tcp_x.a.b.]}", {"spec.dnsConfig.searches[1]: Invalid value: \"_tcp_x.a.b\""}},
      {"dnsConfig: {options: [{value: x}]}", {"spec.dnsConfig.options[0]: Required value: must not be empty"}},
      {"hostAliases: [{ip: x, hostnames: [a, B]}]",
       {"spec.hostAliases[0].ip: Invalid value: \"x\": must be a valid IP address",
        "spec.hostAliases[0].hostnames[1]: Invalid value: \"B\""}},
      {"activeDeadlineSeconds: 0", {"spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647"}},
      {"hostname: a.b", {"spec.hostname: Invalid value: \"a.b\""}},
      {"subdomain: A", {"spec.subdomain: Invalid value: \"A\""}},
      {"hostnameOverride: a.b.c", {}},
      {"hostnameOverride: a.b\nhostNetwork: true", {"spec.hostnameOverride: Forbidden: may not be set when"}},
      {"priorityClassName: A", {"spec.priorityClassName: Invalid value: \"A\""}},
      {"runtimeClassName: A", {"spec.runtimeClassName: Invalid value: \"A\""}},
      {"serviceAccountName: A", {"spec.serviceAccountName: Invalid value: \"A\""}},
      {"nodeName: A", {"spec.nodeName: Invalid value: \"A\""}},
      {"preemptionPolicy: X", {"spec.preemptionPolicy: Unsupported value: \"X\""}},
      {"readinessGates: [{conditionType: a b}]", {"spec.readinessGates[0].conditionType: Invalid value: \"a b\""}},
      {"schedulingGates: [{name: a}, {name: a}]", {"spec.schedulingGates[1]: Duplicate value: \"a\""}},
      {"nodeName: nd\nschedulingGates: [{name: a}]",
       {"spec.nodeName: Forbidden: cannot be set until all schedulingGates"}},
      {"resourceClaims: [{name: a}]", {"spec.resourceClaims[0]: Invalid value: \"a\": must specify one of"}},
      {"ephemeralContainers: [{name: e, image: i, targetContainerName: x}]",
       {"spec.ephemeralContainers[0].targetContainerName: Not found: \"x\"",
        "spec.ephemeralContainers: Forbidden: cannot be set on create"}},
      {"initContainers: [{name: c, image: ''}]",
       {"spec.initContainers[0].image: Required value", "spec.initContainers[0].name: Duplicate value: \"c\""}},
      {"initContainers: [{name: i, image: i, lifecycle: {}}]",
       {"spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without"}},
      {"initContainers: [{name: i, image: ' i', restartPolicy: Always, livenessProbe: {tcpSocket: {port: 1}}}]",
       {"spec.initContainers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace"}},
      {"volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}, {emptyDir: {}}]",
       {"spec.volumes[1].name: Duplicate value: \"a\"", "spec.volumes[2].name: Required value"}},
  };
  for (const auto& row : rows) check_spec(row);
  check(pod_from_yaml("metadata: {name: p, namespace: ns}\nspec: {}"),
        {"no containers", {"spec.containers: Required"}});
  check(
      pod_from_yaml("metadata: {name: p, namespace: ns}\nspec: {containers: [{}]}"),
      {"an empty container", {"spec.containers[0].name: Required value", "spec.containers[0].image: Required value"}});
}

TEST(PodValidation, SchedulingRules) {
  const std::string node =
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  const std::string pod = "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]";
  const std::string spread = "spec.topologySpreadConstraints[0]";
  const Row rows[] = {
      {"tolerations: [{operator: Exists}, {key: a, value: b, effect: NoExecute, tolerationSeconds: 3}]", {}},
      {"tolerations: [{value: a}]",
       {"spec.tolerations[0].operator: Invalid value: \"\": operator must be Exists when"}},
      {"tolerations: [{key: a, operator: Exists, value: b}]",
       {"spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'"}},
      {"tolerations: [{key: a, operator: Near}]",
       {"spec.tolerations[0].operator: Unsupported value: \"Near\": supported values: \"Equal\", \"Exists\""}},
      {"tolerations: [{key: a, effect: NoThing}]", {"spec.tolerations[0].effect: Unsupported value: \"NoThing\""}},
      {"tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 1}]",
       {"spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute'"}},
      {"nodeSelector: {'a b': c}", {"spec.nodeSelector: Invalid value: \"a b\""}},
      {"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}",
       {node + ": Required value: must have at least one node selector term"}},
      {"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchExpressions: [{key: a, operator: In}]}]}}}",
       {node + "[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"}},
      {"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
       "[{matchFields: [{key: a, operator: In, values: [b]}]}]}}}",
       {node + "[0].matchFields[0].key: Invalid value: \"a\": not a valid field selector key"}},
      {"affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, preference: "
       "{matchExpressions: [{key: a, operator: Exists}]}}]}}",
       {"spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101"}},
      {"affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchExpressions: "
       "[{key: a, operator: Is}]}, topologyKey: zone}]}}",
       {pod + ".labelSelector.matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator"}},
      {"affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, matchLabelKeys: "
       "[a]}]}}",
       {pod + ".matchLabelKeys: Forbidden: must not be specified when labelSelector is not set"}},
      {"topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule, minDomains: 2}]",
       {}},
      {"topologySpreadConstraints: [{maxSkew: 0, whenUnsatisfiable: Never}]",
       {spread + ".maxSkew: Invalid value: 0: must be greater than zero",
        spread + ".topologyKey: Required value: can not be empty",
        spread + ".whenUnsatisfiable: Unsupported value: \"Never\": supported values: \"DoNotSchedule\""}},
      {"topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, "
       "topologyKey: z, whenUnsatisfiable: DoNotSchedule}]",
       {"spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate value: \"{z, DoNotSchedule}\""}},
  };
  for (const auto& row : rows) check_spec(row);
}

TEST(PodValidation, VolumeRules) {
  const std::string at = "spec.volumes[0]";
  const Row rows[] = {
      {"emptyDir: {}\nhostPath: {path: /x}", {at + ".emptyDir: Forbidden: may not specify more than 1 volume type"}},
      {"hostPath: {}", {at + ".hostPath.path: Required value"}},
      {"hostPath: {path: /a/../b}", {at + ".hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"}},
      {"hostPath: {path: /a, type: Pipe}",
       {at + ".hostPath.type: Unsupported value: \"Pipe\": supported values: \"\""}},
      {"emptyDir: {sizeLimit: -1}", {at + ".emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource"}},
      {"secret: {}", {at + ".secret.secretName: Required value"}},
      {"secret: {secretName: s, defaultMode: 512}",
       {at + ".secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive"}},
      {"configMap: {name: c, items: [{key: k, path: ../p}, {path: ..p}]}",
       {at + ".configMap.items[0].path: Invalid value: \"../p\": must not contain '..'",
        at + ".configMap.items[1].key: Required value",
        at + ".configMap.items[1].path: Invalid value: \"..p\": must not start with '..'"}},
      {"downwardAPI: {items: [{path: p}]}",
       {at + ".downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required"}},
      {"downwardAPI: {items: [{path: p, resourceFieldRef: {resource: limits.cpu}}]}",
       {at + ".downwardAPI.items[0].resourceFieldRef.containerName: Required value"}},
      {"downwardAPI: {items: [{path: p, fieldRef: {fieldPath: status.podIP}}]}",
       {at + ".downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: \"status.podIP\""}},
      {"projected: {sources: [{secret: {name: s, items: [{key: a, path: x}]}}, {configMap: {name: c, items: [{key: b, "
       "path: x}]}}]}",
       {at + ".projected: Invalid value: \"c\": conflicting duplicate paths"}},
      {"projected: {sources: [{secret: {name: s}, configMap: {name: c}}]}",
       {at + ".projected.sources[0]: Forbidden: may not specify more than 1 volume type per source"}},
      {"projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 5}}]}",
       {at + ".projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a"}},
      {"persistentVolumeClaim: {}", {at + ".persistentVolumeClaim.claimName: Required value"}},
      {"nfs: {server: s, path: x}", {at + ".nfs.path: Invalid value: \"x\": must be an absolute path"}},
      {"iscsi: {targetPortal: t, iqn: bad, lun: 256}",
       {at + ".iscsi.iqn: Invalid value: \"bad\": must be valid format starting with iqn, eui, or naa",
        at + ".iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive"}},
      {"iscsi: {targetPortal: t, iqn: 'iqn.2001-04.com.example:storage.disk1', lun: 0}", {}},
      {"fc: {targetWWNs: [a]}", {at + ".fc.lun: Required value: lun is required if targetWWNs is specified"}},
      {"csi: {driver: a_b}", {at + ".csi.driver: Invalid value: \"a_b\""}},
      {"image: {}", {at + ".image.reference: Required value"}},
      {"gitRepo: {repository: r, directory: /d}",
       {at + ".gitRepo.directory: Invalid value: \"/d\": must be a relative"}},
      {"ephemeral: {}", {at + ".ephemeral.volumeClaimTemplate: Required value"}},
      {"ephemeral: {volumeClaimTemplate: {spec: {accessModes: [Some], resources: {requests: {storage: 1Gi}}}}}",
       {at + ".ephemeral.volumeClaimTemplate.spec.accessModes: Unsupported value: \"Some\""}},
      {"flexVolume: {driver: d, options: {x.k8s.io/y: z}}",
       {at + ".flexVolume.options[x.k8s.io/y]: Invalid value: \"x.k8s.io/y\": kubernetes.io and k8s.io namespaces"}},
      {"azureDisk: {diskName: d, diskURI: x, kind: Managed}", {at + ".azureDisk.diskURI: Unsupported value: \"x\""}},
      {"rbd: {image: i}", {at + ".rbd.monitors: Required value"}},
  };
  for (const auto& row : rows) check_volume(row);
}

TEST(PodValidation, AnnotationsOfProfilesMustAgreeWithTheFields) {
  auto pod = pod_from_yaml(
      "metadata: {name: p, namespace: ns, annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined, "
      "container.apparmor.security.beta.kubernetes.io/c: runtime/default}}\n"
      "spec: {securityContext: {seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, image: i, "
      "securityContext: {appArmorProfile: {type: Unconfined}}}]}");
  const auto texts = complaints(pod);
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(texts[0],
            "spec.securityContext.seccompProfile.type: Forbidden: seccomp type in annotation and field must match");
  EXPECT_EQ(texts[1],
            "spec.containers[0].securityContext.appArmorProfile.type: Forbidden: apparmor type in "
            "annotation and field must match");
}

TEST(PodValidation, AnUndefaultedPodMissesWhatDefaultingGives) {
  std::vector<std::string> texts;
  for (const auto& error :
       validate_pod(pod_from_yaml("metadata: {name: p, namespace: ns}\nspec: {containers: [{name: c, image: i}]}"))) {
    texts.push_back(error.message());
  }
  const std::vector<std::string> expected = {
      "spec.terminationGracePeriodSeconds: Required value",
      "spec.containers[0].terminationMessagePolicy: Required value",
      "spec.containers[0].imagePullPolicy: Required value",
      "spec.restartPolicy: Required value",
      "spec.dnsPolicy: Required value",
  };
  EXPECT_EQ(texts, expected);
}

TEST(PodValidation, MessagesOfOneObjectAreJoined) {
  const ValidationError one{ValidationError::Kind::required, "a.b", "", ""};
  const ValidationError two{ValidationError::Kind::too_many, "c", "21", "must have at most 20 items"};
  EXPECT_EQ(join_messages({}), "");
  EXPECT_EQ(join_messages({one}), "a.b: Required value");
  EXPECT_EQ(join_messages({one, two}), "[a.b: Required value, c: Too many: 21: must have at most 20 items]");
}

}  // namespace
}  // namespace keelson::api
