#include "agent/control/views_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

base::SystemTime at(const char* text) { return *base::parse_rfc3339(text); }

PodStory full_story() {
  ContainerView container{.name = "web",
                          .kind = ContainerKind::sidecar,
                          .state = ContainerPhase::terminated,
                          .reason = "Error",
                          .message = "exit",
                          .exit_code = 3,
                          .signal = 9,
                          .last_reason = "OOMKilled",
                          .restarts = 4,
                          .ready = true,
                          .started_at = at("2026-01-02T03:04:05.123Z"),
                          .finished_at = at("2026-01-02T03:04:06Z"),
                          .next_try_at = at("2026-01-02T03:05:06Z"),
                          .image = "busybox:1",
                          .id = "containerd://abc"};
  PodStory story;
  story.pod = {.ns = "default",
               .name = "web-node",
               .uid = "u",
               .source = "file",
               .phase = "Running",
               .reason = "r",
               .message = "m",
               .node = "n",
               .ips = {"10.0.0.1", "fd00::1"},
               .sandbox_id = "s",
               .containers = {container, {.name = "other"}},
               .pulls = {{"busybox:1", "container other", "queued", at("2026-01-02T03:04:06Z"), 2, "big:1 for a/b"}},
               .created_at = at("2026-01-02T03:00:00Z"),
               .started_at = at("2026-01-02T03:00:01Z"),
               .deletion_at = at("2026-01-02T03:10:00Z"),
               .grace_seconds = 30};
  story.restart_policy = "Always";
  story.manifest = "/etc/kubernetes/manifests/web.yaml";
  story.waiting = {.what = "back-off", .since = at("2026-01-02T03:04:06Z"), .next_try_at = at("2026-01-02T03:05:06Z")};
  story.decisions = {{at("2026-01-02T03:04:06Z"), "restart web"}};
  story.errors = {{at("2026-01-02T03:04:06Z"), at("2026-01-02T03:04:07Z"), "boom", 2}};
  story.conditions = {{"Ready", "False", "ContainersNotReady", "msg", at("2026-01-02T03:04:06Z")}};
  story.events = {{at("2026-01-02T03:04:06Z"), "Warning", "BackOff", "text", 5}};
  return story;
}

TEST(ViewsJson, AStorySurvivesTheWayThereAndBack) {
  const std::string text = story_to_json(full_story());
  const auto back = story_from_json(text);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(story_to_json(*back), text);
  EXPECT_EQ(back->pod.containers[0].exit_code, 3);
  EXPECT_EQ(back->pod.containers[0].kind, ContainerKind::sidecar);
  EXPECT_EQ(back->pod.containers[0].state, ContainerPhase::terminated);
  EXPECT_EQ(back->pod.containers[0].started_at, full_story().pod.containers[0].started_at);
  EXPECT_EQ(back->waiting.what, "back-off");
  EXPECT_EQ(back->errors[0].count, 2);
  EXPECT_EQ(back->pod.pulls[0].place, 2);
  EXPECT_EQ(back->pod.pulls[0].behind, "big:1 for a/b");
}

TEST(ViewsJson, PodsInfoAndDoctorSurviveTheWayThereAndBack) {
  const std::string pods = pods_to_json({full_story().pod});
  EXPECT_EQ(pods_to_json(*pods_from_json(pods)), pods);

  DoctorView doctor;
  doctor.info = {.version = "0.1.0", .kubernetes_version = "v1.36.2", .pid = 7, .node = "n"};
  doctor.info.runtime_conditions = {{"RuntimeReady", "True", "", "", {}}};
  doctor.info.health = {{"ping", true, ""}};
  doctor.manifest_problems = {{"/m/a.yaml", 3, 5, "spec.containers[0].image", "required", {}, true}};
  const std::string text = doctor_to_json(doctor);
  EXPECT_EQ(doctor_to_json(*doctor_from_json(text)), text);
  const std::string info = info_to_json(doctor.info);
  EXPECT_EQ(info_to_json(*info_from_json(info)), info);
}

TEST(ViewsJson, LeavesOutWhatIsAbsent) {
  const auto json = nlohmann::json::parse(pods_to_json({{.ns = "a", .name = "b", .containers = {{.name = "c"}}}}));
  const auto& pod = json["pods"][0];
  EXPECT_FALSE(pod.contains("deletionAt"));
  EXPECT_FALSE(pod.contains("reason"));
  EXPECT_FALSE(pod["containers"][0].contains("exitCode"));
  EXPECT_EQ(pod["containers"][0]["state"], "waiting");
}

TEST(ViewsJson, ReadsWhatANewerAgentAddsAndAnOlderLeavesOut) {
  const auto pods =
      pods_from_json(R"({"pods":[{"name":"a","novelty":{"x":[1]},"containers":[{"state":"dreaming"}]}]})");
  ASSERT_TRUE(pods.ok());
  EXPECT_EQ(pods->at(0).name, "a");
  EXPECT_EQ(pods->at(0).containers[0].state, ContainerPhase::waiting);
}

TEST(ViewsJson, RefusesGarbageWithoutCrashing) {
  for (const char* text : {"", "nonsense", "[]", "7", R"({"pods":[7]})", R"({"pods":7})", R"({"pods":[{"name":7}]})",
                           R"({"pods":[{"containers":[{"restarts":"many"}]}]})"}) {
    SCOPED_TRACE(text);
    const auto pods = pods_from_json(text);
    EXPECT_TRUE(pods.ok() || pods.error().kind() == ErrorKind::invalid);
  }
  EXPECT_FALSE(pods_from_json("nonsense").ok());
  EXPECT_FALSE(pods_from_json(R"({"pods":[{"name":7}]})").ok());
}

TEST(ViewsJson, BytesThatAreNotUtf8DoNotBreakTheAnswer) {
  PodView pod{.ns = "a", .name = "b", .message = "\xff\xfe broken"};
  EXPECT_TRUE(pods_from_json(pods_to_json({pod})).ok());
}

TEST(ViewsJson, AnErrorsMessageIsFoundAgain) {
  EXPECT_EQ(error_message_from_json(error_to_json(404, "no such pod")), "no such pod");
  EXPECT_EQ(error_message_from_json("plain"), "plain");
  EXPECT_EQ(error_message_from_json(R"({"error":{}})"), R"({"error":{}})");
}

}  // namespace
}  // namespace keelson::agent
