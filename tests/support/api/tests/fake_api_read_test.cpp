// Lists and watches: selectors, pages, versions, bookmarks, forms of answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "kube-client/resource.hpp"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

namespace core = api::core;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kAll = "/api/v1/pods";
const std::string kPods = "/api/v1/namespaces/default/pods";
const std::string kInitial =
    "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
constexpr const char* kProtobuf = "application/vnd.kubernetes.protobuf,application/json";

std::vector<std::string> names(const Reply& reply) {
  std::vector<std::string> out;
  for (const json& item : reply.body["items"]) out.push_back(item["metadata"]["name"]);
  return out;
}

void label(ApiWorld& world, const std::string& name, const std::string& value) {
  auto pod = *world.api->get<api::Pod>("default", name);
  (*pod.mutable_metadata()->mutable_labels())["app"] = value;
  ASSERT_TRUE(world.api->update(pod).ok());
}

TEST(FakeApiReads, ListsAreSelectedByFieldsAndLabels) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("a", "n")).ok());
  ASSERT_TRUE(world.api->create(ApiWorld::pod("b", "m")).ok());
  ASSERT_TRUE(world.api->create(ApiWorld::pod("c", "n", "kube-system")).ok());
  label(world, "b", "web");
  EXPECT_THAT(names(world.ask(kAdmin, "GET", kAll)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(names(world.ask(kAdmin, "GET", kPods)), ElementsAre("a", "b"));
  EXPECT_THAT(names(world.ask(kAdmin, "GET", kAll + "?fieldSelector=spec.nodeName%3Dn")), ElementsAre("a", "c"));
  EXPECT_THAT(names(world.ask(kAdmin, "GET", kAll + "?fieldSelector=metadata.name%3Db,status.phase%3DPending")),
              ElementsAre("b"));
  EXPECT_THAT(names(world.ask(kAdmin, "GET", kAll + "?labelSelector=app+in+(web)")), ElementsAre("b"));
  const Reply bad = world.ask(kAdmin, "GET", kAll + "?fieldSelector=spec.color%3Dred");
  EXPECT_EQ(bad.status, 400);
  EXPECT_EQ(bad.message(), "field label not supported: spec.color");
}

TEST(FakeApiReads, EventsAreFoundByWhatTheyAreAbout) {
  ApiWorld world;
  for (const char* about : {"x", "y"}) {
    core::Event event;
    event.mutable_metadata()->set_name(std::string("event-") + about);
    event.mutable_metadata()->set_namespace_("default");
    event.mutable_involvedobject()->set_kind("Pod");
    event.mutable_involvedobject()->set_name(about);
    event.mutable_source()->set_component("kubelet");
    ASSERT_TRUE(world.api->create(event).ok());
  }
  const std::string target = "/api/v1/namespaces/default/events?fieldSelector=";
  EXPECT_THAT(names(world.ask(kAdmin, "GET", target + "involvedObject.name%3Dx,involvedObject.kind%3DPod")),
              ElementsAre("event-x"));
  EXPECT_THAT(names(world.ask(kAdmin, "GET", target + "source%3Dscheduler")), IsEmpty());
}

TEST(FakeApiReads, AListComesInPagesOfOneVersion) {
  ApiWorld world;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(world.api->create(ApiWorld::pod(name, "")).ok());
  const Reply first = world.ask(kAdmin, "GET", kPods + "?limit=2");
  EXPECT_THAT(names(first), ElementsAre("a", "b"));
  EXPECT_EQ(first.body["metadata"]["remainingItemCount"], 1);
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "c").ok());
  const std::string next = first.body["metadata"]["continue"];
  const Reply second = world.ask(kAdmin, "GET", kPods + "?limit=2&continue=" + kube::url_encode(next));
  EXPECT_THAT(names(second), ElementsAre("c"));
  EXPECT_EQ(second.body["metadata"]["resourceVersion"], first.body["metadata"]["resourceVersion"]);
  EXPECT_FALSE(second.body["metadata"].contains("continue"));

  world.api->compact();
  const Reply late = world.ask(kAdmin, "GET", kPods + "?limit=2&continue=" + kube::url_encode(next));
  EXPECT_EQ(late.status, 410);
  EXPECT_EQ(late.reason(), "Expired");
}

