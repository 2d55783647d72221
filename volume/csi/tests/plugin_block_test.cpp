#include <sys/stat.h>

#include "volume/csi/tests/plugin_fixture.hpp"

namespace keelson::volume {
namespace {

namespace pb = ::csi::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CsiBlockTest : public CsiPluginTest {
 protected:
  CsiBlockPaths paths() const { return csi_block_paths(top_, "pv-1"); }
  std::string block_target() const { return csi_block_publish_path(top_, "uid-1", "pv-1"); }
  // The driver gives a device: here a link to a file.
  void give_device() {
    ASSERT_TRUE(base::write_file(top_ + "/device", "", 0600).ok());
    on_call = [this](const Call& call) {
      if (call.name() == "NodePublishVolume") std::filesystem::create_symlink(top_ + "/device", block_target());
      if (call.name() == "NodeUnpublishVolume") std::filesystem::remove(block_target());
    };
  }
};

TEST_F(CsiBlockTest, IsStagedPublishedAndTakenDown) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  object().set_podinfoonmount(true);
  object().add_tokenrequests()->set_audience("vault");
  give_device();
  ASSERT_TRUE(run(plugin_->stage_block(volume_)).ok());
  EXPECT_THAT(story_,
              ElementsAre("NodeGetCapabilities", "GET VolumeAttachment", "NodeGetCapabilities", "NodeStageVolume"));
  const auto& staged = last<pb::NodeStageVolumeRequest>("NodeStageVolume");
  EXPECT_EQ(staged.staging_target_path(), paths().staging);
  EXPECT_TRUE(staged.volume_capability().has_block());
  EXPECT_TRUE(exists(paths().staging));
  EXPECT_EQ(base::read_file(paths().data + "/vol_data.json").value(),
            "{\"attachmentID\":\"" + csi_attachment_name("vol-1", "disk.example", "node-1") +
                "\",\"driverName\":\"disk.example\",\"nodeName\":\"node-1\",\"specVolID\":\"pv-1\",\"volumeHandle\":"
                "\"vol-1\"}\n");

  story_.clear();
  const auto published = run(plugin_->publish_block(volume_, pod_));
  ASSERT_TRUE(published.ok()) << published.error().to_string();
  EXPECT_EQ(published->path, top_ + "/device");
  EXPECT_THAT(story_, ElementsAre("GET VolumeAttachment", "NodeGetCapabilities", "NodePublishVolume"));
  const auto& request = last<pb::NodePublishVolumeRequest>("NodePublishVolume");
  EXPECT_EQ(request.target_path(), block_target());
  EXPECT_EQ(request.staging_target_path(), paths().staging);
  EXPECT_TRUE(request.volume_capability().has_block());
  EXPECT_EQ(request.volume_context().at("csi.storage.k8s.io/pod.uid"), "uid-1");
  EXPECT_EQ(request.volume_context().count("csi.storage.k8s.io/serviceAccount.tokens"), 0u)
      << "tokens are for file systems only";

