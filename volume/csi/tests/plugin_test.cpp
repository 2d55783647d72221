#include "volume/csi/plugin.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "volume/csi/tests/plugin_fixture.hpp"

namespace keelson::volume {
namespace {

namespace pb = ::csi::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

mode_t mode(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

// --- Stage

TEST_F(CsiPluginTest, StagesInTheContractsOrder) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  volume_.stage_secret = CsiSecretRef{"ns", "stage"};
  cluster_.secrets["ns/stage"] = {{"user", "u"}};
  bool data_was_there = false;
  on_call = [&](const Call& call) {
    if (call.name() == "NodeStageVolume") data_was_there = exists(staging_dir() + "/vol_data.json");
  };
  const auto done = stage();
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_THAT(story_, ElementsAre("NodeGetCapabilities", "GET VolumeAttachment", "GET Secret ns/stage",
                                  "NodeGetCapabilities", "NodeGetCapabilities", "NodeStageVolume"));
  EXPECT_TRUE(data_was_there);
  EXPECT_EQ(mode(staging()), 0750u);
  const auto& request = last<pb::NodeStageVolumeRequest>("NodeStageVolume");
  EXPECT_EQ(request.volume_id(), "vol-1");
  EXPECT_EQ(request.staging_target_path(), staging());
  EXPECT_EQ(request.publish_context().at("device"), "/dev/vdb");
  EXPECT_EQ(request.secrets().at("user"), "u");
  EXPECT_EQ(request.volume_context().at("pool"), "fast");
  EXPECT_EQ(request.volume_capability().mount().fs_type(), "ext4");
  EXPECT_THAT(request.volume_capability().mount().mount_flags(), ElementsAre("noatime", "discard"));
  EXPECT_EQ(request.volume_capability().mount().volume_mount_group(), "");
  EXPECT_EQ(request.volume_capability().access_mode().mode(), 1);
  EXPECT_EQ(base::read_file(staging_dir() + "/vol_data.json").value(),
            "{\"driverName\":\"disk.example\",\"volumeHandle\":\"vol-1\"}\n");
}

TEST_F(CsiPluginTest, DoesNotStageWithADriverThatCannot) {
  volume_.stage_secret = CsiSecretRef{"ns", "stage"};  // not read
  ASSERT_TRUE(stage().ok());
  EXPECT_THAT(story_, ElementsAre("NodeGetCapabilities", "GET VolumeAttachment"));
  EXPECT_TRUE(exists(staging()));
  EXPECT_FALSE(exists(staging_dir() + "/vol_data.json"));
  story_.clear();
  EXPECT_TRUE(run(plugin_->unstage("disk.example", "vol-1")).ok());
  EXPECT_THAT(story_, IsEmpty());
  EXPECT_FALSE(exists(staging_dir())) << "the empty directory goes";
}

TEST_F(CsiPluginTest, DoesNotReadAnAttachmentThatNobodyMakes) {
  object().set_attachrequired(false);
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  ASSERT_TRUE(stage().ok());
  EXPECT_THAT(story_,
              ElementsAre("NodeGetCapabilities", "NodeGetCapabilities", "NodeGetCapabilities", "NodeStageVolume"));
  EXPECT_TRUE(last<pb::NodeStageVolumeRequest>("NodeStageVolume").publish_context().empty());
}

TEST_F(CsiPluginTest, HandsTheGroupAndTheLabelToADriverThatTakesThem) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME, Rpc::VOLUME_MOUNT_GROUP, Rpc::SINGLE_NODE_MULTI_WRITER};
  object().set_selinuxmount(true);
  object().set_attachrequired(true);
  fs_group_ = 2000;
  selinux_label_ = "system_u:object_r:container_file_t:s0:c1,c2";
  ASSERT_TRUE(stage().ok());
  const auto& capability = last<pb::NodeStageVolumeRequest>("NodeStageVolume").volume_capability();
  EXPECT_EQ(capability.mount().volume_mount_group(), "2000");
  EXPECT_THAT(capability.mount().mount_flags(),
              ElementsAre("noatime", "discard", "context=\"system_u:object_r:container_file_t:s0:c1,c2\""));
  EXPECT_EQ(capability.access_mode().mode(), 7);
  EXPECT_EQ(load_vol_data(staging_dir())->selinux_mount_context, selinux_label_);
  const auto published = publish();
  ASSERT_TRUE(published.ok()) << published.error().to_string();
  EXPECT_TRUE(published->selinux_mounted);
  EXPECT_TRUE(published->group_by_driver);
  EXPECT_EQ(load_vol_data(volume_dir())->selinux_mount_context, selinux_label_);
  const auto& request = last<pb::NodePublishVolumeRequest>("NodePublishVolume");
  EXPECT_EQ(request.volume_capability().mount().volume_mount_group(), "2000");
}

