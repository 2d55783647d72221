// Strategic merge patches as tables: what a difference looks like, what applying one gives.
#include <gtest/gtest.h>

#include "api/node_edit.hpp"
#include "api/objects.hpp"
#include "api/patch.hpp"
#include "api/proto/storage_v1.pb.h"

namespace keelson::api {
namespace {

Node tree(std::string_view text) {
  auto node = parse_json(text);
  EXPECT_TRUE(node.ok()) << text << ": " << node.error().to_string();
  return node.value_or(Node());
}

using Descriptor = google::protobuf::Descriptor;
const Descriptor* pod() { return core::Pod::descriptor(); }
const Descriptor* node() { return core::Node::descriptor(); }

struct DiffRow {
  const char* what;
  const Descriptor* type;
  const char* from;
  const char* to;
  const char* patch;
};

const DiffRow kDiffs[] = {
    {"nothing", pod(), R"({"a":1,"b":{"c":[1]}})", R"({"b":{"c":[1]},"a":1})", R"({})"},
    {"changed, new and vanished members", pod(), R"({"status":{"phase":"Pending","reason":"R"}})",
     R"({"status":{"phase":"Running","podIP":"1"}})", R"({"status":{"phase":"Running","podIP":"1","reason":null}})"},
    {"a list that merges, new as a whole", pod(), R"({"status":{}})",
     R"({"status":{"conditions":[{"type":"B","status":"True"},{"type":"A"}]}})",
     R"({"status":{"conditions":[{"status":"True","type":"B"},{"type":"A"}]}})"},
    {"one changed element of a merging list", pod(),
     R"({"status":{"conditions":[{"type":"B","status":"True","reason":"R"},{"type":"A"}]}})",
     R"({"status":{"conditions":[{"type":"B","status":"False"},{"type":"A"}]}})",
     R"({"status":{"$setElementOrder/conditions":[{"type":"B"},{"type":"A"}],)"
     R"("conditions":[{"reason":null,"status":"False","type":"B"}]}})"},
    {"only the order", pod(), R"({"status":{"conditions":[{"type":"B"},{"type":"A"}]}})",
     R"({"status":{"conditions":[{"type":"A"},{"type":"B"}]}})",
     R"({"status":{"$setElementOrder/conditions":[{"type":"A"},{"type":"B"}]}})"},
    {"an address replaced", pod(), R"({"status":{"podIPs":[{"ip":"1"}]}})", R"({"status":{"podIPs":[{"ip":"2"}]}})",
     R"({"status":{"$setElementOrder/podIPs":[{"ip":"2"}],"podIPs":[{"ip":"2"},{"$patch":"delete","ip":"1"}]}})"},
    {"all elements gone, the list not", pod(), R"({"status":{"podIPs":[{"ip":"1"}]}})", R"({"status":{"podIPs":[]}})",
     R"({"status":{"podIPs":[{"$patch":"delete","ip":"1"}]}})"},
    {"the list gone", pod(), R"({"status":{"podIPs":[{"ip":"1"}]}})", R"({"status":{}})",
     R"({"status":{"podIPs":null}})"},
    {"a list that does not merge", pod(), R"({"status":{"containerStatuses":[{"name":"a"},{"name":"b"}]}})",
     R"({"status":{"containerStatuses":[{"name":"a"},{"name":"b","ready":true}]}})",
     R"({"status":{"containerStatuses":[{"name":"a"},{"name":"b","ready":true}]}})"},
    {"taints do not merge", node(), R"({"spec":{"taints":[{"key":"a"}]}})",
     R"({"spec":{"taints":[{"key":"a"},{"key":"b"}]}})", R"({"spec":{"taints":[{"key":"a"},{"key":"b"}]}})"},
    {"scalars that merge", pod(), R"({"metadata":{"finalizers":["c","b","a"]}})",
     R"({"metadata":{"finalizers":["d","b"]}})",
     R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a","c"],"$setElementOrder/finalizers":["d","b"],)"
     R"("finalizers":["d"]}})"},
    {"the order of scalars", pod(), R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"metadata":{"finalizers":["b","a"]}})", R"({"metadata":{"$setElementOrder/finalizers":["b","a"]}})"},
    {"merging lists in merging lists", pod(),
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"1"}]},{"name":"b"}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"2"},{"name":"Y","value":"1"}]},{"name":"b"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[)"
     R"({"$setElementOrder/env":[{"name":"X"},{"name":"Y"}],"env":[{"name":"X","value":"2"}],"name":"a"}]}})"},
    {"ports by number", pod(), R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80}]}]}})",
     R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"web"}]}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[)"
     R"({"$setElementOrder/ports":[{"containerPort":80}],"name":"a","ports":[{"containerPort":80,"name":"web"}]}]}})"},
    {"ephemeral containers: fields of the inlined struct", pod(),
     R"({"spec":{"ephemeralContainers":[{"name":"d","env":[{"name":"X"}]}]}})",
     R"({"spec":{"ephemeralContainers":[{"name":"d","env":[{"name":"X"},{"name":"Y"}]}]}})",
     R"({"spec":{"$setElementOrder/ephemeralContainers":[{"name":"d"}],"ephemeralContainers":[)"
     R"({"$setElementOrder/env":[{"name":"X"},{"name":"Y"}],"env":[{"name":"Y"}],"name":"d"}]}})"},
    {"a volume keeps only its new source", pod(), R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}]}})",
     R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})",
     R"({"spec":{"$setElementOrder/volumes":[{"name":"v"}],"volumes":[)"
     R"({"$retainKeys":["hostPath","name"],"emptyDir":null,"hostPath":{"path":"/x"},"name":"v"}]}})"},
    {"two elements of one key: the whole list", node(),
     R"({"status":{"addresses":[{"type":"InternalIP","address":"1"}]}})",
     R"({"status":{"addresses":[{"type":"InternalIP","address":"1"},{"type":"InternalIP","address":"::1"}]}})",
     R"({"status":{"addresses":[{"address":"1","type":"InternalIP"},{"address":"::1","type":"InternalIP"},)"
     R"({"$patch":"replace"}]}})"},
    {"an element without its key: the whole list", pod(), R"({"spec":{"hostAliases":[{"ip":"1"}]}})",
     R"({"spec":{"hostAliases":[{"hostnames":["x"]}]}})",
     R"({"spec":{"hostAliases":[{"hostnames":["x"]},{"$patch":"replace"}]}})"},
    {"maps of scalars", core::ConfigMap::descriptor(), R"({"data":{"a":"1","b":"2"}})", R"({"data":{"b":"3","c":"4"}})",
     R"({"data":{"a":null,"b":"3","c":"4"}})"},
    {"drivers of a CSINode", k8s::storage::v1::CSINode::descriptor(),
     R"({"spec":{"drivers":[{"name":"a","nodeID":"n"}]}})",
     R"({"spec":{"drivers":[{"name":"a","nodeID":"n"},{"name":"b","nodeID":"n"}]}})",
     R"({"spec":{"$setElementOrder/drivers":[{"name":"a"},{"name":"b"}],"drivers":[{"name":"b","nodeID":"n"}]}})"},
    {"another kind of value", pod(), R"({"a":{"b":1},"c":[1]})", R"({"a":"x","c":null})", R"({"a":"x","c":null})"},
    {"a type without rules", nullptr, R"({"l":[{"name":"a"}],"m":{"x":1,"y":2}})",
     R"({"l":[{"name":"a","v":1}],"m":{"x":1,"y":3}})", R"({"l":[{"name":"a","v":1}],"m":{"y":3}})"},
};

