#include "agent/control/views_json.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/duration.hpp"

namespace keelson::agent {
namespace {

using nlohmann::json;

constexpr std::array<std::pair<ContainerKind, std::string_view>, 4> kind_names{{
    {ContainerKind::init, "init"},
    {ContainerKind::sidecar, "sidecar"},
    {ContainerKind::regular, "regular"},
    {ContainerKind::ephemeral, "ephemeral"},
}};
constexpr std::array<std::pair<ContainerPhase, std::string_view>, 3> phase_names{{
    {ContainerPhase::waiting, "waiting"},
    {ContainerPhase::running, "running"},
    {ContainerPhase::terminated, "terminated"},
}};

template <class Table, class Enum>
std::string_view name_of(const Table& table, Enum value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  return "unknown";
}

// One description of each view serves both directions: Writer leaves out what is absent or empty, Reader keeps the
// default of what is missing.
class Writer {
 public:
  json value = json::object();

  void field(const char* key, const std::string& text) {
    if (!text.empty()) value[key] = text;
  }
  void field(const char* key, const bool& flag) { value[key] = flag; }
  void field(const char* key, const std::int64_t& number) { value[key] = number; }
  void field(const char* key, const std::int32_t& number) { value[key] = number; }
  void field(const char* key, const base::SystemTime& time) { value[key] = base::format_rfc3339_nano(time); }
  void field(const char* key, const ContainerKind& kind) { value[key] = to_string(kind); }
  void field(const char* key, const ContainerPhase& phase) { value[key] = to_string(phase); }
  void field(const char* key, const std::vector<std::string>& texts) {
    if (!texts.empty()) value[key] = texts;
  }
  template <class T>
  void field(const char* key, const std::optional<T>& optional) {
    if (optional) field(key, *optional);
  }
  template <class T>
  void field(const char* key, const std::vector<T>& items) {
    json list = json::array();
    for (const auto& item : items) {
      Writer inner;
      describe(inner, item);
      list.push_back(std::move(inner.value));
    }
    value[key] = std::move(list);
  }
  template <class T>
  requires std::is_class_v<T>
  void field(const char* key, const T& object) {
    Writer inner;
    describe(inner, object);
    value[key] = std::move(inner.value);
  }
};

// Type errors are nlohmann exceptions, caught where the text is parsed.
class Reader {
 public:
  explicit Reader(const json& v) : value(v) {}
  const json& value;

  void field(const char* key, std::string& text) { read(key, text); }
  void field(const char* key, bool& flag) { read(key, flag); }
  void field(const char* key, std::int64_t& number) { read(key, number); }
  void field(const char* key, std::int32_t& number) { read(key, number); }
  void field(const char* key, std::vector<std::string>& texts) { read(key, texts); }
  void field(const char* key, base::SystemTime& time) {
    std::string text;
    read(key, text);
    if (text.empty()) return;
    const auto parsed = base::parse_rfc3339(text);
    if (parsed.ok()) time = *parsed;
  }
  void field(const char* key, ContainerKind& kind) { read_name(key, kind_names, kind); }
  void field(const char* key, ContainerPhase& phase) { read_name(key, phase_names, phase); }
  template <class T>
  void field(const char* key, std::optional<T>& optional) {
    if (!value.contains(key)) return;
    T inner{};
    field(key, inner);
    optional = std::move(inner);
  }
  template <class T>
  void field(const char* key, std::vector<T>& items) {
    const auto found = value.find(key);
    if (found == value.end()) return;
    items.clear();
    for (const auto& element : *found) {
      Reader inner(element);
      T item{};
      describe(inner, item);
      items.push_back(std::move(item));
    }
  }
  template <class T>
  requires std::is_class_v<T>
  void field(const char* key, T& object) {
    const auto found = value.find(key);
    if (found == value.end()) return;
    Reader inner(*found);
    describe(inner, object);
  }

