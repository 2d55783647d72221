#include "agent/objects/pod_references.hpp"

#include <gtest/gtest.h>

#include "api/tests/pod_fixture.hpp"

namespace keelson::agent {
namespace {

std::string text(const std::vector<PodReference>& references) {
  std::string out;
  for (const auto& reference : references) {
    out +=
        std::string(to_string(reference.kind)) + " " + reference.name + (reference.in_volume ? " volume" : "") + "\n";
  }
  return out;
}

TEST(PodReferences, AreFoundWhereverAPodMayNameThem) {
  const api::Pod pod = api::testing::pod_from_yaml(R"(
spec:
  imagePullSecrets: [{name: pull}, {name: ""}]
  initContainers:
  - {name: i, envFrom: [{configMapRef: {name: from-init}}]}
  containers:
  - name: c
    envFrom: [{secretRef: {name: from-secret, optional: true}}, {prefix: x}]
    env:
    - {name: A, value: b}
    - {name: B, valueFrom: {configMapKeyRef: {name: key-map, key: k}}}
    - {name: C, valueFrom: {secretKeyRef: {name: both, key: k}}}
    - {name: D, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
  ephemeralContainers:
  - {name: e, env: [{name: A, valueFrom: {secretKeyRef: {name: from-ephemeral, key: k}}}]}
  volumes:
  - {name: v1, configMap: {name: volume-map}}
  - {name: v2, secret: {secretName: both}}
  - name: v3
    projected:
      sources:
      - {configMap: {name: projected-map}}
      - {secret: {name: projected-secret}}
      - {serviceAccountToken: {path: token}}
  - {name: v4, csi: {driver: d, nodePublishSecretRef: {name: csi-secret}}}
  - {name: v5, emptyDir: {}}
)");
  EXPECT_EQ(text(pod_references(pod)),
            "configmap from-init\n"
            "configmap key-map\n"
            "configmap projected-map volume\n"
            "configmap volume-map volume\n"
            "secret both volume\n"
            "secret csi-secret volume\n"
            "secret from-ephemeral\n"
            "secret from-secret\n"
            "secret projected-secret volume\n"
            "secret pull\n");
  EXPECT_EQ(text(environment_references(pod.spec().containers(0))),
            "configmap key-map\nsecret both\nsecret from-secret\n");
}

TEST(PodReferences, AreNoneForAPlainPod) { EXPECT_TRUE(pod_references(api::Pod()).empty()); }

}  // namespace
}  // namespace keelson::agent
