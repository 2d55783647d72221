#include "volume/csi/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/tests/fake_rpc.hpp"
#include "base/tests/tasks.hpp"
#include "volume/csi/proto/csi.pb.h"

namespace keelson::volume {
namespace {

namespace pb = ::csi::v1;
using namespace std::chrono_literals;
using base::RpcOutcome;
using base::testing::FakeRpcChannels;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Outcome = VolumeError::Outcome;

class CsiClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rpc_.answer = [this](const FakeRpcChannels::Call& call, google::protobuf::MessageLite& response) {
      if (call.name() == "NodeGetCapabilities") {
        for (const auto type : can)
          static_cast<pb::NodeGetCapabilitiesResponse&>(response).add_capabilities()->mutable_rpc()->set_type(type);
        return capabilities;
      }
      if (call.name() == "NodeGetInfo") static_cast<pb::NodeGetInfoResponse&>(response) = info;
      if (call.name() == "NodeGetVolumeStats") static_cast<pb::NodeGetVolumeStatsResponse&>(response) = stats;
      return outcome;
    };
  }
  ~CsiClientTest() override { KEELSON_CHECK(base::testing::stop_now(loop_, gate_)); }

  template <class T>
  std::shared_ptr<std::optional<T>> begin(base::Task<T> task) {
    auto place = std::make_shared<std::optional<T>>();
    base::spawn(gate_, "test", base::internal::keep_result<T>(std::move(task), place));
    base::testing::drain(loop_);
    return place;
  }
  template <class T>
  T run(base::Task<T> task) {
    const auto place = begin(std::move(task));
    KEELSON_CHECK(place->has_value());
    return std::move(**place);
  }
  template <class Message>
  const Message& last() const {
    return static_cast<const Message&>(*rpc_.calls.back().request);
  }

  base::Loop loop_;
  base::VirtualClock clock_{loop_};
  FakeRpcChannels rpc_{clock_};
  base::Gate gate_{loop_};
  CsiClient client_{rpc_, clock_, "/run/disk.sock"};
  std::vector<pb::NodeServiceCapability::RPC::Type> can;
  RpcOutcome capabilities;
  RpcOutcome outcome;
  pb::NodeGetInfoResponse info;
  pb::NodeGetVolumeStatsResponse stats;
};

TEST_F(CsiClientTest, AsksTheDriversSocket) {
  can = {pb::NodeServiceCapability::RPC::STAGE_UNSTAGE_VOLUME, pb::NodeServiceCapability::RPC::VOLUME_MOUNT_GROUP};
  const auto answer = run(client_.capabilities());
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->stage_unstage);
  EXPECT_TRUE(answer->volume_mount_group);
  EXPECT_FALSE(answer->expand);
  EXPECT_EQ(rpc_.calls[0].socket, "/run/disk.sock");
  EXPECT_EQ(rpc_.calls[0].method, "/csi.v1.Node/NodeGetCapabilities");
  EXPECT_EQ(rpc_.calls[0].limit, 2min);
}

