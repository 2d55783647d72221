// The Node authorizer and NodeRestriction: what a node may and may not do. Source: contract 01 §9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

namespace core = api::core;
using ::testing::HasSubstr;

const ApiUser kBootstrap{"system:bootstrap:abcdef", {"system:bootstrappers", "system:authenticated"}};

// Node n with a pod "here" that names Secret s and ConfigMap c; pod "there" on m names Secret t.
void furnish(ApiWorld& world) {
  ASSERT_TRUE(world.api->create(ApiWorld::node("n")).ok());
  ASSERT_TRUE(world.api->create(ApiWorld::node("m")).ok());
  auto here = ApiWorld::pod("here", "n");
  auto& volume = *here.mutable_spec()->add_volumes();
  volume.set_name("v");
  volume.mutable_volumesource()->mutable_secret()->set_secretname("s");
  auto& from = *here.mutable_spec()->mutable_containers(0)->add_envfrom();
  from.mutable_configmapref()->mutable_localobjectreference()->set_name("c");
  ASSERT_TRUE(world.api->create(here).ok());
  auto there = ApiWorld::pod("there", "m");
  auto& other = *there.mutable_spec()->add_volumes();
  other.set_name("v");
  other.mutable_volumesource()->mutable_secret()->set_secretname("t");
  ASSERT_TRUE(world.api->create(there).ok());
  for (const char* name : {"s", "t", "u"}) {
    core::Secret secret;
    secret.mutable_metadata()->set_name(name);
    secret.mutable_metadata()->set_namespace_("default");
    ASSERT_TRUE(world.api->create(secret).ok());
  }
  core::ConfigMap map;
  map.mutable_metadata()->set_name("c");
  map.mutable_metadata()->set_namespace_("default");
  ASSERT_TRUE(world.api->create(map).ok());
}

TEST(FakeApiLimits, ANodeReadsOnlyWhatConcernsIt) {
  struct Row {
    const char* target;
    int status;
  };
  static constexpr Row kRows[] = {
      {"/api/v1/nodes/n", 200},
      {"/api/v1/nodes/m", 403},
      {"/api/v1/nodes", 403},
      {"/api/v1/nodes?fieldSelector=metadata.name%3Dn", 200},
      {"/api/v1/nodes?fieldSelector=metadata.name%3Dm", 403},
      {"/api/v1/pods", 403},
      {"/api/v1/pods?fieldSelector=spec.nodeName%3Dn", 200},
      {"/api/v1/pods?fieldSelector=spec.nodeName%3Dm", 403},
      {"/api/v1/namespaces/default/pods/here", 200},
      {"/api/v1/namespaces/default/pods/there", 403},
      {"/api/v1/namespaces/default/secrets/s", 200},
      {"/api/v1/namespaces/default/secrets/t", 403},
      {"/api/v1/namespaces/default/secrets/u", 403},
      {"/api/v1/namespaces/default/secrets", 403},
      {"/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Ds", 200},
      {"/api/v1/namespaces/default/secrets?watch=true&fieldSelector=metadata.name%3Ds", 200},
      {"/api/v1/namespaces/kube-system/secrets/s", 403},
      {"/api/v1/namespaces/default/configmaps/c", 200},
      {"/api/v1/namespaces/default/configmaps/kube-root-ca.crt", 403},
      {"/api/v1/namespaces/default/serviceaccounts/default", 200},
      {"/api/v1/namespaces/kube-system/serviceaccounts/default", 403},
      {"/api/v1/services", 200},
      {"/apis/storage.k8s.io/v1/csidrivers?watch=true", 200},
      {"/apis/node.k8s.io/v1/runtimeclasses", 200},
      {"/apis/storage.k8s.io/v1/csinodes/n", 404},
      {"/apis/storage.k8s.io/v1/csinodes/m", 403},
      {"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n", 404},
      {"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/m", 403},
      {"/apis/coordination.k8s.io/v1/namespaces/default/leases/n", 403},
      {"/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dn", 200},
      {"/apis/resource.k8s.io/v1/resourceslices", 403},
      {"/apis/certificates.k8s.io/v1/certificatesigningrequests", 200},
      {"/api/v1/namespaces/default/events", 403},
      {"/api/v1/namespaces", 403},
      {"/healthz", 200},
  };
  ApiWorld world;
  furnish(world);
  for (const Row& row : kRows) EXPECT_EQ(world.ask(kNode, "GET", row.target).status, row.status) << row.target;
}