TEST_F(CsiPluginTest, ADriverThatIsNotRegisteredIsATransientError) {
  drivers_.remove("disk.example");
  const auto staged = stage();
  ASSERT_FALSE(staged.ok());
  EXPECT_EQ(staged.error().outcome, Outcome::transient);
  EXPECT_EQ(staged.error().to_string(),
            "kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name disk.example not "
            "found in the list of registered CSI drivers");
  EXPECT_EQ(publish().error().outcome, Outcome::transient);
  EXPECT_FALSE(exists(top_ + "/plugins"));
  EXPECT_FALSE(exists(top_ + "/pods"));
}

TEST_F(CsiPluginTest, WhatTheApiServerDoesNotTellIsATransientError) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  cluster_.attachments.clear();
  EXPECT_EQ(stage().error().outcome, Outcome::transient);
  auto published = publish();
  EXPECT_EQ(published.error().outcome, Outcome::transient);
  EXPECT_THAT(published.error().to_string(),
              HasSubstr("kubernetes.io/csi: mounter.SetUpAt failed to fetch publishContext: volumeattachments"));
  attach();
  volume_.stage_secret = CsiSecretRef{"ns", "none"};
  const auto staged = stage();
  EXPECT_EQ(staged.error().outcome, Outcome::transient);
  EXPECT_EQ(staged.error().to_string(), "fetching NodeStageSecretRef ns/none failed: secrets \"none\" not found");
  volume_.publish_secret = CsiSecretRef{"ns", "none"};
  EXPECT_EQ(publish().error().outcome, Outcome::transient);
  cluster_.down = Error(ErrorKind::unavailable, "CSIDrivers has not been synced yet");
  EXPECT_EQ(publish().error().outcome, Outcome::transient);
  EXPECT_EQ(stage().error().outcome, Outcome::transient);
}

TEST_F(CsiPluginTest, AFinalErrorLeavesNothingAndAnUncertainOneAll) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  outcomes["NodeStageVolume"] = {4, "slow"};
  outcomes["NodePublishVolume"] = {4, "slow"};
  EXPECT_EQ(stage().error().outcome, Outcome::uncertain);
  EXPECT_EQ(publish().error().outcome, Outcome::uncertain);
  EXPECT_TRUE(exists(staging_dir() + "/vol_data.json"));
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
  outcomes["NodeStageVolume"] = {13, "broken"};
  outcomes["NodePublishVolume"] = {13, "broken"};
  const auto staged = stage();
  EXPECT_EQ(staged.error().outcome, Outcome::final);
  EXPECT_EQ(staged.error().to_string(), "rpc error: code = Internal desc = broken");
  EXPECT_EQ(publish().error().outcome, Outcome::final);
  EXPECT_FALSE(exists(staging_dir()));
  EXPECT_FALSE(exists(volume_dir()));
}

TEST_F(CsiPluginTest, AFinalErrorRemovesNothingThatIsMounted) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  ASSERT_TRUE(stage().ok());
  std::filesystem::create_directories(target());
  mounts_->table = {{staging(), "ext4"}, {target(), "ext4"}};
  outcomes["NodeStageVolume"] = {13, "broken"};
  outcomes["NodePublishVolume"] = {13, "broken"};
  EXPECT_FALSE(stage().ok());
  EXPECT_FALSE(publish().ok());
  EXPECT_TRUE(exists(staging_dir() + "/vol_data.json"));
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
}

TEST_F(CsiPluginTest, AFinalErrorRemovesNoDataOfADriverThatMountsNothing) {
  std::filesystem::create_directories(target());
  ASSERT_TRUE(base::write_file(target() + "/data", "precious", 0644).ok());
  outcomes["NodePublishVolume"] = {13, "broken"};
  EXPECT_FALSE(publish().ok());
  EXPECT_TRUE(exists(target() + "/data"));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("What a failed CSI mount left stays")));
}

// --- Publish

