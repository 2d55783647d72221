// Whole lives of recorded pods, as an API server's watch shows them: ours against a kubelet's.
//
// The agent's own parts (informer, workers, status writer, admission) run on virtual time between a fake runtime and a
// fake API server; a pod is created, runs as the recorded one did, and is deleted. What the watch told, one status
// after another, must equal the recording but for times, addresses and ids. Source: tests/golden/data/pods, contract 02
// §15.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/admission/admit.hpp"
#include "agent/admission/rejection.hpp"
#include "agent/sync/tests/world.hpp"
#include "agent/wiring/cluster_pods.hpp"
#include "api/json_codec.hpp"
#include "api/quantity.hpp"
#include "kube-client/client.hpp"
#include "tests/support/api/fake_api.hpp"

namespace keelson::agent::testing {
namespace {

using nlohmann::json;

constexpr char kNode[] = "tb-node";

json load(const std::string& path) {
  std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/" + path);
  return json::parse(file);
}

template <class T>
T decode(const json& text) {
  T message;
  const auto node = api::parse_json(text.dump());
  EXPECT_TRUE(node.ok());
  const Status read = api::decode(*node, message, {.strictness = api::Strictness::ignore});
  EXPECT_TRUE(read.ok()) << read.error().to_string();
  return message;
}

// What differs from run to run, and what the fakes do not tell: it becomes its own name.
void blur(json& value) {
  static const std::set<std::string> kVolatile = {"lastTransitionTime",
                                                  "startTime",
                                                  "startedAt",
                                                  "finishedAt",
                                                  "containerID",
                                                  "imageID",
                                                  "image",
                                                  "podIP",
                                                  "ip",
                                                  "hostIP",
                                                  "message"};
  if (value.is_array()) {
    for (json& item : value) blur(item);
  }
  if (!value.is_object()) return;
  for (auto& [key, child] : value.items()) {
    const bool told = !child.is_null() && child != "";
    if (kVolatile.count(key) > 0) {
      child = told ? key : "";
    } else {
      blur(child);
    }
  }
}

// One status, blurred; conditions keep their messages.
json comparable(json status) {
  json conditions = status.value("conditions", json::array());
  for (json& condition : conditions) condition.erase("lastTransitionTime");
  status.erase("conditions");
  // Without a message at all the recorded containers ended silently, and so do ours.
  blur(status);
  for (const char* list : {"containerStatuses", "initContainerStatuses"}) {
    if (!status.contains(list)) continue;
    for (json& container : status[list]) {
      for (const char* state : {"state", "lastState"}) {
        if (container[state].contains("terminated")) container[state]["terminated"].erase("message");
      }
    }
  }
  status["conditions"] = conditions;
  return status;
}

// When the API's copy first shows a pod as running, or as ended, its own resources change their source (contract 02
// §15.4): with which of the next statuses that is seen is chance, in the recordings too.
void blur_limits(json& status) {
  const bool over = status.value("phase", "") == "Failed" || status.value("phase", "") == "Succeeded";
  json& resources = status["resources"];
  if (!resources.contains("limits")) return;
  if (over || resources["limits"].value("memory", "") == "9007199254740988Ki") resources.erase("limits");
}

void append_new(std::vector<json>& all, json status) {
  blur_limits(status);
  if (all.empty() || all.back() != status) all.push_back(std::move(status));
}

// Recorded statuses that we do not show: pod, position, why.
struct Skipped {
  const char* pod;
  std::size_t position;
  const char* why;
};
constexpr Skipped kSkipped[] = {
    {"crash", 6, "the exit alone: our back-off shows at once, a kubelet's with its next sync a second later"},
};

struct Timeline : ::testing::TestWithParam<std::string> {
  void SetUp() override {
    recording = load("pods/" + GetParam() + ".json");
    node = decode<api::core::Node>(load("objects/node.json"));
    node.mutable_metadata()->clear_resourceversion();
    node.mutable_spec()->clear_taints();
    auto made = server.create(node);
    ASSERT_TRUE(made.ok()) << made.error().to_string();
    *made->mutable_status() = node.status();
    ASSERT_TRUE(server.update_status(*made).ok());
    api::core::Namespace golden;
    golden.mutable_metadata()->set_name("golden");
    ASSERT_TRUE(server.create(golden).ok());
    // As in the cluster of the recording: configMaps and secrets are the volumes' and not asked for here.
    server.on_change([this](const std::string& type, const google::protobuf::Message& object) {
      if (object.GetDescriptor() != api::Pod::descriptor() || type == "DELETED") return;
      const json told = json::parse(api::encode_json(object));
      append_new(seen, comparable(told.at("status")));
    });
    world.cri.script = [this](const std::string&, const std::string& name, std::uint32_t) { return run_of(name); };
    world.cri.latency = [](const std::string& call) {
      const bool changes = call == "create_container" || call == "start_container" || call == "run_pod_sandbox" ||
                           call == "stop_pod_sandbox";
      return base::Duration(changes ? 30ms : 1ms);
    };
    world.cri.exec = [](auto&, const std::vector<std::string>& command) {
      const bool fails = command.back() == "echo nope; false";
      return fails ? FakeExec{0ms, 1, "nope\n", ""} : FakeExec{};
    };
    read_cgroup();
    brain.facts.node_name = kNode;
    brain.facts.info.node_ips = {"192.0.2.10"};
    brain.facts.info.cluster_dns = {"10.0.0.10"};
    knowledge();
    pods.attach(*brain.workers, nullptr);
    brain.start();
    brain.set_pods({});
    pods.start(gate);
    ASSERT_TRUE(world.until([&] { return brain.workers->all_sources_ready(); }, 10s));
  }
  void TearDown() override {
    brain.stop();
    world.run(pods.stop());
    world.run(gate.stop());
  }

