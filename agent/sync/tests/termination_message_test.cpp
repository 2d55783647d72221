// Termination messages from a container's file or log to its status, through the whole of the agent's inside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sync/tests/world.hpp"

namespace keelson::agent {
namespace {

using namespace testing;
using ::testing::IsEmpty;

class TerminationMessages : public ::testing::Test {
 protected:
  void SetUp() override {
    cri::Image& image = world.cri.images["image:1"];
    image.id = "sha256:image:1";
    image.size = 1;
    world.cri.script = [](auto&, auto&, auto) { return FakeRun{2s, 1}; };
    brain = std::make_unique<Brain>(world, 300s);
    brain->start();
  }
  void TearDown() override { EXPECT_THAT(world.cri.violations(), IsEmpty()); }

  World world;
  std::unique_ptr<Brain> brain;
};

TEST_F(TerminationMessages, TheTerminationMessageIsShown) {
  brain->set_pods({make_wanted("u1", {"main"}, "Never")});
  ASSERT_TRUE(world.until([&] { return !world.files.prepared.empty(); }, 5s));
  const auto& prepared = world.files.prepared.front();
  const std::string path = brain->facts.paths.container("u1", "main") + "/" + prepared.termination_name;
  world.files.termination_texts[path] = "out of cheese";
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Failed"; }, 10s));
  EXPECT_EQ(brain->container("u1", "main")->state().terminated().message(), "out of cheese");
}

TEST_F(TerminationMessages, WithFallbackTheLogsEndIsTheTerminationMessage) {
  api::Pod pod = make_wanted("u1", {"main"}, "Never");
  pod.mutable_spec()->mutable_containers(0)->set_terminationmessagepolicy("FallbackToLogsOnError");
  world.files.log_texts["/var/log/pods/ns_pod-u1_u1/main/0.log"] = "last words\n";
  brain->set_pods({pod});
  ASSERT_TRUE(world.until([&] { return brain->phase("u1") == "Failed"; }, 10s));
  EXPECT_EQ(brain->container("u1", "main")->state().terminated().message(), "last words\n");
}

}  // namespace
}  // namespace keelson::agent
