// Creating, updating, patching: what a v1.36 API server stores and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/json_codec.hpp"
#include "api/proto/coordination_v1.pb.h"
#include "tests/support/api/tests/fake_api_world.hpp"

namespace keelson::fakes::testing {
namespace {

namespace core = api::core;

const std::string kPods = "/api/v1/namespaces/default/pods";
constexpr const char* kStrategic = "application/strategic-merge-patch+json";

json pod_json(const std::string& name) {
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", name}}},
          {"spec", {{"containers", json::array({{{"name", "main"}, {"image", "busybox:1"}}})}}}};
}

TEST(FakeApiWrites, BeginWithTheNamespacesOfEveryCluster) {
  ApiWorld world;
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    EXPECT_EQ(world.ask(kAdmin, "GET", std::string("/api/v1/namespaces/") + name).status, 200) << name;
    EXPECT_TRUE(world.api->get<core::ServiceAccount>(name, "default").has_value()) << name;
  }
}

TEST(FakeApiWrites, ACreatedPodIsGivenWhatTheServerGivesIt) {
  ApiWorld world;
  const Reply made = world.ask(kAdmin, "POST", kPods, pod_json("x"));
  ASSERT_EQ(made.status, 201) << made.text;
  const json& meta = made.body["metadata"];
  EXPECT_EQ(meta["namespace"], "default");
  EXPECT_EQ(meta["generation"], 1);
  EXPECT_EQ(meta["uid"].get<std::string>().size(), 36u);
  EXPECT_EQ(meta["creationTimestamp"], "2026-01-01T00:00:00Z");
  EXPECT_FALSE(meta["resourceVersion"].get<std::string>().empty());
  const json& spec = made.body["spec"];
  EXPECT_EQ(spec["serviceAccountName"], "default");
  EXPECT_EQ(spec["enableServiceLinks"], true);
  EXPECT_EQ(spec["preemptionPolicy"], "PreemptLowerPriority");
  EXPECT_EQ(spec["priority"], 0);
  EXPECT_EQ(spec["tolerations"].size(), 2u);
  EXPECT_EQ(spec["tolerations"][0]["tolerationSeconds"], 300);
  EXPECT_EQ(spec["terminationGracePeriodSeconds"], 30);
  EXPECT_EQ(made.body["status"], (json{{"phase", "Pending"}, {"qosClass", "BestEffort"}}));
}

TEST(FakeApiWrites, RefusedCreationsSayWhyInTheServersWords) {
  struct Row {
    const char* what;
    std::string target;
    json body;
    int status;
    std::string message;
  };
  json bad = pod_json("bad");
  bad["spec"]["containers"][0].erase("name");
  json unnamed = pod_json("");
  unnamed["metadata"].erase("name");
  json elsewhere = pod_json("e");
  elsewhere["metadata"]["namespace"] = "other";
  const std::vector<Row> rows = {
      {"twice", kPods, pod_json("x"), 409, "pods \"x\" already exists"},
      {"no namespace", "/api/v1/namespaces/none/pods", pod_json("y"), 404, "namespaces \"none\" not found"},
      {"invalid", kPods, bad, 422, "Pod \"bad\" is invalid: spec.containers[0].name: Required value"},
      {"unnamed", kPods, unnamed, 422,
       "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required"},
      {"other namespace", kPods, elsewhere, 400,
       "the namespace of the provided object does not match the namespace sent on the request"},
  };
  ApiWorld world;
  ASSERT_EQ(world.ask(kAdmin, "POST", kPods, pod_json("x")).status, 201);
  for (const Row& row : rows) {
    const Reply reply = world.ask(kAdmin, "POST", row.target, row.body);
    EXPECT_EQ(reply.status, row.status) << row.what;
    EXPECT_EQ(reply.message(), row.message) << row.what;
    EXPECT_EQ(reply.body["kind"], "Status") << row.what;
  }
}

TEST(FakeApiWrites, GeneratedNamesDiffer) {
  ApiWorld world;
  json body = pod_json("");
  body["metadata"] = {{"generateName", "web-"}};
  const Reply first = world.ask(kAdmin, "POST", kPods, body);
  const Reply second = world.ask(kAdmin, "POST", kPods, body);
  ASSERT_EQ(second.status, 201) << second.text;
  EXPECT_TRUE(first.body["metadata"]["name"].get<std::string>().starts_with("web-"));
  EXPECT_NE(first.body["metadata"]["name"], second.body["metadata"]["name"]);
}

TEST(FakeApiWrites, UnknownFieldsAreRefusedOnlyWhenStrict) {
  ApiWorld world;
  json body = pod_json("x");
  body["spec"]["imagee"] = "y";
  const Reply strict = world.ask(kAdmin, "POST", kPods + "?fieldValidation=Strict", body);
  EXPECT_EQ(strict.status, 400);
  EXPECT_THAT(strict.message(), ::testing::HasSubstr("strict decoding error"));
  EXPECT_THAT(strict.message(), ::testing::HasSubstr("imagee"));
  EXPECT_EQ(world.ask(kAdmin, "POST", kPods, body).status, 201);
}