TEST(FakeApiLimits, RefusalsHaveTheServersWords) {
  ApiWorld world;
  furnish(world);
  const Reply secret = world.ask(kNode, "GET", "/api/v1/namespaces/default/secrets/t");
  EXPECT_EQ(secret.reason(), "Forbidden");
  EXPECT_EQ(secret.message(),
            "secrets \"t\" is forbidden: User \"system:node:n\" cannot get resource \"secrets\" in API group \"\" in "
            "the namespace \"default\": no relationship found between node 'n' and this object");
  EXPECT_EQ(secret.body["details"], (json{{"name", "t"}, {"kind", "secrets"}}));
  EXPECT_EQ(world.ask(kNode, "GET", "/api/v1/pods").message(),
            "pods is forbidden: User \"system:node:n\" cannot list resource \"pods\" in API group \"\" at the cluster "
            "scope: can only list/watch pods with spec.nodeName field selector");
}

TEST(FakeApiLimits, RightsEndWithTheLastPodThatGaveThem) {
  ApiWorld world;
  furnish(world);
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "here", 0).ok());
  EXPECT_EQ(world.ask(kNode, "GET", "/api/v1/namespaces/default/secrets/s").status, 403);
}

TEST(FakeApiLimits, APodThatHasGoneIsNotFoundFirstAndForbiddenLater) {
  ApiWorld world;
  furnish(world);
  const char* target = "/api/v1/namespaces/default/pods/here";
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "here", 0).ok());
  EXPECT_EQ(world.ask(kNode, "GET", target).status, 404);
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(world.api->create(ApiWorld::pod(name, "m")).ok());
  EXPECT_EQ(world.ask(kNode, "GET", target).status, 403);
}

TEST(FakeApiLimits, OnlyTheExactGroupMakesANode) {
  ApiWorld world;
  furnish(world);
  const ApiUser wrong{"node-n", {"system:nodes", "system:authenticated"}};
  EXPECT_EQ(world.ask(wrong, "GET", "/api/v1/nodes/n").status, 403);
  EXPECT_EQ(world.ask(ApiUser(), "GET", "/api/v1/nodes/n").status, 403);
  EXPECT_EQ(world.ask(ApiUser(), "GET", "/api").status, 403);
  EXPECT_EQ(world.ask(ApiUser(), "GET", "/readyz").status, 200);
  EXPECT_EQ(world.ask(kBootstrap, "GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests").status, 200);
  EXPECT_EQ(world.ask(kBootstrap, "GET", "/api/v1/nodes/n").status, 403);
  world.api->enforce_node_limits(false);
  EXPECT_EQ(world.ask(kBootstrap, "GET", "/api/v1/nodes/m").status, 200);
}

TEST(FakeApiLimits, TokensSayWhoAsks) {
  ApiWorld world;
  world.api->add_token("secret-token", kBootstrap);
  EXPECT_EQ(world.api->user_of_token("secret-token")->name, kBootstrap.name);
  EXPECT_FALSE(world.api->user_of_token("other").has_value());
  ApiRequest request;
  request.method = "GET";
  request.target = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  request.headers = {{"authorization", "Bearer secret-token"}};
  EXPECT_EQ((*world.begin(request))->status, 200);
  request.headers = {{"authorization", "Bearer other"}};
  EXPECT_EQ((*world.begin(request))->status, 401);
}