TEST_F(CsiPluginTest, PublishesInTheContractsOrder) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  volume_.publish_secret = CsiSecretRef{"ns", "publish"};
  cluster_.secrets["ns/publish"] = {{"user", "u"}};
  object().set_podinfoonmount(true);
  object().add_tokenrequests()->set_audience("vault");
  object().add_tokenrequests()->set_expirationseconds(600);
  const auto done = publish();
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_EQ(done->path, target());
  EXPECT_FALSE(done->group_by_driver);
  EXPECT_THAT(story_,
              ElementsAre("NodeGetCapabilities", "GET VolumeAttachment", "GET Secret ns/publish", "token for \"vault\"",
                          "token for \"\"", "NodeGetCapabilities", "NodeGetCapabilities", "NodePublishVolume"));
  const auto& request = last<pb::NodePublishVolumeRequest>("NodePublishVolume");
  EXPECT_EQ(request.volume_id(), "vol-1");
  EXPECT_EQ(request.target_path(), target());
  EXPECT_EQ(request.staging_target_path(), staging());
  EXPECT_EQ(request.publish_context().at("device"), "/dev/vdb");
  EXPECT_FALSE(request.readonly());
  EXPECT_EQ(request.secrets().size(), 1u);
  EXPECT_EQ(request.volume_context().at("pool"), "fast");
  EXPECT_EQ(request.volume_context().at("csi.storage.k8s.io/pod.name"), "web");
  EXPECT_EQ(request.volume_context().at("csi.storage.k8s.io/serviceAccount.tokens"),
            "{\"\":{\"token\":\"builder-600\",\"expirationTimestamp\":\"2026-01-01T00:00:00Z\"},"
            "\"vault\":{\"token\":\"builder\",\"expirationTimestamp\":\"2026-01-01T00:00:00Z\"}}");
  EXPECT_FALSE(exists(target())) << "the driver makes it";
  EXPECT_EQ(mode(volume_dir()), 0750u);
  EXPECT_EQ(base::read_file(volume_dir() + "/vol_data.json").value(),
            "{\"attachmentID\":\"" + csi_attachment_name("vol-1", "disk.example", "node-1") +
                "\",\"driverName\":\"disk.example\",\"nodeName\":\"node-1\",\"specVolID\":\"pv-1\",\"volumeHandle\":"
                "\"vol-1\",\"volumeLifecycleMode\":\"Persistent\"}\n");
}

TEST_F(CsiPluginTest, PutsTokensWhereTheDriverWantsThem) {
  object().set_serviceaccounttokeninsecrets(true);
  object().add_tokenrequests()->set_audience("vault");
  ASSERT_TRUE(publish().ok());
  const auto& request = last<pb::NodePublishVolumeRequest>("NodePublishVolume");
  EXPECT_EQ(request.secrets().count("csi.storage.k8s.io/serviceAccount.tokens"), 1u);
  EXPECT_EQ(request.volume_context().count("csi.storage.k8s.io/serviceAccount.tokens"), 0u);
  EXPECT_EQ(request.staging_target_path(), "") << "this driver does not stage";
}

TEST_F(CsiPluginTest, AnInlineVolumeIsNeitherAttachedNorStaged) {
  volume_.inline_volume = true;
  volume_.name = "scratch";
  volume_.access_modes.clear();
  volume_.mount_options.clear();
  volume_.handle = csi_inline_handle("uid-1", "scratch");
  volume_.read_only = true;
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  const auto refused = publish();
  EXPECT_EQ(refused.error().outcome, Outcome::transient);
  EXPECT_THAT(refused.error().to_string(),
              HasSubstr("volume mode \"Ephemeral\" not supported by driver disk.example (no CSIDriver object)"));
  object().add_volumelifecyclemodes("Ephemeral");
  ASSERT_TRUE(publish().ok());
  EXPECT_THAT(story_, ElementsAre("NodeGetCapabilities", "NodeGetCapabilities", "NodePublishVolume"));
  const auto& request = last<pb::NodePublishVolumeRequest>("NodePublishVolume");
  EXPECT_EQ(request.volume_id(), volume_.handle);
  EXPECT_EQ(request.staging_target_path(), "");
  EXPECT_TRUE(request.publish_context().empty());
  EXPECT_TRUE(request.readonly());
  EXPECT_EQ(load_vol_data(csi_volume_dir(top_, "uid-1", "scratch"))->lifecycle_mode, "Ephemeral");
}

