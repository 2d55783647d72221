#include "static-pods/manifest.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "api/json_codec.hpp"
#include "static-pods/api_references.hpp"
#include "static-pods/pod_hash.hpp"
#include "static-pods/tests/fixture.hpp"

namespace keelson::static_pods {
namespace {

using testing::manifest;

const Origin kFile{Origin::Kind::file, "/etc/kubernetes/manifests/web.yaml", "node-1"};

std::string golden(const std::string& name) {
  std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

api::Pod read_one(const std::string& text, const Origin& origin = kFile) {
  const auto result = read_manifest(text, origin);
  EXPECT_TRUE(result.errors.empty()) << join(result.errors);
  EXPECT_EQ(result.pods.size(), 1u);
  return result.pods.empty() ? api::Pod() : result.pods.front();
}

std::string spec(const std::string& lines) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers: [{name: c, image: i}]\n" + lines;
}

TEST(Manifest, BecomesThePodThatTheKubeletHeldForTheRecordedFile) {
  const auto listing = api::parse_json(golden("http/pods.json"), {64u << 20});
  ASSERT_TRUE(listing.ok());
  api::Pod recorded;
  for (const auto& item : listing->find("items")->items) {
    if (item.find("metadata")->find("name")->text != "static-web-tb-node") continue;
    ASSERT_TRUE(api::decode(item, recorded).ok());
  }
  ASSERT_EQ(recorded.metadata().name(), "static-web-tb-node");
  auto pod = read_one(golden("objects/static-web.yaml"), {Origin::Kind::file, "/manifests/static-web.yaml", "tb-node"});
  // The UID depends on the dump that is hashed, which is each agent's own; all that follows from it must agree.
  const std::string uid = pod.metadata().uid();
  EXPECT_EQ(uid.size(), recorded.metadata().uid().size());
  EXPECT_EQ(pod.metadata().annotations().at(kConfigHash), uid);
  auto& annotations = *recorded.mutable_metadata()->mutable_annotations();
  annotations.erase(kConfigSeen);
  annotations[kConfigHash] = uid;
  recorded.mutable_metadata()->set_uid(uid);
  EXPECT_EQ(pod.status().phase(), "Pending");
  recorded.mutable_status()->Clear();
  recorded.mutable_status()->set_phase("Pending");
  EXPECT_TRUE(api::same(pod, recorded)) << api::encode_yaml(pod) << "\n--- recorded\n" << api::encode_yaml(recorded);
}

TEST(Manifest, MirrorPodIsTheSamePodButForWhatTheApiServerAdds) {
  const auto node = api::parse_json(golden("objects/mirror-pod.json"), {64u << 20});
  ASSERT_TRUE(node.ok());
  api::Pod mirror;
  ASSERT_TRUE(api::decode(*node, mirror).ok());
  const auto pod = read_one(golden("objects/static-web.yaml"), {Origin::Kind::file, "/m/static-web.yaml", "tb-node"});
  mirror.mutable_spec()->clear_priority();
  mirror.mutable_spec()->clear_preemptionpolicy();
  EXPECT_TRUE(api::same(pod.spec(), mirror.spec()));
}

TEST(Manifest, NamesNamespaceNodeAndAnnotationsFollowTheRules) {
  const auto pod = read_one(manifest("web"));
  EXPECT_EQ(pod.metadata().name(), "web-node-1");
  EXPECT_EQ(pod.metadata().namespace_(), "default");
  EXPECT_EQ(pod.spec().nodename(), "node-1");
  EXPECT_EQ(pod.metadata().annotations().at(kConfigSource), "file");
  ASSERT_EQ(pod.spec().tolerations_size(), 1);
  EXPECT_EQ(pod.spec().tolerations(0).operator_(), "Exists");
  EXPECT_EQ(pod.spec().tolerations(0).effect(), "NoExecute");

  const auto remote = read_one(manifest("web"), {Origin::Kind::url, "http://x/y", "node-1"});
  EXPECT_EQ(remote.metadata().annotations().at(kConfigSource), "http");
  EXPECT_EQ(remote.spec().tolerations_size(), 0);
}

TEST(Manifest, TolerationIsNotAddedTwice) {
  const auto pod = read_one(spec("  tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 5}]\n"));
  ASSERT_EQ(pod.spec().tolerations_size(), 1);
  EXPECT_FALSE(pod.spec().tolerations(0).has_tolerationseconds());
}

TEST(Manifest, GivenUidIsKept) {
  const auto pod = read_one(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, uid: my-uid}\n"
      "spec: {containers: [{name: c, image: i}]}\n");
  EXPECT_EQ(pod.metadata().uid(), "my-uid");
  EXPECT_EQ(pod.metadata().annotations().at(kConfigHash), "my-uid");
}

TEST(ManifestUid, IsTheSameInEveryBuild) {
  // A change of these values restarts every static pod of every node at the next update of the agent.
  EXPECT_EQ(read_one(manifest("web")).metadata().uid(), "2377702203a5a69472ca31628947f484");
  EXPECT_EQ(read_one(golden("objects/static-web.yaml"), {Origin::Kind::file, "/m/static-web.yaml", "tb-node"})
                .metadata()
                .uid(),
            "9633caf9241a2f492db46ea5a105636a");
}

TEST(ManifestUid, IgnoresHowItIsWrittenAndNoticesEveryChange) {
  const std::string base =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {a: '1', b: '2'}}\n"
      "spec: {containers: [{name: main, image: 'i:1'}]}\n";
  const std::string same_again =
      "# a comment\n{\"spec\": {\"containers\": [{\"image\": \"i:1\", \"name\": \"main\"}]},"
      " \"metadata\": {\"labels\": {\"b\": \"2\", \"a\": \"1\"}, \"name\": \"web\"},"
      " \"kind\": \"Pod\", \"apiVersion\": \"v1\"}";
  const std::string uid = read_one(base).metadata().uid();
  EXPECT_EQ(read_one(base).metadata().uid(), uid);
  EXPECT_EQ(read_one(same_again.substr(same_again.find('{'))).metadata().uid(), uid);
  EXPECT_EQ(read_one(base + "status: {}\n").metadata().uid(), uid);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"i:1", "i:2"}, {"'2'", "'3'"}, {"b: '2'", "c: '2'"}, {"web", "wob"}, {"main", "man"}}) {
    SCOPED_TRACE(from + " -> " + to);
    std::string changed = base;
    changed.replace(changed.find(from), from.size(), to);
    EXPECT_NE(read_one(changed).metadata().uid(), uid);
  }
  EXPECT_NE(read_one(base, {Origin::Kind::file, kFile.place, "other"}).metadata().uid(), uid);
  EXPECT_NE(read_one(base, {Origin::Kind::file, "/elsewhere", kFile.node_name}).metadata().uid(), uid);
  EXPECT_NE(read_one(base, {Origin::Kind::url, kFile.place, kFile.node_name}).metadata().uid(), uid);
}

