#include "agent/node/csi_node.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/resource_slices.hpp"
#include "agent/node/tests/recorded.hpp"
#include "agent/node/tests/small_api.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kNode = "/api/v1/nodes/tb-node";
const std::string kCsiNodes = "/apis/storage.k8s.io/v1/csinodes";
const std::string kCsiNode = kCsiNodes + "/tb-node";
const std::string kAnnotation = "storage.alpha.kubernetes.io/migrated-plugins";

class CsiNodeTest : public ::testing::Test {
 protected:
  ~CsiNodeTest() override { bench_.stop(); }
  void start() { csi_.start(bench_.gate); }
  void add_node() { bench_.api.put(kNode, recorded_json("objects/node.json")); }
  CsiNode::Hooks hooks() {
    return {[this] { problems_.push_back(csi_.problem()); }, [this](std::string why) { failed_.push_back(why); }};
  }

  NodeBench bench_;
  std::vector<std::string> problems_;
  std::vector<std::string> failed_;
  CsiNode csi_{bench_.loop, bench_.clock, bench_.random, bench_.main, "tb-node", hooks(), bench_.log};
};

TEST_F(CsiNodeTest, IsCreatedAsRecorded) {
  EXPECT_EQ(csi_.problem(), "CSINode is not yet initialized");
  add_node();
  start();
  ASSERT_TRUE(bench_.until([&] { return csi_.problem().empty(); }, 1s));
  EXPECT_THAT(bench_.api.requests(), ElementsAre("GET " + kCsiNode + "?resourceVersion=0", "GET " + kNode,
                                                 "GET " + kCsiNode, "POST " + kCsiNodes));
  EXPECT_EQ(bench_.api.seen[3].body, recorded_requests("create", kCsiNodes).at(0)["request"]);
  EXPECT_THAT(problems_, ElementsAre(""));
}

TEST_F(CsiNodeTest, WaitsForTheServerASecondAtATime) {
  add_node();
  bench_.api.down = true;
  start();
  bench_.advance(600s);
  EXPECT_THAT(failed_, IsEmpty());
  EXPECT_EQ(bench_.api.all("GET", kNode).size(), 0u);
  bench_.api.down = false;
  EXPECT_TRUE(bench_.until([&] { return csi_.problem().empty(); }, 1100ms));
}

TEST_F(CsiNodeTest, IsPutRight) {
  add_node();
  json old = recorded_json("objects/csinode.json");
  old["metadata"]["annotations"] = {{kAnnotation, "old"}, {"theirs", "1"}};
  old["spec"]["drivers"] = {{{"name", "d"}, {"nodeID", "n"}, {"topologyKeys", nullptr}}};
  bench_.api.put(kCsiNode, old);
  start();
  ASSERT_TRUE(bench_.until([&] { return csi_.problem().empty(); }, 1s));
  const json now = bench_.api.objects[kCsiNode];
  EXPECT_EQ(now["metadata"]["annotations"][kAnnotation], migrated_plugins());
  EXPECT_EQ(now["metadata"]["annotations"]["theirs"], "1");
  EXPECT_EQ(now["spec"], old["spec"]);
  EXPECT_EQ(bench_.api.all("PUT", kCsiNode).size(), 1u);
}

TEST_F(CsiNodeTest, IsNotWrittenWhenItIsRight) {
  add_node();
  bench_.api.put(kCsiNode, recorded_json("objects/csinode.json"));
  start();
  ASSERT_TRUE(bench_.until([&] { return csi_.problem().empty(); }, 1s));
  EXPECT_EQ(bench_.api.seen.size(), 3u);
}

TEST_F(CsiNodeTest, OfAnotherNodeIsMadeAnew) {
  add_node();
  json old = recorded_json("objects/csinode.json");
  old["metadata"]["ownerReferences"][0]["uid"] = "another";
  bench_.api.put(kCsiNode, old);
  start();
  ASSERT_TRUE(bench_.until([&] { return csi_.problem().empty(); }, 1s));
  EXPECT_EQ(bench_.api.all("DELETE", kCsiNode).at(0).body["preconditions"]["uid"], old["metadata"]["uid"]);
  EXPECT_EQ(bench_.api.objects[kCsiNode]["metadata"]["ownerReferences"][0]["uid"],
            "c44753eb-914b-462e-9d28-1f62dab2fd68");
}

TEST_F(CsiNodeTest, GivesUpAfterSixRounds) {
  start();
  bench_.advance(141s);
  EXPECT_THAT(failed_, IsEmpty());
  EXPECT_THAT(csi_.problem(), HasSubstr("failed to initialize CSINode: "));
  bench_.advance(3s);
  ASSERT_EQ(failed_.size(), 1u);
  EXPECT_THAT(failed_[0], HasSubstr("not found"));
  EXPECT_EQ(bench_.api.all("GET", kNode).size(), 24u);
  EXPECT_EQ(bench_.api.all("GET", kCsiNode).size(), 1u);
  bench_.advance(600s);
  EXPECT_EQ(failed_.size(), 1u);
}

TEST_F(CsiNodeTest, IsMadeAsSoonAsTheNodeExists) {
  start();
  bench_.advance(10s);
  add_node();
  csi_.node_exists();
  EXPECT_TRUE(bench_.until([&] { return csi_.problem().empty(); }, 10ms));
}

// --- The first clean-up

TEST(ResourceSlices, AreDeletedOnceTheServerTakesIt) {
  NodeBench bench;
  bench.api.faults.push_back({"DELETE", "resourceslices", 500, 3, false, {}});
  base::spawn(bench.gate, "wipe", wipe_resource_slices(bench.main, bench.random, "tb-node", bench.log));
  bench.advance(8s);
  const auto seen = bench.api.all("DELETE", "resourceslices");
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].target, "/apis/resource.k8s.io/v1/resourceslices?fieldSelector=spec.nodeName%3Dtb-node");
  EXPECT_EQ(seen[1].at - seen[0].at, 1s);
  EXPECT_EQ(seen[2].at - seen[1].at, 2s);
  EXPECT_EQ(seen[3].at - seen[2].at, 4s);
  bench.advance(1h);
  EXPECT_EQ(bench.api.all("DELETE", "resourceslices").size(), 4u);
}

TEST(ResourceSlices, OfAServerWithoutThemNeedNothing) {
  NodeBench bench;
  bench.api.faults.push_back({"DELETE", "resourceslices", 404, -1, false, {}});
  base::spawn(bench.gate, "wipe", wipe_resource_slices(bench.main, bench.random, "tb-node", bench.log));
  bench.advance(1h);
  EXPECT_EQ(bench.api.seen.size(), 1u);
}

}  // namespace
}  // namespace keelson::agent