json node_json(const std::string& name, json labels) {
  return {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", name}, {"labels", std::move(labels)}}}};
}

TEST(NodeRestriction, ANodeRegistersItselfOnlyAndWithAllowedLabels) {
  struct Row {
    const char* what;
    json body;
    int status;
    const char* message;
  };
  const std::vector<Row> rows = {
      {"another", node_json("m", json::object()), 403, "node \"n\" is not allowed to modify node \"m\""},
      {"restricted", node_json("n", {{"node-restriction.kubernetes.io/x", "1"}}), 403,
       "is not allowed to set the following labels: node-restriction.kubernetes.io/x"},
      {"role", node_json("n", {{"node-role.kubernetes.io/worker", ""}}), 403,
       "is not allowed to set the following labels: node-role.kubernetes.io/worker"},
      {"own", node_json("n", {{"kubernetes.io/os", "linux"}, {"node.kubernetes.io/pool", "a"}, {"mine", "1"}}), 201,
       ""},
  };
  ApiWorld world;
  for (const Row& row : rows) {
    const Reply reply = world.ask(kNode, "POST", "/api/v1/nodes", row.body);
    EXPECT_EQ(reply.status, row.status) << row.what;
    EXPECT_THAT(reply.message(), HasSubstr(row.message)) << row.what;
  }
}

TEST(NodeRestriction, TaintsAndOwnersOfANodeStayAsTheyAre) {
  ApiWorld world;
  furnish(world);
  const auto patch = [&](const char* body, const char* target) {
    return world.ask(kNode, "PATCH", target, body, "application/merge-patch+json").status;
  };
  EXPECT_EQ(patch(R"({"spec":{"taints":null}})", "/api/v1/nodes/n"), 403);
  EXPECT_EQ(patch(R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"x","uid":"y"}]}})",
                  "/api/v1/nodes/n"),
            403);
  EXPECT_EQ(patch(R"({"metadata":{"labels":{"kubernetes.io/os":"linux"}}})", "/api/v1/nodes/n/status"), 200);
  EXPECT_EQ(patch(R"({"metadata":{"labels":{"example.kubernetes.io/x":"1"}}})", "/api/v1/nodes/n/status"), 403);
  EXPECT_EQ(patch(R"({"status":{"nodeInfo":{"machineID":"1"}}})", "/api/v1/nodes/n/status"), 200);
  EXPECT_EQ(patch("{}", "/api/v1/nodes/m/status"), 403);
  EXPECT_EQ(world.ask(kNode, "DELETE", "/api/v1/nodes/n").status, 403);
}

json mirror(ApiWorld& world) {
  const std::string uid = world.api->get<core::Node>("", "n")->metadata().uid();
  const json owner = {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", "n"}, {"uid", uid}, {"controller", true}};
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata",
           {{"name", "web-n"},
            {"annotations", {{"kubernetes.io/config.mirror", "hash"}}},
            {"ownerReferences", json::array({owner})}}},
          {"spec", {{"nodeName", "n"}, {"containers", json::array({{{"name", "c"}, {"image", "i:1"}}})}}}};
}