TEST(FakeApiWrites, ANodeThatIsNotReadyIsTainted) {
  ApiWorld world;
  const auto made = world.api->create(ApiWorld::node("n"));
  ASSERT_TRUE(made.ok());
  ASSERT_EQ(made->spec().taints_size(), 1);
  EXPECT_EQ(made->spec().taints(0).key(), "node.kubernetes.io/not-ready");
  core::Node ready = ApiWorld::node("m");
  auto& condition = *ready.mutable_status()->add_conditions();
  condition.set_type("Ready");
  condition.set_status("True");
  const auto second = world.api->create(ready);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->spec().taints_size(), 0);
}

TEST(FakeApiWrites, AnUpdateOfAnOldVersionConflicts) {
  ApiWorld world;
  const auto pod = world.api->create(ApiWorld::pod("x"));
  ASSERT_TRUE(pod.ok());
  auto labelled = *pod;
  (*labelled.mutable_metadata()->mutable_labels())["a"] = "1";
  ASSERT_TRUE(world.api->update(labelled).ok());
  const Reply reply = world.ask(kAdmin, "PUT", kPods + "/x", api::encode_json(*pod));
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.reason(), "Conflict");
  EXPECT_EQ(reply.message(),
            "Operation cannot be fulfilled on pods \"x\": the object has been modified; please apply your changes to "
            "the latest version and try again");
}

TEST(FakeApiWrites, SpecAndStatusAreWrittenApart) {
  ApiWorld world;
  auto pod = *world.api->create(ApiWorld::pod("x"));
  auto changed = pod;
  changed.mutable_spec()->mutable_containers(0)->set_image("busybox:2");
  changed.mutable_status()->set_phase("Running");
  const auto updated = world.api->update(changed);
  ASSERT_TRUE(updated.ok());
  EXPECT_EQ(updated->spec().containers(0).image(), "busybox:2");
  EXPECT_EQ(updated->status().phase(), "Pending");
  EXPECT_EQ(updated->metadata().generation(), 2);

  changed = *updated;
  changed.mutable_spec()->mutable_containers(0)->set_image("busybox:3");
  changed.mutable_status()->set_phase("Running");
  const auto status = world.api->update_status(changed);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->spec().containers(0).image(), "busybox:2");
  EXPECT_EQ(status->status().phase(), "Running");
  EXPECT_EQ(status->metadata().generation(), 2);
}

TEST(FakeApiWrites, NothingChangedKeepsTheVersion) {
  ApiWorld world;
  const auto pod = world.api->create(ApiWorld::pod("x"));
  const auto again = world.api->update(*pod);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->metadata().resourceversion(), pod->metadata().resourceversion());
  const Reply patched = world.ask(kAdmin, "PATCH", kPods + "/x/status", "{}", kStrategic);
  EXPECT_EQ(patched.status, 200);
  EXPECT_EQ(patched.body["metadata"]["resourceVersion"], pod->metadata().resourceversion());
}

TEST(FakeApiWrites, MostOfAPodsSpecCannotChange) {
  ApiWorld world;
  auto pod = *world.api->create(ApiWorld::pod("x"));
  pod.mutable_spec()->mutable_containers(0)->add_command("sh");
  const auto refused = world.api->update(pod);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), 422);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("pod updates may not change fields other than"));
}

TEST(FakeApiWrites, AStrategicPatchMergesConditionsByType) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x")).ok());
  const auto patch = [&](const json& body) {
    return world.ask(kAdmin, "PATCH", kPods + "/x/status", body.dump(), kStrategic);
  };
  ASSERT_EQ(patch({{"status",
                    {{"conditions", json::array({{{"type", "Ready"}, {"status", "False"}},
                                                 {{"type", "Initialized"}, {"status", "True"}}})}}}})
                .status,
            200);
  const Reply second = patch({{"status", {{"conditions", json::array({{{"type", "Ready"}, {"status", "True"}}})}}}});
  ASSERT_EQ(second.status, 200) << second.text;
  const json& conditions = second.body["status"]["conditions"];
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(conditions[0]["status"], "True");
  EXPECT_EQ(conditions[1]["type"], "Initialized");
}

TEST(FakeApiWrites, APatchOfAnotherUidConflicts) {
  ApiWorld world;
  const auto pod = world.api->create(ApiWorld::pod("x"));
  const Reply reply = world.ask(kAdmin, "PATCH", kPods + "/x/status", R"({"metadata":{"uid":"other"}})", kStrategic);
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(reply.reason(), "Conflict");
  EXPECT_THAT(reply.message(), ::testing::HasSubstr("Precondition failed: UID in precondition: other, UID in object "
                                                    "meta: " +
                                                    pod->metadata().uid()));
}

