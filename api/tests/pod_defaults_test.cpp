#include "api/pod_defaults.hpp"

#include <gtest/gtest.h>

#include "api/tests/pod_fixture.hpp"

namespace keelson::api {
namespace {

using testing::golden_text;
using testing::pod_from;
using testing::pod_from_yaml;

// What admission put into a live pod, and what the API server drops for a gate that is off.
void remove_admission(core::Pod& pod) {
  auto& spec = *pod.mutable_spec();
  spec.clear_serviceaccountname();
  spec.clear_serviceaccount();
  spec.clear_priority();
  spec.clear_preemptionpolicy();
  spec.clear_tolerations();
  for (int i = spec.volumes_size() - 1; i >= 0; --i) {
    if (spec.volumes(i).name().rfind("kube-api-access-", 0) == 0) spec.mutable_volumes()->DeleteSubrange(i, 1);
  }
  const auto strip = [](auto& containers) {
    for (auto& container : containers) {
      auto& mounts = *container.mutable_volumemounts();
      for (int i = mounts.size() - 1; i >= 0; --i) {
        if (mounts[i].name().rfind("kube-api-access-", 0) == 0) mounts.DeleteSubrange(i, 1);
      }
    }
  };
  strip(*spec.mutable_containers());
  strip(*spec.mutable_initcontainers());
}

class GoldenDefaults : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenDefaults, GiveTheSpecThatTheApiServerStored) {
  const auto golden = parse_json(golden_text(std::string("pods/") + GetParam() + ".json"), {64u << 20});
  ASSERT_TRUE(golden.ok()) << golden.error().to_string();
  auto pod = pod_from(*golden->find("pod"));
  auto live = pod_from(*golden->find("live"));
  set_pod_defaults(pod);
  remove_admission(live);
  if (std::string(GetParam()) == "stopsignal") {
    // ContainerStopSignals is alpha and off: the API server drops the field, and the lifecycle left empty by that.
    ASSERT_TRUE(pod.spec().containers(0).lifecycle().has_stopsignal());
    ASSERT_FALSE(live.spec().containers(0).has_lifecycle());
    pod.mutable_spec()->mutable_containers(0)->clear_lifecycle();
  }
  EXPECT_TRUE(same(pod.spec(), live.spec()))
      << "defaulted: " << encode_yaml(pod.spec()) << "\nlive: " << encode_yaml(live.spec());
  auto again = pod;
  set_pod_defaults(again);
  EXPECT_TRUE(same(again, pod)) << "applying defaults twice changes the pod";
}

INSTANTIATE_TEST_SUITE_P(Pods, GoldenDefaults,
                         ::testing::Values("badcmd", "badimage", "crash", "dnsdefault", "env", "ephemeral", "fail",
                                           "guaranteed", "hooks", "hostusers", "imagevol", "init", "missingcm",
                                           "missingvol", "nevercreate", "oom", "plain", "privileged", "probes",
                                           "readiness-fail", "security", "sidecar", "stopsignal", "succeed", "sysctl",
                                           "toobig", "volumes", "wronglabel"));

struct Row {
  const char* what;
  const char* before;  // spec
  const char* after;   // the fields of interest of the defaulted spec; the rest is compared as defaulted
};

const Row kRows[] = {
    {"protocol, and host ports of a pod on the host's network",
     "hostNetwork: true\ncontainers: [{name: a, image: 'a:1', ports: [{containerPort: 80}, {containerPort: 81, "
     "hostPort: 81, protocol: UDP}]}]\n"
     "initContainers: [{name: i, image: 'a:1', ports: [{containerPort: 82}]}]",
     "hostNetwork: true\ncontainers: [{name: a, image: 'a:1', ports: [{containerPort: 80, hostPort: 80, protocol: "
     "TCP}, {containerPort: 81, hostPort: 81, protocol: UDP}]}]\n"
     "initContainers: [{name: i, image: 'a:1', ports: [{containerPort: 82, hostPort: 82, protocol: TCP}]}]"},
    {"requests from limits, only where missing, in init containers too",
     "containers: [{name: a, image: 'a:1', resources: {limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 100m}}}]\n"
     "initContainers: [{name: i, image: 'a:1', resources: {limits: {cpu: '2'}}}]",
     "containers: [{name: a, image: 'a:1', resources: {limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 100m, memory: "
     "1Gi}}}]\n"
     "initContainers: [{name: i, image: 'a:1', resources: {limits: {cpu: '2'}, requests: {cpu: '2'}}}]"},
    {"resources finer than milli are rounded up",
     "containers: [{name: a, image: 'a:1', resources: {requests: {cpu: 100500u}}}]",
     "containers: [{name: a, image: 'a:1', resources: {requests: {cpu: 101m}}}]"},
    {"pod-level requests: the containers' sum where they have some, else the pod's limit",
     "resources: {limits: {cpu: '2', memory: 2Gi}}\n"
     "containers: [{name: a, image: 'a:1', resources: {requests: {cpu: 300m}}}, {name: b, image: 'a:1', resources: "
     "{requests: {cpu: 200m}}}]",
     "resources: {limits: {cpu: '2', memory: 2Gi}, requests: {cpu: 500m, memory: 2Gi}}\n"
     "containers: [{name: a, image: 'a:1', resources: {requests: {cpu: 300m}}}, {name: b, image: 'a:1', resources: "
     "{requests: {cpu: 200m}}}]"},
    {"pod-level requests count sidecars and the largest init step",
     "resources: {limits: {cpu: '2'}}\n"
     "initContainers: [{name: s, image: 'a:1', restartPolicy: Always, resources: {requests: {cpu: 100m}}}, {name: i, "
     "image: 'a:1', resources: {requests: {cpu: 700m}}}]\n"
     "containers: [{name: a, image: 'a:1', resources: {requests: {cpu: 300m}}}]",
     "resources: {limits: {cpu: '2'}, requests: {cpu: 800m}}\n"
     "initContainers: [{name: s, image: 'a:1', restartPolicy: Always, resources: {requests: {cpu: 100m}}}, {name: i, "
     "image: 'a:1', resources: {requests: {cpu: 700m}}}]\n"
     "containers: [{name: a, image: 'a:1', resources: {requests: {cpu: 300m}}}]"},
    {"pod-level limits from the containers when every one has a limit",
     "resources: {requests: {cpu: 500m}}\n"
     "containers: [{name: a, image: 'a:1', resources: {limits: {cpu: 300m}}}, {name: b, image: 'a:1', resources: "
     "{limits: {cpu: 400m, memory: 1Mi}}}]",
     "resources: {requests: {cpu: 500m}, limits: {cpu: 700m}}\n"
     "containers: [{name: a, image: 'a:1', resources: {limits: {cpu: 300m}, requests: {cpu: 300m}}}, {name: b, image: "
     "'a:1', resources: {limits: {cpu: 400m, memory: 1Mi}, requests: {cpu: 400m, memory: 1Mi}}}]"},
    {"probes and hooks",
     "containers: [{name: a, image: 'a:1', livenessProbe: {httpGet: {port: 1}}, readinessProbe: {grpc: {port: 2}}, "
     "startupProbe: {tcpSocket: {port: 3}, periodSeconds: 7},"
     " lifecycle: {postStart: {httpGet: {port: 4}}, preStop: {httpGet: {port: 5, scheme: HTTPS, path: /x}}}}]",
     "containers: [{name: a, image: 'a:1', livenessProbe: {httpGet: {port: 1, path: /, scheme: HTTP}, timeoutSeconds: "
     "1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3},"
     " readinessProbe: {grpc: {port: 2, service: ''}, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, "
     "failureThreshold: 3},"
     " startupProbe: {tcpSocket: {port: 3}, periodSeconds: 7, timeoutSeconds: 1, successThreshold: 1, "
     "failureThreshold: 3},"
     " lifecycle: {postStart: {httpGet: {port: 4, path: /, scheme: HTTP}}, preStop: {httpGet: {port: 5, scheme: HTTPS, "
     "path: /x}}}}]"},
    {"volumes",
     "containers: [{name: a, image: 'a:1'}]\n"
     "volumes: [{name: nn}, {name: h, hostPath: {path: /x}}, {name: s, secret: {secretName: s}}, {name: c, configMap: "
     "{name: c, defaultMode: 0}},"
     " {name: d, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}},"
     " {name: p, projected: {sources: [{serviceAccountToken: {path: t}}, {downwardAPI: {items: [{path: q, fieldRef: "
     "{fieldPath: metadata.uid}}]}}]}},"
     " {name: i, iscsi: {targetPortal: t, iqn: q, lun: 0}}, {name: r, rbd: {monitors: [m], image: i}}, {name: z, "
     "azureDisk: {diskName: d, diskURI: u}},"
     " {name: o, scaleIO: {gateway: g, system: s, secretRef: {name: nn}}}, {name: e, ephemeral: {volumeClaimTemplate: "
     "{spec: {accessModes: [ReadWriteOnce]}}}},"
     " {name: g, image: {reference: 'x:latest'}}]",
     "containers: [{name: a, image: 'a:1'}]\n"
     "volumes: [{name: nn, emptyDir: {}}, {name: h, hostPath: {path: /x, type: ''}}, {name: s, secret: {secretName: s, "
     "defaultMode: 420}}, {name: c, configMap: {name: c, defaultMode: 0}},"
     " {name: d, downwardAPI: {defaultMode: 420, items: [{path: p, fieldRef: {apiVersion: v1, fieldPath: "
     "metadata.name}}]}},"
     " {name: p, projected: {defaultMode: 420, sources: [{serviceAccountToken: {path: t, expirationSeconds: 3600}}, "
     "{downwardAPI: {items: [{path: q, fieldRef: {apiVersion: v1, fieldPath: metadata.uid}}]}}]}},"
     " {name: i, iscsi: {targetPortal: t, iqn: q, lun: 0, iscsiInterface: default}}, {name: r, rbd: {monitors: [m], "
     "image: i, pool: rbd, user: admin, keyring: /etc/ceph/keyring}},"
     " {name: z, azureDisk: {diskName: d, diskURI: u, cachingMode: ReadWrite, fsType: ext4, readOnly: false, kind: "
     "Shared}},"
     " {name: o, scaleIO: {gateway: g, system: s, secretRef: {name: nn}, storageMode: ThinProvisioned, fsType: xfs}}, "
     "{name: e, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], volumeMode: Filesystem}}}},"
     " {name: g, image: {reference: 'x:latest', pullPolicy: Always}}]"},
    {"what is set stays",
     "restartPolicy: Never\ndnsPolicy: Default\nschedulerName: s\nterminationGracePeriodSeconds: "
     "0\nenableServiceLinks: false\nsecurityContext: {runAsUser: 1}\n"
     "containers: [{name: a, image: a, imagePullPolicy: Never, terminationMessagePath: /x, terminationMessagePolicy: "
     "FallbackToLogsOnError}]",
     "restartPolicy: Never\ndnsPolicy: Default\nschedulerName: s\nterminationGracePeriodSeconds: "
     "0\nenableServiceLinks: false\nsecurityContext: {runAsUser: 1}\n"
     "containers: [{name: a, image: a, imagePullPolicy: Never, terminationMessagePath: /x, terminationMessagePolicy: "
     "FallbackToLogsOnError}]"},
    {"ephemeral containers",
     "containers: [{name: a, image: 'a:1'}]\nephemeralContainers: [{name: d, image: d, targetContainerName: a}]",
     "containers: [{name: a, image: 'a:1'}]\nephemeralContainers: [{name: d, image: d, targetContainerName: a, "
     "imagePullPolicy: Always, terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File}]"},
};

// The fields every spec and container gets, so that rows may leave them out.
void add_common(core::Pod& pod) {
  auto& spec = *pod.mutable_spec();
  if (spec.restartpolicy().empty()) spec.set_restartpolicy("Always");
  if (spec.dnspolicy().empty()) spec.set_dnspolicy("ClusterFirst");
  if (spec.schedulername().empty()) spec.set_schedulername("default-scheduler");
  if (!spec.has_terminationgraceperiodseconds()) spec.set_terminationgraceperiodseconds(30);
  if (!spec.has_enableservicelinks()) spec.set_enableservicelinks(true);
  spec.mutable_securitycontext();
  const auto complete = [](auto& containers) {
    for (auto& container : containers) {
      if (container.imagepullpolicy().empty()) container.set_imagepullpolicy("IfNotPresent");
      if (container.terminationmessagepath().empty()) container.set_terminationmessagepath("/dev/termination-log");
      if (container.terminationmessagepolicy().empty()) container.set_terminationmessagepolicy("File");
    }
  };
  complete(*spec.mutable_containers());
  complete(*spec.mutable_initcontainers());
}

core::Pod pod_with_spec(const char* spec) {
  return pod_from_yaml("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n" + testing::indented(spec, 2));
}

TEST(PodDefaults, FillInWhatIsMissingAndNothingElse) {
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.what);
    auto pod = pod_with_spec(row.before);
    auto expected = pod_with_spec(row.after);
    add_common(expected);
    set_pod_defaults(pod);
    EXPECT_TRUE(same(pod, expected)) << "got " << encode_yaml(pod) << "expected " << encode_yaml(expected);
  }
}

TEST(PodDefaults, PullPolicyFollowsTheTag) {
  const std::string digest = "@sha256:" + std::string(64, 'a');
  const std::pair<std::string, const char*> rows[] = {
      {"busybox", "Always"},
      {"busybox:latest", "Always"},
      {"busybox:1.37", "IfNotPresent"},
      {"registry.k8s.io/pause:3.10", "IfNotPresent"},
      {"registry:5000/a/b", "Always"},
      {"registry:5000/a/b:latest", "Always"},
      {"[::1]:5000/a/b:1", "IfNotPresent"},
      {"busybox" + digest, "IfNotPresent"},
      {"busybox:1" + digest, "IfNotPresent"},
      {"busybox:latest" + digest, "Always"},
      {"Localhost/Image", "IfNotPresent"},  // cannot be parsed
      {"UPPER", "IfNotPresent"},
      {"", "IfNotPresent"},
      {"a:b:c", "IfNotPresent"},
      {"a@sha256:short", "IfNotPresent"},
      {"a b", "IfNotPresent"},
  };
  for (const auto& [image, policy] : rows) {
    SCOPED_TRACE(image);
    EXPECT_EQ(default_pull_policy(image), policy);
  }
}

}  // namespace
}  // namespace keelson::api
