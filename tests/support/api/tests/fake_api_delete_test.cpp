// Deleting: grace, preconditions, finalizers, namespaces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "api/time.hpp"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

namespace core = api::core;

const std::string kPods = "/api/v1/namespaces/default/pods";

void set_phase(ApiWorld& world, const std::string& name, const std::string& phase) {
  auto pod = *world.api->get<api::Pod>("default", name);
  pod.mutable_status()->set_phase(phase);
  ASSERT_TRUE(world.api->update_status(pod).ok());
}

TEST(FakeApiDeletes, ABoundPodLingersForItsGrace) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x")).ok());
  const Reply reply = world.ask(kAdmin, "DELETE", kPods + "/x");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["kind"], "Pod");
  EXPECT_EQ(reply.body["metadata"]["deletionGracePeriodSeconds"], 30);
  EXPECT_EQ(reply.body["metadata"]["deletionTimestamp"], "2026-01-01T00:00:30Z");
  EXPECT_EQ(reply.body["metadata"]["generation"], 2);
  EXPECT_TRUE(world.api->get<api::Pod>("default", "x").has_value());
}

TEST(FakeApiDeletes, PodsThatNeedNoGraceGoAtOnce) {
  struct Row {
    const char* what;
    const char* node;
    const char* phase;
    std::optional<int> grace;
    bool gone;
  };
  const std::vector<Row> rows = {
      {"bound", "n", "Running", std::nullopt, false},
      {"unassigned", "", "Pending", std::nullopt, true},
      {"failed", "n", "Failed", std::nullopt, true},
      {"succeeded", "n", "Succeeded", 100, true},
      {"forced", "n", "Running", 0, true},
      {"a second", "n", "Running", 1, false},
  };
  for (const Row& row : rows) {
    ApiWorld world;
    ASSERT_TRUE(world.api->create(ApiWorld::pod("x", row.node)).ok());
    set_phase(world, "x", row.phase);
    const json body = row.grace ? json{{"gracePeriodSeconds", *row.grace}} : json::object();
    EXPECT_EQ(world.ask(kAdmin, "DELETE", kPods + "/x", body).status, 200) << row.what;
    EXPECT_EQ(!world.api->get<api::Pod>("default", "x").has_value(), row.gone) << row.what;
  }
}

TEST(FakeApiDeletes, ASecondDeletionCanOnlyShortenTheGrace) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x")).ok());
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 20).ok());
  const auto first = world.api->get<api::Pod>("default", "x");
  world.clock.advance(std::chrono::seconds(5));
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 60).ok());
  EXPECT_EQ(world.api->get<api::Pod>("default", "x")->metadata().resourceversion(),
            first->metadata().resourceversion());
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 10).ok());
  const auto second = world.api->get<api::Pod>("default", "x");
  EXPECT_EQ(second->metadata().deletiongraceperiodseconds(), 10);
  EXPECT_EQ(api::format_time(second->metadata().deletiontimestamp()), "2026-01-01T00:00:10Z");
  EXPECT_EQ(second->metadata().generation(), 2);
}

// It may have ended, but who ends it has not said yet that all is cleared away.
TEST(FakeApiDeletes, ASecondDeletionOfAPodThatHasEndedDoesNotRemoveIt) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x")).ok());
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 20).ok());
  set_phase(world, "x", "Failed");
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 10).ok());
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x").ok());
  const auto kept = world.api->get<api::Pod>("default", "x");
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->metadata().deletiongraceperiodseconds(), 10);
  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 0).ok());
  EXPECT_FALSE(world.api->get<api::Pod>("default", "x").has_value());
}

TEST(FakeApiDeletes, PreconditionsMustHold) {
  ApiWorld world;
  const auto pod = world.api->create(ApiWorld::pod("x"));
  const auto ask = [&](const json& preconditions) {
    return world.ask(kAdmin, "DELETE", kPods + "/x", json{{"gracePeriodSeconds", 0}, {"preconditions", preconditions}});
  };
  const Reply other = ask({{"uid", "other"}});
  EXPECT_EQ(other.status, 409);
  EXPECT_THAT(other.message(), ::testing::HasSubstr("Precondition failed: UID in precondition: other, UID in object "
                                                    "meta: " +
                                                    pod->metadata().uid()));
  EXPECT_EQ(ask({{"resourceVersion", "1"}}).status, 409);
  EXPECT_EQ(ask({{"uid", pod->metadata().uid()}}).status, 200);
  EXPECT_EQ(ask({{"uid", pod->metadata().uid()}}).status, 404);
}

