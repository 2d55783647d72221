#include <yaml-cpp/yaml.h>

#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/duration.hpp"
#include "tests/support/fake_script.hpp"

namespace keelson::fakes {
namespace {

// Thrown inside this file only, so that a table of fields can be read without a check after each.
struct BadScript {
  std::string text;
};

[[noreturn]] void bad(const YAML::Node& node, const std::string& text) {
  throw BadScript{"line " + std::to_string(node.Mark().line + 1) + ": " + text};
}

// Reads the fields of one mapping and refuses those nobody asked for.
class Fields {
 public:
  Fields(const YAML::Node& node, std::string what) : node_(node), what_(std::move(what)) {
    if (!node.IsMap()) bad(node, what_ + ": expected a mapping");
  }

  template <class T>
  Fields& get(const char* key, T& out) {
    known_.push_back(key);
    if (const auto value = node_[key]) read(value, key, out);
    return *this;
  }

  void done() const {
    for (const auto& entry : node_) {
      const auto key = entry.first.as<std::string>();
      bool found = false;
      for (const auto& name : known_) found = found || name == key;
      if (!found) bad(entry.first, what_ + ": unknown field \"" + key + "\"");
    }
  }

 private:
  template <class T>
  void read(const YAML::Node& value, const std::string& key, std::optional<T>& out) {
    out.emplace();
    read(value, key, *out);
  }
  template <class T>
  void read(const YAML::Node& value, const std::string& key, std::vector<T>& out) {
    if (!value.IsSequence()) bad(value, what_ + "." + key + ": expected a list");
    out.clear();
    for (const auto& item : value) read(item, key, out.emplace_back());
  }
  void read(const YAML::Node& value, const std::string& key, Nanoseconds& out) {
    const auto parsed = base::parse_duration(value.as<std::string>());
    if (!parsed.ok()) bad(value, what_ + "." + key + ": expected a duration such as 150ms");
    out = std::chrono::duration_cast<Nanoseconds>(*parsed);
  }
  void read(const YAML::Node& value, const std::string& key, grpc::Status& out) {
    static constexpr std::array<const char*, 17> kCodes{
        "OK",       "Cancelled",      "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};
    std::string code = "Unknown";
    std::string message = "scripted failure";
    Fields(value, what_ + "." + key).get("code", code).get("message", message).done();
    for (std::size_t i = 1; i < kCodes.size(); ++i) {
      if (code == kCodes[i]) {
        out = grpc::Status(static_cast<grpc::StatusCode>(i), message);
        return;
      }
    }
    bad(value, what_ + "." + key + ".code: unknown gRPC code \"" + code + "\", expected e.g. NotFound");
  }
  void read(const YAML::Node& value, const std::string&, ExecBehaviour& out) {
    Fields(value, "exec")
        .get("command", out.command)
        .get("exitCode", out.exit_code)
        .get("stdout", out.out)
        .get("stderr", out.err)
        .get("after", out.after)
        .get("hang", out.hang)
        .get("times", out.times)
        .done();
  }
  void read(const YAML::Node& value, const std::string&, BehaviourRule& out) {
    auto& b = out.behaviour;
    Fields(value, "behaviours")
        .get("image", out.image)
        .get("container", out.container)
        .get("pod", out.pod)
        .get("command", out.command)
        .get("times", out.times)
        .get("exitAfter", b.exit_after)
        .get("exitCode", b.exit_code)
        .get("oom", b.oom)
        .get("ignoreTerm", b.ignore_term)
        .get("stopAfter", b.stop_after)
        .get("stopCode", b.stop_code)
        .get("failCreate", b.fail_create)
        .get("failStart", b.fail_start)
        .get("log", b.log)
        .get("terminationMessage", b.termination_message)
        .get("exec", b.exec)
        .done();
  }
  void read(const YAML::Node& value, const std::string&, Fault& out) {
    Fields(value, "faults")
        .get("rpc", out.rpc)
        .get("match", out.match)
        .get("times", out.times)
        .get("skip", out.skip)
        .get("latency", out.latency)
        .get("error", out.error)
        .get("hang", out.hang)
        .get("applied", out.applied)
        .get("clear", out.clear)
        .done();
    if (out.rpc.empty()) bad(value, "faults.rpc: required, e.g. CreateContainer or \"*\"");
  }
  void read(const YAML::Node& value, const std::string&, ImageSource& out) {
    if (value.IsScalar()) {
      out.name = value.as<std::string>();
      return;
    }
    Fields(value, "images")
        .get("name", out.name)
        .get("size", out.size)
        .get("id", out.id)
        .get("user", out.user)
        .get("pinned", out.pinned)
        .get("latency", out.latency)
        .get("error", out.error)
        .get("errorTimes", out.error_times)
        .get("password", out.password)
        .done();
    if (out.name.empty()) bad(value, "images.name: required");
  }
  void read(const YAML::Node& value, const std::string&, RuntimeFeatures& out) {
    Fields(value, "runtime")
        .get("name", out.name)
        .get("version", out.version)
        .get("events", out.events)
        .get("runtimeConfig", out.runtime_config)
        .get("systemdCgroups", out.systemd_cgroups)
        .get("handlers", out.handlers)
        .get("runtimeReady", out.runtime_ready)
        .get("networkReady", out.network_ready)
        .get("imageIds", out.image_ids)
        .get("quickTimers", out.quick_timers)
        .get("journalLimit", out.journal_limit)
        .done();
  }
  template <class T>
  void read(const YAML::Node& value, const std::string& key, T& out) {
    try {
      out = value.as<T>();
    } catch (const YAML::Exception&) {
      bad(value, what_ + "." + key + ": wrong type of value");
    }
  }

  YAML::Node node_;
  std::string what_;
  std::vector<std::string> known_;
};

}  // namespace

Result<Script> parse_script(const std::string& text) {
  Script script;
  try {
    const YAML::Node root = YAML::Load(text);
    if (root.IsNull()) return script;
    Fields(root, "script")
        .get("runtime", script.runtime)
        .get("images", script.images)
        .get("pullable", script.pullable)
        .get("behaviours", script.behaviours)
        .get("faults", script.faults)
        .done();
  } catch (const BadScript& error) {
    return Error(ErrorKind::invalid, error.text);
  } catch (const YAML::Exception& error) {
    return Error(ErrorKind::invalid, error.what());
  }
  return script;
}

Result<Script> load_script(const std::string& path) {
  std::ifstream in(path);
  if (!in) return Error(ErrorKind::not_found, path + ": cannot be opened");
  std::ostringstream text;
  text << in.rdbuf();
  auto script = parse_script(text.str());
  if (!script.ok()) return std::move(script).error().wrap("while reading " + path);
  return script;
}

}  // namespace keelson::fakes
