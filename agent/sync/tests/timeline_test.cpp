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
#include "agent/objects/api_pod_objects.hpp"
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
    const bool told = !child.is_null() && child.dump() != "\"\"";
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

// Where ours is not the recording, and why: statuses that were recorded and that we do not show, or that we show and
// that were not recorded, by their position; events likewise, by their text.
struct OtherStatus {
  const char* pod;
  std::size_t position;
  const char* why;
};
constexpr OtherStatus kSkipped[] = {
    {"crash", 6, "the exit alone: our back-off shows at once, a kubelet's with its next sync a second later"},
    {"sidecar", 4, "started and not ready: without a readiness probe we tell both at once"},
    {"sidecar", 9, "the withheld end: we see at once that nothing is left, so one request tells both"},
};
constexpr OtherStatus kMore[] = {
    {"badcmd", 5, "our back-off shows at once; the recorded pod was deleted before the kubelet's next sync"},
};
struct OtherEvent {
  const char* pod;
  const char* text;
  const char* why;
};
constexpr OtherEvent kSilent[] = {
    {"badimage", "W Failed: Failed to pull image \"registry.invalid/none:1\"", "the deletion ends our pull"},
    {"badimage", "W Failed: Error: ErrImagePull", "the deletion ends our pull"},
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
    make_objects();
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
    script();
    read_cgroup();
    brain.facts.node_name = kNode;
    brain.facts.info.node_ips = {"192.0.2.10"};
    brain.facts.info.cluster_dns = {"10.0.0.10"};
    knowledge();
    pods.attach(*brain.workers, nullptr);
    brain.start();
    brain.set_pods({});
    cache.start();
    services.start(gate);
    pods.start(gate);
    ASSERT_TRUE(world.until([&] { return brain.workers->all_sources_ready() && services.synced(); }, 10s));
  }
  void TearDown() override {
    brain.stop();
    world.run(pods.stop());
    world.run(gate.stop());
    world.run(cache.stop());
  }

  // What the recorded pods name; "absent" is not there.
  void make_objects() {
    api::core::ConfigMap map;
    map.mutable_metadata()->set_namespace_("golden");
    map.mutable_metadata()->set_name("cm");
    (*map.mutable_data())["k1"] = "v1";
    (*map.mutable_data())["k2"] = "v2\n";
    ASSERT_TRUE(server.create(map).ok());
    api::core::Secret secret;
    secret.mutable_metadata()->set_namespace_("golden");
    secret.mutable_metadata()->set_name("sec");
    (*secret.mutable_data())["user"] = "admin";
    (*secret.mutable_data())["pass"] = "s3cret";
    ASSERT_TRUE(server.create(secret).ok());
  }
  // What the recorded runtime and network did that cannot be read from the recorded containers.
  void script() {
    const std::string& pod = GetParam();
    if (pod == "badcmd") {
      world.cri.inject({"start_container", "", FakeFault::Kind::fails, Error(ErrorKind::internal, recorded_error())});
    }
    if (pod == "badimage") world.cri.inject({"pull_image", "", FakeFault::Kind::hangs});
  }
  // The text after "Error: " in the recorded event Failed.
  std::string recorded_error() {
    for (const json& event : recording.at("events")) {
      const std::string message = event.at("message");
      if (event.at("reason") == "Failed" && message.starts_with("Error: ")) return message.substr(7);
    }
    return "";
  }

  // The recorded images are all there, as the recorded containers were: what each did is read from its last state.
  FakeRun run_of(const std::string& name) {
    FakeRun run;
    run.stop_code = 0;
    for (const json& entry : recording.at("containers")) {
      const json& status = entry.at("status");
      if (status.at("metadata").at("name") != name || status.at("state") != "CONTAINER_EXITED") continue;
      if (name == "side") continue;  // it ran until it was stopped
      run.lasts = name == "i2" ? 1000ms : GetParam() == "sidecar" ? 3000ms : 50ms;
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
    std::erase_if(all, [](const std::string& text) {
      return std::any_of(std::begin(kSilent), std::end(kSilent), [&](const OtherEvent& silent) {
        return GetParam() == silent.pod && text.starts_with(silent.text);
      });
    });
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
  base::Random other_random{7};  // that of the world decides when probes run
  ObjectCache cache{client, other_random, 1min, {}};
  ServiceList services{client, other_random, {}};
  TokenCache tokens{client, other_random, {}};
  ApiPodObjects objects{client, cache, services, tokens};
  Brain brain{world, 300s, &pods.sink(), &objects};
  base::Gate gate{world.loop};
};

TEST_P(Timeline, IsTheKubelets) {
  api::Pod pod = decode<api::Pod>(recording.at("live"));
  pod.clear_status();
  auto& meta = *pod.mutable_metadata();
  for (const char* field : {"uid", "resourceVersion", "creationTimestamp", "generation"}) {
    const auto* known = api::meta::ObjectMeta::descriptor()->FindFieldByName(field);
    api::meta::ObjectMeta::GetReflection()->ClearField(&meta, known);
  }
  pod.mutable_spec()->set_nodename(kNode);
  for (auto* list : {pod.mutable_spec()->mutable_containers(), pod.mutable_spec()->mutable_initcontainers()}) {
    for (auto& container : *list) {
      const bool there = GetParam() != "badimage" && GetParam() != "nevercreate";
      if (there) world.cri.images[container.image()].id = "sha256:there";
    }
  }
  const auto created = server.create(pod);
  ASSERT_TRUE(created.ok());
  if (GetParam() == "missingvol") {
    world.volumes.events = &world.events;
    world.volumes.mount_fails.emplace(
        created->metadata().uid(),
        Error(ErrorKind::not_found, "MountVolume.SetUp failed for volume \"c\" : secret \"absent\" not found"));
  }
  const auto name = meta.name();
  world.until([] { return false; }, 10s);
  const auto live = server.get<api::Pod>("golden", name);
  ASSERT_TRUE(live.has_value());
  ASSERT_TRUE(server.remove<api::Pod>("golden", name).ok());
  EXPECT_TRUE(world.until([&] { return !server.get<api::Pod>("golden", name).has_value(); }, 60s));
  EXPECT_TRUE(world.cri.violations().empty());

  std::vector<json> wanted;
  for (const json& entry : recording.at("timeline")) append_new(wanted, comparable(entry.at("status")));
  for (const OtherStatus& skipped : kSkipped) {
    if (GetParam() == skipped.pod) wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(skipped.position));
  }
  for (const OtherStatus& more : kMore) {
    if (GetParam() == more.pod && more.position < seen.size()) {
      seen.erase(seen.begin() + static_cast<std::ptrdiff_t>(more.position));
    }
  }
  // The event about a pod that is refused is the admission gate's.
  const bool refused = recording.at("live").at("status").contains("reason");
  if (!refused) EXPECT_EQ(told_events(), recorded_events());
  for (std::size_t i = 0; i < std::max(wanted.size(), seen.size()); ++i) {
    if (i >= wanted.size() || i >= seen.size()) {
      ADD_FAILURE() << (i < seen.size() ? "not in the recording: " + seen[i].dump() : "missing: " + wanted[i].dump());
      continue;
    }
    EXPECT_EQ(seen[i], wanted[i]) << "status " << i << ": " << json::diff(wanted[i], seen[i]).dump();
  }
}

// All recorded pods but two: the fake volumes have neither the sub-paths of `volumes` nor the image of `imagevol`.
INSTANTIATE_TEST_SUITE_P(Pods, Timeline,
                         ::testing::Values("plain", "guaranteed", "dnsdefault", "security", "privileged", "sysctl",
                                           "init", "crash", "fail", "succeed", "oom", "toobig", "wronglabel", "probes",
                                           "readiness-fail", "badcmd", "badimage", "env", "ephemeral", "hooks",
                                           "hostusers", "missingcm", "missingvol", "nevercreate", "sidecar",
                                           "stopsignal"));

}  // namespace
}  // namespace keelson::agent::testing
