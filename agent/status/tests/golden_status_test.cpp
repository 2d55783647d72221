// The statuses that a kubelet wrote (tests/golden/data/pods) against what status() makes of the same runtime state.
//
// Input: the recorded spec, the last recorded CRI states, the status before the recorded one, and what happened outside
// of this function (why a start failed, probe results, termination messages), which is read from the recorded status
// itself.
#include "agent/status/status.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/sync/observed.hpp"
#include "api/document.hpp"
#include "api/json_codec.hpp"
#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

// Pod, path of the difference, why.
struct Exception {
  const char* pod;
  const char* path;
  const char* why;
};
constexpr Exception kExceptions[] = {
    {"badimage", "/podIP", "recorded while the first pull hung: a status from before the sandbox had its address"},
    {"fail", "/resources/limits/memory", "its cgroup is gone since, and with it what the kubelet read"},
    {"toobig", "", "refused at admission, which is not there yet"},
    {"wronglabel", "", "refused at admission, which is not there yet"},
};

std::int64_t nanoseconds(const json& time) {
  if (!time.is_string() || time.get<std::string>().empty()) return 0;
  const auto parsed = base::parse_rfc3339(time.get<std::string>());
  if (!parsed.ok()) return 0;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(parsed.value().time_since_epoch()).count();
}

cri::StringMap strings(const json& map) {
  cri::StringMap out;
  for (const auto& [key, value] : map.items()) out[key] = value.get<std::string>();
  return out;
}

cri::PodSandboxStatus sandbox_of(const json& status) {
  cri::PodSandboxStatus out;
  out.id = status.at("id").get<std::string>();
  const json& meta = status.at("metadata");
  out.metadata = {meta.at("name").get<std::string>(), meta.at("uid").get<std::string>(),
                  meta.at("namespace").get<std::string>(), meta.at("attempt").get<std::uint32_t>()};
  out.state = status.at("state") == "SANDBOX_READY" ? cri::SandboxState::ready : cri::SandboxState::not_ready;
  out.created_at = nanoseconds(status.at("createdAt"));
  out.has_network = status.contains("network") && !status.at("network").is_null();
  if (out.has_network && !status.at("network").at("ip").get<std::string>().empty()) {
    out.ips.push_back(status.at("network").at("ip").get<std::string>());
  }
  if (status.at("linux").at("namespaces").at("options").at("network") == "NODE") {
    out.network_mode = cri::NamespaceMode::node;
  }
  return out;
}

cri::ContainerStatus container_of_recording(const json& status) {
  cri::ContainerStatus out;
  out.id = status.at("id").get<std::string>();
  out.metadata = {status.at("metadata").at("name").get<std::string>(),
                  status.at("metadata").at("attempt").get<std::uint32_t>()};
  const std::string state = status.at("state").get<std::string>();
  out.state = state == "CONTAINER_RUNNING"   ? cri::ContainerState::running
              : state == "CONTAINER_EXITED"  ? cri::ContainerState::exited
              : state == "CONTAINER_CREATED" ? cri::ContainerState::created
                                             : cri::ContainerState::unknown;
  out.created_at = nanoseconds(status.at("createdAt"));
  out.started_at = nanoseconds(status.at("startedAt"));
  out.finished_at = nanoseconds(status.at("finishedAt"));
  out.exit_code = status.at("exitCode").get<int>();
  out.image.image = status.at("image").at("image").get<std::string>();
  out.image_ref = status.at("imageRef").get<std::string>();
  out.reason = status.at("reason").get<std::string>();
  out.message = status.at("message").get<std::string>();
  out.annotations = strings(status.at("annotations"));
  return out;
}

api::core::PodStatus decode_status(const json& status) {
  json wrapped;
  wrapped["apiVersion"] = "v1";
  wrapped["kind"] = "Pod";
  wrapped["status"] = status;
  const auto node = api::parse_json(wrapped.dump());
  api::Pod pod;
  EXPECT_TRUE(node.ok() && api::decode(node.value(), pod).ok());
  return pod.status();
}

// What the runtime does not tell: taken from what the kubelet wrote of it.
void read_outside(const json& list, const ObservedPod& observed, std::map<std::string, WaitingReason>& waiting,
                  std::map<std::string, ProbeView>& probes, std::map<std::string, std::string>& termination) {
  for (const json& entry : list) {
    const std::string name = entry.at("name").get<std::string>();
    if (entry.at("state").contains("waiting")) {
      const json& state = entry.at("state").at("waiting");
      const std::string reason = state.value("reason", "");
      if (reason != "ContainerCreating" && reason != "PodInitializing")
        waiting[name] = {reason, state.value("message", "")};
    }
    const cri::ContainerStatus* newest = observed.newest(name);
    if (newest == nullptr) continue;
    ProbeView& view = probes[newest->id];
    if (entry.value("started", false)) view.startup = ProbeResult::success;
    if (entry.value("ready", false)) view.readiness = ProbeResult::success;
    const json terminated = entry.at("state").value("terminated", json::object());
    if (std::string text = terminated.value("message", ""); text != newest->message) termination[newest->id] = text;
  }
}

