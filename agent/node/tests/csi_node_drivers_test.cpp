#include "agent/node/csi_node_drivers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/recorded.hpp"
#include "agent/node/tests/small_api.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kNode = "/api/v1/nodes/tb-node";
const std::string kCsiNode = "/apis/storage.k8s.io/v1/csinodes/tb-node";
const std::string kIds = "csi.volume.kubernetes.io/nodeid";

volume::CsiNodeInfo info(std::int64_t max_volumes = 25) {
  volume::CsiNodeInfo out;
  out.node_id = "i-1";
  out.max_volumes = max_volumes;
  out.topology = {{"topology.example/zone", "a"}, {"topology.example/rack", "7"}};
  return out;
}

base::Task<void> keep(base::Task<Status> task, std::vector<std::string>* done) {
  const Status status = co_await std::move(task);
  done->push_back(status.ok() ? "ok" : status.error().to_string());
}

class CsiNodeDriversTest : public ::testing::Test {
 protected:
  CsiNodeDriversTest() {
    bench_.api.put(kNode, recorded_json("objects/node.json"));
    bench_.api.put(kCsiNode, recorded_json("objects/csinode.json"));
  }
  ~CsiNodeDriversTest() override { bench_.stop(); }

  void begin(base::Task<Status> task) { base::spawn(bench_.gate, "test", keep(std::move(task), &done_)); }
  std::string run(base::Task<Status> task) {
    done_.clear();
    begin(std::move(task));
    if (!bench_.until([&] { return !done_.empty(); }, 10min)) return "it does not end";
    return done_[0];
  }
  json annotations() { return bench_.api.objects[kNode]["metadata"]["annotations"]; }
  json labels() { return bench_.api.objects[kNode]["metadata"]["labels"]; }
  json drivers() { return bench_.api.objects[kCsiNode]["spec"]["drivers"]; }

  NodeBench bench_;
  std::vector<std::string> done_;
  CsiNodeDrivers drivers_{bench_.loop, bench_.clock, bench_.random, bench_.main, "tb-node"};
};

TEST_F(CsiNodeDriversTest, ADriverIsEnteredInTheNodeAndThenInTheCsiNode) {
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  EXPECT_THAT(bench_.api.requests(),
              ElementsAre("GET " + kNode, "PATCH " + kNode + "/status", "GET " + kCsiNode, "PUT " + kCsiNode));
  EXPECT_EQ(bench_.api.seen[1].body,
            (json{{"metadata",
                   {{"annotations", {{kIds, "{\"disk.example\":\"i-1\"}"}}},
                    {"labels", {{"topology.example/zone", "a"}, {"topology.example/rack", "7"}}}}}}));
  EXPECT_EQ(drivers(), (json::array({{{"name", "disk.example"},
                                      {"nodeID", "i-1"},
                                      {"topologyKeys", {"topology.example/rack", "topology.example/zone"}},
                                      {"allocatable", {{"count", 25}}}}})));
}

TEST_F(CsiNodeDriversTest, NothingIsWrittenTwice) {
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  bench_.api.seen.clear();
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  EXPECT_THAT(bench_.api.requests(), ElementsAre("GET " + kNode, "GET " + kCsiNode));
}

TEST_F(CsiNodeDriversTest, OtherDriversStayAsTheyAre) {
  EXPECT_EQ(run(drivers_.install("net.example", info(0))), "ok");
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  EXPECT_EQ(run(drivers_.install("net.example", info(7))), "ok");
  EXPECT_EQ(annotations()[kIds], "{\"disk.example\":\"i-1\",\"net.example\":\"i-1\"}");
  ASSERT_EQ(drivers().size(), 2u);
  EXPECT_EQ(drivers()[1]["name"], "net.example") << "a changed entry goes to the end";
  EXPECT_EQ(drivers()[1]["allocatable"]["count"], 7);
  EXPECT_EQ(run(drivers_.uninstall("net.example")), "ok");
  EXPECT_EQ(annotations()[kIds], "{\"disk.example\":\"i-1\"}");
  ASSERT_EQ(drivers().size(), 1u);
}