TEST(Fnv128a, HasTheValuesOfThePublishedAlgorithm) {
  Fnv128a empty;
  EXPECT_EQ(empty.hex(), "6c62272e07bb014262b821756295c58d");
  Fnv128a a;
  a.add("a");
  EXPECT_EQ(a.hex(), "d228cb696f1a8caf78912b704e4a8964");
  Fnv128a foobar;
  foobar.add("foo");
  foobar.add("bar");
  EXPECT_EQ(foobar.hex(), "343e1662793c64bf6f0d3597ba446f18");
}

struct BadRow {
  const char* what;
  std::string text;
  std::string expected;  // the whole line, or its beginning when it ends in "..."
};

TEST(Manifest, SaysWhatIsWrongAndWhere) {
  const BadRow rows[] = {
      {"empty", "", "..."},
      {"only comments", "# nothing here\n", "..."},
      {"a list", "- a\n- b\n", "line 1, column 1: expected a Pod, found a list"},
      {"a PodList", "apiVersion: v1\nkind: PodList\nitems: []\n",
       "line 2, column 7: kind: a PodList is not accepted from a file; write one Pod per file"},
      {"another kind", "apiVersion: apps/v1\nkind: Deployment\n",
       "line 1, column 13: apiVersion: must be \"v1\", not \"apps/v1\"; line 2, column 7: kind: must be \"Pod\", not "
       "\"Deployment\""},
      {"no kind", "metadata: {name: x}\n",
       "line 1, column 1: apiVersion: Required value: must be \"v1\"; line 1, column 1: kind: Required value: must be "
       "\"Pod\""},
      {"no name", "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: i}]}\n",
       "line 1, column 1: metadata.name: Required value: name is needed for the pod"},
      {"a wrong type", spec("  hostNetwork: 'yes'\n"), "line 6, column 16: spec.hostNetwork: ..."},
      {"no image", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n",
       "line 6, column 5: spec.containers[0].image: Required value"},
      {"a bad port",
       "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: i\n"
       "    ports:\n    - containerPort: 99999\n",
       "line 9, column 22: spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and "
       "65535, inclusive"},
      {"a secret volume", spec("  volumes:\n  - name: v\n    secret: {secretName: s}\n"),
       "line 8, column 13: spec.volumes[0].secret: static pods may not reference secrets (via secret volumes)"},
      {"not UTF-8", "apiVersion: v1\nkind: Pod\nmetadata: {name: \"\xff\xfe\"}\n", "..."},
      {"no YAML", "apiVersion: [v1\n", "..."},
      {"a name too long for its node",
       "apiVersion: v1\nkind: Pod\nmetadata: {name: " + std::string(250, 'a') +
           "}\nspec: {containers: [{name: c, image: i}]}\n",
       "line 3, column 18: metadata.name: Invalid value: ..."},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const auto result = read_manifest(row.text, kFile);
    EXPECT_TRUE(result.pods.empty());
    const std::string line = join(result.errors);
    EXPECT_FALSE(line.empty());
    EXPECT_EQ(line.find('\n'), std::string::npos);
    if (row.expected.size() >= 3 && row.expected.substr(row.expected.size() - 3) == "...") {
      const auto beginning = row.expected.substr(0, row.expected.size() - 3);
      EXPECT_EQ(line.substr(0, beginning.size()), beginning);
    } else {
      EXPECT_EQ(line, row.expected);
    }
  }
}