  story_.clear();
  ASSERT_TRUE(run(plugin_->unpublish_block("uid-1", "pv-1")).ok());
  ASSERT_TRUE(run(plugin_->unpublish_block("uid-1", "pv-1")).ok()) << "it has gone";
  std::filesystem::create_directories(paths().devices);  // the manager's, empty again
  const auto unstaged = run(plugin_->unstage_block("pv-1"));
  ASSERT_TRUE(unstaged.ok()) << unstaged.error().to_string();
  EXPECT_THAT(story_, ElementsAre("NodeUnpublishVolume", "NodeGetCapabilities", "NodeUnstageVolume"));
  EXPECT_FALSE(exists(paths().volume));
  EXPECT_FALSE(exists(paths().staging));
  EXPECT_FALSE(exists(paths().publish_dir));
  EXPECT_TRUE(run(plugin_->unstage_block("pv-1")).ok());
}

TEST_F(CsiBlockTest, OfADriverThatDoesNotStageStillHasAStagingPath) {
  give_device();
  ASSERT_TRUE(run(plugin_->stage_block(volume_)).ok());
  EXPECT_FALSE(exists(paths().staging));
  ASSERT_TRUE(run(plugin_->publish_block(volume_, pod_)).ok());
  EXPECT_EQ(last<pb::NodePublishVolumeRequest>("NodePublishVolume").staging_target_path(), paths().staging);
  ASSERT_TRUE(run(plugin_->unpublish_block("uid-1", "pv-1")).ok());
  story_.clear();
  ASSERT_TRUE(run(plugin_->unstage_block("pv-1")).ok());
  EXPECT_THAT(story_, IsEmpty());
  EXPECT_FALSE(exists(paths().volume));
}

TEST_F(CsiBlockTest, AFinalErrorLeavesNothing) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  outcomes["NodeStageVolume"] = {3, "no"};
  EXPECT_EQ(run(plugin_->stage_block(volume_)).error().outcome, Outcome::final);
  EXPECT_FALSE(exists(paths().volume));
  EXPECT_FALSE(exists(paths().staging));
  outcomes["NodeStageVolume"] = {14, "away"};
  EXPECT_EQ(run(plugin_->stage_block(volume_)).error().outcome, Outcome::uncertain);
  EXPECT_TRUE(exists(paths().data + "/vol_data.json"));
}

TEST_F(CsiBlockTest, AFinalErrorAtPublishRemovesTheEmptyFileOnly) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  ASSERT_TRUE(run(plugin_->stage_block(volume_)).ok());
  outcomes["NodePublishVolume"] = {13, "broken"};
  on_call = [this](const Call& call) {
    if (call.name() != "NodePublishVolume") return;
    ASSERT_TRUE(base::write_file(block_target(), "", 0600).ok());
  };
  EXPECT_FALSE(run(plugin_->publish_block(volume_, pod_)).ok());
  EXPECT_FALSE(exists(block_target()));
  EXPECT_TRUE(exists(paths().data + "/vol_data.json")) << "it is still staged";
}

TEST_F(CsiBlockTest, IsNotTakenDownWhileAPodHasItsDevice) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  ASSERT_TRUE(run(plugin_->stage_block(volume_)).ok());
  std::filesystem::create_directories(paths().devices);
  ASSERT_TRUE(base::write_file(paths().devices + "/uid-2", "", 0600).ok());
  mounts_->table = {{paths().devices + "/uid-2", "devtmpfs"}};
  const auto done = run(plugin_->unstage_block("pv-1"));
  EXPECT_EQ(done.error().outcome, Outcome::uncertain);
  EXPECT_THAT(done.error().to_string(), HasSubstr("something is still mounted there"));
  EXPECT_TRUE(exists(paths().devices + "/uid-2"));
}

// --- Expansion and statistics

TEST_F(CsiPluginTest, Expands) {
  can = {Rpc::EXPAND_VOLUME};
  volume_.expand_secret = CsiSecretRef{"ns", "grow"};
  cluster_.secrets["ns/grow"] = {{"user", "u"}};
  CsiExpand wanted;
  wanted.volume = volume_;
  wanted.volume_path = target();
  wanted.size = 4000;
  const auto done = run(plugin_->expand(wanted));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_TRUE(done->supported);
  EXPECT_EQ(done->capacity, 4096);
  EXPECT_THAT(story_,
              ElementsAre("NodeGetCapabilities", "GET Secret ns/grow", "NodeGetCapabilities", "NodeExpandVolume"));
  const auto& request = last<pb::NodeExpandVolumeRequest>("NodeExpandVolume");
  EXPECT_EQ(request.volume_path(), target());
  EXPECT_EQ(request.staging_target_path(), staging());
  EXPECT_EQ(request.capacity_range().required_bytes(), 4000);
  EXPECT_EQ(request.capacity_range().limit_bytes(), 0);
  EXPECT_EQ(request.volume_capability().mount().fs_type(), "ext4");
  EXPECT_EQ(request.secrets().at("user"), "u");
}