TEST(StrategicMergeDiff, HoldsOnlyWhatChanged) {
  for (const DiffRow& row : kDiffs) {
    EXPECT_EQ(to_json(strategic_merge_diff(tree(row.from), tree(row.to), row.type)), row.patch) << row.what;
  }
}

// Members that are null on purpose cannot come through a patch.
bool survives(const DiffRow& row) { return std::string_view(row.to).find("null") == std::string_view::npos; }

TEST(StrategicMergeDiff, GivesBackTheNewObjectWhenApplied) {
  for (const DiffRow& row : kDiffs) {
    if (!survives(row)) continue;
    const auto result = strategic_merge_apply(tree(row.from), tree(row.patch), row.type);
    ASSERT_TRUE(result.ok()) << row.what << ": " << result.error().to_string();
    EXPECT_TRUE(internal::equal(*result, tree(row.to))) << row.what << ": " << to_json(*result);
  }
}

TEST(StrategicMergeApply, FollowsDirectivesAndOrders) {
  const DiffRow rows[] = {
      // original, patch, result
      {"null deletes, unknown nulls are nothing", pod(), R"({"a":1,"b":2})", R"({"a":null,"c":null,"d":{"e":null}})",
       R"({"b":2,"d":{}})"},
      {"replace an object", pod(), R"({"metadata":{"labels":{"a":"1"},"name":"p"}})",
       R"({"metadata":{"labels":{"$patch":"replace","b":"2"}}})", R"({"metadata":{"labels":{"b":"2"},"name":"p"}})"},
      {"empty an object", pod(), R"({"metadata":{"labels":{"a":"1"}}})",
       R"({"metadata":{"labels":{"$patch":"delete"}}})", R"({"metadata":{"labels":{}}})"},
      {"merge is what happens anyway", pod(), R"({"metadata":{"labels":{"a":"1"}}})",
       R"({"metadata":{"labels":{"$patch":"merge","b":"2"}}})", R"({"metadata":{"labels":{"a":"1","b":"2"}}})"},
      {"directives without an original", pod(), R"({})",
       R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","x":null}],)"
       R"("volumes":[{"name":"v","$retainKeys":["name"]},{"name":"w","$patch":"delete"}]}})",
       R"({"spec":{"containers":[{"name":"a"}],"volumes":[{"name":"v"}]}})"},
      {"a merging list without an order: new ones first as given", pod(),
       R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b"}]}})",
       R"({"spec":{"containers":[{"name":"c"},{"name":"a","image":"2"}]}})",
       R"({"spec":{"containers":[{"name":"c"},{"name":"a","image":"2"},{"name":"b"}]}})"},
      {"what the order does not name keeps its place", pod(),
       R"({"status":{"conditions":[{"type":"x"},{"type":"A"},{"type":"y"},{"type":"B"},{"type":"z"}]}})",
       R"({"status":{"$setElementOrder/conditions":[{"type":"A"},{"type":"B"},{"type":"C"}],)"
       R"("conditions":[{"type":"C"}]}})",
       R"({"status":{"conditions":[{"type":"x"},{"type":"A"},{"type":"y"},{"type":"B"},{"type":"C"},{"type":"z"}]}})"},
      {"an order that turns elements round", pod(),
       R"({"status":{"conditions":[{"type":"A"},{"type":"x"},{"type":"B"}]}})",
       R"({"status":{"$setElementOrder/conditions":[{"type":"B"},{"type":"A"}]}})",
       R"({"status":{"conditions":[{"type":"x"},{"type":"B"},{"type":"A"}]}})"},
      {"an order about nothing", pod(), R"({"status":{}})",
       R"({"status":{"$setElementOrder/conditions":[{"type":"B"}]}})", R"({"status":{}})"},
      {"a list is deleted by null beside its order", pod(), R"({"status":{"conditions":[{"type":"A"}]}})",
       R"({"status":{"$setElementOrder/conditions":[],"conditions":null}})", R"({"status":{}})"},
      {"delete one element", pod(), R"({"metadata":{"ownerReferences":[{"uid":"1"},{"uid":"2"}]}})",
       R"({"metadata":{"ownerReferences":[{"$patch":"delete","uid":"1"}]}})",
       R"({"metadata":{"ownerReferences":[{"uid":"2"}]}})"},
      {"replace a merging list", node(), R"({"status":{"addresses":[{"type":"Hostname","address":"h"}]}})",
       R"({"status":{"addresses":[{"type":"InternalIP","address":"1"},{"type":"InternalIP","address":"2"},)"
       R"({"$patch":"replace"}]}})",
       R"({"status":{"addresses":[{"type":"InternalIP","address":"1"},{"type":"InternalIP","address":"2"}]}})"},
      {"scalars are united", pod(), R"({"metadata":{"finalizers":["a","b"]}})",
       R"({"metadata":{"finalizers":["b","c"]}})", R"({"metadata":{"finalizers":["a","b","c"]}})"},
      {"scalars are deleted", pod(), R"({"metadata":{"finalizers":["a","b"]}})",
       R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a","z"]}})", R"({"metadata":{"finalizers":["b"]}})"},
      {"retained keys", pod(), R"({"spec":{"volumes":[{"name":"v","emptyDir":{},"x":1}]}})",
       R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/"}}]}})",
       R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}})"},
      {"another kind of value wins", pod(), R"({"a":[1],"b":"x"})", R"({"a":{"c":1},"b":[2]})",
       R"({"a":{"c":1},"b":[2]})"},
  };
  for (const DiffRow& row : rows) {
    const auto result = strategic_merge_apply(tree(row.from), tree(row.to), row.type);
    ASSERT_TRUE(result.ok()) << row.what << ": " << result.error().to_string();
    Node sorted = *result;
    internal::sort_keys(sorted);
    Node expected = tree(row.patch);
    internal::sort_keys(expected);
    EXPECT_EQ(to_json(sorted), to_json(expected)) << row.what;
  }
}