TEST(Manifest, TooLargeIsRefused) {
  const auto result = read_manifest(manifest("a") + "# " + std::string(kMaxManifestBytes, 'x'), kFile);
  EXPECT_TRUE(result.pods.empty());
  EXPECT_FALSE(result.errors.empty());
}

TEST(Manifest, ManyErrorsAreToldInOneLineOfBearableLength) {
  std::string text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n";
  for (int i = 0; i < 20; ++i) text += "  - {name: c" + std::to_string(i) + "}\n";
  const auto result = read_manifest(text, kFile);
  EXPECT_EQ(result.errors.size(), 20u);
  EXPECT_NE(join(result.errors).find("; and 15 more"), std::string::npos);
}

TEST(Manifest, UnknownAndRepeatedFieldsAreWarningsWithTheirPlace) {
  const auto result = read_manifest(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n"
      "  - name: c\n    image: i\n    imagee: j\n    name: d\n",
      kFile);
  ASSERT_EQ(result.pods.size(), 1u) << join(result.errors);
  EXPECT_EQ(result.pods[0].spec().containers(0).name(), "d");
  const std::string line = join(result.warnings);
  EXPECT_NE(line.find("line 8, column 5: spec.containers[0].imagee"), std::string::npos) << line;
  EXPECT_NE(line.find("spec.containers[0].name"), std::string::npos) << line;
}

TEST(Manifest, OnlyTheFirstDocumentCountsAndThatIsSaid) {
  const auto result = read_manifest(manifest("a") + "---\n" + manifest("b"), kFile);
  ASSERT_EQ(result.pods.size(), 1u) << join(result.errors);
  EXPECT_EQ(result.pods[0].metadata().name(), "a-node-1");
  EXPECT_NE(join(result.warnings).find("only the first document is used"), std::string::npos);
}