TEST(NodeRestriction, ANodeCreatesMirrorPodsOnly) {
  struct Row {
    const char* what;
    void (*change)(json&);
    int status;
    const char* message;
  };
  static const Row kRows[] = {
      {"no mirror", [](json& pod) { pod["metadata"].erase("annotations"); }, 403, "can only create mirror pods"},
      {"elsewhere", [](json& pod) { pod["spec"]["nodeName"] = "m"; }, 403, "spec.nodeName set to itself"},
      {"no owner", [](json& pod) { pod["metadata"].erase("ownerReferences"); }, 403, "single owner reference"},
      {"other uid", [](json& pod) { pod["metadata"]["ownerReferences"][0]["uid"] = "x"; }, 403, "UID mismatch"},
      {"no controller", [](json& pod) { pod["metadata"]["ownerReferences"][0].erase("controller"); }, 403,
       "controller owner reference"},
      {"blocking", [](json& pod) { pod["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = true; }, 403,
       "must not set blockOwnerDeletion"},
      {"secret",
       [](json& pod) {
         pod["spec"]["volumes"] = json::array({{{"name", "v"}, {"secret", {{"secretName", "s"}}}}});
       },
       403, "reference secrets"},
      {"right", [](json&) {}, 201, ""},
  };
  ApiWorld world;
  furnish(world);
  for (const Row& row : kRows) {
    json body = mirror(world);
    row.change(body);
    const Reply reply = world.ask(kNode, "POST", "/api/v1/namespaces/default/pods", body);
    EXPECT_EQ(reply.status, row.status) << row.what << reply.text;
    EXPECT_THAT(reply.message(), HasSubstr(row.message)) << row.what;
  }
  const auto made = world.api->get<api::Pod>("default", "web-n");
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ(made->spec().serviceaccountname(), "");
}

TEST(NodeRestriction, StatusAndDeletionAreForPodsBoundHere) {
  ApiWorld world;
  furnish(world);
  const auto patch = [&](const char* pod, const char* body) {
    return world
        .ask(kNode, "PATCH", std::string("/api/v1/namespaces/default/pods/") + pod + "/status", body,
             "application/strategic-merge-patch+json")
        .status;
  };
  EXPECT_EQ(patch("here", R"({"status":{"phase":"Running"}})"), 200);
  EXPECT_EQ(patch("here", R"({"metadata":{"labels":{"a":"b"}}})"), 403);
  EXPECT_EQ(patch("there", R"({"status":{"phase":"Running"}})"), 403);
  EXPECT_EQ(world.ask(kNode, "DELETE", "/api/v1/namespaces/default/pods/there").status, 403);
  EXPECT_EQ(world.ask(kNode, "DELETE", "/api/v1/namespaces/default/pods/here", R"({"gracePeriodSeconds":0})").status,
            200);
  EXPECT_EQ(world.ask(kNode, "POST", "/api/v1/namespaces/default/pods/there/eviction", "{}").status, 403);
}

TEST(NodeRestriction, LeasesHaveTheNodesName) {
  ApiWorld world;
  const std::string target = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  const auto create = [&](const char* name) {
    const json body = {{"apiVersion", "coordination.k8s.io/v1"}, {"kind", "Lease"}, {"metadata", {{"name", name}}}};
    return world.ask(kNode, "POST", target, body).status;
  };
  EXPECT_EQ(create("m"), 403);
  EXPECT_EQ(create("n"), 201);
}

TEST(FakeApiReviews, AnswerByTheSameRules) {
  ApiWorld world;
  furnish(world);
  const auto allowed = [&](const json& spec) {
    const json body = {{"apiVersion", "authorization.k8s.io/v1"}, {"kind", "SubjectAccessReview"}, {"spec", spec}};
    const Reply reply = world.ask(kNode, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body);
    EXPECT_EQ(reply.status, 201) << reply.text;
    return reply.body["status"].value("allowed", false);
  };
  const json secret = {{"verb", "get"}, {"resource", "secrets"}, {"namespace", "default"}, {"name", "s"}};
  EXPECT_TRUE(allowed({{"user", "system:node:n"}, {"groups", {"system:nodes"}}, {"resourceAttributes", secret}}));
  EXPECT_FALSE(allowed({{"user", "system:node:m"}, {"groups", {"system:nodes"}}, {"resourceAttributes", secret}}));
  EXPECT_TRUE(allowed({{"user", "root"}, {"groups", {"system:masters"}}, {"resourceAttributes", secret}}));
  EXPECT_FALSE(allowed({{"user", "nobody"},
                        {"groups", {"system:unauthenticated"}},
                        {"nonResourceAttributes", {{"path", "/metrics"}, {"verb", "get"}}}}));
}

}  // namespace
}  // namespace keelson::fakes::testing
