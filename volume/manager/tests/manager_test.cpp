#include "volume/manager/manager.hpp"

#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using Outcome = VolumeError::Outcome;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(ManagerTest, MountsWhatThePodUsesAndTakesItOff) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  add_volume(*pod, "b");
  pod->mutable_spec()->add_volumes()->set_name("unused");
  const auto mounted = mount(pod);
  ASSERT_TRUE(mounted->has_value() && (*mounted)->ok());
  EXPECT_EQ((**mounted)->at("a").path, "/pods/u1/a");
  EXPECT_EQ((**mounted)->size(), 2u);
  EXPECT_THAT(told(), ElementsAre("mount a for u1", "mount b for u1"));
  EXPECT_TRUE(manager_->holds("u1"));

  const auto again = mount(pod);
  ASSERT_TRUE(again->has_value() && (*again)->ok());
  EXPECT_THAT(told(), IsEmpty()) << "what is mounted costs nothing";

  const auto gone = unmount("u1");
  ASSERT_TRUE(gone->has_value() && (*gone)->ok());
  EXPECT_THAT(told(), ElementsAre("clear u1", "unmount a for u1", "unmount b for u1", "sweep u1"));
  EXPECT_FALSE(manager_->holds("u1"));
  EXPECT_EQ(manager_->mounts(), 0u);
}

TEST_F(ManagerTest, AFailedMountIsToldAndTriedAgainWithBackOffWhileThePodWaits) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  for (int i = 0; i < 3; ++i) plugin_->fail("mount a for u1", error(Outcome::final, "secret \"absent\" not found"));
  const auto mounted = mount(pod);
  EXPECT_FALSE(mounted->has_value());
  EXPECT_EQ(waits_["u1"], "volume a: secret \"absent\" not found");
  const std::string event = "u1 FailedMount: MountVolume.SetUp failed for volume \"a\" : secret \"absent\" not found";
  EXPECT_THAT(events_, ElementsAre(event));
  clock_.advance(498ms);
  EXPECT_EQ(events_.size(), 1u);
  clock_.advance(2ms);
  EXPECT_EQ(events_.size(), 2u) << "after 500 ms";
  clock_.advance(1s);
  EXPECT_THAT(events_, ElementsAre(event, event, event)) << "after another second";
  EXPECT_FALSE(mounted->has_value());
  clock_.advance(2s);
  ASSERT_TRUE(mounted->has_value());
  EXPECT_TRUE((*mounted)->ok());
}

TEST_F(ManagerTest, AVolumeThatFailsOrHangsKeepsNoOtherFromBeingMounted) {
  auto pod = make_pod("u1");
  add_volume(*pod, "bad");
  add_volume(*pod, "slow");
  add_volume(*pod, "good");
  auto other = make_pod("u2");
  add_volume(*other, "slow");
  plugin_->fail("mount bad for u1", error(Outcome::final, "no"));
  plugin_->hang("mount slow for u1");
  const auto mounted = mount(pod);
  const auto others = mount(other);
  EXPECT_THAT(told(),
              UnorderedElementsAre("mount bad for u1", "mount slow for u1", "mount good for u1", "mount slow for u2"));
  EXPECT_TRUE(others->has_value());
  EXPECT_FALSE(mounted->has_value());
  clock_.advance(122s);
  EXPECT_FALSE(mounted->has_value());
  clock_.advance(1s);
  ASSERT_TRUE(mounted->has_value());
  EXPECT_EQ((*mounted)->error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_EQ((*mounted)->error().to_string(),
            "unmounted volumes=[slow], unattached volumes=[], failed to process volumes=[]: context deadline exceeded");
  plugin_->release();
  const auto later = mount(pod);
  ASSERT_TRUE(later->has_value() && (*later)->ok()) << "the same mount went on";
  EXPECT_THAT(told(), ElementsAre("mount bad for u1"));
}

TEST_F(ManagerTest, WhatWaitsIsTriedAtOnceWhenItsObjectsChange) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  for (int i = 0; i < 8; ++i) plugin_->fail("mount a for u1", error(Outcome::transient, "not yet"));
  const auto mounted = mount(pod);
  clock_.advance(64s);
  ASSERT_EQ(events_.size(), 8u);
  EXPECT_FALSE(mounted->has_value());
  manager_->look_again("u1");
  settle();
  EXPECT_TRUE(mounted->has_value());
}