TEST(FakeApiReads, VersionsOfListsAreHeeded) {
  ApiWorld world;
  const auto a = world.api->create(ApiWorld::pod("a", ""));
  ASSERT_TRUE(world.api->create(ApiWorld::pod("b", "")).ok());
  EXPECT_THAT(names(world.ask(kAdmin, "GET", kPods + "?resourceVersion=0")), ElementsAre("a", "b"));
  EXPECT_THAT(
      names(world.ask(kAdmin, "GET",
                      kPods + "?resourceVersionMatch=Exact&resourceVersion=" + a->metadata().resourceversion())),
      ElementsAre("a"));
  const Reply future = world.ask(kAdmin, "GET", kPods + "?resourceVersion=100000");
  EXPECT_EQ(future.status, 504);
  EXPECT_THAT(future.message(), HasSubstr("Too large resource version"));
}

TEST(FakeApiReads, FormsFollowTheAcceptHeader) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("a")).ok());
  const auto get = [&](const std::string& target, const std::string& accept) {
    return world.ask(kAdmin, "GET", target, "", "", accept);
  };
  const Reply binary = get(kPods, kProtobuf);
  EXPECT_EQ(binary.content_type, "application/vnd.kubernetes.protobuf");
  auto list = api::decode_binary(binary.text);
  ASSERT_TRUE(list.ok()) << list.error().message();
  ASSERT_NE(list->as<core::PodList>(), nullptr);
  EXPECT_EQ(list->as<core::PodList>()->items(0).metadata().name(), "a");
  EXPECT_FALSE(list->as<core::PodList>()->metadata().resourceversion().empty());

  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  EXPECT_EQ(get(kPods, table).body["kind"], "Table");
  EXPECT_EQ(get(kPods + "/a", table).body["rows"][0]["cells"][0], "a");
  EXPECT_EQ(get(kPods, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").body["kind"],
            "PartialObjectMetadataList");
  EXPECT_EQ(get(kPods + "/a", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").body["kind"],
            "PartialObjectMetadata");
  EXPECT_EQ(get(kPods, "*/*").body["kind"], "PodList");
  EXPECT_FALSE(get(kPods, "*/*").body["items"][0].contains("kind"));
  EXPECT_EQ(get(kPods, "text/html").status, 406);

  world.api->offer_protobuf(false);
  EXPECT_EQ(get(kPods, kProtobuf).content_type, "application/json");
  EXPECT_EQ(get(kPods, "application/vnd.kubernetes.protobuf").status, 406);
  EXPECT_EQ(world.ask(kAdmin, "POST", kPods, "k8s", "application/vnd.kubernetes.protobuf").status, 415);
}

TEST(FakeApiReads, ErrorsComeAsProtobufToThoseWhoAskForIt) {
  ApiWorld world;
  const Reply reply = world.ask(kAdmin, "GET", kPods + "/none", "", "", kProtobuf);
  EXPECT_EQ(reply.status, 404);
  auto status = api::decode_binary(reply.text);
  ASSERT_TRUE(status.ok());
  ASSERT_NE(status->as<api::meta::Status>(), nullptr);
  EXPECT_EQ(status->as<api::meta::Status>()->message(), "pods \"none\" not found");
}

TEST(FakeApiWatches, AWatchListBeginsWithWhatThereIsAndSaysWhenThatIsAll) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("a")).ok());
  for (const char* accept : {"application/json", kProtobuf}) {
    auto watch = world.watch(kAll + "?" + kInitial, accept);
    EXPECT_THAT(watch->take(), ElementsAre("ADDED a", "BOOKMARK initial")) << accept;
    label(world, "a", accept);
    EXPECT_THAT(watch->take(), ElementsAre("MODIFIED a")) << accept;
    EXPECT_EQ(world.api->open_watches(), 1u);
  }
  EXPECT_EQ(world.api->open_watches(), 0u);
}

TEST(FakeApiWatches, OlderServersRefuseWatchLists) {
  ApiWorld world;
  world.api->offer_watch_list(false);
  const Reply reply = world.ask(kAdmin, "GET", kAll + "?" + kInitial);
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(reply.reason(), "Invalid");
  EXPECT_THAT(reply.message(), HasSubstr("sendInitialEvents"));
}

