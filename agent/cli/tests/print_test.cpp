#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/cli/print_explain.hpp"
#include "agent/cli/print_ps.hpp"
#include "agent/cli/table.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

const base::SystemTime now = *base::parse_rfc3339("2026-01-02T03:00:00Z");

ContainerView running(const std::string& name, bool ready = true, ContainerKind kind = ContainerKind::regular) {
  return {.name = name, .kind = kind, .state = ContainerPhase::running, .ready = ready, .started_at = now - 5min};
}
ContainerView waiting(const std::string& name, const std::string& reason, ContainerKind kind = ContainerKind::regular) {
  return {.name = name, .kind = kind, .state = ContainerPhase::waiting, .reason = reason};
}
ContainerView ended(const std::string& name, int code, const std::string& reason,
                    ContainerKind kind = ContainerKind::regular) {
  return {.name = name,
          .kind = kind,
          .state = ContainerPhase::terminated,
          .reason = reason,
          .exit_code = code,
          .finished_at = now - 10s};
}

TEST(PodStatusWord, IsWhatKubectlWouldSay) {
  constexpr auto init = ContainerKind::init;
  constexpr auto sidecar = ContainerKind::sidecar;
  struct Row {
    std::string phase, reason;
    std::vector<ContainerView> containers;
    std::string word, ready;
  };
  const Row rows[] = {
      {"Running", "", {running("a"), running("b")}, "Running", "2/2"},
      {"Running", "", {running("a", false)}, "Running", "0/1"},
      {"Pending", "", {waiting("a", "ContainerCreating")}, "ContainerCreating", "0/1"},
      {"Pending", "", {}, "Pending", "0/0"},
      {"Running", "", {running("a"), waiting("b", "CrashLoopBackOff")}, "CrashLoopBackOff", "1/2"},
      {"Running", "", {ended("a", 1, "Error"), running("b")}, "Error", "1/2"},
      {"Running", "", {ended("a", 0, "Completed"), running("b")}, "Running", "1/2"},
      {"Succeeded", "", {ended("a", 0, "Completed")}, "Completed", "0/1"},
      {"Failed", "Evicted", {ended("a", 137, "Error")}, "Evicted", "0/1"},
      {"Failed", "", {ended("a", 3, "")}, "ExitCode:3", "0/1"},
      {"Pending", "", {running("i", false, init), waiting("a", "PodInitializing")}, "Init:0/1", "0/1"},
      {"Pending",
       "",
       {ended("i", 0, "Completed", init), waiting("j", "PodInitializing", init), waiting("a", "")},
       "Init:1/2",
       "0/1"},
      {"Pending", "", {waiting("i", "CrashLoopBackOff", init)}, "Init:CrashLoopBackOff", "0/0"},
      {"Pending", "", {ended("i", 1, "Error", init)}, "Init:Error", "0/0"},
      {"Pending", "", {ended("i", 1, "", init)}, "Init:ExitCode:1", "0/0"},
      {"Running", "", {running("s", true, sidecar), running("a")}, "Running", "2/2"},
      {"Pending",
       "",
       {running("s", true, sidecar), running("i", false, init), waiting("a", "PodInitializing")},
       "Init:1/2",
       "1/2"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.word + " " + row.phase);
    const PodView pod{.phase = row.phase, .reason = row.reason, .containers = row.containers};
    EXPECT_EQ(pod_status_word(pod), row.word);
    EXPECT_EQ(pod_ready_word(pod), row.ready);
  }
  PodView removed{.phase = "Running", .containers = {running("a")}, .deletion_at = now};
  EXPECT_EQ(pod_status_word(removed), "Terminating");
}

TEST(RenderPs, AlignsPodsAndTheirContainers) {
  ContainerView crash = waiting("crash", "CrashLoopBackOff");
  crash.message = "back-off 40s restarting\nfailed container";
  crash.exit_code = 1;
  crash.last_reason = "Error";
  crash.restarts = 3;
  crash.finished_at = now - 12s;
  crash.next_try_at = now + 28s;
  const PodView pod{.ns = "default",
                    .name = "web-node",
                    .phase = "Running",
                    .containers = {running("web"), crash},
                    .created_at = now - 90min};
  EXPECT_EQ(render_ps({pod}, now),
            "NAMESPACE  NAME      READY  STATUS            RESTARTS     AGE  NOTE\n"
            "default    web-node  1/2    CrashLoopBackOff  3 (12s ago)  90m\n"
            "             web     yes    running           0            5m\n"
            "             crash   no     waiting           3            -    CrashLoopBackOff: back-off 40s restarting "
            "failed container; last exit 1 (Error) 12s ago; next try in 28s\n");
}

TEST(RenderPs, TellsOfImagesThatAreBeingGot) {
  const PodView pod{.ns = "a",
                    .name = "p",
                    .phase = "Pending",
                    .containers = {waiting("web", "ContainerCreating"), waiting("log", "ContainerCreating")},
                    .pulls = {{.image = "web:1", .used_by = "container web", .state = "pulling", .since = now - 12s},
                              {.image = "data:1",
                               .used_by = "volume data",
                               .state = "queued",
                               .since = now - 90s,
                               .place = 3,
                               .behind = "big:1 for ns/hungry"}},
                    .created_at = now - 2min};
  EXPECT_EQ(
      render_ps({pod}, now),
      "NAMESPACE  NAME   READY  STATUS             RESTARTS  AGE  NOTE\n"
      "a          p      0/2    ContainerCreating  0         2m   image data:1 of volume data: 3rd in the queue of "
      "pulls for 90s, behind big:1 for ns/hungry\n"
      "             web  no     waiting            0         -    ContainerCreating; image: being pulled for 12s\n"
      "             log  no     waiting            0         -    ContainerCreating\n");
}