TEST(FakeApiWrites, PatchLanguagesAreToldByTheContentType) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x")).ok());
  const std::string target = kPods + "/x";
  EXPECT_EQ(world.ask(kAdmin, "PATCH", target, R"({"metadata":{"labels":{"a":"1"}}})", "application/merge-patch+json")
                .body["metadata"]["labels"],
            (json{{"a", "1"}}));
  EXPECT_EQ(world
                .ask(kAdmin, "PATCH", target, R"([{"op":"add","path":"/metadata/labels/b","value":"2"}])",
                     "application/json-patch+json")
                .body["metadata"]["labels"],
            (json{{"a", "1"}, {"b", "2"}}));
  EXPECT_EQ(world.ask(kAdmin, "PATCH", target, "metadata:\n  labels:\n    c: '3'\n", "application/apply-patch+yaml")
                .body["metadata"]["labels"]["c"],
            "3");
  EXPECT_EQ(world.ask(kAdmin, "PATCH", target, "x", "application/vnd.kubernetes.protobuf").status, 415);
  EXPECT_EQ(world.ask(kAdmin, "PATCH", target, "{", "application/merge-patch+json").status, 400);
  EXPECT_EQ(world.ask(kAdmin, "PATCH", kPods + "/none", "{}", kStrategic).status, 404);
}

TEST(FakeApiWrites, ServerSideApplyCreatesWhatIsNotThere) {
  ApiWorld world;
  const Reply made =
      world.ask(kAdmin, "PATCH", kPods + "/x?fieldManager=t", pod_json("x").dump(), "application/apply-patch+yaml");
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_TRUE(world.api->get<api::Pod>("default", "x").has_value());
}

TEST(FakeApiWrites, ALeaseIsUpdatedByItsVersionOnly) {
  ApiWorld world;
  k8s::coordination::v1::Lease lease;
  lease.mutable_metadata()->set_name("n");
  lease.mutable_metadata()->set_namespace_("kube-node-lease");
  lease.mutable_spec()->set_holderidentity("n");
  auto made = world.api->create(lease);
  ASSERT_TRUE(made.ok());
  const auto without = world.api->update(lease);
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.error().code(), 422);
  made->mutable_spec()->set_leasedurationseconds(40);
  EXPECT_TRUE(world.api->update(*made).ok());
}

TEST(FakeApiWrites, ADryRunLeavesNoTrace) {
  ApiWorld world;
  EXPECT_EQ(world.ask(kAdmin, "POST", kPods + "?dryRun=All", pod_json("x")).status, 201);
  EXPECT_FALSE(world.api->get<api::Pod>("default", "x").has_value());
}

TEST(FakeApiWrites, BindingAssignsAPodOnce) {
  ApiWorld world;
  ASSERT_TRUE(world.api->create(ApiWorld::pod("x", "")).ok());
  const json binding = {{"apiVersion", "v1"},
                        {"kind", "Binding"},
                        {"metadata", {{"name", "x"}}},
                        {"target", {{"kind", "Node"}, {"name", "n"}}}};
  EXPECT_EQ(world.ask(kAdmin, "POST", kPods + "/x/binding", binding).status, 201);
  const auto pod = world.api->get<api::Pod>("default", "x");
  EXPECT_EQ(pod->spec().nodename(), "n");
  ASSERT_EQ(pod->status().conditions_size(), 1);
  EXPECT_EQ(pod->status().conditions(0).type(), "PodScheduled");
  EXPECT_EQ(world.ask(kAdmin, "POST", kPods + "/x/binding", binding).status, 409);
  EXPECT_FALSE(world.api->bind("default", "x", "m").ok());
}

TEST(FakeApiWrites, TheLogHoldsBinaryBodiesAsJson) {
  ApiWorld world;
  const std::string binary = api::encode_binary(ApiWorld::pod("x"));
  const Reply made = world.ask(kAdmin, "POST", kPods, binary, "application/vnd.kubernetes.protobuf",
                               "application/vnd.kubernetes.protobuf");
  ASSERT_EQ(made.status, 201);
  EXPECT_TRUE(api::decode_binary(made.text).ok());
  const ApiLogEntry& entry = world.api->log().back();
  EXPECT_EQ(entry.verb, "create");
  EXPECT_EQ(entry.status, 201);
  EXPECT_EQ(entry.user, "admin");
  EXPECT_EQ(json::parse(entry.body)["metadata"]["name"], "x");
  EXPECT_EQ(json::parse(entry.body)["kind"], "Pod");
}

TEST(FakeApiWrites, PodsGetTheirTokenVolumeWhenThatIsSwitchedOn) {
  ApiWorld world;
  world.api->mount_service_account_tokens(true);
  const auto pod = world.api->create(ApiWorld::pod("x"));
  ASSERT_TRUE(pod.ok());
  ASSERT_EQ(pod->spec().volumes_size(), 1);
  EXPECT_TRUE(pod->spec().volumes(0).name().starts_with("kube-api-access-"));
  EXPECT_EQ(pod->spec().containers(0).volumemounts(0).mountpath(), "/var/run/secrets/kubernetes.io/serviceaccount");
}

}  // namespace
}  // namespace keelson::fakes::testing
