// What the volume manager counts (contract 05 §12).
#include "volume/manager/manager.hpp"
#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using Outcome = VolumeError::Outcome;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class MetricsTest : public ManagerTest {
 protected:
  // "operation status" of the plugin's, with how often.
  std::map<std::string, std::uint64_t> counted() const {
    std::map<std::string, std::uint64_t> out;
    for (const auto& [labels, durations] : metrics_.operations) {
      EXPECT_EQ(labels[0], manner_.label.empty() ? "test/disk" : manner_.label);
      out[labels[1] + " " + labels[2]] += durations.count;
    }
    return out;
  }
};

TEST_F(MetricsTest, AMountIsCountedWithWhatCameBefore) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  plugin_->fail("mount a for u1", error(Outcome::final, "no"));
  (void)mount(pod);
  clock_.advance(1s);
  EXPECT_THAT(counted(), ElementsAre(Pair("verify_controller_attached_volume success", 1),
                                     Pair("volume_mount fail-unknown", 1), Pair("volume_mount success", 1)));
  const auto total = metrics_.totals.find({"test/disk", "overall_volume_mount"});
  ASSERT_NE(total, metrics_.totals.end());
  EXPECT_EQ(total->second.count, 1u);
  EXPECT_GT(total->second.sum, 0.4) << "from when it was asked for, over the failure";
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_EQ(counted()["volume_unmount success"], 1u);
}

TEST_F(MetricsTest, DevicesAndBlockVolumesHaveTheirOwnNames) {
  end();
  manner_.device = "test/disk";
  manner_.label = "test/disk:driver";
  begin();
  cluster_.bind("c").mutable_spec()->set_volumemode("Block");
  auto pod = make_pod("u1");
  add_volume(*pod, "data", true).mutable_persistentvolumeclaim()->set_claimname("c");
  ASSERT_TRUE((*mount(pod))->ok());
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  EXPECT_THAT(counted(),
              ElementsAre(Pair("map_volume success", 1), Pair("unmap_device success", 1),
                          Pair("unmap_volume success", 1), Pair("verify_controller_attached_volume success", 1)));
}

TEST_F(MetricsTest, WaitingToBeAttachedIsNoMount) {
  end();
  manner_.device = "test/disk";
  manner_.attachable = true;
  begin();
  cluster_.bind("c");
  (void)mount(pod_with_claim("u1", "c"));
  EXPECT_THAT(counted(), ElementsAre(Pair("verify_controller_attached_volume fail-unknown", 1)));
}

TEST_F(MetricsTest, VolumesThatTheSweepTakesOffAreCountedByIt) {
  end();
  manner_.swept = true;
  begin();
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  add_volume(*pod, "b");
  ASSERT_TRUE((*mount(pod))->ok());
  disk_.sweep_fails = Error(ErrorKind::unavailable, "busy");
  EXPECT_FALSE((*unmount("u1"))->ok());
  EXPECT_EQ(counted()["volume_unmount fail-unknown"], 2u);
}

TEST_F(MetricsTest, FilesThatWereGivenToAGroupAreTold) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  plugin_->grouped = true;
  ASSERT_TRUE((*mount(pod))->ok());
  EXPECT_EQ(counted()["volume_apply_access_control success"], 1u);
}

TEST_F(MetricsTest, ShowsHowManyVolumesThereAreAndShouldBe) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  add_volume(*pod, "b");
  plugin_->hang("mount b for u1");
  (void)mount(pod);
  EXPECT_THAT(manager_->counts().desired, ElementsAre(Pair("test/disk", 2)));
  EXPECT_THAT(manager_->counts().actual, ElementsAre(Pair("test/disk", 1)));
  plugin_->release();
  settle();
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_THAT(manager_->counts().desired, IsEmpty());
  EXPECT_THAT(manager_->counts().actual, IsEmpty());
}

TEST_F(MetricsTest, WhatIsFoundAndCannotBeTakenUpIsUnmountedOnceWhenItsPodEnds) {
  end();
  FoundVolume lost{.uid = "u1", .plugin = "test/disk", .name = "unknown", .path = "/x"};
  FoundVolume foreign{.uid = "u1", .plugin = "vendor/other", .name = "c", .path = "/v"};
  FoundVolume good{.uid = "u1", .plugin = "test/disk", .name = "a", .path = "/y"};
  disk_.found.volumes = {lost, foreign, good};
  begin();
  EXPECT_EQ(metrics_.reconstructed, 3u);
  EXPECT_EQ(metrics_.reconstruct_errors, 2u);
  EXPECT_EQ(metrics_.force_cleaned, 0u);
  plugin_->fail("unmount unknown for u1", error(Outcome::uncertain, "no vol_data.json"));
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_THAT(told(), ElementsAre("clear u1", "unmount unknown for u1", "unmount a for u1", "sweep u1"));
  EXPECT_EQ(metrics_.force_cleaned, 1u);
  EXPECT_EQ(metrics_.force_cleaned_errors, 1u);
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_THAT(told(), ElementsAre("sweep u1")) << "once";
}

}  // namespace
}  // namespace keelson::volume