TEST(PullNote, CountsPlaces) {
  const std::pair<int, const char*> rows[] = {{1, "1st"},   {2, "2nd"},   {3, "3rd"},   {4, "4th"},     {11, "11th"},
                                              {12, "12th"}, {13, "13th"}, {21, "21st"}, {102, "102nd"}, {111, "111th"}};
  for (const auto& [place, word] : rows) {
    EXPECT_EQ(pull_note({.state = "queued", .since = now - 5s, .place = place}, now),
              std::string(word) + " in the queue of pulls for 5s");
  }
  EXPECT_EQ(pull_note({.state = "preparing", .since = now - 5s}, now), "getting credentials for 5s");
}

TEST(RenderPs, SelectsANamespaceAndSorts) {
  const auto pods = select_pods({{.ns = "b", .name = "x"}, {.ns = "a", .name = "z"}, {.ns = "a", .name = "y"}}, "");
  EXPECT_EQ(pods[0].name + pods[1].name + pods[2].name, "yzx");
  EXPECT_EQ(select_pods(pods, "b").size(), 1u);
}

TEST(RenderPs, DoesNotLetAMessageRepaintTheTerminal) {
  PodView pod{.ns = "a", .name = "b", .phase = "Pending", .message = "\x1b[2Jgone\nnext"};
  EXPECT_THAT(render_ps({pod}, now), Not(HasSubstr("\x1b")));
}

TEST(Ago, HandlesClockJumpsAndAbsence) {
  EXPECT_EQ(ago({}, now), "-");
  EXPECT_EQ(ago(now + 1h, now), "now");
  EXPECT_EQ(age_of(now + 1h, now), "0s");
  EXPECT_EQ(ago(now - 65s, now), "65s ago");
}

TEST(RenderStory, TellsOfTheQueueThatAnImageWaitsIn) {
  PodStory story;
  story.pod = {.ns = "a", .name = "p", .phase = "Pending", .containers = {waiting("web", "ContainerCreating")}};
  story.pod.pulls = {{.image = "web:1",
                      .used_by = "container web",
                      .state = "queued",
                      .since = now - 40s,
                      .place = 2,
                      .behind = "big:1 for ns/hungry"}};
  story.waiting = {.what = "image web:1 of container web", .since = now - 41s};
  EXPECT_THAT(
      render_story(story, now),
      HasSubstr("It waits for: image web:1 of container web\n  since 2026-01-02T02:59:19Z  (41s ago)\n"
                "  image web:1 of container web: 2nd in the queue of pulls for 40s, behind big:1 for ns/hungry\n"));
}

TEST(RenderStory, SaysFirstWhatIsWaitedForThenWhatHelps) {
  PodStory story;
  ContainerView web = waiting("web", "ImagePullBackOff");
  web.message = "Back-off pulling image \"web:nope\"";
  web.image = "web:nope";
  story.pod = {.ns = "default", .name = "web", .uid = "u-1", .source = "file", .phase = "Pending", .containers = {web}};
  story.manifest = "/etc/kubernetes/manifests/web.yaml";
  story.waiting = {.what = "image web:nope", .since = now - 2min, .next_try_at = now + 40s};
  story.decisions = {{now - 2min, "pull image web:nope"}};
  story.errors = {{now - 2min, now - 20s, "not found", 3}};
  story.conditions = {{"Ready", "False", "ContainersNotReady", "", now - 2min}};
  story.events = {{now - 20s, "Warning", "Failed", "Failed to pull", 3}};
  const std::string text = render_story(story, now);
  EXPECT_EQ(text,
            "default/web: ImagePullBackOff, 0/1 ready\n"
            "  uid    u-1\n"
            "  from   file /etc/kubernetes/manifests/web.yaml\n"
            "  phase  Pending\n"
            "\n"
            "It waits for: image web:nope\n"
            "  since 2026-01-02T02:58:00Z  (2m ago)\n"
            "  next try in 40s\n"
            "\n"
            "What usually helps\n"
            "  web: ImagePullBackOff: check the image's name and tag, the registry's reach from this node, and its "
            "credentials\n"
            "\n"
            "Containers\n"
            "  NAME  KIND     STATE    READY  RESTARTS  SINCE  IMAGE     NOTE\n"
            "  web   regular  waiting  no     0         -      web:nope  ImagePullBackOff: Back-off pulling image "
            "\"web:nope\"\n"
            "\n"
            "Last decisions, newest last\n"
            "  2026-01-02T02:58:00Z  (2m ago)  pull image web:nope\n"
            "\n"
            "Last errors, newest last\n"
            "  2026-01-02T02:59:40Z  (20s ago)  3 times, not found\n"
            "\n"
            "Conditions\n"
            "  Ready  False  2m  ContainersNotReady\n"
            "\n"
            "Events, newest last\n"
            "  2026-01-02T02:59:40Z  (20s ago)  Warning  Failed  3 times, Failed to pull\n");
}

TEST(RenderStory, SaysThatNothingIsWaitedFor) {
  PodStory story;
  story.pod = {.ns = "a", .name = "b", .phase = "Running", .containers = {running("c")}};
  const std::string text = render_story(story, now);
  EXPECT_THAT(text, HasSubstr("It waits for nothing."));
  EXPECT_THAT(text, Not(HasSubstr("What usually helps")));
  EXPECT_THAT(text, Not(HasSubstr("Last errors")));
}

TEST(FormatTable, CountsCharactersNotBytes) {
  EXPECT_EQ(format_table({{"\xc3\xa4", "x"}, {"bb", "y"}}), "\xc3\xa4   x\nbb  y\n");
}

}  // namespace
}  // namespace keelson::agent