TEST(FakeApiDeletes, FinalizersHoldAnObjectUntilTheyAreGone) {
  ApiWorld world;
  auto pod = ApiWorld::pod("x");
  pod.mutable_metadata()->add_finalizers("example.com/hold");
  ASSERT_TRUE(world.api->create(pod).ok());
  core::ConfigMap map;
  map.mutable_metadata()->set_name("m");
  map.mutable_metadata()->set_namespace_("default");
  map.mutable_metadata()->add_finalizers("example.com/hold");
  ASSERT_TRUE(world.api->create(map).ok());

  ASSERT_TRUE(world.api->remove<api::Pod>("default", "x", 0).ok());
  ASSERT_TRUE(world.api->remove<core::ConfigMap>("default", "m").ok());
  auto held = world.api->get<api::Pod>("default", "x");
  auto held_map = world.api->get<core::ConfigMap>("default", "m");
  ASSERT_TRUE(held.has_value());
  ASSERT_TRUE(held_map.has_value());
  EXPECT_TRUE(held_map->metadata().has_deletiontimestamp());

  held->mutable_metadata()->clear_finalizers();
  held_map->mutable_metadata()->clear_finalizers();
  ASSERT_TRUE(world.api->update(*held).ok());
  ASSERT_TRUE(world.api->update(*held_map).ok());
  EXPECT_FALSE(world.api->get<api::Pod>("default", "x").has_value());
  EXPECT_FALSE(world.api->get<core::ConfigMap>("default", "m").has_value());
}

TEST(FakeApiDeletes, OtherObjectsGoAtOnceAndAreAnsweredByAStatus) {
  ApiWorld world;
  const auto node = world.api->create(ApiWorld::node("n"));
  const Reply reply = world.ask(kAdmin, "DELETE", "/api/v1/nodes/n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["kind"], "Status");
  EXPECT_EQ(reply.body["status"], "Success");
  EXPECT_EQ(reply.body["details"]["uid"], node->metadata().uid());
  EXPECT_EQ(world.ask(kAdmin, "DELETE", "/api/v1/nodes/n").message(), "nodes \"n\" not found");
}

TEST(FakeApiDeletes, ACollectionIsDeletedByItsSelector) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("a", "")).ok());
  ASSERT_TRUE(world.api->create(ApiWorld::pod("b", "m")).ok());
  EXPECT_EQ(
      world.ask(kAdmin, "DELETE", kPods + "?fieldSelector=spec.nodeName%3Dm", R"({"gracePeriodSeconds":0})").status,
      200);
  EXPECT_TRUE(world.api->get<api::Pod>("default", "a").has_value());
  EXPECT_FALSE(world.api->get<api::Pod>("default", "b").has_value());
}

TEST(FakeApiDeletes, ANamespaceEndsItsPodsGracefullyAndTakesNothingNew) {
  ApiWorld world;
  core::Namespace ns;
  ns.mutable_metadata()->set_name("team");
  ASSERT_TRUE(world.api->create(ns).ok());
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x", "n", "team")).ok());
  EXPECT_EQ(world.ask(kAdmin, "DELETE", "/api/v1/namespaces/team").status, 200);

  EXPECT_EQ(world.api->get<core::Namespace>("", "team")->status().phase(), "Terminating");
  EXPECT_TRUE(world.api->get<api::Pod>("team", "x")->metadata().has_deletiontimestamp());
  EXPECT_FALSE(world.api->get<core::ServiceAccount>("team", "default").has_value());
  const auto refused = world.api->create(ApiWorld::pod("y", "n", "team"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), 403);
  EXPECT_EQ(refused.error().message(),
            "pods \"y\" is forbidden: unable to create new content in namespace team because it is being terminated");

  ASSERT_TRUE(world.api->remove<api::Pod>("team", "x", 0).ok());
  EXPECT_FALSE(world.api->get<core::Namespace>("", "team").has_value());
}

TEST(FakeApiDeletes, AnEvictionDeletesThePod) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x")).ok());
  const json body = {{"apiVersion", "policy/v1"},
                     {"kind", "Eviction"},
                     {"metadata", {{"name", "x"}, {"namespace", "default"}}},
                     {"deleteOptions", {{"gracePeriodSeconds", 7}}}};
  EXPECT_EQ(world.ask(kAdmin, "POST", kPods + "/x/eviction", body).status, 201);
  EXPECT_EQ(world.api->get<api::Pod>("default", "x")->metadata().deletiongraceperiodseconds(), 7);
}

}  // namespace
}  // namespace keelson::fakes::testing
