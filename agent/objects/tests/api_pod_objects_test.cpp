#include "agent/objects/api_pod_objects.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "agent/objects/tests/fake_server.hpp"
#include "api/tests/pod_fixture.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using testing::Cluster;
using testing::FakeServer;
using namespace std::chrono_literals;

TEST(ApiPodObjects, GivesAPodAllThatItMayHave) {
  Cluster cluster;
  api::core::ConfigMap map;
  map.mutable_metadata()->set_name("cm");
  map.mutable_metadata()->set_namespace_("ns");
  (*map.mutable_data())["k"] = "v";
  cluster.server.put("/api/v1/namespaces/ns/configmaps", map);
  cluster.server.answer = [](const FakeServer::Request& request) {
    json answer = json::parse(request.body);
    answer["status"] = {{"token", "t"}, {"expirationTimestamp", "2026-01-02T00:00:00Z"}};
    return kube::HttpResponse{201, {{"content-type", "application/json"}}, answer.dump()};
  };
  ObjectCache cache(cluster.client, cluster.random, 1min, base::Logger());
  ServiceList services(cluster.client, cluster.random, base::Logger());
  TokenCache tokens(cluster.client, cluster.random, base::Logger());
  ApiPodObjects objects(cluster.client, cache, services, tokens);
  const auto pod = std::make_shared<const api::Pod>(
      api::testing::pod_from_yaml("metadata: {name: p, namespace: ns, uid: u}\nspec: {containers: [{name: c}], "
                                  "volumes: [{name: v, configMap: {name: "
                                  "cm}}]}"));
  EXPECT_FALSE(objects.services_synced());
  objects.hold(pod);
  cluster.drain();
  EXPECT_EQ(cluster.run(objects.config_map(pod, "cm")).value()->data().at("k"), "v");
  EXPECT_EQ(cluster.run(objects.secret(pod, "s")).error().to_string(), "object \"ns\"/\"s\" not registered");
  EXPECT_EQ(cluster.run(objects.token(pod, "", 3607)).value(), "t");
  EXPECT_EQ(cluster.server.requests.back().target, "/api/v1/namespaces/ns/serviceaccounts/default/token");
  EXPECT_EQ(tokens.size(), 1u);
  objects.release("u");
  cluster.drain();
  EXPECT_EQ(tokens.size(), 0u);
  EXPECT_EQ(cluster.server.open_watches(), 0u);
  cluster.run(cache.stop());
}

TEST(ApiPodObjects, ReadsThePodsServiceAccount) {
  Cluster cluster;
  cluster.server.answer = [](const FakeServer::Request& request) {
    const bool known = request.target == "/api/v1/namespaces/ns/serviceaccounts/puller";
    const json account = {{"kind", "ServiceAccount"},
                          {"apiVersion", "v1"},
                          {"metadata", {{"name", "puller"}, {"namespace", "ns"}, {"uid", "sa-uid"}}}};
    return kube::HttpResponse{known ? 200 : 404, {{"content-type", "application/json"}}, known ? account.dump() : ""};
  };
  ObjectCache cache(cluster.client, cluster.random, 1min, base::Logger());
  ServiceList services(cluster.client, cluster.random, base::Logger());
  TokenCache tokens(cluster.client, cluster.random, base::Logger());
  ApiPodObjects objects(cluster.client, cache, services, tokens);
  api::Pod pod = api::testing::pod_from_yaml(
      "metadata: {name: p, namespace: ns, uid: u}\nspec: {serviceAccountName: puller, containers: [{name: c}]}");
  EXPECT_EQ(cluster.run(objects.service_account(std::make_shared<const api::Pod>(pod))).value()->metadata().uid(),
            "sa-uid");
  pod.mutable_spec()->set_serviceaccountname("gone");
  EXPECT_EQ(cluster.run(objects.service_account(std::make_shared<const api::Pod>(pod))).error().kind(),
            ErrorKind::not_found);
  cluster.run(cache.stop());
}

TEST(ApiPodObjects, AsksForTheTokenOfThePodsServiceAccount) {
  const api::Pod pod = api::testing::pod_from_yaml(
      "metadata: {name: p, namespace: ns, uid: u}\nspec: {serviceAccountName: sa, containers: [{name: c}]}");
  const TokenQuery expected{"ns", "sa", {"vault"}, 600, "p", "u"};
  EXPECT_EQ(token_query(pod, "vault", 600), expected);
  EXPECT_TRUE(token_query(pod, "", 600).audiences.empty());
}

}  // namespace
}  // namespace keelson::agent