 private:
  template <class T>
  void read(const char* key, T& target) {
    const auto found = value.find(key);
    if (found != value.end()) found->get_to(target);
  }
  template <class Table, class Enum>
  void read_name(const char* key, const Table& table, Enum& target) {
    std::string text;
    read(key, text);
    for (const auto& [known, name] : table) {
      if (name == text) target = known;
    }
  }
};

template <class T, class U>
concept ViewOf = std::is_same_v<std::remove_const_t<T>, U>;

template <class Visitor, ViewOf<ContainerView> T>
void describe(Visitor& v, T& c) {
  v.field("name", c.name);
  v.field("kind", c.kind);
  v.field("state", c.state);
  v.field("reason", c.reason);
  v.field("message", c.message);
  v.field("exitCode", c.exit_code);
  v.field("signal", c.signal);
  v.field("lastReason", c.last_reason);
  v.field("restarts", c.restarts);
  v.field("ready", c.ready);
  v.field("startedAt", c.started_at);
  v.field("finishedAt", c.finished_at);
  v.field("nextTryAt", c.next_try_at);
  v.field("image", c.image);
  v.field("id", c.id);
}

template <class Visitor, ViewOf<ImagePullView> T>
void describe(Visitor& v, T& i) {
  v.field("image", i.image);
  v.field("usedBy", i.used_by);
  v.field("state", i.state);
  v.field("since", i.since);
  v.field("place", i.place);
  v.field("behind", i.behind);
}

template <class Visitor, ViewOf<PodView> T>
void describe(Visitor& v, T& p) {
  v.field("namespace", p.ns);
  v.field("name", p.name);
  v.field("uid", p.uid);
  v.field("source", p.source);
  v.field("phase", p.phase);
  v.field("reason", p.reason);
  v.field("message", p.message);
  v.field("node", p.node);
  v.field("ips", p.ips);
  v.field("sandboxID", p.sandbox_id);
  v.field("containers", p.containers);
  v.field("pulls", p.pulls);
  v.field("createdAt", p.created_at);
  v.field("startedAt", p.started_at);
  v.field("deletionAt", p.deletion_at);
  v.field("graceSeconds", p.grace_seconds);
}

template <class Visitor, ViewOf<WaitView> T>
void describe(Visitor& v, T& w) {
  v.field("what", w.what);
  v.field("since", w.since);
  v.field("nextTryAt", w.next_try_at);
}

template <class Visitor, ViewOf<DecisionView> T>
void describe(Visitor& v, T& d) {
  v.field("time", d.time);
  v.field("text", d.text);
}

template <class Visitor, ViewOf<ErrorView> T>
void describe(Visitor& v, T& e) {
  v.field("first", e.first);
  v.field("last", e.last);
  v.field("text", e.text);
  v.field("count", e.count);
}

template <class Visitor, ViewOf<ConditionView> T>
void describe(Visitor& v, T& c) {
  v.field("type", c.type);
  v.field("status", c.status);
  v.field("reason", c.reason);
  v.field("message", c.message);
  v.field("since", c.since);
}

template <class Visitor, ViewOf<EventView> T>
void describe(Visitor& v, T& e) {
  v.field("time", e.time);
  v.field("type", e.type);
  v.field("reason", e.reason);
  v.field("message", e.message);
  v.field("count", e.count);
}

template <class Visitor, ViewOf<PodStory> T>
void describe(Visitor& v, T& s) {
  v.field("pod", s.pod);
  v.field("restartPolicy", s.restart_policy);
  v.field("manifest", s.manifest);
  v.field("waiting", s.waiting);
  v.field("decisions", s.decisions);
  v.field("errors", s.errors);
  v.field("conditions", s.conditions);
  v.field("events", s.events);
}

template <class Visitor, ViewOf<ManifestProblem> T>
void describe(Visitor& v, T& m) {
  v.field("source", m.source);
  v.field("line", m.line);
  v.field("column", m.column);
  v.field("field", m.field);
  v.field("message", m.message);
  v.field("since", m.since);
  v.field("keepsRunningPod", m.keeps_running_pod);
}

template <class Visitor, ViewOf<HealthCheckView> T>
void describe(Visitor& v, T& h) {
  v.field("name", h.name);
  v.field("ok", h.ok);
  v.field("message", h.message);
}

template <class Visitor, ViewOf<AgentInfo> T>
void describe(Visitor& v, T& a) {
  v.field("version", a.version);
  v.field("kubernetesVersion", a.kubernetes_version);
  v.field("pid", a.pid);
  v.field("startedAt", a.started_at);
  v.field("node", a.node);
  v.field("standalone", a.standalone);
  v.field("ready", a.ready);
  v.field("apiServer", a.api_server);
  v.field("apiProblem", a.api_problem);
  v.field("registered", a.registered);
  v.field("nodeReady", a.node_ready);
  v.field("unsentStatuses", a.unsent_statuses);
  v.field("configFile", a.config_file);
  v.field("rootDir", a.root_dir);
  v.field("podLogsDir", a.pod_logs_dir);
  v.field("staticPodPath", a.static_pod_path);
  v.field("runtimeEndpoint", a.runtime_endpoint);
  v.field("runtimeName", a.runtime_name);
  v.field("runtimeVersion", a.runtime_version);
  v.field("runtimeError", a.runtime_error);
  v.field("runtimeConditions", a.runtime_conditions);
  v.field("cgroupDriver", a.cgroup_driver);
  v.field("healthzAddress", a.healthz_address);
  v.field("healthzPort", a.healthz_port);
  v.field("serverPort", a.server_port);
  v.field("health", a.health);
}

struct PodList {
  std::vector<PodView> pods;
};
template <class Visitor, ViewOf<PodList> T>
void describe(Visitor& v, T& l) {
  v.field("pods", l.pods);
}

template <class Visitor, ViewOf<DoctorView> T>
void describe(Visitor& v, T& d) {
  v.field("agent", d.info);
  v.field("manifestProblems", d.manifest_problems);
}

template <class T>
std::string write(const T& view) {
  Writer writer;
  describe(writer, view);
  // A container's message may hold any bytes; they must not break the answer.
  return writer.value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

template <class T>
Result<T> read(std::string_view text) {
  try {
    const json value = json::parse(text);
    if (!value.is_object()) return Error(ErrorKind::invalid, "the agent's answer is not a JSON object");
    Reader reader(value);
    T view{};
    describe(reader, view);
    return view;
  } catch (const json::exception& e) {
    return Error(ErrorKind::invalid, std::string("the agent's answer cannot be read: ") + e.what());
  }
}

}  // namespace

std::string_view to_string(ContainerKind kind) { return name_of(kind_names, kind); }
std::string_view to_string(ContainerPhase state) { return name_of(phase_names, state); }

std::string pods_to_json(const std::vector<PodView>& pods) { return write(PodList{pods}); }
std::string story_to_json(const PodStory& story) { return write(story); }
std::string doctor_to_json(const DoctorView& view) { return write(view); }
std::string info_to_json(const AgentInfo& info) { return write(info); }

std::string error_to_json(int code, const std::string& message) {
  const json value = {{"error", {{"code", code}, {"message", message}}}};
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<std::vector<PodView>> pods_from_json(std::string_view text) {
  auto list = read<PodList>(text);
  if (!list.ok()) return std::move(list).error();
  return std::move(list->pods);
}
Result<PodStory> story_from_json(std::string_view text) { return read<PodStory>(text); }
Result<DoctorView> doctor_from_json(std::string_view text) { return read<DoctorView>(text); }
Result<AgentInfo> info_from_json(std::string_view text) { return read<AgentInfo>(text); }

std::string error_message_from_json(std::string_view text) {
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_object() && value.contains("error") && value["error"].is_object()) {
    const json& message = value["error"].value("message", json());
    if (message.is_string()) return message.get<std::string>();
  }
  return std::string(text.substr(0, 200));
}

}  // namespace keelson::agent
