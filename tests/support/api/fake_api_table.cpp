#include "tests/support/api/fake_api_table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "api/json_codec.hpp"
#include "api/time.hpp"

namespace keelson::fakes {
namespace {

namespace core = api::core;
using google::protobuf::Message;
using Json = nlohmann::ordered_json;

struct Column {
  const char* name;
  const char* type = "string";
  const char* format = "";
  int priority = 0;  // 1: with -o wide only
};

struct View {
  std::vector<Column> columns;
  Json (*cells)(const Message& object, base::SystemTime now);
};

std::int64_t seconds_since(base::SystemTime from, base::SystemTime now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now - from).count();
}

std::string age(const api::Time& time, base::SystemTime now) {
  if (api::is_zero(time)) return "<unknown>";
  return short_duration(std::max<std::int64_t>(0, seconds_since(api::to_system_time(time), now)));
}

std::string or_none(const std::string& text) { return text.empty() ? "<none>" : text; }

// What the STATUS column says: the most telling reason.
std::string pod_state(const core::Pod& pod) {
  std::string out = pod.status().reason().empty() ? pod.status().phase() : pod.status().reason();
  for (const auto& status : pod.status().initcontainerstatuses()) {
    const auto& state = status.state();
    if (state.has_terminated() && state.terminated().exitcode() == 0) continue;
    if (status.started()) continue;
    if (state.has_terminated())
      out = "Init:" + (state.terminated().reason().empty() ? "Error" : state.terminated().reason());
    else if (state.has_waiting() && !state.waiting().reason().empty() && state.waiting().reason() != "PodInitializing")
      out = "Init:" + state.waiting().reason();
    else
      out = "Init:" + std::to_string(&status - &pod.status().initcontainerstatuses(0)) + "/" +
            std::to_string(pod.spec().initcontainers_size());
    if (pod.metadata().has_deletiontimestamp()) out = "Terminating";
    return out;
  }
  for (auto status = pod.status().containerstatuses().rbegin(); status != pod.status().containerstatuses().rend();
       ++status) {
    const auto& state = status->state();
    if (state.has_waiting() && !state.waiting().reason().empty()) out = state.waiting().reason();
    if (state.has_terminated()) {
      out = state.terminated().reason().empty() ? "ExitCode:" + std::to_string(state.terminated().exitcode())
                                                : state.terminated().reason();
    }
  }
  if (pod.metadata().has_deletiontimestamp()) out = "Terminating";
  return out;
}

Json pod_cells(const Message& object, base::SystemTime now) {
  const auto& pod = static_cast<const core::Pod&>(object);
  int ready = 0;
  int restarts = 0;
  for (const auto& status : pod.status().containerstatuses()) {
    if (status.ready()) ++ready;
    restarts += status.restartcount();
  }
  const std::string count = std::to_string(ready) + "/" + std::to_string(pod.spec().containers_size());
  return Json::array({pod.metadata().name(), count, pod_state(pod), std::to_string(restarts),
                      age(pod.metadata().creationtimestamp(), now), or_none(pod.status().podip()),
                      or_none(pod.spec().nodename()), or_none(pod.status().nominatednodename()), "<none>"});
}

Json node_cells(const Message& object, base::SystemTime now) {
  const auto& node = static_cast<const core::Node&>(object);
  std::string state = "Unknown";
  for (const auto& condition : node.status().conditions()) {
    if (condition.type() == "Ready") state = condition.status() == "True" ? "Ready" : "NotReady";
  }
  if (node.spec().unschedulable()) state += ",SchedulingDisabled";
  std::string roles;
  for (const auto& [key, value] : node.metadata().labels()) {
    static constexpr std::string_view kRole = "node-role.kubernetes.io/";
    if (key.starts_with(kRole)) roles += (roles.empty() ? "" : ",") + key.substr(kRole.size());
  }
  std::string internal;
  std::string external;
  for (const auto& address : node.status().addresses()) {
    if (address.type() == "InternalIP" && internal.empty()) internal = address.address();
    if (address.type() == "ExternalIP" && external.empty()) external = address.address();
  }
  const auto& info = node.status().nodeinfo();
  return Json::array({node.metadata().name(), state, or_none(roles), age(node.metadata().creationtimestamp(), now),
                      info.kubeletversion(), or_none(internal), or_none(external), info.osimage(), info.kernelversion(),
                      info.containerruntimeversion()});
}

Json event_cells(const Message& object, base::SystemTime now) {
  const auto& event = static_cast<const core::Event&>(object);
  std::string kind = event.involvedobject().kind();
  std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return std::tolower(c); });
  return Json::array({age(event.lasttimestamp(), now), event.type(), event.reason(),
                      kind + "/" + event.involvedobject().name(), event.involvedobject().fieldpath(),
                      event.source().component() + ", " + event.source().host(), event.message(),
                      age(event.firsttimestamp(), now), event.count(), event.metadata().name()});
}

