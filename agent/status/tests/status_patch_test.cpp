// What the API is told of a pod: the merge and the patch as tables, and the recorded patches.
#include "agent/status/status_patch.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "agent/status/tests/texts.hpp"
#include "api/patch.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;
using testing::parse_pod;
using testing::parse_status;

struct Row {
  const char* what;
  const char* spec;
  const char* known;   // status in the API
  const char* newest;  // status of ours
  bool may_run;
  const char* patch;  // its status; empty: none
};

constexpr char kPlain[] = R"({"containers":[{"name":"main"}]})";
constexpr char kNever[] = R"({"restartPolicy":"Never","containers":[{"name":"main"}]})";
constexpr char kOnFailure[] = R"({"restartPolicy":"OnFailure","containers":[{"name":"main"}]})";

const Row kRows[] = {
    {"nothing differs", kPlain, R"({"phase":"Running","podIP":"1","podIPs":[{"ip":"1"}]})",
     R"({"phase":"Running","podIP":"1","podIPs":[{"ip":"1"}]})", true, ""},
    {"a foreign condition stays and is not told back", kPlain,
     R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"},{"type":"example.com/x","status":"True"}]})",
     R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})", true, ""},
    {"an old foreign condition in ours is not sent", kPlain,
     R"({"phase":"Running","conditions":[{"type":"example.com/x","status":"True"},{"type":"Ready","status":"True"}]})",
     R"({"phase":"Running","conditions":[{"type":"example.com/x","status":"False"},{"type":"example.com/y","status":"T"},)"
     R"({"type":"Ready","status":"False"}]})",
     true,
     R"({"$setElementOrder/conditions":[{"type":"example.com/x"},{"type":"Ready"}],)"
     R"("conditions":[{"status":"False","type":"Ready"}]})"},
    {"a condition of ours that is no more", kPlain,
     R"({"phase":"Running","conditions":[{"type":"PodResizePending","status":"True"},{"type":"Ready","status":"True"}]})",
     R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})", true,
     R"({"$setElementOrder/conditions":[{"type":"Ready"}],)"
     R"("conditions":[{"$patch":"delete","type":"PodResizePending"}]})"},
    {"a resize under way", kPlain, R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})",
     R"({"phase":"Running","conditions":[{"type":"PodResizeInProgress","status":"True","observedGeneration":3},)"
     R"({"type":"Ready","status":"True"}]})",
     true,
     R"({"$setElementOrder/conditions":[{"type":"PodResizeInProgress"},{"type":"Ready"}],)"
     R"("conditions":[{"lastProbeTime":null,"lastTransitionTime":null,"observedGeneration":3,"status":"True",)"
     R"("type":"PodResizeInProgress"}]})"},
    {"a terminal phase waits for the containers", kPlain, R"({"phase":"Running","reason":"R","message":"M"})",
     R"({"phase":"Failed","reason":"Evicted","message":"low","podIP":"1"})", true, R"({"podIP":"1"})"},
    {"and is sent when they are gone", kPlain, R"({"phase":"Running","reason":"R","message":"M"})",
     R"({"phase":"Failed","reason":"Evicted"})", false, R"({"message":null,"phase":"Failed","reason":"Evicted"})"},
    {"DisruptionTarget waits for the phase", kPlain, R"({"phase":"Running"})",
     R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True"}]})", true, ""},
    {"and is sent with it", kPlain, R"({"phase":"Running","conditions":[{"type":"Ready","status":"False"}]})",
     R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True","reason":"TerminationByKubelet"},)"
     R"({"type":"Ready","status":"False"}]})",
     false,
     R"({"$setElementOrder/conditions":[{"type":"DisruptionTarget"},{"type":"Ready"}],)"
     R"("conditions":[{"lastProbeTime":null,"lastTransitionTime":null,"reason":"TerminationByKubelet","status":"True",)"
     R"("type":"DisruptionTarget"}],"phase":"Failed"})"},
    {"DisruptionTarget of somebody else stays while the pod runs", kPlain,
     R"({"phase":"Running","conditions":[{"type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI"}]})",
     R"({"phase":"Running"})", true, ""},
    {"ours replaces it at the end, with its time while the status is the same", kPlain,
     R"({"phase":"Running","conditions":[{"type":"DisruptionTarget","status":"True","reason":"EvictionByEvictionAPI",)"
     R"("lastTransitionTime":"2026-01-01T00:00:00Z"}]})",
     R"({"phase":"Failed","conditions":[{"type":"DisruptionTarget","status":"True","reason":"TerminationByKubelet",)"
     R"("lastTransitionTime":"2026-01-01T00:01:00Z"}]})",
     false,
     R"({"$setElementOrder/conditions":[{"type":"DisruptionTarget"}],)"
     R"("conditions":[{"reason":"TerminationByKubelet","type":"DisruptionTarget"}],"phase":"Failed"})"},
    {"a failed pod is not ready", kPlain, R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})",
     R"({"phase":"Failed","conditions":[{"type":"Ready","status":"True"},)"
     R"({"type":"ContainersReady","status":"False","reason":"ContainersNotReady"}]})",
     false,
     R"({"$setElementOrder/conditions":[{"type":"Ready"},{"type":"ContainersReady"}],)"
     R"("conditions":[{"reason":"PodFailed","status":"False","type":"Ready"},)"
     R"({"lastProbeTime":null,"lastTransitionTime":null,"reason":"ContainersNotReady","status":"False",)"
     R"("type":"ContainersReady"}],"phase":"Failed"})"},
    {"a completed pod is not ready", kPlain, R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})",
     R"({"phase":"Succeeded","conditions":[{"type":"Ready","status":"True"}]})", false,
     R"({"$setElementOrder/conditions":[{"type":"Ready"}],)"
     R"("conditions":[{"reason":"PodCompleted","status":"False","type":"Ready"}],"phase":"Succeeded"})"},
    {"a terminal phase never changes back", kPlain, R"({"phase":"Failed","reason":"Evicted","message":"low"})",
     R"({"phase":"Running","podIP":"1"})", false, R"({"podIP":"1"})"},
    {"nor into the other one", kPlain, R"({"phase":"Failed","reason":"Evicted"})", R"({"phase":"Succeeded"})", false,
     ""},
    {"qosClass, startTime, claims and nominatedNodeName of the API stay", kPlain,
     R"({"phase":"Running","qosClass":"Burstable","startTime":"2026-01-01T00:00:00Z","nominatedNodeName":"n",)"
     R"("resourceClaimStatuses":[{"name":"c"}],"resize":"Proposed"})",
     R"({"phase":"Running","qosClass":"BestEffort","startTime":"2026-01-01T00:00:09Z"})", true, ""},
    {"an address that is not known yet is not taken away", kPlain,
     R"({"phase":"Running","hostIP":"1","hostIPs":[{"ip":"1"}]})", R"({"phase":"Running"})", true, ""},
    {"the newest generation seen", kPlain, R"({"phase":"Running","observedGeneration":1})",
     R"({"phase":"Running","observedGeneration":2})", true, R"({"observedGeneration":2})"},
    {"the order of containers in ours does not matter",
     R"({"initContainers":[{"name":"z"},{"name":"a"}],"containers":[{"name":"y"},{"name":"x"}]})",
     R"({"phase":"Running","initContainerStatuses":[{"name":"z"},{"name":"a"}],)"
     R"("containerStatuses":[{"name":"x"},{"name":"y"}]})",
     R"({"phase":"Running","initContainerStatuses":[{"name":"a"},{"name":"z"}],)"
     R"("containerStatuses":[{"name":"y"},{"name":"x"}]})",
     true, ""},
};