TEST_F(CsiNodeDriversTest, WithoutALimitThereIsNoCount) {
  EXPECT_EQ(run(drivers_.install("disk.example", info(0))), "ok");
  EXPECT_FALSE(drivers()[0].contains("allocatable"));
  EXPECT_EQ(run(drivers_.update("disk.example", info(5'000'000'000))), "ok");
  EXPECT_EQ(drivers()[0]["allocatable"]["count"], 2147483647);
}

TEST_F(CsiNodeDriversTest, ADriverThatGoesLeavesItsTopologyLabels) {
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  bench_.api.seen.clear();
  EXPECT_EQ(run(drivers_.uninstall("disk.example")), "ok");
  EXPECT_THAT(bench_.api.requests(),
              ElementsAre("GET " + kCsiNode, "PUT " + kCsiNode, "GET " + kNode, "PATCH " + kNode + "/status"));
  EXPECT_FALSE(annotations().contains(kIds));
  EXPECT_EQ(labels()["topology.example/zone"], "a");
  EXPECT_EQ(bench_.api.objects.count(kCsiNode), 1u) << "the object stays, even when it is empty";
  bench_.api.seen.clear();
  EXPECT_EQ(run(drivers_.uninstall("disk.example")), "ok");
  EXPECT_THAT(bench_.api.requests(), ElementsAre("GET " + kCsiNode, "GET " + kNode));
}

TEST_F(CsiNodeDriversTest, ATopologyThatContradictsALabelIsRefused) {
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  auto moved = info();
  moved.topology["topology.example/zone"] = "b";
  EXPECT_EQ(run(drivers_.install("net.example", moved)),
            "error updating Node object with CSI driver node info: detected topology value collision: driver reported "
            "\"topology.example/zone\":\"b\" but existing label is \"topology.example/zone\":\"a\"");
  EXPECT_EQ(drivers().size(), 1u);
}

TEST_F(CsiNodeDriversTest, ANodeIdIsNeeded) {
  auto nameless = info();
  nameless.node_id.clear();
  EXPECT_EQ(run(drivers_.install("disk.example", nameless)),
            "error adding CSI driver node info: driverNodeID must not be empty");
  EXPECT_TRUE(bench_.api.seen.empty());
}

TEST_F(CsiNodeDriversTest, AnObjectIsTriedFourTimes) {
  bench_.api.faults.push_back({"PATCH", "/status", 500, 3, false, {}});
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  EXPECT_EQ(bench_.api.all("PATCH", "/status").size(), 4u);
  bench_.api.faults.push_back({"PUT", "csinodes", 409, 4, false, {}});
  EXPECT_THAT(run(drivers_.install("disk.example", info(9))),
              HasSubstr("error updating CSINode object with CSI driver node info: "));
}

TEST_F(CsiNodeDriversTest, AMissingCsiNodeIsMade) {
  bench_.api.erase(kCsiNode);
  EXPECT_EQ(run(drivers_.uninstall("disk.example")), "ok");
  EXPECT_EQ(bench_.api.objects.count(kCsiNode), 0u);
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  EXPECT_EQ(drivers()[0]["name"], "disk.example");
  EXPECT_EQ(bench_.api.objects[kCsiNode]["metadata"]["ownerReferences"][0]["uid"],
            bench_.api.objects[kNode]["metadata"]["uid"]);
}

TEST_F(CsiNodeDriversTest, ChangesComeOneAfterAnother) {
  EXPECT_EQ(run(drivers_.install("disk.example", info())), "ok");
  done_.clear();
  bench_.api.faults.push_back({"PUT", "csinodes", 0, 1, false, 5s});
  begin(drivers_.uninstall("disk.example"));
  begin(drivers_.install("disk.example", info()));
  ASSERT_TRUE(bench_.until([&] { return done_.size() == 2; }, 1min));
  EXPECT_THAT(done_, ElementsAre("ok", "ok"));
  EXPECT_EQ(drivers().size(), 1u) << "the slow removal came first";
  EXPECT_EQ(annotations()[kIds], "{\"disk.example\":\"i-1\"}");
}

TEST_F(CsiNodeDriversTest, AnAnnotationThatIsNoJsonIsAnError) {
  bench_.api.objects[kNode]["metadata"]["annotations"][kIds] = "[";
  EXPECT_THAT(run(drivers_.install("disk.example", info())), HasSubstr("failed to parse node's"));
}

}  // namespace
}  // namespace keelson::agent