TEST_F(CsiPluginTest, TellsWhatAFailedExpansionMeans) {
  CsiExpand wanted;
  wanted.volume = volume_;
  const auto unsupported = run(plugin_->expand(wanted));
  ASSERT_TRUE(unsupported.ok());
  EXPECT_FALSE(unsupported->supported);
  can = {Rpc::EXPAND_VOLUME};
  using Failure = ExpandResult::Outcome;
  struct Row {
    int code;
    Failure failure;
  };
  for (const Row& row : {Row{9, Failure::in_use}, Row{3, Failure::infeasible}, Row{5, Failure::infeasible},
                         Row{11, Failure::infeasible}, Row{13, Failure::failed}, Row{4, Failure::uncertain}}) {
    outcomes["NodeExpandVolume"] = {row.code, "no"};
    const auto done = run(plugin_->expand(wanted));
    ASSERT_FALSE(done.ok()) << row.code;
    EXPECT_EQ(csi_expand_failure(done.error()), row.failure) << row.code;
    EXPECT_THAT(done.error().to_string(), HasSubstr("Expander.NodeExpand failed to expand the volume : rpc error"));
  }
}

TEST_F(CsiPluginTest, HasStatisticsWhereTheDriverHas) {
  const auto none = run(plugin_->stats("disk.example", "vol-1", target()));
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  can = {Rpc::GET_VOLUME_STATS};
  const auto some = run(plugin_->stats("disk.example", "vol-1", target()));
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(some->has_value());
  EXPECT_EQ(last<pb::NodeGetVolumeStatsRequest>("NodeGetVolumeStats").volume_path(), target());
  EXPECT_EQ(run(plugin_->stats("other.example", "v", "/p")).error().outcome, Outcome::transient);
}

TEST_F(CsiPluginTest, TheNodeIsFullWhereADriverThatKeepsTheCountSaysSo) {
  EXPECT_FALSE(run(plugin_->is_node_full(volume_))) << "the driver does not keep the count";
  object().set_nodeallocatableupdateperiodseconds(60);
  EXPECT_FALSE(run(plugin_->is_node_full(volume_))) << "it is attached";
  auto& attachment = cluster_.attachments.begin()->second;
  attachment.attached = false;
  attachment.attach_error_code = 13;
  EXPECT_FALSE(run(plugin_->is_node_full(volume_))) << "it is not attached for another reason";
  EXPECT_THAT(counted_again_, IsEmpty());
  attachment.attach_error_code = 8;
  EXPECT_TRUE(run(plugin_->is_node_full(volume_)));
  EXPECT_THAT(counted_again_, ElementsAre("disk.example"));
  cluster_.attachments.clear();
  EXPECT_FALSE(run(plugin_->is_node_full(volume_)));
}

TEST_F(CsiPluginTest, CallsAreCountedByDriverMethodAndCode) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  volume_.migrated = true;
  outcomes["NodeStageVolume"] = {5, "no"};
  EXPECT_FALSE(stage().ok());
  const auto& calls = metrics_.csi_calls;
  const auto failed = calls.find({"disk.example", "/csi.v1.Node/NodeStageVolume", "NotFound", "true"});
  ASSERT_NE(failed, calls.end());
  EXPECT_EQ(failed->second.count, 1u);
  const auto asked = calls.find({"disk.example", "/csi.v1.Node/NodeGetCapabilities", "OK", "true"});
  ASSERT_NE(asked, calls.end());
  EXPECT_EQ(asked->second.count, 3u);
  EXPECT_EQ(calls.size(), 2u);
  outcomes["NodeGetCapabilities"] = {base::RpcOutcome::unreached, "no socket"};
  EXPECT_FALSE(stage().ok());
  EXPECT_EQ(calls.count({"disk.example", "/csi.v1.Node/NodeGetCapabilities", "Unavailable", "true"}), 1u);
}

}  // namespace
}  // namespace keelson::volume