api::Pod with_status(const char* spec, const char* status) {
  return parse_pod(std::string(R"({"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":)") + spec +
                   ",\"status\":" + status + "}");
}

TEST(StatusPatch, TellsWhatIsOursAndNew) {
  for (const Row& row : kRows) {
    const api::Pod known = with_status(row.spec, row.known);
    const StatusPatch patch = status_patch(known, known, parse_status(row.newest), row.may_run);
    const std::string body =
        *row.patch == '\0' ? "" : R"({"metadata":{"uid":"u"},"status":)" + std::string(row.patch) + "}";
    EXPECT_EQ(patch.body, body) << row.what;
    EXPECT_EQ(patch.refused, "") << row.what;
  }
}

TEST(StatusPatch, SaysWhatItMergedAndIsSilentOnceThatIsKnown) {
  for (const Row& row : kRows) {
    api::Pod known = with_status(row.spec, row.known);
    const auto newest = parse_status(row.newest);
    *known.mutable_status() = status_patch(known, known, newest, row.may_run).merged;
    EXPECT_EQ(status_patch(known, known, newest, row.may_run).body, "") << row.what;
  }
}

TEST(StatusPatch, CutsTimesToSeconds) {
  const api::Pod known = with_status(kPlain, R"({"phase":"Running","startTime":"2026-01-01T00:00:00Z"})");
  api::core::PodStatus newest = known.status();
  newest.mutable_starttime()->set_nanos(5);
  EXPECT_EQ(status_patch(known, known, newest, true).body, "");
}

