// Volumes that grow: when they are mounted, and while they are (contract 04 §24).
#include "volume/manager/manager.hpp"
#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using Outcome = VolumeError::Outcome;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;

class GrowthTest : public ManagerTest {
 protected:
  void SetUp() override {
    manner_.device = "test/disk";
    manner_.expands = true;
    begin();
    cluster_.bind("c");
  }
  std::shared_ptr<api::Pod> pod(bool read_only = false) {
    auto out = pod_with_claim("u1", "c");
    out->mutable_spec()->set_nodename("node-1");
    auto& source = *out->mutable_spec()->mutable_volumes(0)->mutable_volumesource();
    source.mutable_persistentvolumeclaim()->set_readonly(read_only);
    return out;
  }
  void mount_whole() {
    cluster_.grow("c", "1G", "1G", "");
    ASSERT_TRUE((*mount(pod()))->ok());
    told();
  }
  // As at the pod's next sync.
  void sync() {
    clock_.advance(60s);
    ASSERT_TRUE((*mount(pod()))->ok());
  }
  std::vector<std::string> expansions() {
    std::vector<std::string> out;
    for (auto& call : told()) {
      if (call.starts_with("expand")) out.push_back(std::move(call));
    }
    return out;
  }
  std::uint64_t counted(const std::string& operation, const char* status) {
    const auto found = metrics_.operations.find({"test/disk", operation, status, "false"});
    return found == metrics_.operations.end() ? 0 : found->second.count;
  }
  const api::core::PersistentVolumeClaim& claim() { return cluster_.claims.at("ns/c"); }
};

TEST_F(GrowthTest, OneThatHasGrownIsMadeLargerBeforeItsPodGetsIt) {
  cluster_.grow("c", "1G", "2G");
  ASSERT_TRUE((*mount(pod()))->ok());
  EXPECT_THAT(told(), ElementsAre("stage pv-c", "mount pv-c for u1", "expand pv-c to 2000000000"));
  EXPECT_THAT(plugin_->paths, ElementsAre("/pods/u1/pv-c"));
  EXPECT_THAT(cluster_.patches, ElementsAre("1G NodeResizeInProgress", "2G"));
  const std::string text =
      "FileSystemResizeSuccessful: MountVolume.NodeExpandVolume succeeded for volume \"pv-c\" node-1";
  EXPECT_THAT(events_, ElementsAre("u1 " + text, "PersistentVolumeClaim c " + text));
}

