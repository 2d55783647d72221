// Volumes that are mounted on the node once, attachment, and what claims forbid.
#include "volume/manager/manager.hpp"
#include "volume/manager/tests/manager_fixture.hpp"

namespace keelson::volume {
namespace {

using Outcome = VolumeError::Outcome;
using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DeviceTest : public ManagerTest {
 protected:
  void SetUp() override {
    manner_.device = "test/disk";
    begin();
  }
  void begin_attachable() {
    end();
    manner_.attachable = true;
    begin();
  }
  void say(api::core::Node& node, const std::string& name) { node.mutable_status()->add_volumesinuse(name); }
};

TEST_F(DeviceTest, IsMountedOnceBeforeTheFirstPodAndGoesAfterTheLast) {
  cluster_.bind("c", "ReadWriteMany");
  ASSERT_TRUE((*mount(pod_with_claim("u1", "c")))->ok());
  ASSERT_TRUE((*mount(pod_with_claim("u2", "c")))->ok());
  EXPECT_THAT(told(), ElementsAre("stage pv-c", "mount pv-c for u1", "mount pv-c for u2"));
  EXPECT_EQ(plugin_->orders.back().place, "/global/pv-c");
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  EXPECT_THAT(told(), ElementsAre("clear u1", "unmount pv-c for u1", "sweep u1"));
  ASSERT_TRUE((*unmount("u2"))->ok());
  settle();
  EXPECT_THAT(told(), ElementsAre("clear u2", "unmount pv-c for u2", "sweep u2", "unstage pv-c"));
  EXPECT_THAT(plugin_->places, ElementsAre("/global/pv-c"));
  EXPECT_EQ(manager_->devices(), 0u);
}

TEST_F(DeviceTest, OperationsOnOneDeviceNeverOverlap) {
  cluster_.bind("c", "ReadWriteMany");
  plugin_->hang("stage pv-c");
  const auto first = mount(pod_with_claim("u1", "c"));
  const auto second = mount(pod_with_claim("u2", "c"));
  EXPECT_THAT(told(), ElementsAre("stage pv-c"));
  plugin_->release();
  settle();
  EXPECT_TRUE(first->has_value() && second->has_value());
  EXPECT_THAT(told(), ElementsAre("mount pv-c for u1", "mount pv-c for u2"));
  // A pod that comes while it goes finds it gone, and has it mounted anew.
  (void)unmount("u1");
  plugin_->hang("unstage pv-c");
  (void)unmount("u2");
  settle();
  told();
  const auto third = mount(pod_with_claim("u3", "c"));
  EXPECT_THAT(told(), IsEmpty());
  plugin_->release();
  settle();
  ASSERT_TRUE(third->has_value());
  EXPECT_THAT(told(), ElementsAre("stage pv-c", "mount pv-c for u3"));
}

TEST_F(DeviceTest, AStageThatMayHaveTakenEffectIsTakenOff) {
  cluster_.bind("c");
  plugin_->fail("stage pv-c", error(Outcome::uncertain, "timed out"));
  (void)mount(pod_with_claim("u1", "c"));
  EXPECT_THAT(events_, ElementsAre("u1 FailedMount: MountVolume.MountDevice failed for volume \"pv-c\" : timed out"));
  told();
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  EXPECT_THAT(told(), ElementsAre("clear u1", "sweep u1", "unstage pv-c"));

  plugin_->fail("stage pv-c", error(Outcome::final, "no such volume"));
  (void)mount(pod_with_claim("u1", "c"));
  told();
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  EXPECT_THAT(told(), ElementsAre("clear u1", "sweep u1")) << "of a final error nothing is left";
  EXPECT_EQ(manager_->devices(), 0u);
}

TEST_F(DeviceTest, AnUnstageThatFailsIsTriedAgain) {
  cluster_.bind("c");
  (void)mount(pod_with_claim("u1", "c"));
  plugin_->fail("unstage pv-c", error(Outcome::uncertain, "busy"));
  ASSERT_TRUE((*unmount("u1"))->ok()) << "the pod does not wait for it";
  settle();
  EXPECT_EQ(manager_->devices(), 1u);
  clock_.advance(1s);
  EXPECT_EQ(manager_->devices(), 0u);
}

TEST_F(DeviceTest, IsAskedOfTheClusterAndWaitedFor) {
  begin_attachable();
  cluster_.bind("c");
  const auto mounted = mount(pod_with_claim("u1", "c"));
  EXPECT_THAT(*manager_->in_use(), ElementsAre("test/disk/pv-c"));
  ASSERT_FALSE(in_use_.empty());
  EXPECT_THAT(*in_use_.back(), ElementsAre("test/disk/pv-c"));
  EXPECT_THAT(waits_["u1"], HasSubstr("does not say yet that it is in use here"));
  // Attached, but our word is not known to have arrived: the controller may be about to detach.
  cluster_.attach(cluster_.cached, "test/disk/pv-c");
  cluster_.attach(cluster_.live, "test/disk/pv-c", "/dev/vdb");
  manager_->node_changed();
  settle();
  EXPECT_FALSE(mounted->has_value());
  say(cluster_.cached, "test/disk/pv-c");
  cluster_.live.mutable_status()->clear_volumesattached();
  manager_->node_changed();
  settle();
  EXPECT_FALSE(mounted->has_value()) << "the live Node counts";
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_THAT(told(), IsEmpty());
  cluster_.attach(cluster_.live, "test/disk/pv-c", "/dev/vdb");
  plugin_->fail("check pv-c", error(Outcome::transient, "not attached"));
  manager_->node_changed();
  settle();
  EXPECT_THAT(events_,
              ElementsAre("u1 FailedMount: MountVolume.WaitForAttach failed for volume \"pv-c\" : not attached"));
  clock_.advance(2s);
  ASSERT_TRUE(mounted->has_value() && (*mounted)->ok());
  EXPECT_EQ(plugin_->orders.back().device_path, "/dev/vdb");
  const std::size_t told_so_far = in_use_.size();
  (void)mount(pod_with_claim("u1", "c"));
  EXPECT_EQ(in_use_.size(), told_so_far) << "a sync that changes nothing has nothing to tell the Node";
  // It stays in use until it has been taken off.
  plugin_->hang("unstage pv-c");
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  EXPECT_THAT(*manager_->in_use(), ElementsAre("test/disk/pv-c"));
  plugin_->release();
  settle();
  EXPECT_THAT(*manager_->in_use(), IsEmpty());
  EXPECT_THAT(*in_use_.back(), IsEmpty());
}

TEST_F(DeviceTest, OneThatIsGivenUpBeforeItWasAttachedLeavesNothing) {
  begin_attachable();
  cluster_.bind("c");
  (void)mount(pod_with_claim("u1", "c"));
  ASSERT_TRUE((*unmount("u1"))->ok());
  settle();
  EXPECT_THAT(told(), ElementsAre("clear u1", "sweep u1"));
  EXPECT_THAT(*manager_->in_use(), IsEmpty());
  EXPECT_EQ(manager_->devices(), 0u);
}

TEST_F(DeviceTest, WhatWasFoundOnTheNodeGoesOnceAllPodsAreKnownUnlessOneWantsIt) {
  end();
  cluster_.bind("c");
  on_node_ = {{"test/disk/pv-c", "pv-c", false, "/found/c"}, {"test/disk/pv-d", "pv-d", false, "/found/d"}};
  restores_ = false;
  begin();
  base::spawn(gate_, "restore", manager_->restore());
  settle();
  EXPECT_THAT(told(), IsEmpty());
  (void)mount(pod_with_claim("u1", "c"));
  EXPECT_THAT(told(), ElementsAre("stage pv-c", "mount pv-c for u1"));
  manager_->pods_known();
  settle();
  EXPECT_THAT(told(), ElementsAre("unstage pv-d"));
  EXPECT_THAT(plugin_->places, ElementsAre("/found/d"));
}

TEST_F(DeviceTest, AFailureForGoodForgetsNoDeviceThatWasFound) {
  end();
  cluster_.bind("c");
  on_node_ = {{"test/disk/pv-c", "pv-c", false, "/found/c", true}};
  restores_ = false;
  begin();
  base::spawn(gate_, "restore", manager_->restore());
  settle();
  EXPECT_THAT(*manager_->in_use(), ElementsAre("test/disk/pv-c"));
  plugin_->fail("stage pv-c", error(Outcome::final, "no such disk"));
  (void)mount(pod_with_claim("u1", "c"));
  told();
  (void)unmount("u1");
  manager_->pods_known();
  settle();
  EXPECT_THAT(told(), Contains("unstage pv-c"));
}

TEST_F(DeviceTest, WhereAMountMayLieIsKnownBeforeItIsTried) {
  end();
  manner_.place = "/global/of-the-disk";
  begin();
  cluster_.bind("c");
  plugin_->fail("stage pv-c", error(Outcome::uncertain, "fsck failed"));
  (void)mount(pod_with_claim("u1", "c"));
  (void)unmount("u1");
  settle();
  EXPECT_THAT(plugin_->places, ElementsAre("/global/of-the-disk"));
}

TEST_F(DeviceTest, DisksOfOneTargetWaitForOneAnotherOnlyWhileTheyAreAttached) {
  end();
  manner_.serial = "iqn";
  begin();
  cluster_.bind("c");
  cluster_.bind("d");
  plugin_->hang("stage pv-c");
  plugin_->hang("mount pv-c for u1");
  (void)mount(pod_with_claim("u1", "c"));
  const auto second = mount(pod_with_claim("u2", "d"));
  EXPECT_THAT(told(), ElementsAre("stage pv-c"));
  plugin_->release();
  plugin_->hang("mount pv-c for u1");
  settle();
  EXPECT_TRUE(second->has_value());
  EXPECT_THAT(told(), ElementsAre("mount pv-c for u1", "stage pv-d", "mount pv-d for u2"));
  plugin_->release();
  settle();
}

TEST_F(DeviceTest, ADeviceThatGoesWhileAPodIsBeingLookedUpIsKnownWhenItIsWanted) {
  begin_attachable();
  cluster_.bind("c");
  cluster_.bind("d");
  for (const char* name : {"test/disk/pv-c", "test/disk/pv-d"}) {
    for (auto* node : {&cluster_.cached, &cluster_.live}) {
      cluster_.attach(*node, name);
      say(*node, name);
    }
  }
  (void)mount(pod_with_claim("u1", "c"));
  plugin_->hang("unstage pv-c");
  (void)unmount("u1");
  base::Notification answer(loop_);
  cluster_.holds["d"] = &answer;
  auto pod = pod_with_claim("u2", "c");
  add_volume(*pod, "wal").mutable_persistentvolumeclaim()->set_claimname("d");
  const auto mounted = mount(pod);
  plugin_->release();
  settle();
  EXPECT_THAT(*manager_->in_use(), IsEmpty());
  answer.notify();
  settle();
  ASSERT_TRUE(mounted->has_value() && (*mounted)->ok());
  EXPECT_THAT(*manager_->in_use(), ElementsAre("test/disk/pv-c", "test/disk/pv-d"));
  EXPECT_EQ(manager_->devices(), 2u);
}

TEST_F(DeviceTest, AVolumeThatIsMendedInTheApiIsTriedAsItIsNow) {
  auto& pv = cluster_.bind("c");
  pv.mutable_spec()->add_mountoptions("wrong");
  plugin_->fail("stage pv-c", error(Outcome::final, "wrong option"));
  plugin_->fail("stage pv-c", error(Outcome::final, "wrong option"));
  (void)mount(pod_with_claim("u1", "c"));
  pv.mutable_spec()->clear_mountoptions();
  const auto again = mount(pod_with_claim("u1", "c"));
  clock_.advance(5s);
  ASSERT_TRUE(again->has_value() && (*again)->ok());
  EXPECT_EQ(plugin_->orders.back().spec.pv->spec().mountoptions_size(), 0);
}

TEST_F(DeviceTest, WhetherOneIsAttachedIsAskedAnewOfWhatWasFound) {
  end();
  cluster_.bind("c");
  on_node_ = {{"test/disk/pv-c", "pv-c", false, "/found/c", true}};
  restores_ = false;
  begin();
  base::spawn(gate_, "restore", manager_->restore());
  settle();
  EXPECT_THAT(*manager_->in_use(), ElementsAre("test/disk/pv-c"));
  (void)mount(pod_with_claim("u1", "c"));
  EXPECT_THAT(*manager_->in_use(), IsEmpty()) << "nobody attaches volumes of this driver";
}

TEST_F(DeviceTest, AVolumeForOnePodIsForOnePodOfTwoThatComeTogether) {
  cluster_.bind("c", "ReadWriteOncePod");
  plugin_->hang("stage pv-c");
  (void)mount(pod_with_claim("u1", "c"));
  const auto second = mount(pod_with_claim("u2", "c"));
  plugin_->release();
  settle();
  EXPECT_THAT(told(), ElementsAre("stage pv-c", "mount pv-c for u1"));
  EXPECT_FALSE(second->has_value());
  EXPECT_EQ(events_.size(), 1u);
}

TEST_F(DeviceTest, AVolumeForOnePodIsForOnePod) {
  cluster_.bind("c", "ReadWriteOncePod");
  (void)mount(pod_with_claim("u1", "c"));
  const auto second = mount(pod_with_claim("u2", "c"));
  EXPECT_FALSE(second->has_value());
  EXPECT_THAT(events_, ElementsAre("u2 FailedMount: MountVolume.SetUp failed for volume \"pv-c\" : volume uses the "
                                   "ReadWriteOncePod access mode and is already in use by another pod"));
  (void)unmount("u1");
  clock_.advance(2s);
  EXPECT_TRUE(second->has_value());
}

TEST_F(DeviceTest, TheNodeMustBeOneOfTheVolumes) {
  auto& pv = cluster_.bind("c");
  auto& wanted =
      *pv.mutable_spec()->mutable_nodeaffinity()->mutable_required()->add_nodeselectorterms()->add_matchexpressions();
  wanted.set_key("zone");
  wanted.set_operator_("In");
  wanted.add_values("a");
  const auto mounted = mount(pod_with_claim("u1", "c"));
  EXPECT_THAT(events_, ElementsAre("u1 FailedMount: MountVolume.NodeAffinity check failed for volume \"pv-c\" : no "
                                   "matching NodeSelectorTerms"));
  (*cluster_.cached.mutable_metadata()->mutable_labels())["zone"] = "a";
  clock_.advance(1s);
  EXPECT_TRUE(mounted->has_value());
}

TEST_F(DeviceTest, ABlockVolumeSaysSoInItsEvents) {
  auto& pv = cluster_.bind("c");
  pv.mutable_spec()->set_volumemode("Block");
  auto pod = make_pod("u1");
  add_volume(*pod, "data", true).mutable_persistentvolumeclaim()->set_claimname("c");
  plugin_->fail("stage pv-c", error(Outcome::final, "one"));
  plugin_->fail("mount pv-c for u1", error(Outcome::final, "two"));
  const auto mounted = mount(pod);
  clock_.advance(2s);
  EXPECT_TRUE(mounted->has_value());
  EXPECT_THAT(events_, ElementsAre("u1 FailedMapVolume: MapVolume.SetUpDevice failed for volume \"pv-c\" : one",
                                   "u1 FailedMapVolume: MapVolume.MapPodDevice failed for volume \"pv-c\" : two"));
  EXPECT_TRUE(plugin_->orders.back().spec.block);
}

TEST_F(DeviceTest, OneClaimUnderTwoNamesIsOneMount) {
  (*cluster_.bind("c").mutable_metadata()->mutable_annotations())["pv.beta.kubernetes.io/gid"] = "1234";
  auto pod = pod_with_claim("u1", "c");
  add_volume(*pod, "same").mutable_persistentvolumeclaim()->set_claimname("c");
  const auto mounted = mount(pod);
  ASSERT_TRUE(mounted->has_value() && (*mounted)->ok());
  EXPECT_THAT(told(), ElementsAre("stage pv-c", "mount pv-c for u1"));
  EXPECT_EQ((**mounted)->at("data"), (**mounted)->at("same"));
  EXPECT_EQ((**mounted)->at("data").group, 1234);
  EXPECT_EQ((**mounted)->at("data").name, "pv-c");
}

TEST_F(DeviceTest, APodWhoseVolumeFindsNoRoomOnTheNodeIsNotToWaitAnyLonger) {
  begin_attachable();
  cluster_.bind("c");
  plugin_->node_full = true;
  const auto mounted = mount(pod_with_claim("u1", "c"));
  clock_.advance(122s);
  EXPECT_THAT(told(), IsEmpty()) << "not before the wait is over";
  clock_.advance(2s);
  ASSERT_TRUE(mounted->has_value());
  EXPECT_EQ((*mounted)->error().kind(), ErrorKind::exhausted);
  EXPECT_EQ((*mounted)->error().to_string(),
            "Node has reached its volume attachment limit, rejecting pod: unmounted volumes=[data], unattached "
            "volumes=[data], failed to process volumes=[]: context deadline exceeded");
  EXPECT_THAT(told(), ElementsAre("is the node full for pv-c"));
}

TEST_F(DeviceTest, IsNotAskedForRoomWhenItIsAttached) {
  begin_attachable();
  cluster_.bind("c");
  plugin_->node_full = true;
  say(cluster_.cached, "test/disk/pv-c");
  cluster_.attach(cluster_.cached, "test/disk/pv-c");
  cluster_.attach(cluster_.live, "test/disk/pv-c");
  plugin_->hang("stage pv-c");
  const auto mounted = mount(pod_with_claim("u1", "c"));
  clock_.advance(124s);
  ASSERT_TRUE(mounted->has_value());
  EXPECT_EQ((*mounted)->error().kind(), ErrorKind::deadline_exceeded);
  EXPECT_THAT((*mounted)->error().to_string(), HasSubstr("unattached volumes=[]"));
  plugin_->release();
}

}  // namespace
}  // namespace keelson::volume
