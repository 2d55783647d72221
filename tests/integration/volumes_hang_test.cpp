// A server that is gone: whoever looks at its file system hangs in the kernel. The pod that waits for it is told, no
// other pod waits, and one that has it mounted can be ended, also by an agent that was started meanwhile. Source:
// contract 04 §6 (unmount), §16 (restart).
#include <filesystem>
#include <optional>

#include "tests/integration/hanging_files.hpp"
#include "tests/integration/volumes_node.hpp"

namespace keelson::integration {
namespace {

namespace fs = std::filesystem;

class VolumesHang : public VolumesTest {
 protected:
  void SetUp() override {
    VolumesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    place_ = directory + "/server";
    fs::create_directories(place_);
    // Its mount is there before and after.
    files_.emplace(place_);
    if (!files_->why_not().empty()) GTEST_SKIP() << files_->why_not();
    remember_mounts();
  }
  void TearDown() override {
    if (files_) files_->answer_again();
    VolumesTest::TearDown();
    files_.reset();
  }
  void expect_another_runs(const std::string& name) {
    apply(pod(name, {mounting(shell("main", kSleep), {{{"name", "empty"}, {"mountPath", "/v"}}})},
              {{"volumes", json::array({empty_volume("empty")})}}));
    EXPECT_TRUE(eventually("another pod to be Ready", [&] { return pod_is_ready(name); }));
  }

  std::string place_;
  std::optional<HangingFiles> files_;
};

TEST_F(VolumesHang, APathOfTheHostThatHangsIsToldAndHadOnceItAnswers) {
  files_->hang();
  const json source = {{"name", "host"}, {"hostPath", {{"path", place_}, {"type", "Directory"}}}};
  apply(pod("stuck", {mounting(shell("main", kSleep), {{{"name", "host"}, {"mountPath", "/v"}}})},
            {{"volumes", json::array({source})}}));
  ASSERT_TRUE(eventually("the agent to look at it", [&] { return files_->hanging() > 0; }));
  expect_another_runs("another");
  EXPECT_TRUE(eventually("it to be told", [&] {
    return has_event("stuck", {"Warning FailedMount MountVolume.SetUp failed for volume \"host\" : ", "30s"});
  })) << events();
  EXPECT_FALSE(pod_is_ready("stuck"));
  EXPECT_EQ(keelson->healthz().status, 200);
  files_->answer_again();
  EXPECT_TRUE(eventually("the pod to be Ready", [&] { return pod_is_ready("stuck"); })) << events();
  for (const char* name : {"stuck", "another"}) remove(name);
  EXPECT_TRUE(node_is_as_it_was());
}

TEST_F(VolumesHang, AMountedOneIsTakenOffWhileItHangsAlsoByAnAgentThatWasStartedMeanwhile) {
  bind("share", {{"local", {{"path", place_}}}});
  const auto holder = [&](const std::string& name) {
    return pod(name, {mounting(shell("main", kSleep), {{{"name", "share"}, {"mountPath", "/v"}}})},
               {{"volumes", json::array({claim_volume("share")})}});
  };
  apply(holder("one"));
  apply(holder("two"));
  ASSERT_TRUE(eventually("both to be Ready", [&] { return pod_is_ready("one") && pod_is_ready("two"); })) << events();
  files_->hang();
  remove("one");
  EXPECT_TRUE(runs("two"));
  restart_after_kill();
  ASSERT_TRUE(eventually("the agent to know the pod again", [&] { return runs("two"); }));
  expect_another_runs("another");
  remove("two");
  remove("another");
  EXPECT_TRUE(node_is_as_it_was());
  EXPECT_EQ(keelson->healthz().status, 200);
}

}  // namespace
}  // namespace keelson::integration
