#include "agent/wiring/pod_views.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::IsEmpty;

PodViews views_of(World& world, Brain& brain) {
  PodViews::Sources sources;
  sources.manifest_of = [](const std::string&) { return std::string(); };
  sources.pulls = [&brain] { return brain.engine.images().progress(); };
  return PodViews(world.clock, brain.facts, *brain.workers, std::move(sources));
}

api::Pod pod_with(const std::string& uid, const std::string& image) {
  api::Pod pod = make_wanted(uid);
  pod.mutable_spec()->mutable_containers(0)->set_image(image);
  return pod;
}

TEST(PodViews, ShowTheQueueOfPulls) {
  World world;
  Brain brain(world);
  brain.start();
  world.cri.inject({"pull_image", "stuck", FakeFault::Kind::hangs});
  brain.set_pods({pod_with("u1", "stuck:1")});
  world.clock.advance(10s);
  brain.set_pods({pod_with("u1", "stuck:1"), pod_with("u2", "two:1")});
  world.clock.advance(10s);
  brain.set_pods({pod_with("u1", "stuck:1"), pod_with("u2", "two:1"), pod_with("u3", "three:1")});
  world.clock.advance(10s);

  PodViews views = views_of(world, brain);
  std::map<std::string, PodView> by_name;
  for (const PodView& pod : views.pods()) by_name[pod.name] = pod;
  ASSERT_EQ(by_name["pod-u1"].pulls.size(), 1u);
  const ImagePullView& stuck = by_name["pod-u1"].pulls[0];
  EXPECT_EQ(stuck.image, "stuck:1");
  EXPECT_EQ(stuck.used_by, "container main");
  EXPECT_EQ(stuck.state, "pulling");
  EXPECT_EQ(stuck.place, 0);
  EXPECT_EQ(stuck.behind, "");
  EXPECT_EQ(std::chrono::round<std::chrono::seconds>(world.clock.now() - *stuck.since), 30s);
  for (const auto& [name, place] : {std::pair("pod-u2", 1), std::pair("pod-u3", 2)}) {
    SCOPED_TRACE(name);
    ASSERT_EQ(by_name[name].pulls.size(), 1u);
    EXPECT_EQ(by_name[name].pulls[0].state, "queued");
    EXPECT_EQ(by_name[name].pulls[0].place, place);
    EXPECT_EQ(by_name[name].pulls[0].behind, "stuck:1 for ns/pod-u1");
  }
  const auto story = views.explain("ns", "pod-u3");
  ASSERT_TRUE(story);
  EXPECT_EQ(story->pod.pulls.size(), 1u);
  EXPECT_EQ(story->waiting.what, "image three:1 of container main");

  world.cri.clear_faults();
  ASSERT_TRUE(world.until([&] { return world.cri.running("u3") == 1; }, 1min));
  for (const PodView& pod : views.pods()) EXPECT_THAT(pod.pulls, IsEmpty());
}

TEST(PodViews, ShowWhenABackOffOfAPullEnds) {
  World world;
  Brain brain(world);
  brain.start();
  world.cri.inject({"pull_image", "", FakeFault::Kind::fails, Error(ErrorKind::not_found, "no such image")});
  brain.set_pods({pod_with("u1", "bad:1")});
  ASSERT_TRUE(world.until([&] { return brain.state("u1", "main") == "waiting ImagePullBackOff"; }, 1min));
  PodViews views = views_of(world, brain);
  const auto story = views.explain("ns", "pod-u1");
  ASSERT_TRUE(story);
  ASSERT_TRUE(story->pod.containers[0].next_try_at);
  EXPECT_GT(*story->pod.containers[0].next_try_at, world.clock.now());
  EXPECT_EQ(story->waiting.next_try_at, story->pod.containers[0].next_try_at);
  EXPECT_EQ(story->waiting.what,
            "container main: ImagePullBackOff: Back-off pulling image \"bad:1\": ErrImagePull: no such image");
}

}  // namespace
}  // namespace keelson::agent