TEST(Manifest, PodListComesFromAUrl) {
  const Origin url{Origin::Kind::url, "http://x", "n1"};
  const std::string list =
      "apiVersion: v1\nkind: PodList\nitems:\n"
      "- metadata: {name: a}\n  spec: {containers: [{name: c, image: i}]}\n"
      "- metadata: {name: b}\n  spec: {containers: [{name: c}]}\n";
  const auto bad = read_manifest(list, url);
  EXPECT_TRUE(bad.pods.empty());
  EXPECT_EQ(join(bad.errors), "line 7, column 23: items[1].spec.containers[0].image: Required value");
  auto good = list;
  good.replace(good.rfind("{name: c}"), 9, "{name: c, image: i}");
  EXPECT_EQ(read_manifest(good, url).pods.size(), 2u);
}

TEST(ApiReferences, OfEveryKindAreFound) {
  const std::pair<const char*, const char*> rows[] = {
      {"  serviceAccountName: s\n", "serviceaccounts"},
      {"  imagePullSecrets: [{name: s}]\n", "secrets"},
      {"  initContainers: [{name: i, image: i, envFrom: [{configMapRef: {name: c}}]}]\n", "configmaps"},
      {"  initContainers: [{name: i, image: i, env: [{name: a, valueFrom: {secretKeyRef: {name: c, key: k}}}]}]\n",
       "secrets"},
      {"  resourceClaims: [{name: r, resourceClaimName: x}]\n", "resourceclaims"},
      {"  volumes: [{name: v, secret: {secretName: s}}]\n", "secrets (via secret volumes)"},
      {"  volumes: [{name: v, configMap: {name: s}}]\n", "configmaps (via configmap volumes)"},
      {"  volumes: [{name: v, persistentVolumeClaim: {claimName: s}}]\n", "persistentvolumeclaims"},
      {"  volumes: [{name: v, csi: {driver: d}}]\n", "csidrivers (via CSI volumes)"},
      {"  volumes: [{name: v, glusterfs: {endpoints: e, path: p}}]\n", "endpoints (via glusterFS volumes)"},
      {"  volumes: [{name: v, azureFile: {secretName: e, shareName: p}}]\n", "secrets (via azureFile volumes)"},
      {"  volumes: [{name: v, cephfs: {monitors: [m], secretRef: {name: s}}}]\n", "secrets"},
      {"  volumes: [{name: v, ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce]}}}}]\n",
       "persistentvolumeclaims (via ephemeral volumes)"},
      {"  volumes: [{name: v, projected: {sources: [{downwardAPI: {}}, {secret: {name: s}}]}}]\n",
       "secrets (via projected volumes)"},
      {"  volumes: [{name: v, projected: {sources: [{configMap: {name: s}}]}}]\n",
       "configmaps (via projected volumes)"},
      {"  volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]\n",
       "serviceaccounts (via projected volumes)"},
      {"  volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {name: t, path: p}}]}}]\n",
       "clustertrustbundles"},
      {"  volumes: [{name: v, projected: {sources: [{podCertificate: {signerName: t}}]}}]\n", "podcertificates"},
      {"  volumes: [{name: v, projected: {sources: [{downwardAPI: {}}]}}, {name: w, hostPath: {path: /}}]\n", ""},
  };
  for (const auto& [lines, what] : rows) {
    SCOPED_TRACE(lines);
    api::Pod pod;
    const auto node = api::parse_document(spec(lines));
    ASSERT_TRUE(node.ok());
    ASSERT_TRUE(api::decode(*node, pod).ok());
    const auto found = find_api_reference(pod);
    EXPECT_EQ(found ? found->what : "", what);
    if (found) {
      EXPECT_NE(
          join(read_manifest(spec(lines), kFile).errors).find(std::string("static pods may not reference ") + what),
          std::string::npos);
    }
  }
}

TEST(FormatSeen, HasAllNineDigits) {
  const base::SystemTime when = base::SystemTime(std::chrono::seconds(1'767'225'600)) + std::chrono::milliseconds(90);
  EXPECT_EQ(format_seen(when), "2026-01-01T00:00:00.090000000Z");
}

}  // namespace
}  // namespace keelson::static_pods