TEST_F(CsiPluginTest, AppliesFsGroupToWhatWasPublished) {
  fs_group_ = static_cast<std::int64_t>(getegid());
  on_call = [&](const Call& call) {
    if (call.name() != "NodePublishVolume") return;
    std::filesystem::create_directories(target() + "/dir");
    ASSERT_TRUE(base::write_file(target() + "/file", "x", 0600).ok());
  };
  ASSERT_TRUE(publish().ok());
  EXPECT_EQ(mode(target() + "/file"), 0660u);
  EXPECT_EQ(mode(target() + "/dir") & 02070, 02070u);
  ASSERT_EQ(::chmod((target() + "/file").c_str(), 0600), 0);
  on_call = nullptr;
  auto wanted = publish_wish();
  wanted.fs_group_change_policy = "OnRootMismatch";
  ASSERT_TRUE(run(plugin_->publish(wanted)).ok());
  EXPECT_EQ(mode(target() + "/file"), 0600u) << "the top is as it would become, so nothing is walked";
  wanted.fs_group_change_policy = "Always";
  ASSERT_TRUE(run(plugin_->publish(wanted)).ok());
  EXPECT_EQ(mode(target() + "/file"), 0660u);
}

TEST_F(CsiPluginTest, AnFsGroupThatCannotBeAppliedLeavesTheVolumeUncertain) {
  fs_group_ = 2000;
  const auto done = publish();  // the driver made no directory
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().outcome, Outcome::uncertain);
  EXPECT_THAT(done.error().to_string(), HasSubstr("applyFSGroup failed for vol vol-1: "));
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
}

TEST_F(CsiPluginTest, AFailingRepublishRemovesNothing) {
  ASSERT_TRUE(publish().ok());
  outcomes["NodePublishVolume"] = {13, "broken"};
  auto wanted = publish_wish();
  wanted.republish = true;
  EXPECT_EQ(run(plugin_->publish(wanted)).error().outcome, Outcome::final);
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
  wanted.republish = false;
  wanted.restored = true;
  EXPECT_FALSE(run(plugin_->publish(wanted)).ok());
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
}

TEST_F(CsiPluginTest, RefusesAPodThatWouldLeadElsewhere) {
  pod_.uid = "../../etc";
  EXPECT_EQ(publish().error().outcome, Outcome::final);
  EXPECT_EQ(run(plugin_->unpublish("..", "pv-1")).error().outcome, Outcome::final);
  EXPECT_THAT(story_, IsEmpty());
}

// --- Taking down

TEST_F(CsiPluginTest, UnpublishesByWhatItFindsOnTheDisk) {
  ASSERT_TRUE(publish().ok());
  std::filesystem::create_directories(target());
  story_.clear();
  const auto done = run(plugin_->unpublish("uid-1", "pv-1"));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_THAT(story_, ElementsAre("NodeUnpublishVolume"));
  const auto& request = last<pb::NodeUnpublishVolumeRequest>("NodeUnpublishVolume");
  EXPECT_EQ(request.volume_id(), "vol-1");
  EXPECT_EQ(request.target_path(), target());
  EXPECT_FALSE(exists(volume_dir()));
  EXPECT_TRUE(run(plugin_->unpublish("uid-1", "pv-1")).ok()) << "there is nothing left to do";
  EXPECT_EQ(story_.size(), 1u);
}

TEST_F(CsiPluginTest, AnUnpublishThatFailsKeepsWhatTheNextOneNeeds) {
  ASSERT_TRUE(publish().ok());
  outcomes["NodeUnpublishVolume"] = {13, "busy"};
  auto done = run(plugin_->unpublish("uid-1", "pv-1"));
  EXPECT_EQ(done.error().outcome, Outcome::uncertain);
  EXPECT_EQ(done.error().to_string(),
            "kubernetes.io/csi: Unmounter.TearDownAt failed: rpc error: code = Internal desc = busy");
  EXPECT_TRUE(exists(volume_dir() + "/vol_data.json"));
  drivers_.remove("disk.example");
  EXPECT_EQ(run(plugin_->unpublish("uid-1", "pv-1")).error().outcome, Outcome::transient);
}

TEST_F(CsiPluginTest, AVolumeThatIsStillMountedAfterwardsKeepsItsDirectory) {
  ASSERT_TRUE(publish().ok());
  std::filesystem::create_directories(target());
  mounts_->table = {{target(), "ext4"}};
  EXPECT_TRUE(run(plugin_->unpublish("uid-1", "pv-1")).ok());
  EXPECT_TRUE(exists(target()));
}

TEST_F(CsiPluginTest, WithoutItsDataOnlyWhatIsNotMountedGoes) {
  std::filesystem::create_directories(target());
  mounts_->table = {{target(), "ext4"}};
  const auto done = run(plugin_->unpublish("uid-1", "pv-1"));
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().outcome, Outcome::uncertain);
  EXPECT_THAT(done.error().to_string(), HasSubstr("unmounter failed to load volume data file: "));
  EXPECT_TRUE(exists(target()));
  mounts_->table.clear();
  ASSERT_TRUE(base::write_file(volume_dir() + "/vol_data.json", "", 0644).ok()) << "cut by a crash";
  EXPECT_TRUE(run(plugin_->unpublish("uid-1", "pv-1")).ok());
  EXPECT_FALSE(exists(volume_dir()));
  EXPECT_THAT(story_, IsEmpty());
}

