// Whole pods on the fake node: what their workers do about images.
#include "agent/images/round_images.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void add_image_volume(api::Pod& pod, const std::string& name, const std::string& reference,
                      const std::string& policy = "IfNotPresent") {
  auto& volume = *pod.mutable_spec()->add_volumes();
  volume.set_name(name);
  volume.mutable_volumesource()->mutable_image()->set_reference(reference);
  volume.mutable_volumesource()->mutable_image()->set_pullpolicy(policy);
}

void mount(api::Pod& pod, int container, const std::string& volume, const std::string& path) {
  auto& entry = *pod.mutable_spec()->mutable_containers(container)->add_volumemounts();
  entry.set_name(volume);
  entry.set_mountpath(path);
}

class PodImages : public ::testing::Test {
 protected:
  PodImages() { brain.start(); }

  bool runs(const std::string& uid, std::size_t containers) {
    return world.until([&] { return world.cri.running(uid) == containers; }, 5min);
  }

  World world;
  Brain brain{world};
};

TEST_F(PodImages, OfVolumesComeFirstAndAreMountedByTheirReference) {
  api::Pod pod = make_wanted("u1", {"main", "other"});
  (*pod.mutable_metadata()->mutable_annotations())["a"] = "1";
  add_image_volume(pod, "data", "data:1");
  mount(pod, 0, "data", "/data");
  brain.set_pods({pod});
  ASSERT_TRUE(runs("u1", 2));
  std::vector<std::string> pulls;
  for (const auto& call : world.cri.calls()) {
    if (call.name == "pull_image") pulls.push_back(call.about);
  }
  EXPECT_THAT(pulls, ElementsAre("data:1", "image:1"));
  const auto& mounts = world.cri.newest("u1", "main")->config.mounts;
  const auto found =
      std::find_if(mounts.begin(), mounts.end(), [](const auto& m) { return m.container_path == "/data"; });
  ASSERT_NE(found, mounts.end());
  ASSERT_TRUE(found->image);
  EXPECT_EQ(found->image->image, "sha256:data:1");
  EXPECT_EQ(found->image->user_specified_image, "data:1");
  EXPECT_EQ(found->image->annotations.at("a"), "1");
  EXPECT_EQ(found->host_path, "");
  EXPECT_EQ(brain.engine.images().metrics().volumes_requested, 1u);
  EXPECT_EQ(brain.engine.images().metrics().volumes_mounted, 1u);
  EXPECT_EQ(brain.engine.images().metrics().volume_errors, 0u);
  // Events of a volume's image have no field path.
  EXPECT_THAT(world.events.texts("Pulling"), ElementsAre("N Pulling: Pulling image \"data:1\"",
                                                         "N Pulling spec.containers{main}: Pulling image \"image:1\""));
}

TEST_F(PodImages, OfAVolumeThatCannotBePulledStopEveryContainerThatMountsIt) {
  world.cri.inject({"pull_image", "data", FakeFault::Kind::fails, Error(ErrorKind::not_found, "no such image")});
  api::Pod pod = make_wanted("u1", {"a", "b", "free"});
  add_image_volume(pod, "data", "data:1");
  mount(pod, 0, "data", "/data");
  mount(pod, 1, "data", "/data");
  brain.set_pods({pod});
  ASSERT_TRUE(runs("u1", 1));
  EXPECT_TRUE(world.until([&] { return brain.state("u1", "free") == "running"; }, 10s));
  ASSERT_TRUE(world.until([&] { return brain.state("u1", "b") == "waiting ErrImagePull"; }, 1min));
  EXPECT_EQ(brain.state("u1", "a"), "waiting ErrImagePull");
  EXPECT_EQ(brain.container("u1", "a")->state().waiting().message(), "no such image");
  EXPECT_GE(brain.engine.images().metrics().volume_errors, 1u);
  EXPECT_EQ(brain.engine.images().metrics().volumes_mounted, 0u);
  EXPECT_THAT(world.events.texts("Failed"), ElementsAre("W Failed: Failed to pull image \"data:1\": no such image",
                                                        "W Failed spec.containers{a}: Error: ErrImagePull",
                                                        "W Failed spec.containers{b}: Error: ErrImagePull"));
  ASSERT_TRUE(world.until([&] { return brain.state("u1", "a") == "waiting ImagePullBackOff"; }, 1min));
  EXPECT_EQ(brain.state("u1", "b"), "waiting ImagePullBackOff");
  world.cri.clear_faults();
  EXPECT_TRUE(runs("u1", 3));
}

TEST_F(PodImages, OfVolumesAreNotAskedForAgainWhileAllRuns) {
  api::Pod pod = make_wanted("u1");
  add_image_volume(pod, "data", "data:1", "Always");
  mount(pod, 0, "data", "/data");
  brain.set_pods({pod});
  ASSERT_TRUE(runs("u1", 1));
  world.clock.advance(10min);
  EXPECT_EQ(world.cri.count("pull_image", "data:1"), 1u);
}

TEST_F(PodImages, TellOnceARoundThatSecretsAreMissing) {
  api::Pod pod = make_wanted("u1", {"a", "b"});
  pod.mutable_spec()->add_imagepullsecrets()->set_name("gone");
  brain.set_pods({pod});
  ASSERT_TRUE(runs("u1", 2));
  EXPECT_THAT(world.events.texts("FailedToRetrieveImagePullSecret"),
              ElementsAre("W FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (gone); "
                          "attempting to pull the image may not succeed."));
}

TEST_F(PodImages, ThatHangDelayNoOtherPodAndEndWithTheirOwn) {
  world.cri.inject({"pull_image", "stuck", FakeFault::Kind::hangs});
  world.cri.images["there:1"].id = "sha256:there";
  world.cri.images["there:1"].size = 1;
  api::Pod stuck = make_wanted("u1");
  stuck.mutable_spec()->mutable_containers(0)->set_image("stuck:1");
  api::Pod behind = make_wanted("u2");
  api::Pod there = make_wanted("u3");
  there.mutable_spec()->mutable_containers(0)->set_image("there:1");
  brain.set_pods({stuck, behind, there});
  ASSERT_TRUE(world.until([&] { return world.cri.running("u3") == 1; }, 3s)) << "its image is there";
  world.clock.advance(10min);
  EXPECT_EQ(brain.state("u2", "main"), "waiting ContainerCreating") << "serial pulls: behind the one that hangs";
  EXPECT_EQ(brain.engine.images().queued(), 1u);
  brain.set_pods({behind, there});
  EXPECT_TRUE(world.until([&] { return world.cri.running("u2") == 1; }, 10s)) << "the place is free";
  ASSERT_TRUE(world.until([&] { return brain.worker("u1") == nullptr; }, 1min));
  EXPECT_TRUE(world.until([&] { return !world.cri.knows("u1"); }, 1min));
  EXPECT_THAT(brain.engine.images().progress(), IsEmpty());
}

TEST_F(PodImages, TellWhatThePodWaitsFor) {
  world.cri.inject({"pull_image", "data", FakeFault::Kind::hangs});
  api::Pod pod = make_wanted("u1");
  add_image_volume(pod, "data", "data:1");
  brain.set_pods({pod});
  EXPECT_TRUE(world.until(
      [&] {
        return brain.worker("u1") != nullptr &&
               brain.worker("u1")->journal().waiting().what == "image data:1 of volume data";
      },
      1min));
  world.cri.clear_faults();
  EXPECT_TRUE(runs("u1", 1));
}

}  // namespace
}  // namespace keelson::agent
