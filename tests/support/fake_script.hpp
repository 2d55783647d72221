// What the fake runtime is told to do: behaviours of containers, images, faults of calls, features of the runtime.
//
// Filled by tests in C++ or read from a YAML (or JSON) file; tests/support/README.md shows the format. Plain values.
// load_script() fails with kind `invalid` and names the line and the field.
#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace google::protobuf {
class Message;
}

namespace keelson::fakes {

using Nanoseconds = std::chrono::nanoseconds;
constexpr int kAlways = std::numeric_limits<int>::max();

struct ExecBehaviour {
  std::string command;  // applies to commands that contain this text; empty = to all
  int exit_code = 0;
  std::string out;
  std::string err;
  Nanoseconds after{0};
  bool hang = false;
  int times = kAlways;
};

// How a container that a rule applies to runs. Without `exit_after` it runs forever.
struct Behaviour {
  std::optional<Nanoseconds> exit_after;
  int exit_code = 0;
  bool oom = false;  // it ends by the kernel's OOM killer: exit code 137, reason OOMKilled

  bool ignore_term = false;   // only SIGKILL ends it
  Nanoseconds stop_after{0};  // from the stop signal to the end
  int stop_code = 143;        // exit code at the stop signal

  std::optional<grpc::Status> fail_create;
  std::string fail_start;  // StartContainer fails so; the container is left exited, code 128, reason StartError

  std::vector<std::string> log{"started"};  // lines at the start, on stdout
  std::string termination_message;          // written when it ends
  std::vector<ExecBehaviour> exec;
};

// Empty members match everything; the first rule that matches decides.
struct BehaviourRule {
  std::string image;      // as the pod names it, whole
  std::string container;  // name, whole
  std::string pod;        // name, whole
  std::string command;    // part of the command and arguments joined by blanks
  int times = kAlways;    // the rule is used so many times, then falls away
  Behaviour behaviour;
};

struct Fault {
  std::string rpc;    // "CreateContainer"; "*" = every call
  std::string match;  // part of the request's text form (names, ids); empty = any
  int times = kAlways;
  int skip = 0;            // lets so many matching calls pass first
  Nanoseconds latency{0};  // before the call has its effect, or before the answer when `applied`
  std::optional<grpc::Status> error;
  bool hang = false;     // no answer until the caller cancels
  bool applied = false;  // the call takes its effect first; only the answer is late, lost or an error
  // Fields of the answer that are emptied: "status.created_at". Breaks the answer checks.
  std::vector<std::string> clear;
  // Any other change of the answer (in process only).
  std::function<void(google::protobuf::Message&)> mutate;
};

struct ImageSource {
  std::string name;  // "*" = any name
  std::uint64_t size = 1000000;
  std::string id;    // default: made from the name
  std::string user;  // the image's default user: a number or a name
  bool pinned = false;
  Nanoseconds latency{0};             // of a pull
  std::optional<grpc::Status> error;  // of a pull
  int error_times = kAlways;
  std::string password;  // a pull needs this password in its AuthConfig
};

struct RuntimeFeatures {
  std::string name = "fake";
  std::string version = "1.0.0";
  bool events = true;            // GetContainerEvents; off = Unimplemented
  bool runtime_config = true;    // RuntimeConfig; off = Unimplemented
  bool systemd_cgroups = false;  // what RuntimeConfig answers
  bool handlers = true;          // Status has the default handler's features
  bool runtime_ready = true;
  bool network_ready = true;
  bool image_ids = true;               // image_id in Container and ContainerStatus (runtimes before CRI 1.30: off)
  bool quick_timers = false;           // StopContainer's grace counts milliseconds instead of seconds
  std::size_t journal_limit = 100000;  // requests kept; 0 = none
};

struct Script {
  RuntimeFeatures runtime;
  std::vector<ImageSource> images;    // present
  std::vector<ImageSource> pullable;  // in the registry
  std::vector<BehaviourRule> behaviours;
  std::vector<Fault> faults;
};

Result<Script> parse_script(const std::string& text);
Result<Script> load_script(const std::string& path);

}  // namespace keelson::fakes