TEST_F(CsiPluginTest, Unstages) {
  can = {Rpc::STAGE_UNSTAGE_VOLUME};
  ASSERT_TRUE(stage().ok());
  outcomes["NodeUnstageVolume"] = {9, "in use"};
  auto done = run(plugin_->unstage("disk.example", "vol-1"));
  EXPECT_EQ(done.error().outcome, Outcome::uncertain);
  outcomes.clear();
  story_.clear();
  done = run(plugin_->unstage("disk.example", "vol-1"));
  ASSERT_TRUE(done.ok()) << done.error().to_string();
  EXPECT_THAT(story_, ElementsAre("NodeGetCapabilities", "NodeUnstageVolume"));
  EXPECT_EQ(last<pb::NodeUnstageVolumeRequest>("NodeUnstageVolume").staging_target_path(), staging());
  EXPECT_FALSE(exists(staging_dir()));
  EXPECT_TRUE(exists(top_ + "/plugins/kubernetes.io/csi/disk.example"));
}

TEST_F(CsiPluginTest, AnOperationsCallsEndAfterTwoMinutes) {
  outcomes["NodePublishVolume"] = {base::testing::FakeRpcChannels::hang, ""};
  auto place = std::make_shared<std::optional<VolumeResult<CsiPublished>>>();
  base::spawn(gate_, "publish",
              base::internal::keep_result<VolumeResult<CsiPublished>>(plugin_->publish(publish_wish()), place));
  ASSERT_TRUE(base::testing::pump_until(loop_, [&] { return rpc_.open == 1; }));
  clock_.advance(std::chrono::minutes(2));
  ASSERT_TRUE(base::testing::pump_until(loop_, [&] { return place->has_value(); }));
  EXPECT_EQ((*place)->error().outcome, Outcome::uncertain);
}

// --- Attachment

TEST_F(CsiPluginTest, LooksWhetherAVolumeIsAttached) {
  EXPECT_TRUE(run(plugin_->check_attached(volume_)).ok());
  auto& attachment = cluster_.attachments.begin()->second;
  attachment.attached = false;
  EXPECT_THAT(run(plugin_->check_attached(volume_)).error().to_string(), HasSubstr("is not attached to this node yet"));
  attachment.attach_error = "no such disk";
  EXPECT_EQ(run(plugin_->check_attached(volume_)).error().to_string(), "no such disk");
  attachment.attached = true;
  attachment.deleting = true;
  EXPECT_EQ(run(plugin_->check_attached(volume_)).error().to_string(), "volume attachment is being deleted");
  cluster_.attachments.clear();
  const auto missing = run(plugin_->check_attached(volume_));
  EXPECT_EQ(missing.error().outcome, Outcome::transient);
  EXPECT_THAT(missing.error().to_string(), HasSubstr("volume vol-1 has GET error for volume attachment csi-"));
  object().set_attachrequired(false);
  EXPECT_TRUE(run(plugin_->check_attached(volume_)).ok());
}

TEST(CsiForeignMounts, AreThoseOutsideThePluginsDirectory) {
  const std::string staging = "/var/lib/kubelet/plugins/kubernetes.io/csi/d/sha/globalmount";
  const std::string own = "30 1 8:16 / " + staging + " rw shared:1 - ext4 /dev/sdb rw\n";
  const std::string same = "31 1 8:16 / /mnt/other" + staging + " rw shared:1 - ext4 /dev/sdb rw\n";
  const std::string else_where = "32 1 8:17 / /mnt/x rw - ext4 /dev/sdc rw\n";
  const std::string sub = "33 1 8:16 /dir /mnt/y rw - ext4 /dev/sdb rw\n";
  EXPECT_EQ(foreign_mount_of(own + same + else_where + sub, staging), std::nullopt);
  const std::string pod = "34 1 8:16 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pv/mount rw - ext4 x rw\n";
  EXPECT_EQ(foreign_mount_of(own + pod, staging), "/var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pv/mount");
  EXPECT_EQ(foreign_mount_of(pod, staging), std::nullopt) << "not mounted itself";
}

}  // namespace
}  // namespace keelson::volume