  // The recorded images are all there, as the recorded containers were: what each did is read from its last state.
  FakeRun run_of(const std::string& name) {
    FakeRun run;
    run.stop_code = 0;
    for (const json& entry : recording.at("containers")) {
      const json& status = entry.at("status");
      if (status.at("metadata").at("name") != name || status.at("state") != "CONTAINER_EXITED") continue;
      run.lasts = name == "i2" ? 1000ms : 50ms;
      run.exit_code = status.at("exitCode").get<int>();
      run.reason = status.at("reason").get<std::string>();
    }
    return run;
  }

  void read_cgroup() {
    PodCgroupValues& in_force = world.cgroups.shown.emplace();
    in_force = {2, -1, 100'000, 9223372036854771712ll};
    const json& limits = recording.at("live").at("status").value("/resources/limits"_json_pointer, json::object());
    if (limits.contains("memory")) {
      in_force.memory_limit_bytes = api::Quantity::parse(limits["memory"].get<std::string>())->value();
    }
    for (const auto& [path, files] : recording.at("cgroups").items()) {
      if (!path.ends_with("<uid>")) continue;
      if (files.contains("cpu.shares")) in_force.cpu_shares = std::stoll(files["cpu.shares"].get<std::string>());
      if (files.contains("cpu.cfs_quota_us")) {
        in_force.cpu_quota_us = std::stoll(files["cpu.cfs_quota_us"].get<std::string>());
      }
      if (files.contains("memory.limit_in_bytes")) {
        in_force.memory_limit_bytes = std::stoll(files["memory.limit_in_bytes"].get<std::string>());
      }
    }
  }

  // Each event once, in order. A probe that meets a container which has just ended is chance, in the recordings too.
  static void append_event(std::vector<std::string>& all, bool warning, const std::string& reason,
                           std::string message) {
    if (message.find("probe errored and resulted in unknown state") != std::string::npos) return;
    if (const auto at = message.find("_golden("); at != std::string::npos) message.resize(at);
    const std::string text = (warning ? "W " : "N ") + reason + ": " + message;
    if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(text);
  }
  std::vector<std::string> recorded_events() {
    std::vector<std::string> all;
    for (const json& event : recording.at("events")) {
      append_event(all, event.at("type") == "Warning", event.at("reason"), event.at("message"));
    }
    return all;
  }
  std::vector<std::string> told_events() {
    std::vector<std::string> all;
    for (const auto& [uid, event] : world.events.all) append_event(all, event.warning, event.reason, event.message);
    return all;
  }

  void knowledge() {
    PodWorkers::Knowledge knowledge;
    knowledge.admit = [this](const api::PodPtr& pod) {
      AdmissionFacts facts;
      facts.node_name = kNode;
      facts.sysctls = *SysctlAllowlist::create({}, "6.1.0");
      const std::vector<api::PodPtr> others;
      const AdmissionInput input{*pod, &node, others, facts};
      const AdmissionDecision decision = admit(input);
      PodAdmission out;
      if (!decision.rejection) return out;
      out.verdict = PodAdmission::Verdict::refused;
      out.refusal = rejected_status(*pod, *decision.rejection, world.clock.now());
      return out;
    };
    brain.workers->set_knowledge(std::move(knowledge));
  }

  World world;
  json recording;
  api::core::Node node;
  std::vector<json> seen;
  fakes::FakeApi server{world.loop, world.clock};
  fakes::FakeApiTransport transport{server, world.clock, {"system:node:tb-node", {"system:nodes"}}};
  kube::Client client{world.loop, world.clock, transport, {}, {}};
  ClusterPods pods{world.loop, world.clock, world.random, client, kNode, {}};
  Brain brain{world, 300s, &pods.sink()};
  base::Gate gate{world.loop};
};

TEST_P(Timeline, IsTheKubelets) {
  api::Pod pod = decode<api::Pod>(recording.at("live"));
  pod.clear_status();
  auto& meta = *pod.mutable_metadata();
  for (const char* field : {"uid", "resourceVersion", "creationTimestamp", "generation"}) {
    meta.GetReflection()->ClearField(&meta, meta.GetDescriptor()->FindFieldByName(field));
  }
  pod.mutable_spec()->set_nodename(kNode);
  for (auto* list : {pod.mutable_spec()->mutable_containers(), pod.mutable_spec()->mutable_initcontainers()}) {
    for (auto& container : *list) world.cri.images[container.image()].id = "sha256:there";
  }
  ASSERT_TRUE(server.create(pod).ok());
  const auto name = meta.name();
  world.until([] { return false; }, 10s);
  const auto live = server.get<api::Pod>("golden", name);
  ASSERT_TRUE(live.has_value());
  ASSERT_TRUE(server.remove<api::Pod>("golden", name).ok());
  EXPECT_TRUE(world.until([&] { return !server.get<api::Pod>("golden", name).has_value(); }, 60s));
  EXPECT_TRUE(world.cri.violations().empty());

  std::vector<json> wanted;
  for (const json& entry : recording.at("timeline")) append_new(wanted, comparable(entry.at("status")));
  for (const Skipped& skipped : kSkipped) {
    if (GetParam() == skipped.pod) wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(skipped.position));
  }
  // The event about a pod that is refused is the admission gate's.
  if (world.cri.count("run_pod_sandbox") > 0) EXPECT_EQ(told_events(), recorded_events());
  for (std::size_t i = 0; i < std::max(wanted.size(), seen.size()); ++i) {
    if (i >= wanted.size() || i >= seen.size()) {
      ADD_FAILURE() << (i < seen.size() ? "not in the recording: " + seen[i].dump() : "missing: " + wanted[i].dump());
      continue;
    }
    EXPECT_EQ(seen[i], wanted[i]) << "status " << i << ": " << json::diff(wanted[i], seen[i]).dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Pods, Timeline,
                         ::testing::Values("plain", "guaranteed", "dnsdefault", "security", "privileged", "sysctl",
                                           "init", "crash", "fail", "succeed", "oom", "toobig", "wronglabel", "probes",
                                           "readiness-fail"));

}  // namespace
}  // namespace keelson::agent::testing
