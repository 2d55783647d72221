// Views: what the agent tells a person on the node, as plain values.
//
// ControlSource is the question the control socket asks of the agent; agent/sync answers it (wired in agent/wiring).
// The views carry no live state: they are copied out, turned to JSON (views_json.hpp), read back by the command line.
// Owner: values. Thread: ControlSource is called on the loop only and must answer at once, without waiting for
// anything. What fails: nothing; an unknown pod is nullopt. Source: issue "For the person on the node"; state names and
// reasons as in contract 02 (container states, pod phases).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace keelson::agent {

using ViewTime = std::optional<base::SystemTime>;  // nullopt: has not happened, or is not known

enum class ContainerKind { init, sidecar, regular, ephemeral };
enum class ContainerPhase { waiting, running, terminated };

struct ContainerView {
  std::string name;
  ContainerKind kind = ContainerKind::regular;
  ContainerPhase state = ContainerPhase::waiting;
  std::string reason;   // CrashLoopBackOff, ContainerCreating, Error, OOMKilled ...; may be empty while running
  std::string message;  // the runtime's or our own words, one line where possible
  std::optional<std::int32_t> exit_code;  // of this state when terminated, else of the last termination
  std::optional<std::int32_t> signal;
  std::string last_reason;  // of the last termination, when the container has run before
  std::int64_t restarts = 0;
  bool ready = false;
  ViewTime started_at;
  ViewTime finished_at;  // of this state when terminated, else of the last termination
  ViewTime next_try_at;  // when a back-off ends
  std::string image;     // as in the spec
  std::string id;        // runtime://hex, empty when there is none
};

// An image that a pod waits for, while it is being got. (A back-off is shown as the container's, with its end.)
struct ImagePullView {
  std::string image;       // as in the spec
  std::string used_by;     // "container web", "volume data"
  std::string state;       // preparing (credentials), queued, pulling
  ViewTime since;          // in this state
  std::int32_t place = 0;  // in the queue, 1 is the next; 0: in none
  std::string behind;      // what the queue waits for: "registry.example/big:1 for ns/name"
};

struct PodView {
  std::string ns;
  std::string name;
  std::string uid;
  std::string source;  // file, http or api
  std::string phase;   // Pending, Running, Succeeded, Failed, Unknown
  std::string reason;
  std::string message;
  std::string node;
  std::vector<std::string> ips;
  std::string sandbox_id;
  std::vector<ContainerView> containers;  // in the order of the spec: init and sidecar, regular, ephemeral
  std::vector<ImagePullView> pulls;       // of images that it waits for right now
  ViewTime created_at;
  ViewTime started_at;
  ViewTime deletion_at;                       // when its removal was asked for
  std::optional<std::int64_t> grace_seconds;  // of that removal
};

// What a pod waits for right now. An empty `what` means that it waits for nothing: all is as it should be.
struct WaitView {
  std::string what;  // "image busybox:9 to be pulled", "back-off of container web", "runtime to answer RunPodSandbox"
  ViewTime since;
  ViewTime next_try_at;
};

struct DecisionView {
  base::SystemTime time{};
  std::string text;  // "start container web: exited 1, restart policy Always, restart 3"
};

struct ErrorView {
  base::SystemTime first{};
  base::SystemTime last{};
  std::string text;
  std::int64_t count = 1;  // equal texts in a row are counted, not repeated
};

struct ConditionView {
  std::string type;
  std::string status;  // True, False, Unknown
  std::string reason;
  std::string message;
  ViewTime since;
};

struct EventView {
  base::SystemTime time{};
  std::string type;  // Normal, Warning
  std::string reason;
  std::string message;
  std::int64_t count = 1;
};

struct PodStory {
  PodView pod;
  std::string restart_policy;
  std::string manifest;  // the file or URL it came from, empty for the API server's
  WaitView waiting;
  std::vector<DecisionView> decisions;  // oldest first, the last few only
  std::vector<ErrorView> errors;        // oldest first
  std::vector<ConditionView> conditions;
  std::vector<EventView> events;  // oldest first
};

// A manifest that could not be used. `line` and `column` count from 1, 0 = not known.
struct ManifestProblem {
  std::string source;  // file path or URL
  std::int32_t line = 0;
  std::int32_t column = 0;
  std::string field;
  std::string message;
  ViewTime since;
  bool keeps_running_pod = false;  // an earlier good version of this manifest still runs
};

struct HealthCheckView {
  std::string name;
  bool ok = false;
  std::string message;
};

struct AgentInfo {
  std::string version;             // Keelson's own
  std::string kubernetes_version;  // v1.36.x, what --version prints
  std::int64_t pid = 0;
  ViewTime started_at;
  std::string node;
  bool standalone = true;
  bool ready = false;
  std::string api_server;            // empty when standalone
  std::string api_problem;           // why it cannot be reached; empty when all is well
  bool registered = false;           // the Node exists
  bool node_ready = false;           // and is Ready
  std::int64_t unsent_statuses = 0;  // pods whose newest status the API server does not have yet
  std::string config_file;
  std::string root_dir;
  std::string pod_logs_dir;
  std::string static_pod_path;
  std::string runtime_endpoint;
  std::string runtime_name;  // containerd, cri-o; empty while it was never reached
  std::string runtime_version;
  std::string runtime_error;                      // empty while it answers
  std::vector<ConditionView> runtime_conditions;  // RuntimeReady, NetworkReady ...
  std::string cgroup_driver;                      // systemd or cgroupfs, the one in force
  std::string healthz_address;
  std::int32_t healthz_port = 0;  // 0 = off
  std::int32_t server_port = 0;   // 0 = not served
  std::vector<HealthCheckView> health;
};

class ControlSource {
 public:
  virtual ~ControlSource() = default;
  virtual std::vector<PodView> pods() = 0;  // any order
  virtual std::optional<PodStory> explain(const std::string& ns, const std::string& name) = 0;
  virtual AgentInfo info() = 0;
  virtual std::vector<ManifestProblem> manifest_problems() = 0;
};

}  // namespace keelson::agent