TEST(StrategicMergeApply, RefusesWhatMakesNoSenseAndNamesThePath) {
  struct Row {
    const char* original;
    const char* patch;
    const char* message;
  };
  const Row rows[] = {
      {R"({})", R"([])", "patch: expected an object, got list"},
      {R"({"metadata":{}})", R"({"metadata":{"$patch":"move"}})", R"(metadata: unknown $patch string "move")"},
      {R"({"status":{"conditions":[{"type":"A"}]}})", R"({"status":{"conditions":[{"status":"x"}]}})",
       R"(status.conditions: an element lacks its merge key "type")"},
      {R"({"status":{"conditions":[{"type":"A"}]}})", R"({"status":{"conditions":[1]}})",
       "status.conditions: expected objects in the list, got number 1"},
      {R"({"status":{"conditions":[{"type":"A"}]}})", R"({"status":{"conditions":[{"type":"A","$patch":"x"}]}})",
       R"(status.conditions: unknown $patch string "x")"},
      {R"({"status":{"conditions":[{"type":"A"}]}})",
       R"({"status":{"$setElementOrder/conditions":[{"type":"A"}],"conditions":[{"type":"B"}]}})",
       "status.conditions: the order of the elements does not match $setElementOrder; object is not named or stands "
       "elsewhere"},
      {R"({"status":{}})", R"({"status":{"$setElementOrder/conditions":1}})",
       "status.conditions: $setElementOrder must be a list, got number 1"},
      {R"({"spec":{"volumes":[{"name":"v"}]}})", R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name"],"x":1}]}})",
       "spec.volumes.x: is in the patch, but not in $retainKeys"},
      {R"({"spec":{"volumes":[{"name":"v"}]}})", R"({"spec":{"volumes":[{"name":"v","$retainKeys":1}]}})",
       "spec.volumes: $retainKeys must be a list, got number 1"},
      {R"({"metadata":{"finalizers":["a"]}})", R"({"metadata":{"$deleteFromPrimitiveList/finalizers":"a"}})",
       R"(metadata.finalizers: a list of deletions was expected, got string "a")"},
  };
  for (const Row& row : rows) {
    const auto result = strategic_merge_apply(tree(row.original), tree(row.patch), pod());
    ASSERT_FALSE(result.ok()) << row.patch;
    EXPECT_EQ(result.error().kind(), ErrorKind::invalid);
    EXPECT_EQ(result.error().message(), row.message) << row.patch;
  }
}

}  // namespace
}  // namespace keelson::api
