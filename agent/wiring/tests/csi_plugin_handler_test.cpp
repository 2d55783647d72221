#include "agent/wiring/csi_plugin_handler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node/tests/recorded.hpp"
#include "agent/node/tests/small_api.hpp"
#include "base/tests/fake_rpc.hpp"
#include "volume/csi/proto/csi.pb.h"
#include "volume/csi/tests/fake_cluster.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using base::RpcOutcome;
using base::testing::FakeRpcChannels;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kNode = "/api/v1/nodes/tb-node";
const std::string kCsiNode = "/apis/storage.k8s.io/v1/csinodes/tb-node";

base::Task<void> keep(base::Task<Status> task, std::vector<std::string>* done) {
  const Status status = co_await std::move(task);
  done->push_back(status.ok() ? "ok" : status.error().to_string());
}

class CsiPluginHandlerTest : public ::testing::Test {
 protected:
  CsiPluginHandlerTest() {
    bench_.api.put(kNode, recorded_json("objects/node.json"));
    bench_.api.put(kCsiNode, recorded_json("objects/csinode.json"));
    rpc_.answer = [this](const FakeRpcChannels::Call&, google::protobuf::MessageLite& response) {
      auto& info = static_cast<::csi::v1::NodeGetInfoResponse&>(response);
      info.set_node_id(node_id);
      info.set_max_volumes_per_node(max_volumes);
      return outcome;
    };
    plugin_.type = "CSIPlugin";
    plugin_.name = "disk.example";
    plugin_.endpoint = "/run/disk.sock";
    plugin_.versions = {"1.0.0"};
  }
  ~CsiPluginHandlerTest() override { bench_.stop(); }

  std::string run(base::Task<Status> task) {
    std::vector<std::string> done;
    base::spawn(bench_.gate, "test", keep(std::move(task), &done));
    if (!bench_.until([&] { return !done.empty(); }, 10min)) return "it does not end";
    return done[0];
  }
  json drivers() { return bench_.api.objects[kCsiNode]["spec"]["drivers"]; }
  void set_period(std::int64_t seconds) {
    cluster_.drivers["disk.example"].mutable_spec()->set_nodeallocatableupdateperiodseconds(seconds);
  }

  NodeBench bench_;
  FakeRpcChannels rpc_{bench_.clock};
  std::vector<std::string> story_;
  volume::FakeCsiCluster cluster_{story_};
  volume::CsiDrivers drivers_;
  volume::VolumeMetrics metrics_;
  CsiNodeDrivers node_{bench_.loop, bench_.clock, bench_.random, bench_.main, "tb-node"};
  CsiPluginHandler handler_{bench_.loop, bench_.clock, rpc_, drivers_, cluster_, node_, bench_.log, &metrics_};
  PluginInfo plugin_;
  RpcOutcome outcome;
  std::string node_id = "i-1";
  std::int64_t max_volumes = 10;
};

TEST_F(CsiPluginHandlerTest, ARegisteredDriverIsKnownAndEntered) {
  EXPECT_TRUE(handler_.validate(plugin_).ok());
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "ok");
  EXPECT_EQ(drivers_.find("disk.example")->endpoint, "/run/disk.sock");
  ASSERT_EQ(rpc_.calls.size(), 1u);
  EXPECT_EQ(rpc_.calls[0].socket, "/run/disk.sock");
  EXPECT_EQ(rpc_.calls[0].limit, 2min);
  EXPECT_EQ(drivers()[0]["allocatable"]["count"], 10);
  EXPECT_FALSE(handler_.validate(plugin_).ok()) << "a second one of the same version";
}

TEST_F(CsiPluginHandlerTest, AFailureLeavesNothingBehind) {
  outcome = {13, "no metadata service"};
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "rpc error: code = Internal desc = no metadata service");
  EXPECT_THAT(drivers_.names(), IsEmpty());
  outcome = {};
  node_id.clear();
  EXPECT_THAT(run(handler_.register_plugin(plugin_)), HasSubstr("driverNodeID must not be empty"));
  EXPECT_THAT(drivers_.names(), IsEmpty());
  node_id = "i-1";
  bench_.api.faults.push_back({"PUT", "csinodes", 500, 4, false, {}});
  EXPECT_THAT(run(handler_.register_plugin(plugin_)), HasSubstr("error updating CSINode object"));
  EXPECT_THAT(drivers_.names(), IsEmpty());
  EXPECT_FALSE(bench_.api.objects[kNode]["metadata"]["annotations"].contains("csi.volume.kubernetes.io/nodeid"));
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "ok");
}

TEST_F(CsiPluginHandlerTest, ADriverThatGoesIsForgottenAtOnce) {
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "ok");
  bench_.api.down = true;
  base::spawn(bench_.gate, "deregister", handler_.deregister_plugin(plugin_));
  bench_.pump();
  EXPECT_THAT(drivers_.names(), IsEmpty()) << "whatever the API server does";
}

TEST_F(CsiPluginHandlerTest, CountsAreKeptUpToDateAtThePeriodOfTheDriver) {
  set_period(60);
  handler_.start(bench_.gate);
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "ok");
  max_volumes = 7;
  bench_.advance(59s);
  EXPECT_EQ(rpc_.calls.size(), 1u);
  bench_.advance(2s);
  EXPECT_EQ(rpc_.calls.size(), 2u);
  EXPECT_EQ(drivers()[0]["allocatable"]["count"], 7);
  bench_.advance(10min);
  EXPECT_EQ(rpc_.calls.size(), 12u);
  set_period(0);
  handler_.look_again();
  bench_.advance(1h);
  EXPECT_EQ(rpc_.calls.size(), 12u);
  set_period(10);
  handler_.look_again();
  bench_.advance(5s);
  EXPECT_EQ(rpc_.calls.size(), 13u);
}

TEST_F(CsiPluginHandlerTest, ADriverCanBeCountedOutOfTurnAndItsCallsAreMeasured) {
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "ok");
  max_volumes = 3;
  base::spawn(bench_.gate, "count", handler_.count("disk.example"));
  EXPECT_TRUE(bench_.until([&] { return drivers()[0]["allocatable"]["count"] == 3; }, 1min));
  EXPECT_EQ(rpc_.calls.size(), 2u);
  ASSERT_EQ(metrics_.csi_calls.size(), 1u);
  EXPECT_EQ(metrics_.csi_calls.begin()->second.count, 2u);
}

TEST_F(CsiPluginHandlerTest, WithoutAPeriodADriverIsAskedOnce) {
  handler_.start(bench_.gate);
  EXPECT_EQ(run(handler_.register_plugin(plugin_)), "ok");
  bench_.advance(24h);
  EXPECT_EQ(rpc_.calls.size(), 1u);
}

}  // namespace
}  // namespace keelson::agent