TEST(FakeApiWatches, WhatEntersOrLeavesTheSelectionIsAddedOrDeleted) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("a", "")).ok());
  auto bound = world.watch(kAll + "?watch=1&fieldSelector=spec.nodeName%3Dn&resourceVersion=0");
  auto web = world.watch(kAll + "?watch=1&labelSelector=app%3Dweb");
  ASSERT_TRUE(world.api->bind("default", "a", "n").ok());
  EXPECT_THAT(bound->take(), ElementsAre("ADDED a"));
  label(world, "a", "web");
  EXPECT_THAT(web->take(), ElementsAre("ADDED a"));
  label(world, "a", "db");
  EXPECT_THAT(web->take(), ElementsAre("DELETED a"));
  EXPECT_EQ(web->events().back()["object"]["metadata"]["labels"]["app"], "web");
  EXPECT_THAT(bound->take(), ElementsAre("MODIFIED a", "MODIFIED a"));
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "a", 0).ok());
  EXPECT_THAT(bound->take(), ElementsAre("DELETED a"));
  EXPECT_THAT(web->take(), IsEmpty());
}

TEST(FakeApiWatches, AWatchGoesOnFromItsVersion) {
  ApiWorld world;
  const auto a = world.api->create(ApiWorld::pod("a", ""));
  ASSERT_TRUE(world.api->create(ApiWorld::pod("b", "")).ok());
  const std::string target = kAll + "?watch=true&resourceVersion=" + a->metadata().resourceversion();
  EXPECT_THAT(world.watch(target)->take(), ElementsAre("ADDED b"));
  world.api->compact();
  auto late = world.watch(target);
  EXPECT_THAT(late->take(), ElementsAre("ERROR 410"));
  EXPECT_TRUE(late->ended());
  EXPECT_EQ(late->events()[0]["object"]["reason"], "Expired");
  EXPECT_THAT(late->events()[0]["object"]["message"], HasSubstr("too old resource version"));
}

TEST(FakeApiWatches, BookmarksComeEachMinuteAndAtTheEnd) {
  ApiWorld world;
  auto watch = world.watch(kAll + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=150");
  auto without = world.watch(kAll + "?watch=true&timeoutSeconds=150");
  world.clock.advance(std::chrono::seconds(59));
  EXPECT_THAT(watch->take(), IsEmpty());
  world.clock.advance(std::chrono::seconds(1));
  EXPECT_THAT(watch->take(), ElementsAre("BOOKMARK"));
  world.clock.advance(std::chrono::seconds(89));
  EXPECT_THAT(watch->take(), ElementsAre("BOOKMARK"));
  EXPECT_FALSE(watch->ended());
  world.clock.advance(std::chrono::seconds(1));
  EXPECT_THAT(watch->take(), ElementsAre("BOOKMARK"));
  EXPECT_TRUE(watch->ended());
  EXPECT_THAT(without->take(), IsEmpty());
  EXPECT_TRUE(without->ended());
}

TEST(FakeApiWatches, AreCutByTheTestAndEndWithTheServer) {
  ApiWorld world;
  auto pods = world.watch(kAll + "?watch=true");
  auto nodes = world.watch("/api/v1/nodes?watch=true");
  world.api->cut_watches("pods");
  world.settle();
  EXPECT_TRUE(pods->ended());
  EXPECT_FALSE(nodes->ended());
  world.api.reset();
  world.settle();
  EXPECT_TRUE(nodes->ended());
}

TEST(FakeApiWatches, TellListenersOfEveryChange) {
  ApiWorld world;
  std::vector<std::string> told;
  world.api->on_change([&](const std::string& type, const google::protobuf::Message& object) {
    told.push_back(type + " " + object.GetDescriptor()->name());
  });
  ASSERT_TRUE(world.api->create(ApiWorld::pod("a", "")).ok());
  label(world, "a", "x");
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "a").ok());
  EXPECT_THAT(told, ElementsAre("ADDED Pod", "MODIFIED Pod", "DELETED Pod"));
}