Json plain_cells(const Message& object, base::SystemTime now) {
  return Json::array({meta_of(object).name(), age(meta_of(object).creationtimestamp(), now)});
}

const View& view_of(const ApiKind& kind) {
  static const View pods = {{{"Name", "string", "name"},
                             {"Ready"},
                             {"Status"},
                             {"Restarts"},
                             {"Age"},
                             {"IP", "string", "", 1},
                             {"Node", "string", "", 1},
                             {"Nominated Node", "string", "", 1},
                             {"Readiness Gates", "string", "", 1}},
                            pod_cells};
  static const View nodes = {{{"Name", "string", "name"},
                              {"Status"},
                              {"Roles"},
                              {"Age"},
                              {"Version"},
                              {"Internal-IP", "string", "", 1},
                              {"External-IP", "string", "", 1},
                              {"OS-Image", "string", "", 1},
                              {"Kernel-Version", "string", "", 1},
                              {"Container-Runtime", "string", "", 1}},
                             node_cells};
  static const View events = {{{"Last Seen"},
                               {"Type"},
                               {"Reason"},
                               {"Object"},
                               {"Subobject", "string", "", 1},
                               {"Source", "string", "", 1},
                               {"Message"},
                               {"First Seen", "string", "", 1},
                               {"Count", "integer", "", 1},
                               {"Name", "string", "name", 1}},
                              event_cells};
  static const View plain = {{{"Name", "string", "name"}, {"Age"}}, plain_cells};
  if (kind.is("pods")) return pods;
  if (kind.is("nodes")) return nodes;
  if (kind.is("events")) return events;
  return plain;
}

Json columns_json(const View& view) {
  Json out = Json::array();
  for (const Column& column : view.columns) {
    out.push_back({{"name", column.name},
                   {"type", column.type},
                   {"format", column.format},
                   {"description", ""},
                   {"priority", column.priority}});
  }
  return out;
}

Json object_json(const Message& object, const std::string& include) {
  if (include == "Object") return Json::parse(api::encode_json(object));
  api::meta::PartialObjectMetadata head;
  *head.mutable_metadata() = meta_of(object);
  return Json::parse(api::encode_json(head));
}

}  // namespace

std::string short_duration(std::int64_t seconds) {
  const auto minutes = seconds / 60;
  const auto hours = minutes / 60;
  const auto days = hours / 24;
  const auto with_rest = [](std::int64_t whole, const char* unit, std::int64_t rest, const char* rest_unit) {
    std::string out = std::to_string(whole) + unit;
    if (rest > 0) out += std::to_string(rest) + rest_unit;
    return out;
  };
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (minutes < 10) return with_rest(minutes, "m", seconds % 60, "s");
  if (hours < 3) return std::to_string(minutes) + "m";
  if (hours < 8) return with_rest(hours, "h", minutes % 60, "m");
  if (hours < 48) return std::to_string(hours) + "h";
  if (days < 8) return with_rest(days, "d", hours % 24, "h");
  if (days < 730) return std::to_string(days) + "d";
  return with_rest(days / 365, "y", days % 365, "d");
}

std::string table_json(const ApiKind& kind, const std::vector<ObjectPtr>& items, const ListMeta& meta,
                       const std::string& include_object, bool with_columns, base::SystemTime now) {
  const View& view = view_of(kind);
  Json head = {{"resourceVersion", std::to_string(meta.version)}};
  if (!meta.next.empty()) head["continue"] = meta.next;
  if (meta.remaining > 0) head["remainingItemCount"] = meta.remaining;
  Json rows = Json::array();
  for (const ObjectPtr& item : items) {
    Json row = {{"cells", view.cells(*item, now)}};
    if (include_object != "None") row["object"] = object_json(*item, include_object);
    rows.push_back(std::move(row));
  }
  const Json table = {{"kind", "Table"},
                      {"apiVersion", "meta.k8s.io/v1"},
                      {"metadata", head},
                      {"columnDefinitions", with_columns ? columns_json(view) : Json()},
                      {"rows", rows}};
  return table.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace keelson::fakes