TEST(StatusPatch, NeverTellsAMirrorOfFewerRestartsThanItKnows) {
  api::Pod pod = with_status(kPlain, "{}");
  (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  api::Pod mirror = pod;
  *mirror.mutable_status() =
      parse_status(R"({"phase":"Running","containerStatuses":[{"name":"main","restartCount":3}],)"
                   R"("initContainerStatuses":[{"name":"setup","restartCount":1}]})");
  const api::core::PodStatus newest =
      parse_status(R"({"phase":"Running","containerStatuses":[{"name":"main","restartCount":4}],)"
                   R"("initContainerStatuses":[{"name":"setup","restartCount":0}]})");
  const StatusPatch patch = status_patch(mirror, pod, newest, true);
  EXPECT_EQ(patch.merged.containerstatuses(0).restartcount(), 4);
  EXPECT_EQ(patch.merged.initcontainerstatuses(0).restartcount(), 1);
}

TEST(StatusPatch, RefusesAContainerThatCameBackAgainstItsPolicy) {
  struct Transition {
    const char* what;
    const char* spec;
    const char* before;
    const char* now;
    bool legal;
  };
  constexpr char kOk[] = R"({"containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":0}}}]})";
  constexpr char kError[] = R"({"containerStatuses":[{"name":"main","state":{"terminated":{"exitCode":1}}}]})";
  constexpr char kRunning[] = R"({"containerStatuses":[{"name":"main","state":{"running":{}}}]})";
  constexpr char kInit[] = R"({"initContainerStatuses":[{"name":"main","state":{"terminated":{"exitCode":0}}}]})";
  constexpr char kInitAgain[] = R"({"initContainerStatuses":[{"name":"main","state":{"running":{}}}]})";
  const Transition rows[] = {
      {"Always", kPlain, kOk, kRunning, true},
      {"Never", kNever, kError, kRunning, false},
      {"Never, still ended", kNever, kError, kOk, true},
      {"Never, gone", kNever, kError, "{}", true},
      {"Never, ran", kNever, kRunning, kRunning, true},
      {"OnFailure after an error", kOnFailure, kError, kRunning, true},
      {"OnFailure after success", kOnFailure, kOk, kRunning, false},
      {"a container's own policy",
       R"({"restartPolicy":"Never","containers":[{"name":"main","restartPolicy":"Always"}]})", kOk, kRunning, true},
      {"a rule for its exit code",
       R"({"restartPolicy":"Never","containers":[{"name":"main","restartPolicy":"Never","restartPolicyRules":[)"
       R"({"action":"Restart","exitCodes":{"operator":"In","values":[1]}}]}]})",
       kError, kRunning, true},
      {"a rule for another exit code",
       R"({"restartPolicy":"Never","containers":[{"name":"main","restartPolicy":"Never","restartPolicyRules":[)"
       R"({"action":"Restart","exitCodes":{"operator":"In","values":[2]}}]}]})",
       kError, kRunning, false},
      {"all restart by another's rule",
       R"({"restartPolicy":"Never","containers":[{"name":"main"},{"name":"other","restartPolicyRules":[)"
       R"({"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[2]}}]}]})",
       kError, kRunning, true},
      {"an init container", R"({"restartPolicy":"OnFailure","initContainers":[{"name":"main"}]})", kInit, kInitAgain,
       false},
      {"a sidecar", R"({"restartPolicy":"Never","initContainers":[{"name":"main","restartPolicy":"Always"}]})", kInit,
       kInitAgain, true},
      {"an init container of a pod that always restarts", R"({"initContainers":[{"name":"main"}]})", kInit, kInitAgain,
       true},
  };
  for (const Transition& row : rows) {
    const api::Pod known = with_status(row.spec, row.before);
    const StatusPatch patch = status_patch(known, known, parse_status(row.now), true);
    EXPECT_EQ(patch.refused.empty(), row.legal) << row.what;
    if (!row.legal) {
      EXPECT_EQ(patch.body, "") << row.what;
      EXPECT_EQ(patch.refused, "container main has terminated and its restart policy does not let it run again");
    }
  }
}