TEST(FakeApiTables, ShowPodsNodesAndEventsAsKubectlKnowsThem) {
  ApiWorld world;
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  auto pod = *world.api->create(ApiWorld::pod("a"));
  auto& status = *pod.mutable_status()->add_containerstatuses();
  status.set_name("main");
  status.set_restartcount(3);
  status.mutable_state()->mutable_waiting()->set_reason("CrashLoopBackOff");
  pod.mutable_status()->set_phase("Running");
  ASSERT_TRUE(world.api->update_status(pod).ok());
  ASSERT_TRUE(world.api->create(ApiWorld::node("n")).ok());
  world.clock.advance(std::chrono::minutes(5));

  const json pods = world.ask(kAdmin, "GET", kPods, "", "", table).body;
  EXPECT_EQ(pods["columnDefinitions"][2]["name"], "Status");
  const json cells = pods["rows"][0]["cells"];
  EXPECT_EQ(std::vector<json>(cells.begin(), cells.begin() + 5),
            (std::vector<json>{"a", "0/1", "CrashLoopBackOff", "3", "5m"}));
  EXPECT_EQ(pods["rows"][0]["object"]["kind"], "PartialObjectMetadata");
  const json nodes = world.ask(kAdmin, "GET", "/api/v1/nodes", "", "", table).body;
  EXPECT_EQ(nodes["rows"][0]["cells"][1], "Unknown");

  auto watch = world.watch(kPods + "?watch=true", table);
  EXPECT_THAT(watch->take(), ElementsAre("ADDED Table 1"));
}

TEST(FakeApiDiscovery, NamesEveryResource) {
  ApiWorld world;
  const json core_list = world.ask(kAdmin, "GET", "/api/v1").body;
  EXPECT_EQ(core_list["kind"], "APIResourceList");
  std::vector<std::string> found;
  for (const json& resource : core_list["resources"]) found.push_back(resource["name"]);
  EXPECT_THAT(found, ::testing::IsSupersetOf({"pods", "pods/status", "pods/eviction", "nodes", "serviceaccounts/token",
                                              "secrets", "events"}));
  const json groups = world.ask(kAdmin, "GET", "/apis").body;
  for (const json& group : groups["groups"]) {
    const std::string name = group["name"];
    for (const json& version : group["versions"]) {
      const std::string whole = version["groupVersion"];
      EXPECT_EQ(world.ask(kAdmin, "GET", "/apis/" + whole).body["groupVersion"], whole);
    }
    EXPECT_EQ(group["preferredVersion"]["version"], "v1");
    EXPECT_EQ(world.ask(kAdmin, "GET", "/apis/" + name).body["kind"], "APIGroup");
  }
  EXPECT_EQ(world.ask(kAdmin, "GET", "/api").body["versions"], json::array({"v1"}));
  EXPECT_EQ(world.ask(kAdmin, "GET", "/apis/authentication.k8s.io/v1").body["resources"][0]["verbs"],
            json::array({"create"}));
  const json beta = world.ask(kAdmin, "GET", "/apis/certificates.k8s.io/v1beta1").body["resources"];
  EXPECT_EQ(beta.size(), 3u);
  EXPECT_EQ(beta[0]["name"], "clustertrustbundles");
  EXPECT_EQ(world.ask(kAdmin, "GET", "/version").body["minor"], "36");
  EXPECT_EQ(world.ask(kAdmin, "GET", "/version", "", "", "application/vnd.kubernetes.protobuf").status, 406);
  for (const char* path : {"/healthz", "/livez", "/readyz"}) EXPECT_EQ(world.ask(kAdmin, "GET", path).text, "ok");
  EXPECT_EQ(world.ask(kAdmin, "GET", "/openapi/v2").status, 404);
  const json openapi = world.ask(kAdmin, "GET", "/openapi/v3/api/v1").body;
  EXPECT_EQ(openapi["paths"]["/api/v1/namespaces/NAMESPACE/pods/NAME"]["patch"]["parameters"][0]["name"],
            "fieldValidation");
  EXPECT_EQ(world.ask(kAdmin, "GET", "/apis/example.com/v1/things").status, 404);
  EXPECT_EQ(world.ask(kAdmin, "GET", "/nowhere").status, 404);
}

}  // namespace
}  // namespace keelson::fakes::testing