TEST_F(ManagerTest, VolumesThatRepeatAreSetUpAnewAtEachSyncAndServeOnWhenThatFails) {
  end();
  manner_.repeats = true;
  begin();
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  (void)mount(pod);
  told();
  auto newer = std::make_shared<api::Pod>(*pod);
  (*newer->mutable_metadata()->mutable_labels())["x"] = "y";
  ASSERT_TRUE(mount(newer)->has_value());
  EXPECT_THAT(told(), ElementsAre("mount a for u1"));
  EXPECT_TRUE(plugin_->orders.back().mounted);
  EXPECT_EQ(plugin_->orders.back().spec.pod->metadata().labels().at("x"), "y") << "from the newest copy";

  plugin_->fail("mount a for u1", error(Outcome::final, "gone"));
  const auto failing = mount(newer);
  ASSERT_TRUE(failing->has_value());
  EXPECT_TRUE((*failing)->ok());
  EXPECT_EQ(events_.size(), 1u);
  told();
  clock_.advance(1s);
  EXPECT_THAT(told(), ElementsAre("mount a for u1")) << "tried again without a sync";

  plugin_->hang("mount a for u1");
  const auto hanging = mount(newer);
  EXPECT_FALSE(hanging->has_value());
  clock_.advance(2s);
  ASSERT_TRUE(hanging->has_value()) << "a refresh that hangs keeps no pod from going on for long";
  EXPECT_TRUE((*hanging)->ok());
  plugin_->release();
}

TEST_F(ManagerTest, AMountThatMayHaveTakenEffectIsTakenOff) {
  struct Row {
    Outcome outcome;
    std::vector<std::string> story;
  };
  for (const auto& row :
       {Row{Outcome::uncertain, {"clear u1", "unmount a for u1", "sweep u1"}},
        Row{Outcome::final, {"clear u1", "sweep u1"}}, Row{Outcome::transient, {"clear u1", "sweep u1"}}}) {
    auto pod = make_pod("u1");
    add_volume(*pod, "a");
    plugin_->fail("mount a for u1", error(row.outcome, "?"));
    (void)mount(pod);
    told();
    const auto gone = unmount("u1");
    ASSERT_TRUE(gone->has_value() && (*gone)->ok());
    EXPECT_EQ(told(), row.story) << to_string(row.outcome);
    EXPECT_EQ(manager_->mounts(), 0u);
  }
}

TEST_F(ManagerTest, TheEndWaitsForAMountUnderWayAndCancelsWhatCanBe) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  plugin_->hang("mount a for u1");
  (void)mount(pod);
  const auto gone = unmount("u1");
  EXPECT_FALSE(gone->has_value());
  EXPECT_EQ(plugin_->cancelled, 1);
  told();
  plugin_->release();
  settle();
  ASSERT_TRUE(gone->has_value() && (*gone)->ok());
  EXPECT_THAT(told(), ElementsAre("unmount a for u1", "sweep u1"));
}

TEST_F(ManagerTest, AnUnmountThatFailsIsTriedAgainAndHoldsThePod) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  (void)mount(pod);
  for (int i = 0; i < 10; ++i) plugin_->fail("unmount a for u1", error(Outcome::uncertain, "target is busy"));
  const auto gone = unmount("u1");
  clock_.advance(123s);
  ASSERT_TRUE(gone->has_value());
  EXPECT_EQ((*gone)->error().to_string(), "mounted volumes=[a]: target is busy");
  EXPECT_THAT(events_, IsEmpty()) << "of unmounts nobody is told";
  EXPECT_TRUE(manager_->holds("u1"));
  const auto later = unmount("u1");
  clock_.advance(123s);
  ASSERT_TRUE(later->has_value());
  EXPECT_TRUE((*later)->ok());
  EXPECT_FALSE(manager_->holds("u1"));
}

TEST_F(ManagerTest, SubPathsThatStayKeepTheirVolumes) {
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  (void)mount(pod);
  told();
  disk_.clear_fails = Error(ErrorKind::unavailable, "a sub-path is busy");
  const auto gone = unmount("u1");
  ASSERT_TRUE(gone->has_value());
  EXPECT_EQ((*gone)->error().to_string(), "a sub-path is busy");
  EXPECT_THAT(told(), ElementsAre("clear u1"));
  EXPECT_TRUE(manager_->holds("u1"));
}

TEST_F(ManagerTest, AServersVolumeIsPulledOffAlthoughASubPathOfItHangs) {
  end();
  manner_.of_server = true;
  begin();
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  (void)mount(pod);
  told();
  disk_.clear_fails = Error(ErrorKind::exhausted, "an earlier attempt still hangs in the kernel");
  ASSERT_TRUE(unmount("u1")->has_value());
  EXPECT_THAT(told(), ElementsAre("clear u1", "unmount a for u1"));
}

TEST_F(ManagerTest, WhatTheSweepTakesOffNeedsNoTask) {
  end();
  manner_.swept = true;
  begin();
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  (void)mount(pod);
  told();
  const auto gone = unmount("u1");
  ASSERT_TRUE(gone->has_value());
  EXPECT_THAT(told(), ElementsAre("sweep u1"));
  (void)unmount("never seen");
  EXPECT_THAT(told(), ElementsAre("sweep never seen"));
}