// Every leaf by its path, list entries by name, type or ip.
void flatten(const json& value, const std::string& path, std::map<std::string, std::string>& out) {
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) flatten(child, path + "/" + key, out);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) flatten(value[i], path + "/" + std::to_string(i), out);
  } else if (!value.is_null()) {
    out[path] = value.dump();
  }
}

bool excepted(const std::string& pod, const std::string& path) {
  for (const Exception& exception : kExceptions) {
    if (pod == exception.pod && path.rfind(exception.path, 0) == 0) return true;
  }
  return false;
}

// The values of the pod's own group, as the kubelet read them.
std::optional<PodCgroupValues> cgroup_of(const json& groups) {
  PodCgroupValues values;
  const auto read = [&](const json& files, const char* file, std::optional<std::int64_t>& out) {
    if (files.contains(file)) out = std::stoll(files.at(file).get<std::string>());
  };
  for (const auto& [path, files] : groups.items()) {
    if (path.size() < 5 || path.compare(path.size() - 5, 5, "<uid>") != 0) continue;
    read(files, "cpu.shares", values.cpu_shares);
    read(files, "cpu.cfs_quota_us", values.cpu_quota_us);
    read(files, "cpu.cfs_period_us", values.cpu_period_us);
    read(files, "memory.limit_in_bytes", values.memory_limit_bytes);
  }
  if (!values.cpu_shares) return std::nullopt;
  return values;
}

class RecordedStatus : public ::testing::TestWithParam<std::string> {};

TEST_P(RecordedStatus, IsWhatWeWouldWrite) {
  std::ifstream file(std::string(KEELSON_SOURCE_DIR) + "/tests/golden/data/pods/" + GetParam() + ".json");
  const json recording = json::parse(file);
  json live = recording.at("live");
  const json wanted = live.at("status");
  live.erase("status");
  const auto node = api::parse_json(live.dump());
  ASSERT_TRUE(node.ok());
  api::Pod pod;
  ASSERT_TRUE(api::decode(node.value(), pod).ok());

  ObservedPod observed;
  for (const json& sandbox : recording.at("sandboxes")) observed.sandboxes.push_back(sandbox_of(sandbox.at("status")));
  for (const json& entry : recording.at("containers")) {
    observed.containers.push_back(container_of_recording(entry.at("status")));
  }
  sort_newest_first(observed);

  api::core::PodStatus before;
  for (const json& entry : recording.at("timeline")) {
    const json& shown = entry.at("status");
    if (shown == wanted) {
      break;
    }
    before = decode_status(shown);
  }
  std::map<std::string, WaitingReason> waiting;
  std::map<std::string, ProbeView> probes;
  std::map<std::string, std::string> termination;
  for (const char* list : {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
    if (wanted.contains(list)) read_outside(wanted.at(list), observed, waiting, probes, termination);
  }
  pod.mutable_status()->set_phase(before.phase());
  StatusInput input{pod, before, observed, probes, waiting, termination, {}, {}, {}, {}};
  input.host_ips = {"192.0.2.10"};
  input.pod_cgroup = cgroup_of(recording.at("cgroups"));
  input.runtime_name = "containerd";
  std::int64_t now = nanoseconds(wanted.value("startTime", json()));
  if (wanted.contains("conditions")) {
    for (const json& condition : wanted.at("conditions")) {
      now = std::max(now, nanoseconds(condition.at("lastTransitionTime")));
    }
  }
  input.now = base::SystemTime(std::chrono::nanoseconds(now));
  input.agent_started = base::SystemTime();
  const api::core::PodStatus ours = status(input);

  api::Pod shell;
  *shell.mutable_status() = ours;
  std::map<std::string, std::string> expected;
  std::map<std::string, std::string> actual;
  flatten(wanted, "", expected);
  flatten(json::parse(api::encode_json(shell)).at("status"), "", actual);
  for (const auto& [path, value] : expected) {
    if (excepted(GetParam(), path)) continue;
    const auto found = actual.find(path);
    EXPECT_EQ(found == actual.end() ? "(absent)" : found->second, value) << path;
  }
  for (const auto& [path, value] : actual) {
    if (excepted(GetParam(), path)) continue;
    EXPECT_EQ(expected.count(path), 1u) << path << " is not in the recording: " << value;
  }
}

std::vector<std::string> recorded_pods() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(KEELSON_SOURCE_DIR "/tests/golden/data/pods")) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Pods, RecordedStatus, ::testing::ValuesIn(recorded_pods()), [](const auto& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace keelson::agent