TEST(StatusPatch, DoesNotTakeAMirrorBackFromItsEnd) {
  const api::Pod mirror = with_status(kPlain, R"({"phase":"Failed"})");
  api::Pod pod = mirror;
  EXPECT_EQ(contradiction(mirror, pod, parse_status(R"({"phase":"Running"})")), "") << "a pod of the API stays ended";
  (*pod.mutable_metadata()->mutable_annotations())["kubernetes.io/config.source"] = "file";
  EXPECT_NE(contradiction(mirror, pod, parse_status(R"({"phase":"Running"})")), "");
  EXPECT_EQ(contradiction(mirror, pod, parse_status(R"({"phase":"Failed"})")), "");
}

TEST(StatusPatch, CallsEndsAndReadinessUrgent) {
  const auto running = parse_status(R"({"phase":"Running","conditions":[{"type":"Ready","status":"False"}]})");
  const auto ready = parse_status(R"({"phase":"Running","conditions":[{"type":"Ready","status":"True"}]})");
  const auto failed = parse_status(R"({"phase":"Failed","conditions":[{"type":"Ready","status":"False"}]})");
  EXPECT_FALSE(is_urgent(running, running));
  EXPECT_FALSE(is_urgent({}, running));
  EXPECT_TRUE(is_urgent(running, ready));
  EXPECT_TRUE(is_urgent(ready, running));
  EXPECT_TRUE(is_urgent(running, failed));
  EXPECT_FALSE(is_urgent(failed, failed));
}

// --- recordings ---

const std::string kData = KEELSON_SOURCE_DIR "/tests/golden/data/";

TEST(StatusPatch, IsWhatTheKubeletSent) {
  int count = 0;
  for (const char* name : {"requests/start.jsonl", "requests/pods.jsonl"}) {
    std::ifstream file(kData + name);
    ASSERT_TRUE(file.good()) << name;
    std::map<std::string, json> known;  // by uid
    int number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      const json entry = json::parse(line);
      if (!entry.contains("response") || entry["response"].is_null() || entry["response"].value("kind", "") != "Pod") {
        continue;
      }
      const json& response = entry["response"];
      const std::string uid = response.at("metadata").at("uid");
      if (entry.at("verb") == "patch" && known.contains(uid)) {
        const api::Pod before = parse_pod(known[uid].dump());
        const api::Pod after = parse_pod(response.dump());
        const StatusPatch patch = status_patch(before, before, after.status(), false);
        EXPECT_EQ(json::parse(patch.body.empty() ? "{}" : patch.body), entry.at("request")) << name << ":" << number;
        ++count;
      }
      known[uid] = response;
    }
  }
  EXPECT_EQ(count, 41);
}

TEST(StatusPatch, LeadsFromEachRecordedStatusToTheNext) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kData + "pods")) {
    std::ifstream file(entry.path());
    const json recording = json::parse(file);
    json pod = recording.at("live");
    const json* last = nullptr;
    for (const json& step : recording.at("timeline")) {
      const json* before = std::exchange(last, &step.at("status"));
      if (before == nullptr) continue;
      pod["status"] = *before;
      const api::Pod known = parse_pod(pod.dump());
      const auto next = parse_status(last->dump());
      const StatusPatch patch = status_patch(known, known, next, false);
      EXPECT_EQ(patch.refused, "") << entry.path();
      if (patch.body.empty()) {
        EXPECT_EQ(api::encode_json(known.status()), api::encode_json(next)) << entry.path();
        continue;
      }
      const auto body = api::parse_json(patch.body);
      ASSERT_TRUE(body.ok());
      const auto applied = api::strategic_merge_apply(api::encode_node(known), *body, api::Pod::descriptor());
      ASSERT_TRUE(applied.ok()) << entry.path() << ": " << applied.error().to_string();
      api::Pod result;
      ASSERT_TRUE(api::decode(*applied, result).ok()) << entry.path();
      EXPECT_EQ(api::encode_json(result.status()), api::encode_json(next)) << entry.path();
      ++count;
    }
  }
  EXPECT_GT(count, 100);
}

}  // namespace
}  // namespace keelson::agent