TEST_F(ManagerTest, ASourceThatNoPluginServesFailsThePodAtOnceAndTheOthersAreMounted) {
  auto pod = make_pod("u1");
  add_volume(*pod, "odd").mutable_hostpath()->set_path("/x");
  add_volume(*pod, "a");
  const auto mounted = mount(pod);
  ASSERT_TRUE(mounted->has_value());
  EXPECT_EQ((*mounted)->error().kind(), ErrorKind::invalid);
  EXPECT_EQ((*mounted)->error().to_string(),
            "unmounted volumes=[a odd], unattached volumes=[], failed to process volumes=[odd]: failed to get Plugin "
            "from volumeSpec for volume \"odd\" err=no volume plugin matched");
  EXPECT_THAT(told(), ElementsAre("mount a for u1"));
}

TEST_F(ManagerTest, NothingIsDoneBeforeItIsKnownWhatThereWas) {
  end();
  restores_ = false;
  begin();
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  const auto mounted = mount(pod);
  const auto gone = unmount("u2");
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(manager_->in_use(), std::nullopt);
  EXPECT_TRUE(manager_->holds("u3")) << "perhaps";
  base::spawn(gate_, "restore", manager_->restore());
  settle();
  EXPECT_TRUE(mounted->has_value());
  EXPECT_TRUE(gone->has_value());
  EXPECT_THAT(*manager_->in_use(), IsEmpty());
}

TEST_F(ManagerTest, WhatThereWasIsLookedForUntilItIsKnown) {
  end();
  disk_.find_fails = 2;
  restores_ = false;
  begin();
  base::spawn(gate_, "restore", manager_->restore());
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  const auto mounted = mount(pod);
  clock_.advance(1s);
  EXPECT_FALSE(mounted->has_value());
  clock_.advance(1s);
  EXPECT_TRUE(mounted->has_value());
}

TEST_F(ManagerTest, WhatWasFoundIsTakenUpByItsPodOrTakenOff) {
  end();
  FoundVolume kept{.uid = "u1", .plugin = "test/disk", .name = "a", .path = "/x"};
  FoundVolume left{.uid = "u2", .plugin = "test/disk", .name = "b", .path = "/y"};
  FoundVolume unknown{.uid = "u2", .plugin = "test/disk", .name = "unknown", .path = "/z"};
  FoundVolume foreign{.uid = "u2", .plugin = "vendor/other", .name = "c", .path = "/v"};
  disk_.found.volumes = {kept, left, unknown, foreign};
  begin();
  EXPECT_TRUE(manager_->holds("u1"));
  auto pod = make_pod("u1");
  add_volume(*pod, "a");
  plugin_->fail("mount a for u1", error(Outcome::final, "the driver is not up yet"));
  (void)mount(pod);
  EXPECT_TRUE(plugin_->orders.back().restored);
  EXPECT_TRUE(manager_->holds("u1")) << "until it was mounted once it may be there, whatever the error";
  clock_.advance(1s);
  told();
  EXPECT_FALSE(plugin_->orders.empty());
  ASSERT_TRUE((*unmount("u2"))->ok());
  EXPECT_THAT(told(), ElementsAre("clear u2", "unmount unknown for u2", "unmount b for u2", "sweep u2"));
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_THAT(told(), ElementsAre("clear u1", "unmount a for u1", "sweep u1"));
}

TEST_F(ManagerTest, WhatCouldNotBeTakenUpAndIsWantedAgainIsTakenOffByItsOwnTaskAlone) {
  end();
  FoundVolume unknown{.uid = "u1", .plugin = "test/disk", .name = "unknown", .path = "/z"};
  disk_.found.volumes = {unknown};
  disk_.find_fails = 1;
  restores_ = false;
  begin();
  base::spawn(gate_, "restore", manager_->restore());
  clock_.advance(1s);
  EXPECT_EQ(metrics_.reconstructed, 1u);
  EXPECT_EQ(metrics_.reconstruct_errors, 1u);
  auto pod = make_pod("u1");
  add_volume(*pod, "unknown");
  plugin_->fail("mount unknown for u1", error(Outcome::final, "no"));
  (void)mount(pod);
  EXPECT_TRUE(plugin_->orders.back().restored);
  EXPECT_TRUE(manager_->holds("u1")) << "something of it may be there still";
  told();
  ASSERT_TRUE((*unmount("u1"))->ok());
  EXPECT_THAT(told(), ElementsAre("clear u1", "unmount unknown for u1", "sweep u1"));
  EXPECT_EQ(metrics_.force_cleaned, 0u);
}

}  // namespace
}  // namespace keelson::volume