TEST_F(GrowthTest, OneThatIsAsLargeAsItShouldBeIsLeftAlone) {
  mount_whole();
  const int reads = cluster_.reads;
  sync();
  EXPECT_THAT(expansions(), IsEmpty());
  EXPECT_EQ(cluster_.reads, reads) << "the claim is not read when the PersistentVolume has not grown";
  EXPECT_THAT(cluster_.patches, IsEmpty());
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(GrowthTest, OneThatIsOnlyReadIsMountedAsItIsAndPeopleAreTold) {
  cluster_.grow("c", "1G", "2G");
  ASSERT_TRUE((*mount(pod(true)))->ok());
  EXPECT_THAT(expansions(), IsEmpty());
  const std::string text =
      "FileSystemResizeFailed: MountVolume.NodeExpandVolume failed for volume \"pv-c\" requested read-only file system";
  EXPECT_THAT(events_, ElementsAre("u1 " + text, "PersistentVolumeClaim c " + text));
  clock_.advance(60s);
  ASSERT_TRUE((*mount(pod(true)))->ok());
  EXPECT_THAT(expansions(), IsEmpty());
}

TEST_F(GrowthTest, AFailureKeepsThePodWaitingAndIsTriedAgain) {
  cluster_.grow("c", "1G", "2G");
  plugin_->fail("expand pv-c to 2000000000", error(Outcome::final, "the disk is busy"));
  const auto mounted = mount(pod());
  EXPECT_FALSE(mounted->has_value());
  EXPECT_THAT(events_, ElementsAre("u1 FailedMount: MountVolume.Setup failed while expanding volume for volume "
                                   "\"pv-c\" : the disk is busy"));
  ASSERT_EQ(claim().status().conditions_size(), 1);
  EXPECT_EQ(claim().status().conditions(0).message(), "failed to expand pvc with the disk is busy");
  EXPECT_EQ(claim().status().allocatedresourcestatuses().at("storage"), "NodeResizeInProgress");
  clock_.advance(1s);
  ASSERT_TRUE(mounted->has_value());
  EXPECT_TRUE((*mounted)->ok());
  EXPECT_EQ(claim().status().conditions_size(), 0);
  EXPECT_EQ(claim().status().capacity().at("storage").string(), "2G");
  EXPECT_EQ(counted("volume_mount", "fail-unknown"), 1u);
  EXPECT_EQ(counted("volume_mount", "success"), 1u);
}

TEST_F(GrowthTest, OneThatCannotHaveThatSizeIsMountedWithTheOldOne) {
  cluster_.grow("c", "1G", "2G");
  plugin_->expands = ExpandResult::Outcome::infeasible;
  plugin_->fail("expand pv-c to 2000000000", error(Outcome::final, "too large"));
  const auto mounted = mount(pod());
  EXPECT_FALSE(mounted->has_value());
  EXPECT_EQ(claim().status().allocatedresourcestatuses().at("storage"), "NodeResizeInfeasible");
  clock_.advance(1s);
  ASSERT_TRUE(mounted->has_value() && (*mounted)->ok()) << "the controller has the next word";
  EXPECT_THAT(cluster_.patches, ElementsAre("1G NodeResizeInProgress", "1G NodeResizeInfeasible"));
}

TEST_F(GrowthTest, OneThatIsRefusedWhileInUseIsMountedAndNotAskedAgain) {
  cluster_.grow("c", "1G", "2G");
  plugin_->expands = ExpandResult::Outcome::in_use;
  plugin_->fail("expand pv-c to 2000000000", error(Outcome::final, "in use"));
  ASSERT_TRUE((*mount(pod()))->ok());
  EXPECT_EQ(expansions().size(), 1u);
  EXPECT_EQ(claim().status().conditions_size(), 1);
  sync();
  sync();
  EXPECT_THAT(expansions(), IsEmpty());
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(GrowthTest, OneThatGrowsWhileItIsMountedIsMadeLargerAtTheNextSync) {
  mount_whole();
  cluster_.grow("c", "1G", "2G");
  sync();
  EXPECT_THAT(expansions(), ElementsAre("expand pv-c to 2000000000"));
  EXPECT_THAT(cluster_.patches, ElementsAre("1G NodeResizeInProgress", "2G"));
  EXPECT_THAT(events_, Contains("u1 FileSystemResizeSuccessful: MountVolume.NodeExpandVolume succeeded for volume "
                                "\"pv-c\" node-1"));
  EXPECT_EQ(counted("volume_fs_resize", "success"), 1u);
  sync();
  EXPECT_THAT(expansions(), IsEmpty());
}

TEST_F(GrowthTest, TheControllersTurnIsWaitedForWithBackOff) {
  mount_whole();
  cluster_.grow("c", "1G", "2G", "ControllerResizeInProgress");
  sync();
  EXPECT_THAT(expansions(), IsEmpty());
  cluster_.grow("c", "1G", "2G");
  clock_.advance(1s);
  EXPECT_THAT(expansions(), ElementsAre("expand pv-c to 2000000000"));
  EXPECT_THAT(events_, Not(Contains(::testing::HasSubstr("VolumeResizeFailed"))));
}

TEST_F(GrowthTest, AFailureWhileItIsMountedIsToldAndTriedAgainAndThePodGoesOn) {
  mount_whole();
  cluster_.grow("c", "1G", "2G");
  plugin_->expands = ExpandResult::Outcome::uncertain;
  plugin_->fail("expand pv-c to 2000000000", error(Outcome::uncertain, "context deadline exceeded"));
  sync();
  EXPECT_THAT(events_, ElementsAre("u1 VolumeResizeFailed: NodeExpandVolume.NodeExpandVolume failed for volume "
                                   "\"pv-c\" : context deadline exceeded"));
  EXPECT_EQ(claim().status().conditions_size(), 0) << "it may be under way";
  EXPECT_EQ(counted("volume_fs_resize", "fail-unknown"), 1u);
  clock_.advance(1s);
  EXPECT_EQ(expansions().size(), 2u);
  EXPECT_EQ(claim().status().capacity().at("storage").string(), "2G");
}

TEST_F(GrowthTest, WhatCannotBeToldTheClaimIsTriedAgain) {
  mount_whole();
  cluster_.grow("c", "1G", "2G");
  cluster_.patch_fails = Error(ErrorKind::unavailable, "no API server");
  sync();
  EXPECT_THAT(expansions(), IsEmpty()) << "first the claim says that it begins";
  cluster_.patch_fails = Status();
  clock_.advance(1s);
  EXPECT_THAT(expansions(), ElementsAre("expand pv-c to 2000000000"));
  EXPECT_EQ(claim().status().capacity().at("storage").string(), "2G");
}

TEST_F(GrowthTest, KeepsNoSyncWaitingButTheVolumeFromBeingTakenOff) {
  mount_whole();
  cluster_.grow("c", "1G", "2G");
  plugin_->hang("expand pv-c to 2000000000");
  sync();
  const auto gone = unmount("u1");
  EXPECT_FALSE(gone->has_value());
  EXPECT_THAT(told(), ElementsAre("expand pv-c to 2000000000", "clear u1"));
  plugin_->release();
  settle();
  ASSERT_TRUE(gone->has_value());
  EXPECT_THAT(told(), ElementsAre("unmount pv-c for u1", "sweep u1", "unstage pv-c"));
  clock_.advance(5min);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(GrowthTest, WhatWasFoundAfterARestartGrowsWhenItIsTakenUp) {
  end();
  disk_.found.volumes = {FoundVolume{.uid = "u1", .plugin = "test/disk", .name = "pv-c", .path = "/x"}};
  begin();
  cluster_.grow("c", "1G", "2G", "NodeResizeInProgress");
  ASSERT_TRUE((*mount(pod()))->ok());
  EXPECT_THAT(expansions(), ElementsAre("expand pv-c to 2000000000"));
}

}  // namespace
}  // namespace keelson::volume