TEST_F(CsiClientTest, TheCallsOfAnOperationShareOneLimit) {
  capabilities = {FakeRpcChannels::hang, ""};
  const auto first = begin(client_.capabilities());
  clock_.advance(1min);
  capabilities = {};
  EXPECT_TRUE(run(client_.capabilities()).ok());
  EXPECT_EQ(rpc_.calls.back().limit, 1min);
  clock_.advance(1min);
  ASSERT_TRUE(first->has_value());
  EXPECT_EQ((*first)->error().outcome, Outcome::uncertain);
  const auto calls = rpc_.calls.size();
  const auto late = run(client_.unpublish("v", "/t"));
  EXPECT_EQ(late.error().to_string(), "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
  EXPECT_EQ(rpc_.calls.size(), calls) << "there was no time left to ask";
}

TEST_F(CsiClientTest, CodesSayWhatBecameOfTheVolume) {
  const std::set<int> uncertain = {RpcOutcome::unreached, 1, 4, 8, 10, 14};
  for (int code = RpcOutcome::unreached; code <= 16; ++code) {
    if (code == 0) continue;
    const Outcome expected = uncertain.count(code) > 0 ? Outcome::uncertain : Outcome::final;
    EXPECT_EQ(csi_outcome(code), expected) << code;
    outcome = {code, "no"};
    const auto staged = run(client_.stage({}));
    EXPECT_EQ(staged.error().outcome, expected) << code;
    EXPECT_EQ(staged.error().error.code(), code);
    EXPECT_EQ(run(client_.publish({})).error().outcome, expected) << code;
    EXPECT_EQ(run(client_.expand({})).error().outcome, expected) << code;
    EXPECT_EQ(run(client_.unstage("v", "/s")).error().outcome, Outcome::uncertain) << code;
    EXPECT_EQ(run(client_.unpublish("v", "/t")).error().outcome, Outcome::uncertain) << code;
    capabilities = {code, "no"};
    EXPECT_EQ(run(client_.capabilities()).error().outcome, expected) << code;
    EXPECT_EQ(run(client_.stage({})).error().outcome, expected) << code;
    capabilities = {};
  }
}

TEST_F(CsiClientTest, AccessModesAreNumberedByWhatTheDriverCan) {
  struct Row {
    const char* mode;
    int plain;
    int with_multi_writer;
  };
  for (const Row& row : {Row{"ReadWriteOnce", 1, 7}, Row{"ReadWriteOncePod", 1, 6}, Row{"ReadOnlyMany", 3, 3},
                         Row{"ReadWriteMany", 5, 5}, Row{"Unheard", 0, 0}}) {
    EXPECT_EQ(csi_access_mode(row.mode, false), row.plain) << row.mode;
    EXPECT_EQ(csi_access_mode(row.mode, true), row.with_multi_writer) << row.mode;
  }
  can = {pb::NodeServiceCapability::RPC::SINGLE_NODE_MULTI_WRITER};
  CsiPublishRequest request;
  request.use.access_mode = "ReadWriteOncePod";
  EXPECT_TRUE(run(client_.publish(request)).ok());
  EXPECT_THAT(rpc_.names(), ElementsAre("NodeGetCapabilities", "NodePublishVolume"));
  EXPECT_EQ(last<pb::NodePublishVolumeRequest>().volume_capability().access_mode().mode(), 6);
}

TEST_F(CsiClientTest, ABlockVolumeHasNoMountInItsCapability) {
  CsiStageRequest request;
  request.use.block = true;
  request.use.fs_type = "ext4";
  EXPECT_TRUE(run(client_.stage(request)).ok());
  const auto& capability = last<pb::NodeStageVolumeRequest>().volume_capability();
  EXPECT_TRUE(capability.has_block());
  EXPECT_FALSE(capability.has_mount());
}

TEST_F(CsiClientTest, ASecretThatIsNoTextIsRefusedBeforeAnythingIsSent) {
  CsiPublishRequest request;
  request.secrets = {{"key", "\xff\xfe"}};
  const auto done = run(client_.publish(request));
  EXPECT_EQ(done.error().outcome, Outcome::final);
  EXPECT_THAT(done.error().to_string(), HasSubstr("invalid UTF-8 (key \"key\" of the secret)"));
  EXPECT_TRUE(rpc_.calls.empty());
}

TEST_F(CsiClientTest, TellsTheNodeAndTheStatistics) {
  info.set_node_id("node-7");
  info.set_max_volumes_per_node(25);
  (*info.mutable_accessible_topology()->mutable_segments())["topology.example/zone"] = "a";
  const auto node = run(client_.node_info());
  ASSERT_TRUE(node.ok());
  EXPECT_EQ(node->node_id, "node-7");
  EXPECT_EQ(node->max_volumes, 25);
  EXPECT_EQ(node->topology.at("topology.example/zone"), "a");

  auto& bytes = *stats.add_usage();
  bytes.set_unit(pb::VolumeUsage::BYTES);
  bytes.set_total(100);
  bytes.set_used(60);
  bytes.set_available(40);
  const auto told = run(client_.stats("v", "/mount"));
  ASSERT_TRUE(told.ok());
  EXPECT_EQ(told->bytes->used, 60);
  EXPECT_FALSE(told->inodes.has_value());
  EXPECT_FALSE(told->abnormal.has_value());
  EXPECT_EQ(last<pb::NodeGetVolumeStatsRequest>().staging_target_path(), "");
}

}  // namespace
}  // namespace keelson::volume
